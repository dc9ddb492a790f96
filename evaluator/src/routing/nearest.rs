//! The nearest training tasks of a task, and the workflow that was best on them.

use slm_artifacts::{RouteCell, RouteTask};
use slm_config::Workflow;
use slm_retrieval::{Chunk, ChunkKind, Collected, Corpus, Index, Mask};

/// Training tasks that decide.
const NEIGHBOURS: usize = 8;

/// The training tasks of a routes file, indexed by their words.
pub(super) struct Routes {
    tasks: Vec<RouteTask>,
    index: Index,
    choices: Vec<Workflow>,
    /// Number of training tasks that each choice is chosen for, by the other training tasks.
    shares: Vec<(Workflow, usize)>,
}

impl Routes {
    /// Indexes tasks. Each of `choices` has answered at least one of them. Returns `None` if there is no task.
    pub(super) fn new(tasks: Vec<RouteTask>, choices: Vec<Workflow>) -> Option<Self> {
        let chunks = tasks.iter().enumerate().map(|(at, task)| {
            let name = format!("task {at}");
            Chunk::new(name, ChunkKind::Section, "", (1, 1), &task.words)
        });
        let collected = Collected {
            chunks: chunks.collect(),
            ..Collected::default()
        };
        let mut routes = Self {
            index: Index::new(collected).ok()?,
            shares: choices.iter().map(|of| (*of, 0)).collect(),
            tasks,
            choices,
        };
        for at in 0..routes.tasks.len() {
            let chosen = routes.route(&routes.tasks[at].words, Some(at));
            let shares = routes.shares.iter_mut();
            for (_, tasks) in shares.filter(|(of, _)| *of == chosen) {
                *tasks += 1;
            }
        }
        Some(routes)
    }

    /// Returns how many training tasks each choice is chosen for, each by the others.
    pub(super) fn shares(&self) -> &[(Workflow, usize)] {
        &self.shares
    }

    /// Returns the workflow for a task: among its nearest training tasks, that with the highest mean pass rate, then the
    /// fewest mean tokens, then the first. If no training task shares a word with it, all of them count.
    pub(super) fn route(&self, words: &str, without: Option<usize>) -> Workflow {
        let mut near = nearest(&self.scores(words), without);
        if near.is_empty() {
            near = (0..self.tasks.len())
                .filter(|at| Some(*at) != without)
                .collect();
        }
        self.best(&near)
    }

    /// Returns the workflow with the highest mean pass rate on these tasks, then the fewest mean tokens, then the first.
    fn best(&self, near: &[usize]) -> Workflow {
        let means = |of: Workflow| {
            let cells = near.iter().filter_map(|&at| self.cell(at, of));
            let all: Vec<&RouteCell> = cells.collect();
            let mean = |value: fn(&RouteCell) -> f64| {
                all.iter().map(|cell| value(cell)).sum::<f64>() / all.len() as f64
            };
            (!all.is_empty()).then(|| (mean(RouteCell::pass_rate), mean(|of| of.completion_tokens)))
        };
        let ran = self.choices.iter().filter_map(|&of| Some((of, means(of)?)));
        let best = ran.min_by(|(_, (rate, cost)), (_, (other_rate, other_cost))| {
            other_rate.total_cmp(rate).then(cost.total_cmp(other_cost))
        });
        best.map_or_else(|| self.choices[0], |(workflow, _)| workflow)
    }

    /// Returns the BM25 scores of the words over all training tasks, in their order.
    fn scores(&self, words: &str) -> Vec<f32> {
        let hits = self.index.scores(words, Corpus::All, &Mask::none());
        hits.into_iter().map(|hit| hit.score).collect()
    }

    fn cell(&self, task: usize, workflow: Workflow) -> Option<&RouteCell> {
        let mut cells = self.tasks[task].cells.iter();
        cells.find(|cell| cell.workflow == workflow.name())
    }
}

/// Returns the places of the eight best scores above 0, the best first, then by place.
fn nearest(scores: &[f32], without: Option<usize>) -> Vec<usize> {
    let all = scores.iter().enumerate();
    let mut near: Vec<(usize, f32)> = all
        .filter(|(at, score)| **score > 0.0 && Some(*at) != without)
        .map(|(at, score)| (at, *score))
        .collect();
    // Stable: equal scores stay in the order of the tasks.
    near.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    near.truncate(NEIGHBOURS);
    near.into_iter().map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::routing::for_tests::{cell, trained};

    #[test]
    fn neighbours_and_choices_are_those_of_brute_force_in_scikit_learn() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/it/golden/nearest_routes.json"))
                .expect("the golden file");
        let cells: Vec<Vec<(String, usize, usize, f64)>> =
            serde_json::from_value(golden["cells"].clone()).expect("cells");
        let tasks = cells.into_iter().enumerate().map(|(at, cells)| {
            let cells: Vec<RouteCell> = cells
                .into_iter()
                .map(|(workflow, answers, passed, completion_tokens)| RouteCell {
                    workflow,
                    answers,
                    passed,
                    completion_tokens,
                })
                .collect();
            trained(&at.to_string(), &format!("word{at}"), &cells)
        });
        let choices = vec![
            Workflow::Single,
            Workflow::Reflection,
            Workflow::Rag,
            Workflow::MultiAgent,
            Workflow::Memory,
        ];
        let routes = Routes::new(tasks.collect(), choices).expect("tasks");
        let scores: Vec<Vec<f32>> =
            serde_json::from_value(golden["scores"].clone()).expect("scores");
        let near: Vec<Vec<usize>> = serde_json::from_value(golden["near"].clone()).expect("places");
        let chosen: Vec<String> = serde_json::from_value(golden["chosen"].clone()).expect("names");
        assert_eq!((scores.len(), near.len(), chosen.len()), (40, 40, 40));
        for ((scores, near), chosen) in scores.iter().zip(&near).zip(&chosen) {
            assert_eq!(nearest(scores, None), *near);
            assert_eq!(routes.best(near).name(), chosen);
        }
        let distinct: std::collections::BTreeSet<&String> = chosen.iter().collect();
        assert!(distinct.len() > 2, "{distinct:?}");
    }

    #[test]
    fn a_task_is_no_neighbour_of_itself_and_equal_scores_keep_their_order() {
        assert_eq!(nearest(&[1.0, 3.0, 3.0, 0.0], None), [1, 2, 0]);
        assert_eq!(nearest(&[1.0, 3.0, 3.0, 0.0], Some(1)), [2, 0]);
        assert_eq!(nearest(&[1.0; 20], None).len(), NEIGHBOURS);
    }

    #[test]
    fn of_equal_pass_rates_the_cheaper_workflow_is_chosen() {
        let choices = vec![Workflow::Reflection, Workflow::Single];
        let both = |single: f64| {
            let cells = [cell("single", 1, single), cell("reflection", 1, 50.0)];
            let routes = Routes::new(vec![trained("a", "sum of prices", &cells)], choices.clone());
            routes.expect("a task").route("the sum", None)
        };
        assert_eq!(both(49.0), Workflow::Single);
        assert_eq!(both(51.0), Workflow::Reflection);
        assert_eq!(both(50.0), Workflow::Reflection, "the first of the choices");
    }
}
