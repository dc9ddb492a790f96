//! Parsons problems: tasks whose prompt shows the lines of the solution in another order, with wrong lines among them.
//!
//! The lines of a task are the logical lines of its canonical solution: a statement over several lines in brackets is
//! one line of text, comments and docstrings are no lines. They precede the prompt as comments, so that the prompt still
//! is Python to be continued; a request in prose gets them at its end. Only the lines become public: their order, and
//! which of them are wrong, stay hidden like the tests.
//!
//! # Source
//! Reeves et al. 2023, "Evaluating the performance of code generation models for solving Parsons problems with small
//! prompt variations"; the wordings are our own.

use std::collections::HashSet;

use slm_metrics::syntax::{
    LineUse, LogicalLine, line_use, logical_lines, mutants, normalised_hash,
};

use crate::puzzle::Puzzle;
use crate::{ScoringPhase, Task, TaskSet, TaskView};

/// Follows the name of the benchmark and the id of each task.
pub const PARSONS_SUFFIX: &str = "/parsons";

/// Why a task has too few lines for `distractors`.
pub const TOO_FEW_WRONG_LINES: &str = "with too few wrong lines of one other token";

/// Fewest lines of a solution that make a problem.
const FEWEST_LINES: usize = 3;
/// Orders that are tried until one differs from the solution's.
const MOST_ORDERS: usize = 100;

/// The wordings of the instruction.
pub const PARSONS_WORDINGS: u8 = 3;

/// How Parsons problems are made of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsons {
    /// Wrong lines for each task: copies of lines of its solution with one other token.
    pub distractors: usize,
    /// Whether the lines keep their indentation.
    pub keeps_indent: bool,
    /// The wording of the instruction, from 1 to [`PARSONS_WORDINGS`].
    pub wording: u8,
    /// Decides the order of the lines and which wrong lines are chosen.
    pub seed: u64,
}

impl TaskSet {
    /// Turns the tasks into Parsons problems; those that cannot be are left out and counted by reason.
    pub fn into_parsons(mut self, settings: &Parsons, phase: &ScoringPhase) -> Self {
        let mut tasks = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            match problem(task, settings, phase) {
                Ok(task) => tasks.push(task),
                Err(reason) => *self.left_out.entry(reason).or_default() += 1,
            }
        }
        self.tasks = tasks;
        self
    }
}

fn problem(task: Task, settings: &Parsons, phase: &ScoringPhase) -> Result<Task, &'static str> {
    let puzzle = Puzzle::new(task.view(), task.canonical_solution(phase), settings)?;
    let shown = puzzle
        .shuffled(task.view(), settings)
        .ok_or("whose lines have only one order")?;
    Ok(task.with_puzzle(puzzle, |view| show(view, &shown, settings)))
}

impl Puzzle {
    fn new(view: &TaskView, solution: &str, settings: &Parsons) -> Result<Self, &'static str> {
        const UNCUT: &str = "whose lines cannot be cut";
        if solution.trim().is_empty() {
            return Err("without a canonical solution");
        }
        let whole = format!("{}{solution}", view.prompt);
        let given = logical_lines(&view.prompt).ok_or(UNCUT)?;
        let mut solution = logical_lines(&whole).ok_or(UNCUT)?;
        if solution.len() < given.len() || solution[..given.len()] != given {
            return Err(UNCUT);
        }
        solution.drain(..given.len());
        if solution.len() < FEWEST_LINES {
            return Err("with fewer than 3 lines");
        }
        let mut puzzle = Self {
            solution,
            distractors: Vec::new(),
            given,
        };
        let rebuilt = format!("{}{}", view.prompt, puzzle.unshuffled());
        let parsed = normalised_hash(&whole);
        if parsed.is_none() || normalised_hash(&rebuilt) != parsed {
            return Err(UNCUT);
        }
        puzzle.distractors = puzzle.wrong_lines(&whole, &view.task_id, settings);
        if puzzle.distractors.len() < settings.distractors {
            return Err(TOO_FEW_WRONG_LINES);
        }
        Ok(puzzle)
    }

    /// Returns the solution made of its lines.
    fn unshuffled(&self) -> String {
        let lines = self.solution.iter();
        let lines: Vec<String> = lines
            .map(|line| format!("{}{}\n", line.indent, line.text))
            .collect();
        lines.concat()
    }

    /// Returns the chosen distractors: lines of mutants that differ from a line in one token, and from all others.
    fn wrong_lines(&self, whole: &str, task_id: &str, settings: &Parsons) -> Vec<LogicalLine> {
        let n_given = self.given.len();
        let right = self.given.iter().chain(&self.solution);
        let mut known: HashSet<Vec<String>> = right.map(|line| line.tokens.clone()).collect();
        let all = mutants(whole, 1, whole.lines().count()).unwrap_or_default();
        let changed = all.into_iter().filter_map(|mutant| {
            let mut lines = logical_lines(&mutant.text)?;
            if lines.len() != n_given + self.solution.len() {
                return None;
            }
            let mut differing = (0..lines.len()).filter(|&at| {
                let own = at
                    .checked_sub(n_given)
                    .map_or_else(|| &self.given[at], |at| &self.solution[at]);
                lines[at].tokens != own.tokens
            });
            let (at, None) = (differing.next()?, differing.next()) else {
                return None;
            };
            let own = self.solution.get(at.checked_sub(n_given)?)?;
            let line = lines.swap_remove(at);
            is_one_token_apart(&own.tokens, &line.tokens).then_some(line)
        });
        let mut changed: Vec<LogicalLine> = changed
            .filter(|line| known.insert(line.tokens.clone()))
            .collect();
        changed.sort_by_cached_key(|line| draw(settings.seed, task_id, 0, &line.text));
        changed.truncate(settings.distractors);
        changed
    }

    /// Returns the lines as shown, in an order in which those of the solution are not in its own; `None` if they are in
    /// every order.
    fn shuffled(&self, view: &TaskView, settings: &Parsons) -> Option<Vec<String>> {
        let depths = self.solution.iter().map(|line| line.indent.len());
        let outer = depths.min().unwrap_or_default();
        let shown = |line: &LogicalLine| match line.indent.get(outer..) {
            Some(indent) if settings.keeps_indent => format!("{indent}{}", line.text),
            _ => line.text.clone(),
        };
        let own: Vec<String> = self.solution.iter().map(shown).collect();
        let all: Vec<(usize, String)> = (own.iter().cloned())
            .chain(self.distractors.iter().map(shown))
            .enumerate()
            .collect();
        (1..=MOST_ORDERS).find_map(|order| {
            let mut all = all.clone();
            all.sort_by_cached_key(|(at, _)| {
                draw(settings.seed, &view.task_id, order, &at.to_string())
            });
            let of_solution = all.iter().filter(|(at, _)| *at < own.len());
            let is_solved = of_solution.map(|(_, line)| line).eq(&own);
            (!is_solved).then(|| all.into_iter().map(|(_, line)| line).collect())
        })
    }
}

/// Returns a key by which a sort is a random order that depends only on its arguments.
fn draw(seed: u64, task_id: &str, order: usize, item: &str) -> String {
    slm_artifacts::sha256_of_texts([task_id, &seed.to_string(), &order.to_string(), item])
}

/// Whether one token was replaced, inserted or removed.
fn is_one_token_apart(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let start = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    match long.len() - short.len() {
        0 => start < short.len() && short[start + 1..] == long[start + 1..],
        1 => short[start..] == long[start + 1..],
        _ => false,
    }
}

/// Adds the lines to what a model sees of a task.
fn show(view: &mut TaskView, lines: &[String], settings: &Parsons) {
    let instruction = instruction(settings);
    let mut block = format!("# {instruction}\n#\n");
    for line in lines {
        block.push_str("#     ");
        block.push_str(line);
        block.push('\n');
    }
    block.push('\n');
    view.prompt.insert_str(0, &block);
    if let Some(request) = &mut view.instruction {
        let lines = lines.join("\n");
        *request = format!(
            "{}\n\n{instruction}\n```python\n{lines}\n```",
            request.trim_end()
        );
    }
    view.task_id.push_str(PARSONS_SUFFIX);
}

/// Returns the instruction in one of the wordings.
fn instruction(settings: &Parsons) -> String {
    let n = settings.distractors;
    let (lines, are) = if n == 1 {
        ("line", "is")
    } else {
        ("lines", "are")
    };
    let (opening, wrong, indent) = match settings.wording {
        1 => (
            "Write the solution with the following lines, which are in the wrong order. Use each line exactly once and do not change any.",
            format!(
                " {n} {lines} must not be used, because {} wrong.",
                if n == 1 { "it is" } else { "they are" }
            ),
            " The lines have lost their indentation, which you must restore.",
        ),
        2 => (
            "This is a Parsons problem: put these shuffled lines of code into the right order to solve the task.",
            format!(" {n} of them {are} a distractor with an error and must be left out."),
            " Indent the lines as necessary.",
        ),
        _ => (
            "Rearrange the lines.",
            format!(" {n} {lines} {are} not part of the solution."),
            " Restore the indentation.",
        ),
    };
    let wrong = if n == 0 { "" } else { wrong.as_str() };
    let indent = if settings.keeps_indent { "" } else { indent };
    format!("{opening}{wrong}{indent}")
}

impl Task {
    /// Returns the lines of a Parsons problem in the solution's order, as a continuation of the prompt; `None` for
    /// other tasks.
    pub fn unshuffled(&self, _: &ScoringPhase) -> Option<String> {
        self.puzzle().map(Puzzle::unshuffled)
    }

    /// Returns how a program uses the lines that a Parsons problem shows; `None` for other tasks, and for a program that
    /// does not parse.
    ///
    /// The lines of the program are all its logical lines without those of the prompt's own code; a header of the
    /// requested function that was changed is none of them. Indentation is not compared.
    pub fn line_use(&self, program: &str, _: &ScoringPhase) -> Option<LineUse> {
        let puzzle = self.puzzle()?;
        normalised_hash(program)?;
        let mut given: Vec<Vec<String>> = tokens_of(&puzzle.given);
        let mut answer = tokens_of(&logical_lines(program)?);
        answer.retain(|line| {
            let found = given.iter().position(|of| of == line);
            found.map(|at| given.swap_remove(at)).is_none()
        });
        let name = &self.view().entry_point;
        let is_header = |line: &Vec<String>| {
            let rest = line.strip_prefix(&["async".to_owned()][..]).unwrap_or(line);
            matches!(rest, [def, of, ..] if def == "def" && of == name)
        };
        if given.iter().any(is_header)
            && let Some(at) = answer.iter().position(is_header)
        {
            answer.remove(at);
        }
        let (own, wrong) = (tokens_of(&puzzle.solution), tokens_of(&puzzle.distractors));
        Some(line_use(&answer, &own, &wrong))
    }
}

fn tokens_of(lines: &[LogicalLine]) -> Vec<Vec<String>> {
    lines.iter().map(|line| line.tokens.clone()).collect()
}
