//! Interrupted runs, and the most that a run spends.

use slm_config::Strategy;

use super::{BOTH, acts, is_action, is_choice, whole, with_prompt, world};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::workflow::tests::{SQUARE, ZERO, calls, sorted};

#[test]
fn a_run_killed_at_any_step_continues_to_the_same_trajectory() {
    let (first, second) = (whole(ZERO), whole(SQUARE));
    let actions = [
        "Action: try print(1)",
        "Action: symbol twice_of",
        &first,
        "Action: nothing",
        "Action: read twin.py:1-4",
        &second,
        "Action: try print(double(2))",
        "Action: run",
    ];
    let script = |query: &Query| {
        if is_choice(query) {
            Line::from("docs pilots\nsymbol twice_of\nperhaps")
        } else {
            acts(&actions)(query)
        }
    };
    for workflow in BOTH {
        for strategy in [Strategy::Rule, Strategy::Plan, Strategy::React] {
            let whole = world(strategy);
            let expected = whole
                .try_run(workflow, &Scripted::new(script))
                .expect("an end");
            let text = std::fs::read_to_string(whole.log()).expect("a log");
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            for kept in 0..=lines.len() {
                let resumed = world(strategy);
                std::fs::write(resumed.log(), lines[..kept].concat()).expect("a log");
                let logged = calls(&resumed.events()).len();
                let model = Scripted::new(script);
                let again = resumed.try_run(workflow, &model).expect("an end");
                assert_eq!(again, expected, "{workflow}, {strategy:?}, {kept} lines");
                assert_eq!(sorted(resumed.events()), sorted(whole.events()));
                let n_new = calls(&whole.events()).len() - logged;
                assert_eq!(
                    model.asked().len(),
                    n_new,
                    "{workflow}, {strategy:?}, {kept} lines"
                );
            }
        }
    }
}

#[test]
fn the_most_that_the_table_promises_is_never_exceeded() {
    let strategies = [Strategy::Rule, Strategy::Plan, Strategy::React];
    for (workflow, strategy) in BOTH
        .into_iter()
        .flat_map(|of| strategies.map(|by| (of, by)))
    {
        for kind in 0..4 {
            let mut world = world(strategy);
            world.tasks = vec![with_prompt(
                "def double(a: Twin, b: pairs, c: Tally, d: Sum):\n    \"\"\"Twice.\"\"\"\n",
            )];
            let (finished, _) = world.run(workflow, |query| match kind {
                _ if is_choice(query) => {
                    let lines: Vec<String> = (0..9).map(|n| format!("docs pilots {n}")).collect();
                    Line::from(lines.join("\n"))
                }
                0 if is_action(query) => Line::from(format!("Action: docs {}", query.seed)),
                1 if is_action(query) => Line::from(format!("Action: try {}", query.seed)),
                2 if is_action(query) => {
                    Line::from(whole(&format!("    return -{}\n", query.seed)))
                }
                _ => Line::from(format!("    return -{}\n", query.seed)),
            });
            let facts = slm_config::CostFacts {
                rounds: 2,
                samples: 1,
                select: slm_config::SamplesSelect::Public,
                beam_programs: 1,
                beam_calls: 1,
                strategy,
                top_k: 3,
                grade: slm_config::Grade::Overlap,
                memory_mode: slm_config::MemoryMode::Examples,
                adaptive: slm_config::Cost::default(),
            };
            let most = workflow.most(&facts);
            let spent = finished.spent;
            assert!(
                spent.calls <= most.calls
                    && spent.executions <= most.executions
                    && spent.lookups <= most.lookups,
                "{workflow}, {strategy:?}, {kind}: {spent:?} of {most:?}"
            );
        }
    }
}
