//! Beam search over the statements of a function's body.
//!
//! Partial programs end after a statement of the body. Each of `n` is continued `beam_width` ways; those that do not parse
//! or were cut off are dropped, and the `n` with the largest score are kept, where a repeated one comes after all others.
//! A complete program keeps its place to the end. The complete programs are run with the visible tests, and the usual order
//! decides. With `subtrees`, as many groups of equal size are searched apart (DVTS).
//!
//! A continuation is a call whose answer has been begun with the statements before; they count as tokens of its prompt. The
//! first continuation of the first program is drawn as `evaluate.sampling` decides, all others at
//! `evaluate.samples_temperature`, as the programs of `best_of_n`: with `beam_width` 1 nothing is ever pruned, and the
//! search is `n` samples.
//!
//! If the budget ends the search before a program is complete, the best partial one is the answer.
//!
//! # Source
//! Beeching et al. 2024, "Scaling test-time compute with open models" (beam search and DVTS, for steps of mathematics). There
//! each of `n / beam_width` partial solutions is continued `beam_width` ways; here `n` are.

use slm_artifacts::{Expects, FinishReason, StopReason};
use slm_config::{BeamScore, Role};
use slm_model::Sampling;

use super::agent::{Agent, Code};
use super::convention::{Opening, opening};
use super::partial::{Continuation, continuation};
use super::read::{Reading, Statement};
use super::step_queue::{ModelCall, PendingResult};
use crate::backend::LogProbability;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let mut search = Search::new(&agent);
    while search.is_open() {
        search.advance().await;
    }
    let codes = search.programs();
    let ran = agent.run(&codes, &[]).await;
    let without_end = search.no_room.filter(|_| !search.has_complete());
    match search.spent.or(without_end) {
        Some(stop) => Err(stop),
        None => ran.map(|()| StopReason::Finished),
    }
}

/// A function whose body ends after some of its statements.
#[derive(Clone, Debug, Default)]
struct Partial {
    /// The body, after the prompt.
    text: String,
    /// The step of its last statement; `None` without a statement.
    step: Option<u32>,
    completion_tokens: usize,
    log_probability: Option<LogProbability>,
    finish: Option<FinishReason>,
    is_complete: bool,
    /// Whether each of its statements is the first continuation of the first program.
    is_first: bool,
    score: f64,
}

/// The search of one trajectory.
struct Search<'a> {
    agent: &'a Agent,
    /// The partial programs of each group, the best first.
    open: Vec<Vec<Partial>>,
    /// The complete programs of each group.
    complete: Vec<Vec<Partial>>,
    /// The places of a group.
    places: usize,
    statements: usize,
    /// The best partial program that the search gave up.
    given_up: Option<Partial>,
    /// Why the search ended early.
    spent: Option<StopReason>,
    /// Set if the context had no room for some statement.
    no_room: Option<StopReason>,
}

impl<'a> Search<'a> {
    fn new(agent: &'a Agent) -> Self {
        let beam = agent.beam();
        let places = beam.n / beam.subtrees;
        let root = Partial {
            score: f64::NEG_INFINITY,
            ..Partial::default()
        };
        let mut open = vec![vec![root; places]; beam.subtrees];
        open[0][0].is_first = true;
        Self {
            agent,
            open,
            complete: vec![Vec::new(); beam.subtrees],
            places,
            statements: 0,
            given_up: None,
            spent: None,
            no_room: None,
        }
    }

    fn has_complete(&self) -> bool {
        self.complete.iter().any(|group| !group.is_empty())
    }

    fn is_open(&self) -> bool {
        let has_open = self.open.iter().any(|group| !group.is_empty());
        has_open && self.spent.is_none() && self.statements < self.agent.beam().num_iterations
    }

    /// Continues every partial program by one statement, and keeps the best.
    async fn advance(&mut self) {
        let parents: Vec<(usize, Partial)> = self
            .open
            .iter()
            .enumerate()
            .flat_map(|(group, open)| open.iter().map(move |of| (group, of.clone())))
            .collect();
        let mut grown = self.grown(&parents).await;
        self.score(&mut grown).await;
        if self.spent.is_some() {
            // What could not be continued is still the best that there is.
            self.give_up(parents.iter().map(|(_, of)| of.clone()));
        }
        for group in 0..self.open.len() {
            let mine = grown.iter().filter(|(of, _)| *of == group);
            let mut mine: Vec<Partial> = mine.map(|(_, partial)| partial.clone()).collect();
            mark_repeats(&mut mine);
            // Stable: of equals the earlier comes first.
            mine.sort_by(|a, b| b.score.total_cmp(&a.score));
            mine.truncate(self.places - self.complete[group].len());
            let (complete, open) = mine.into_iter().partition(|of| of.is_complete);
            self.complete[group].extend::<Vec<Partial>>(complete);
            self.open[group] = open;
        }
        self.statements += 1;
    }

    /// Asks for all continuations, and returns those that are no dead ends, each with its group.
    async fn grown(&mut self, parents: &[(usize, Partial)]) -> Vec<(usize, Partial)> {
        let width = self.agent.beam().beam_width;
        let wanted: Vec<(usize, &Partial, bool)> = parents
            .iter()
            .flat_map(|(group, parent)| (0..width).map(move |way| (*group, parent, way == 0)))
            .collect();
        let mut grown = Vec::new();
        let mut asked: Vec<(usize, &Partial, bool, PendingResult)> = Vec::new();
        for (group, parent, is_first_way) in wanted {
            let is_first = is_first_way && parent.is_first;
            let Some(call) = self.agent.next_statement(parent, is_first) else {
                self.give_up([parent.clone()]);
                continue;
            };
            // A call is not shortened while others are pending: the tokens that they leave may suffice later.
            if self.agent.tokens_left() < call.max_new_tokens {
                for (group, parent, is_first, result) in asked.drain(..) {
                    grown.extend(self.received(group, parent, is_first, result).await);
                }
            }
            match self.agent.send(parent.step.map(Code), call) {
                Ok(result) => asked.push((group, parent, is_first, result)),
                Err(stop) => {
                    self.spent = Some(stop);
                    break;
                }
            }
        }
        for (group, parent, is_first, result) in asked {
            grown.extend(self.received(group, parent, is_first, result).await);
        }
        grown
    }

    /// Awaits a continuation; `None` for a dead end.
    async fn received(
        &mut self,
        group: usize,
        parent: &Partial,
        is_first: bool,
        result: PendingResult,
    ) -> Option<(usize, Partial)> {
        let step = result.step;
        let statement = match result.await {
            Ok(Reading::Statement(statement)) => statement,
            Ok(other) => unreachable!("a statement was expected, not {other:?}"),
            // The context has no room for another statement.
            Err(stop) => {
                self.no_room = Some(stop);
                self.give_up([parent.clone()]);
                return None;
            }
        };
        let next = continuation(&statement.text, statement.finish);
        let is_alive = statement.parses && next != Continuation::Cut;
        let child = parent.with(statement, step, next == Continuation::Complete, is_first);
        if is_alive {
            return Some((group, child));
        }
        self.give_up([child]);
        None
    }

    /// Scores partial programs. Those that the budget leaves without a verifier's score come last.
    async fn score(&mut self, grown: &mut [(usize, Partial)]) {
        if self.agent.beam().score == BeamScore::Likelihood {
            for (_, partial) in grown {
                let mean = partial.log_probability.and_then(LogProbability::mean);
                partial.score = mean.unwrap_or(f64::NEG_INFINITY);
            }
            return;
        }
        let texts: Vec<(Option<Code>, String)> = grown
            .iter()
            .map(|(_, of)| (of.step.map(Code), self.agent.with_body(&of.text)))
            .collect();
        let judged = self.agent.judge(&texts).await;
        for ((_, partial), score) in grown.iter_mut().zip(judged.scores) {
            partial.score = score.unwrap_or(f64::NEG_INFINITY);
        }
        self.spent = self.spent.or(judged.spent);
    }

    /// Remembers the best of the partial programs that cannot be continued, if they have a statement.
    fn give_up(&mut self, partials: impl IntoIterator<Item = Partial>) {
        for partial in partials.into_iter().filter(|of| of.step.is_some()) {
            let best = self.given_up.as_ref();
            if best.is_none_or(|best| partial.score > best.score) {
                self.given_up = Some(partial);
            }
        }
    }

    /// Returns the complete programs in the order of their last steps, or else the best partial one.
    fn programs(&mut self) -> Vec<Code> {
        let mut found: Vec<Partial> = self.complete.concat();
        if found.is_empty() {
            let open = self.open.concat();
            self.give_up(open);
            found.extend(self.given_up.take());
        }
        found.sort_by_key(|of| of.step);
        let codes = found.into_iter().filter_map(|of| self.agent.assembled(of));
        codes.collect()
    }
}

/// Puts partial programs that equal an earlier one after all others.
fn mark_repeats(partials: &mut [Partial]) {
    for at in 1..partials.len() {
        let (earlier, later) = partials.split_at_mut(at);
        let repeats = |of: &Partial| of.text == later[0].text;
        if earlier.iter().any(repeats) {
            later[0].score = f64::NEG_INFINITY;
        }
    }
}

impl Partial {
    /// Returns this program with another statement, whose score is not known yet.
    fn with(&self, statement: Statement, step: u32, is_complete: bool, is_first: bool) -> Self {
        let log_probability = match (self.log_probability, statement.log_probability) {
            (Some(before), Some(of)) => Some(before.and(of)),
            (before, of) => of.or(before),
        };
        Self {
            text: self.text.clone() + &statement.text,
            step: Some(step),
            completion_tokens: self.completion_tokens + statement.completion_tokens,
            log_probability,
            finish: Some(statement.finish),
            is_complete,
            is_first,
            score: self.score,
        }
    }
}

impl Agent {
    /// Returns the call for a program's next statement; `None` if the program has as many tokens as it may.
    fn next_statement(&self, partial: &Partial, is_first: bool) -> Option<ModelCall> {
        let evaluate = &self.settings.evaluate;
        let left = evaluate.max_new_tokens - partial.completion_tokens.min(evaluate.max_new_tokens);
        let Opening {
            messages,
            begun,
            stop,
        } = opening(evaluate.prompting, self.task(), "");
        let varied = Sampling {
            temperature: evaluate.samples_temperature,
            ..self.sampling()
        };
        (left > 0).then(|| ModelCall {
            role: Role::Coder,
            expects: Expects::Statement,
            offer: &[],
            choices: Vec::new(),
            part: None,
            messages,
            begun: begun + &partial.text,
            stop,
            prompting: evaluate.prompting,
            sampling: if is_first { self.sampling() } else { varied },
            max_new_tokens: left,
        })
    }

    /// Returns the tokens that the budget has left.
    fn tokens_left(&self) -> usize {
        self.queue.borrow().left().completion_tokens
    }

    /// Returns the task's prompt with a body.
    fn with_body(&self, body: &str) -> String {
        format!("{}\n{}", self.task().prompt.trim_end(), body.trim_start_matches('\n'))
    }

    /// Adds the program as a candidate.
    fn assembled(&self, partial: Partial) -> Option<Code> {
        let step = partial.step?;
        self.queue.borrow_mut().assemble(
            step,
            self.settings.evaluate.prompting,
            partial.text,
            partial.finish.unwrap_or(FinishReason::Length),
            partial.log_probability,
        );
        Some(Code(step))
    }
}
