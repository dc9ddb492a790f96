//! Finds the texts of tasks in training examples, so that none is trained on.

use std::collections::HashMap;

use crate::{TaskView, docstring};

/// Shorter sentences ("Return the result.") stand in any program and tell nothing.
const SENTENCE_WORDS: usize = 5;

/// Searches texts for the docstrings of a set of tasks.
///
/// A text overlaps a task if it holds a whole sentence of the task's description (what stands
/// before the examples). Compared are the words alone, in small letters, so that line breaks,
/// indentation, comment marks and punctuation do not matter.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// By its first word: a sentence in normal form, and the id of its task.
    sentences: HashMap<String, Vec<(String, String)>>,
}

impl Overlap {
    /// Prepares the search for `tasks`.
    pub fn new<'a>(tasks: impl IntoIterator<Item = &'a TaskView>) -> Self {
        let mut sentences: HashMap<String, Vec<_>> = HashMap::new();
        for task in tasks {
            for sentence in sentences_of(task) {
                let first_word = first_word(&sentence).to_owned();
                let entry = (sentence, task.task_id.clone());
                sentences.entry(first_word).or_default().push(entry);
            }
        }
        Self { sentences }
    }

    /// The id of a task that `training_text` overlaps, if there is one.
    ///
    /// One pass over the words, whatever the number of tasks.
    pub fn find(&self, training_text: &str) -> Option<&str> {
        let text = normal_form(training_text);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let word = first_word(rest);
            let candidates = self.sentences.get(word).into_iter().flatten();
            for (sentence, task_id) in candidates {
                if rest.starts_with(sentence) {
                    return Some(task_id);
                }
            }
            // With the space that follows each word.
            rest = &rest[word.len() + 1..];
        }
        None
    }
}

/// Whether `training_text` holds a sentence of the task's docstring. For many texts or tasks,
/// prepare an [`Overlap`].
pub fn contains_docstring(training_text: &str, task: &TaskView) -> bool {
    Overlap::new([task]).find(training_text).is_some()
}

/// The telling sentences of a task's descriptions in normal form; a description without any is
/// taken as a whole.
fn sentences_of(task: &TaskView) -> Vec<String> {
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

/// The words of a text in small letters, each followed by one space.
fn normal_form(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 1);
    let separator = |c: char| !c.is_alphanumeric();
    for word in text.split(separator).filter(|word| !word.is_empty()) {
        words.extend(word.chars().flat_map(char::to_lowercase));
        words.push(' ');
    }
    words
}

/// Up to the first space of a non-empty normal form.
fn first_word(normal: &str) -> &str {
    normal.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn task(docstring: &str) -> TaskView {
        TaskView::new(
            "t/f",
            format!("def f(x):\n    \"\"\"{docstring}\"\"\"\n"),
            "f",
        )
    }

    fn check(docstring: &str, training_text: &str, expected: bool) {
        let found = contains_docstring(training_text, &task(docstring));
        assert_eq!(found, expected, "{docstring:?} in {training_text:?}");
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
        // Too short to tell anything.
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
        let tasks: Vec<TaskView> = (0..100)
            .map(|i| task(&format!("The answer to the question with number {i}.")))
            .collect();
        let overlap = Overlap::new(&tasks);
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
