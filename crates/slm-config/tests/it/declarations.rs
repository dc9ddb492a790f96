//! Who set the effects that a run is to show: the recipe, `--set`, or nobody; and which effects h1 may declare.

use slm_config::Declared;

use crate::{SMALLEST, error, parse};

/// Asserts who set the effect of each row, as read and again as read from the resolved copy.
fn check(evaluate: &str, overrides: &[&str], expected: &[Option<Declared>]) {
    let recipe = parse(&format!("{SMALLEST}{evaluate}"), overrides).unwrap();
    let declared = |recipe: &slm_config::Recipe| -> Vec<Option<Declared>> {
        let rows = recipe.evaluate.hypotheses.iter();
        rows.map(|row| row.declared).collect()
    };
    assert_eq!(declared(&recipe), expected, "{evaluate} {overrides:?}");
    let resolved = parse(&recipe.to_yaml(), &[]).unwrap();
    assert_eq!(declared(&resolved), expected, "{}", recipe.to_yaml());
    assert_eq!(resolved, recipe);
}

const RECIPE: Option<Declared> = Some(Declared::Recipe);
const DEFAULT: Option<Declared> = Some(Declared::Default);

#[test]
fn effects_that_nobody_sets_are_defaults() {
    check("", &[], &[DEFAULT; 4]);
    check("evaluate: {max_new_tokens: 64}\n", &[], &[DEFAULT; 4]);
}

#[test]
fn effects_in_the_file_or_in_an_argument_are_declared_even_where_they_equal_the_defaults() {
    let rows = "[{id: h1, metric: mi_code, effect: 3.0}, {id: h3, metric: pass_rate, effect: 7}]";
    check(
        &format!("evaluate: {{hypotheses: {rows}}}\n"),
        &[],
        &[RECIPE; 2],
    );
    check("", &[&format!("evaluate.hypotheses={rows}")], &[RECIPE; 2]);
    check("evaluate: {hypotheses: []}\n", &[], &[]);
}

#[test]
fn an_argument_declares_one_row_of_a_resolved_copy() {
    let resolved = parse(SMALLEST, &[]).unwrap().to_yaml();
    let recipe = parse(&resolved, &["evaluate.hypotheses.1.effect=4"]).unwrap();
    let declared: Vec<_> = recipe
        .evaluate
        .hypotheses
        .iter()
        .map(|row| row.declared)
        .collect();
    assert_eq!(declared, [DEFAULT, RECIPE, DEFAULT, DEFAULT]);
}

#[test]
fn an_effect_of_ones_own_is_no_default_whatever_the_row_says() {
    let row = "{id: h3, metric: pass_rate, effect: 9, declared: default}";
    check(
        &format!("evaluate: {{hypotheses: [{row}]}}\n"),
        &[],
        &[RECIPE],
    );
}

#[test]
fn a_copy_that_an_earlier_version_resolved_does_not_say_who_set_a_default() {
    let rows = "evaluate:
  hypotheses:
  - {id: h1, metric: mi_code, effect: 3.0, pass_rate_margin: null}
  - {id: h1, metric: maintainability_index, effect: 4.0, pass_rate_margin: null}
";
    check(rows, &[], &[None, RECIPE]);
}

#[test]
fn h1_may_declare_complexity_findings_and_debt_with_a_margin_of_the_pass_rate() {
    let rows = [
        "cognitive_complexity",
        "security_findings",
        "reliability_findings",
        "smells",
        "debt_minutes",
    ]
    .map(|metric| format!("{{id: h1, metric: {metric}, effect: -0.5, pass_rate_margin: 2}}"));
    check(
        &format!("evaluate: {{hypotheses: [{}]}}\n", rows.join(", ")),
        &[],
        &[RECIPE; 5],
    );
}

#[test]
fn h1_may_declare_the_pass_rate_in_each_workflow_beside_the_one_of_h3() {
    let rows = "[{id: h1, metric: pass_rate, effect: 5}, \
                {id: h1, metric: pass_rate, workflow: reflection, effect: 7.5}, \
                {id: h3, metric: pass_rate, effect: 5}]";
    check(
        &format!("evaluate: {{hypotheses: {rows}}}\n"),
        &[],
        &[RECIPE; 3],
    );
}

#[test]
fn the_pass_rate_of_h1_must_rise_and_is_its_own_gate() {
    for (row, expected) in [
        (
            "{id: h1, metric: pass_rate, effect: -2}",
            "`evaluate.hypotheses[0].effect` is -2, allowed: above 0, since more is better; `pass_rate_margin` of a row on \
             another metric allows a loss",
        ),
        (
            "{id: h1, metric: pass_rate, effect: 5, pass_rate_margin: 2}",
            "`evaluate.hypotheses[0].pass_rate_margin` is 2, allowed: nothing, since the row itself tests the pass rate",
        ),
        (
            "{id: h2, metric: pass_rate, effect: 5}",
            "`evaluate.hypotheses[0].metric` is \"pass_rate\", allowed: cyclomatic_complexity, which belongs to h2",
        ),
    ] {
        let found = error(SMALLEST, &[&format!("evaluate.hypotheses=[{row}]")]);
        assert!(found.contains(expected), "{found}");
    }
}
