//! The document that is generated from the command line.

use crate::support::documents::{Documented, check_part, documented_commands};

#[test]
fn the_reference_of_commands_is_that_of_the_code() {
    let reference = slm_cli::reference(evaluator::command());
    check_part("docs/reference/cli.md", "evaluator", &reference);
}

#[test]
fn documented_commands_are_understood() {
    let documented = documented_commands("evaluator");
    assert!(documented.len() > 15, "{documented:?}");
    for Documented { place, words } in documented {
        if let Err(error) = evaluator::command().try_get_matches_from(&words) {
            panic!("{place}: {words:?}: {error}");
        }
    }
}
