//! The splits of tasks into functions in a trajectory log.

use std::collections::BTreeMap;

use slm_artifacts::Expects;
use slm_config::Role;
use slm_harvest::Split;

use crate::workflow::event::{Event, Key, What};

/// Returns the splits of the trajectories whose task was split, as their decomposers answered.
pub(super) fn splits(events: &[Event]) -> BTreeMap<Key, Split> {
    let mut splits: BTreeMap<Key, Split> = BTreeMap::new();
    let mut stubs: BTreeMap<&Key, Vec<&str>> = BTreeMap::new();
    for event in events {
        let What::Call(call) = &event.what else {
            continue;
        };
        if call.expects == Expects::Function {
            let head = call.begun.rsplit("```python\n").next().unwrap_or_default();
            stubs.entry(&event.trajectory).or_default().push(head);
        }
        if call.expects == Expects::Signatures {
            let messages = call.messages.iter();
            let split = Split {
                messages: messages
                    .map(|of| (of.role.clone(), of.content.clone()))
                    .collect(),
                lines: call.text.trim().to_owned(),
                step: event.step,
                is_tried: false,
                is_built_on: false,
            };
            splits.insert(event.trajectory.clone(), split);
        }
    }
    for event in events {
        let Some(split) = splits.get_mut(&event.trajectory) else {
            continue;
        };
        if let What::Decision(decision) = &event.what {
            split.is_built_on = decision.chosen.is_some_and(|step| step > split.step);
        }
    }
    for event in events {
        let (What::Call(call), Some(split)) = (&event.what, splits.get_mut(&event.trajectory))
        else {
            continue;
        };
        split.is_tried |= call.expects == Expects::Program && event.step > split.step;
        // Where no function could be written, the draft was revised as in reflection.
        if call.role == Role::Reviewer {
            split.is_tried = true;
            split.is_built_on = false;
        }
    }
    for (key, split) in &mut splits {
        if let Some(stubs) = stubs.get(key) {
            let lines: Vec<String> = stubs.iter().filter_map(|stub| line_of(stub)).collect();
            split.lines = lines.join("\n");
        }
    }
    splits
}

/// Returns the line that proposes the function of a stub.
fn line_of(stub: &str) -> Option<String> {
    let rest = stub.strip_prefix("def ")?;
    let (head, docstring) = rest.split_once(":\n    \"\"\"")?;
    let purpose = docstring.split("\"\"\"").next()?;
    Some(format!("{head}: {purpose}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_gives_back_the_line_that_proposed_it() {
        let stub = "def once(x: int) -> int:\n    \"\"\"x itself\"\"\"\n";
        assert_eq!(
            line_of(stub).as_deref(),
            Some("once(x: int) -> int: x itself")
        );
        assert_eq!(line_of("x = 1"), None);
    }
}
