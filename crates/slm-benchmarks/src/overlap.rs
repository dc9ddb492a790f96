//! Searches training examples for the texts of tasks, so that none is trained on (decontamination).

use std::collections::{BTreeSet, HashMap};

use crate::word_grams::{hashes, normal_form};
use crate::{ScoringPhase, Task, TaskView, docstring};

/// Shorter sentences ("Return the result.") occur in any program and are ignored.
const SENTENCE_WORDS: usize = 5;

/// A text that occurs in more tasks than this is a common phrase ("The first line contains an integer"), not specific
/// to a task.
pub(crate) const MOST_TASKS: u32 = 10;

/// Searches texts for those of a set of tasks.
///
/// A text overlaps a task if it shares an n-gram of [`GRAM_WORDS`](crate::GRAM_WORDS) words with the task's request or
/// its solution, or contains a whole sentence of the task's description (the text before the examples), since
/// descriptions may be shorter than that. Only lower-case words are compared, so that line breaks, indentation, comment marks and
/// punctuation do not matter. A task from a repository of the user's own is searched for by its solution alone.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// By the hash of an n-gram: index of the task in `task_ids`.
    grams: HashMap<u64, Seen>,
    /// By its first word: a normalised sentence, and the index of its task.
    sentences: HashMap<String, Vec<(String, u32)>>,
    task_ids: Vec<String>,
}

/// The tasks that a text occurs in.
#[derive(Debug, Clone, Copy)]
struct Seen {
    first: u32,
    last: u32,
    n_tasks: u32,
}

impl Seen {
    fn note(seen: &mut Option<Self>, task: u32) {
        let seen = seen.get_or_insert(Self {
            first: task,
            last: task,
            n_tasks: 1,
        });
        if seen.last != task {
            seen.last = task;
            seen.n_tasks += 1;
        }
    }
}

impl Overlap {
    /// Prepares the search for `tasks`. Their solutions are opened for comparison, but never shown.
    pub fn new(tasks: &[Task], phase: &ScoringPhase) -> Self {
        Self::of(tasks, phase, |task| {
            let view = task.view();
            vec![
                view.prompt.clone(),
                view.instruction.clone().unwrap_or_default(),
            ]
        })
    }

    /// Prepares the search for the descriptions and solutions of `tasks`, without the imports and classes that a
    /// publisher puts before each: for texts that may contain the same ones.
    pub(crate) fn of_descriptions(tasks: &[Task], phase: &ScoringPhase) -> Self {
        Self::of(tasks, phase, |task| vec![description_of(task.view())])
    }

    fn of(tasks: &[Task], phase: &ScoringPhase, requests: impl Fn(&Task) -> Vec<String>) -> Self {
        let mut grams: HashMap<u64, Option<Seen>> = HashMap::new();
        let mut sentences: HashMap<String, Option<Seen>> = HashMap::new();
        for (place, task) in (0..).zip(tasks) {
            let view = task.view();
            let solution = task.canonical_solution(phase).to_owned();
            // The files of one code base share phrases in docstrings and signatures: only bodies distinguish them.
            let is_own = view.repository.is_some();
            let mut texts = vec![solution];
            if !is_own {
                texts.extend(requests(task));
            }
            for text in texts {
                for gram in hashes(&normal_form(&text)) {
                    Seen::note(grams.entry(gram).or_default(), place);
                }
            }
            let sentences_of_task = if is_own {
                Vec::new()
            } else {
                sentences_of(view)
            };
            for sentence in sentences_of_task {
                Seen::note(sentences.entry(sentence).or_default(), place);
            }
        }
        let telling = |seen: Option<Seen>| seen.filter(|seen| seen.n_tasks <= MOST_TASKS);
        let mut by_first_word: HashMap<String, Vec<_>> = HashMap::new();
        let distinctive = sentences
            .into_iter()
            .filter_map(|(sentence, seen)| Some((sentence, telling(seen)?.first)));
        // Sorted: which of two tasks is reported must not depend on the order of a hash table.
        for (sentence, task) in distinctive.collect::<BTreeSet<_>>() {
            let first_word = first_word(&sentence).to_owned();
            let entry = (sentence, task);
            by_first_word.entry(first_word).or_default().push(entry);
        }
        Self {
            grams: grams
                .into_iter()
                .filter_map(|(gram, seen)| Some((gram, telling(seen)?)))
                .collect(),
            sentences: by_first_word,
            task_ids: tasks.iter().map(|t| t.view().task_id.clone()).collect(),
        }
    }

    /// Returns the id of a task that `training_text` overlaps, if there is one.
    ///
    /// Takes one pass over the words, regardless of the number of tasks.
    pub fn find(&self, training_text: &str) -> Option<&str> {
        let text = normal_form(training_text);
        let gram = hashes(&text).find_map(|gram| Some(self.grams.get(&gram)?.first));
        let task = gram.or_else(|| self.sentence_in(&text))?;
        Some(&self.task_ids[task as usize])
    }

    fn sentence_in(&self, text: &str) -> Option<u32> {
        let mut rest = text;
        while !rest.is_empty() {
            let word = first_word(rest);
            let candidates = self.sentences.get(word).into_iter().flatten();
            for (sentence, task) in candidates {
                if rest.starts_with(sentence) {
                    return Some(*task);
                }
            }
            // Includes the space after the word.
            rest = &rest[word.len() + 1..];
        }
        None
    }
}

/// Returns the texts of a task's docstrings before their examples; the prompt itself if it has none.
pub(crate) fn description_of(view: &TaskView) -> String {
    let texts: Vec<&str> = docstring::all(&view.prompt)
        .into_iter()
        .map(docstring::description)
        .collect();
    if texts.is_empty() {
        view.prompt.clone()
    } else {
        texts.join("\n")
    }
}

/// Returns the normalised sentences of a task's descriptions that are long enough; a description without any is one
/// sentence as a whole.
pub(crate) fn sentences_of(task: &TaskView) -> Vec<String> {
    let mut sentences = Vec::new();
    for text in docstring::all(&task.prompt) {
        let description = docstring::description(text);
        let long: Vec<String> = description
            .split("\n\n")
            .flat_map(|paragraph| {
                let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
                line.split(". ").map(normal_form).collect::<Vec<_>>()
            })
            .filter(|sentence| sentence.split_whitespace().count() >= SENTENCE_WORDS)
            .collect();
        if long.is_empty() {
            sentences.push(normal_form(description));
        } else {
            sentences.extend(long);
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Returns a non-empty normalised text up to its first space.
fn first_word(normal: &str) -> &str {
    normal.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asserts, Tests};
    use std::time::{Duration, Instant};

    fn task(docstring: &str) -> Task {
        solved(docstring, "")
    }

    fn solved(docstring: &str, solution: &str) -> Task {
        let prompt = format!("def f(x):\n    \"\"\"{docstring}\"\"\"\n");
        let tests = Tests::Asserts(Asserts {
            preamble: String::new(),
            setup: String::new(),
            tests: Vec::new(),
        });
        Task::new(
            TaskView::new("t/f", prompt, "f"),
            tests,
            solution.to_owned(),
        )
    }

    fn overlap(tasks: &[Task]) -> Overlap {
        Overlap::new(tasks, &ScoringPhase::begin())
    }

    fn check(docstring: &str, training_text: &str, expected: bool) {
        let found = overlap(&[task(docstring)]).find(training_text).is_some();
        assert_eq!(found, expected, "{docstring:?} in {training_text:?}");
    }

    #[test]
    fn thirteen_words_in_a_row_are_enough_and_twelve_are_not() {
        // One sentence of fourteen words, so that the texts do not contain the sentence itself.
        let docstring = "a b c d e f g h i j k l m n";
        check(docstring, "x x b c d e f g h i j k l m n x", true);
        check(docstring, "x a b c d e f g h i j k l m y", true);
        check(docstring, "x b c d e f g h i j k l m y", false);
        check(docstring, "b c d e f g h i j k l m", false);
        check(docstring, "a b c d e f g h i j k l n", false);
        // Also across the end of a sentence.
        check(
            "a b c. d e f. g h i. j k l. m n",
            "x b c d e f g h i j k l m n",
            true,
        );
    }

    #[test]
    fn a_solution_is_searched_as_well() {
        let solution = "    total = 0\n    for weight in x:\n        total += weight * len(x) // max(x)\n    return total - 7\n";
        let tasks = [solved("Weigh it.", solution)];
        let overlap = overlap(&tasks);
        let copied = format!("def other(x):\n{solution}");
        assert_eq!(overlap.find(&copied), Some("t/f"));
        assert_eq!(overlap.find("for weight in x: return total"), None);
    }

    #[test]
    fn what_stands_in_many_tasks_is_no_tasks_own() {
        let phrase = "The first line of the input contains one integer, the number of test cases that follow.";
        let tasks = |n: usize| -> Vec<Task> {
            (0..n)
                .map(|i| task(&format!("{phrase} Solve riddle {i}.")))
                .collect()
        };
        assert!(overlap(&tasks(10)).find(phrase).is_some());
        assert_eq!(overlap(&tasks(11)).find(phrase), None);
    }

    #[test]
    fn line_breaks_marks_and_case_do_not_hide_a_docstring() {
        let docstring = "Count the red apples of a basket.\n\n    >>> f(1)\n    2\n    ";
        check(
            docstring,
            "def g():\n    '''Count the red apples of a basket.'''",
            true,
        );
        check(docstring, "# COUNT the red\n#   apples, of a basket", true);
        check(docstring, "Count the red apples of the basket.", false);
        check(docstring, "Recount the red apples of a basket.", false);
        check(docstring, "Count the red apples of a baskets", false);
        check(docstring, "", false);
    }

    #[test]
    fn one_sentence_of_many_is_enough() {
        let docstring =
            "Weigh it.\n\n    Every stone in the sack counts\n    twice. Ignore feathers.\n";
        check(docstring, "every stone in the sack counts twice", true);
        // Too short to be specific.
        check(docstring, "Weigh it. Ignore feathers.", false);
    }

    #[test]
    fn a_description_of_short_sentences_is_searched_as_a_whole() {
        check("Weigh it. Then stop.", "weigh it, then stop!", true);
        check("Weigh it. Then stop.", "Weigh it.", false);
    }

    #[test]
    fn examples_alone_are_no_overlap() {
        check(
            "Weigh the sack with all stones.\n>>> f(1)\n2\n",
            ">>> f(1)\n2",
            false,
        );
        check("", "anything", false);
    }

    #[test]
    fn ten_thousand_examples_are_searched_in_seconds() {
        let tasks: Vec<Task> = (0..100)
            .map(|i| task(&format!("The answer to the question with number {i}.")))
            .collect();
        let overlap = overlap(&tasks);
        let example = "The answer to the query is a return value of the function. ".repeat(25);
        let start = Instant::now();
        for _ in 0..10_000 {
            assert_eq!(overlap.find(&example), None);
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    }
}
