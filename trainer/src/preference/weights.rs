//! Settings that suit an objective badly: the weights of `kto` against the numbers of answers, and defaults of `sft`.

use slm_config::{Objective as Name, Train};

use super::objective::Objective;
use crate::dataset::{Examples, Units};

/// Least and most weight of the wanted answers, as a multiple of that of the unwanted ones.
///
/// # Source
/// Ethayarajh et al. 2024, arXiv:2402.01306, section 4.2.
const BALANCED: [f64; 2] = [1.0, 4.0 / 3.0];

/// Start value of the learning rate of `dpo` and `kto`, and of `beta` of `simpo`.
///
/// # Source
/// Rafailov et al. 2023, arXiv:2305.18290, and Meng et al. 2024, arXiv:2405.14734; for adapters, ten times as much.
const LEARNING_RATE: f64 = 1e-5;
const SIMPO_BETA: f64 = 2.0;

/// Returns a note for each key whose value is the default of the recipe, which suits `sft` and not the objective.
pub(crate) fn unsuitable_defaults(train: &Train) -> Vec<String> {
    let default = Train::default();
    let is_default = |value: f64, default: f64| (value - default).abs() < f64::EPSILON;
    let name = train.objective.name();
    let mut notes = Vec::new();
    if train.objective == Name::Simpo && is_default(train.beta, default.beta) {
        notes.push(format!(
            "warning: `train.beta` is {}, the default, with which {name} hardly separates the answers\n\
             hint: --set train.beta={SIMPO_BETA} is a usual start",
            train.beta
        ));
    }
    let rate = train.learning_rate;
    if train.objective.has_reference() && is_default(rate, default.learning_rate) {
        notes.push(format!(
            "warning: `train.learning_rate` is {rate:e}, the default, which is high for {name}\n\
             hint: --set train.learning_rate={LEARNING_RATE:e} is a usual start"
        ));
    }
    notes
}

/// Returns a warning if the weights of `kto` leave one label with much more weight than the other.
pub(crate) fn unequal_weights(objective: Objective, examples: &Examples) -> Option<String> {
    let (
        Objective::Kto {
            desirable_weight,
            undesirable_weight,
            ..
        },
        Units::Labelled(labels),
    ) = (objective, &examples.units)
    else {
        return None;
    };
    let train = examples.train.iter();
    let wanted = train.filter(|&&unit| labels[unit as usize]).count();
    let unwanted = examples.train.len() - wanted;
    warning((wanted, unwanted), (desirable_weight, undesirable_weight))
}

fn warning(
    (wanted, unwanted): (usize, usize),
    (desirable_weight, undesirable_weight): (f64, f64),
) -> Option<String> {
    // Only held-out answers may have the other label.
    if wanted == 0 || unwanted == 0 {
        return None;
    }
    let (wanted, unwanted) = (wanted as f64, unwanted as f64);
    let ratio = desirable_weight * wanted / (undesirable_weight * unwanted);
    let [least, most] = BALANCED;
    let is_balanced = ratio > least - 0.01 && ratio < most + 0.01;
    (!is_balanced).then(|| {
        let even = desirable_weight * wanted / unwanted;
        format!(
            "warning: {wanted} wanted answers have {ratio:.2} times the weight of {unwanted} unwanted ones\n\
             hint: --set train.undesirable_weight={even:.2} makes them even; 1 to 1.33 times is usual"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_that_suit_sft_alone_are_named_for_another_objective() {
        let notes = |objective, beta, learning_rate| {
            unsuitable_defaults(&Train {
                objective,
                beta,
                learning_rate,
                ..Train::default()
            })
        };
        for objective in [Name::Sft, Name::Orpo] {
            assert_eq!(notes(objective, 0.1, 2e-4), Vec::<String>::new());
        }
        for objective in [Name::Dpo, Name::Kto] {
            let found = notes(objective, 0.1, 2e-4);
            assert!(found[0].contains("train.learning_rate=1e-5"), "{found:?}");
            assert_eq!(notes(objective, 0.1, 1e-4).len(), 0);
        }
        let found = notes(Name::Simpo, 0.1, 2e-4);
        assert!(
            found.len() == 1 && found[0].contains("train.beta=2 "),
            "{found:?}"
        );
        assert_eq!(notes(Name::Simpo, 2.0, 2e-4).len(), 0);
    }

    #[test]
    fn weights_that_make_up_for_the_numbers_are_no_reason_to_warn() {
        assert_eq!(warning((20, 10), (1.0, 2.0)), None);
        assert_eq!(warning((20, 10), (1.0, 1.5)), None);
        assert_eq!(warning((10, 10), (1.0, 1.0)), None);
        let text = warning((20, 10), (1.0, 1.0)).expect("a warning");
        assert!(
            text.contains("2.00 times") && text.contains("undesirable_weight=2.00"),
            "{text}"
        );
        assert!(warning((10, 20), (1.0, 1.0)).is_some());
    }
}
