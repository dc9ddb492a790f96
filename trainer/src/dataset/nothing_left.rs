//! The error of a recipe whose data give no example to train on.

use std::collections::BTreeMap;

use slm_cli::UserMistake;

use super::counts::{Counts, Reason};

/// Makes the error, with the counts of each data set and a hint for the most frequent reason.
pub(super) fn error(counts: &[Counts]) -> UserMistake {
    let texts: Vec<String> = counts.iter().map(ToString::to_string).collect();
    UserMistake(format!(
        "no training example is left: {}\nhint: {}",
        texts.join("; "),
        hint(counts)
    ))
}

fn hint(counts: &[Counts]) -> &'static str {
    let sum = |of: fn(&Counts) -> usize| counts.iter().map(of).sum::<usize>();
    if sum(|counts| counts.kept) > 0 {
        return "the examples are all held out for validation, or their data set has the weight 0: lower `data.val_size`, \
                or raise `data.datasets[].weight`";
    }
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for (reason, n) in counts.iter().flat_map(|counts| &counts.left_out) {
        *reasons.entry(*reason).or_default() += n;
    }
    // Held-out files are never read: a single one may hold all functions.
    if reasons.contains_key(&Reason::HeldOut) {
        return "files that the recipe evaluates on are not learned from: `evaluator tasks --split 0.7` leaves some \
                to learn from";
    }
    // Of a module, only the documented functions count as found.
    if sum(|counts| counts.found) == 0 && !reasons.contains_key(&Reason::Undocumented) {
        return "nothing was found to learn from: check `data.datasets[].path`";
    }
    let leaves_out = |reason: &Reason| {
        let kept = [
            Reason::CutAtLines,
            Reason::CutAnswer,
            Reason::Truncated,
            Reason::Split,
            Reason::DividedBody,
        ];
        !kept.contains(reason)
    };
    let most = reasons
        .into_iter()
        .filter(|(reason, _)| leaves_out(reason))
        .max_by_key(|(_, n)| *n);
    match most.map(|(reason, _)| reason) {
        Some(Reason::Overlong) => {
            "raise `data.max_seq_length`; `trainer recipe data.overlength` explains what else can become of long examples"
        }
        Some(Reason::OutsideSplit) => "choose other rows with `data.datasets[].split`",
        Some(Reason::Unwanted) => "choose other rows with `data.datasets[].where`",
        Some(Reason::Undocumented) => {
            "functions without a docstring describe no task: `format: fim` learns from any Python file"
        }
        Some(Reason::SharesText | Reason::SharesCode) => {
            "the examples hold tasks of `evaluate.benchmarks`: train on other data, or evaluate on other tasks"
        }
        Some(Reason::HoldsSecret) => {
            "remove the credentials, or set `data.exclude_secrets` to false"
        }
        _ => "widen the limits under `data`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(found: usize, kept: usize, left_out: &[(Reason, usize)]) -> Counts {
        Counts {
            found,
            kept,
            left_out: left_out.iter().copied().collect(),
            ..Counts::default()
        }
    }

    #[test]
    fn the_hint_is_for_the_most_frequent_reason_of_all_data_sets() {
        let with = |counts: &[Counts], part: &str| {
            let text = error(counts).0;
            assert!(text.starts_with("no training example is left: "), "{text}");
            assert!(hint(counts).contains(part), "{text}");
        };
        let long = counts(9, 0, &[(Reason::Overlong, 9)]);
        with(std::slice::from_ref(&long), "data.max_seq_length");
        let unwanted = counts(20, 0, &[(Reason::Unwanted, 15), (Reason::Overlong, 5)]);
        with(&[long.clone(), unwanted.clone()], "`data.datasets[].where`");
        with(&[long.clone(), counts(7, 7, &[])], "`data.val_size`");
        with(&[counts(0, 0, &[])], "check `data.datasets[].path`");
        let held_out = counts(3, 0, &[(Reason::HeldOut, 1), (Reason::NoBody, 3)]);
        with(&[held_out], "evaluator tasks --split");
        with(&[counts(3, 0, &[(Reason::NoBody, 3)])], "widen the limits");
        let cut = counts(3, 0, &[(Reason::Overlong, 3), (Reason::CutAtLines, 3)]);
        with(&[cut], "data.max_seq_length");
        with(
            &[counts(0, 0, &[(Reason::Undocumented, 3)])],
            "`format: fim`",
        );
    }
}
