//! The choice of some tasks of a benchmark.

use std::collections::HashSet;

use crate::split::Split;
use crate::{BenchmarkError, Task};

/// Which tasks of a benchmark are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those of this part of the publisher's split.
    pub split: Option<Split>,
    /// Only those with these ids.
    pub task_ids: Option<Vec<String>>,
}

impl Selection {
    /// Returns the selection that a recipe writes: the name of a split, and ids.
    pub fn named(split: Option<&str>, task_ids: Option<Vec<String>>) -> Self {
        Self {
            split: split.and_then(Split::by_name),
            task_ids,
        }
    }

    /// Keeps the selected tasks, in their order.
    ///
    /// # Errors
    /// The publisher defines no split, no task is in it, or an id belongs to no task.
    pub(crate) fn apply(&self, name: &str, tasks: &mut Vec<Task>) -> Result<(), BenchmarkError> {
        let unselectable = |problem: String| BenchmarkError::Unselectable {
            name: name.to_owned(),
            problem,
        };
        if let Some(split) = self.split {
            if !tasks.is_empty() && tasks.iter().all(|task| task.split().is_none()) {
                return Err(unselectable(format!(
                    "has no split, but `split: {split}` is set\nhint: remove `split`, or list tasks in a file with `task_ids`"
                )));
            }
            tasks.retain(|task| task.split() == Some(split));
            if tasks.is_empty() {
                return Err(unselectable(format!(
                    "has no task in the split `{split}`\nhint: remove `split` to use all tasks of the file"
                )));
            }
        }
        if let Some(wanted) = &self.task_ids {
            let wanted: HashSet<&str> = wanted.iter().map(String::as_str).collect();
            let known: HashSet<String> = tasks.iter().map(|t| t.view().task_id.clone()).collect();
            let mut unknown: Vec<&&str> =
                wanted.iter().filter(|id| !known.contains(**id)).collect();
            unknown.sort_unstable();
            if let [first, ..] = unknown[..] {
                return Err(unselectable(format!(
                    "has no task `{first}`, which `task_ids` lists ({} of {} ids are unknown)\nhint: list one id per line, as \
                     `task_id` in the benchmark's file",
                    unknown.len(),
                    wanted.len()
                )));
            }
            tasks.retain(|task| wanted.contains(task.view().task_id.as_str()));
            if tasks.is_empty() {
                return Err(unselectable(
                    "has no task left: `task_ids` lists none".to_owned(),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(selection: &Selection) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mbpp.jsonl");
        let row = |id: u32| {
            format!(
                r#"{{"task_id": {id}, "text": "Task.", "code": "def f{id}(): return {id}", "test_setup_code": "", "test_list": ["assert f{id}()"]}}"#
            )
        };
        let rows: Vec<String> = [1, 10, 11, 510, 511, 600, 601, 974].map(row).into();
        std::fs::write(&path, rows.join("\n")).expect("file");
        let set = crate::load_selected("mbpp", Some(&path), selection);
        let set = set.map_err(|error| error.to_string())?;
        Ok(set.tasks.iter().map(|t| t.view().task_id.clone()).collect())
    }

    fn split(split: Split) -> Selection {
        Selection {
            split: Some(split),
            task_ids: None,
        }
    }

    fn listed(ids: &[&str]) -> Selection {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        Selection {
            split: None,
            task_ids: Some(ids),
        }
    }

    #[test]
    fn mbpp_is_divided_by_its_publishers_ids() {
        assert_eq!(
            ids(&split(Split::Train)),
            Ok(vec!["Mbpp/601".to_owned(), "Mbpp/974".to_owned()])
        );
        assert_eq!(
            ids(&split(Split::Validation)),
            Ok(vec!["Mbpp/511".to_owned(), "Mbpp/600".to_owned()])
        );
        assert_eq!(
            ids(&split(Split::Test)),
            Ok(vec!["Mbpp/11".to_owned(), "Mbpp/510".to_owned()])
        );
        assert_eq!(ids(&Selection::default()).expect("all").len(), 8);
    }

    #[test]
    fn listed_tasks_keep_the_order_of_the_file() {
        assert_eq!(
            ids(&listed(&["Mbpp/601", "Mbpp/1"])),
            Ok(vec!["Mbpp/1".to_owned(), "Mbpp/601".to_owned()])
        );
        let error = ids(&listed(&["Mbpp/1", "Mbpp/9"])).expect_err("unknown");
        assert!(error.starts_with("the benchmark `mbpp` has no task `Mbpp/9`, which `task_ids` lists (1 of 2 ids are unknown)"), "{error}");
        assert!(ids(&listed(&[])).is_err());
    }

    #[test]
    fn a_benchmark_without_a_split_refuses_one() {
        let error =
            crate::load_selected("embedded", None, &split(Split::Train)).expect_err("no split");
        assert!(
            error
                .to_string()
                .starts_with("the benchmark `embedded` has no split"),
            "{error}"
        );
    }
}
