//! The steps of a workflow: queues new ones, stores their results, and enforces the budget.
//!
//! A queue belongs to one trajectory. The workflow reaches it through an [`Agent`](super::agent::Agent); the
//! [trajectory](super::trajectory) takes the steps out of it and stores the results.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use slm_artifacts::{Expects, FinishReason, FormatFailure, Phase, StopReason};
use slm_benchmarks::TaskView;
use slm_config::{Prompting, Role, Workflow};
use slm_model::{Message, Sampling};
use slm_report::Spending;
use slm_scoring::Program;

use super::budget::Ledger;
use super::convention::style;
use super::event::{ExecutionResult, LookupResult};
use super::read::{Reading, Subject, read, read_whole};
use super::snippet::imports;
use super::tool::Offer;
use crate::backend::{Answer, LogProbability};
use crate::knowledge::Look;

/// A step without a result yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) number: u32,
    pub(crate) round: u32,
    pub(crate) parent: Option<u32>,
    /// The phase of a chain, and for a call its number in it, from 1.
    pub(crate) phase: Option<(Phase, u32)>,
    pub(crate) work: Work,
}

/// The work of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Call(ModelCall),
    Execution(Execution),
    Lookup(Look),
}

/// A call to the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelCall {
    pub(crate) role: Role,
    pub(crate) expects: Expects,
    /// The tools that an action may name.
    pub(crate) offer: Offer,
    /// The workflows that a route may name.
    pub(crate) choices: Vec<Workflow>,
    /// If empty, `begun` is continued as plain text.
    pub(crate) messages: Vec<Message>,
    pub(crate) begun: String,
    /// Stop strings, which are not part of the answer.
    pub(crate) stop: Vec<&'static str>,
    /// The convention by which a program is requested, and read from the answer.
    pub(crate) prompting: Prompting,
    pub(crate) sampling: Sampling,
    /// The function that the answer defines, if it is not the task's; or, of a program, the task with further functions in
    /// its prompt.
    pub(crate) part: Option<Rc<TaskView>>,
    /// The wanted number of tokens; after [`StepQueue::call`], the number that the budget grants.
    pub(crate) max_new_tokens: usize,
}

/// A program to be run with tests, or with a snippet after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    pub(crate) program: String,
    /// Runs before the tests.
    pub(crate) setup: String,
    /// The task's public examples first, then the self-written tests.
    pub(crate) tests: Vec<String>,
    pub(crate) public: usize,
    /// The task, if its tests are a repository's and run in a copy of it.
    pub(crate) in_repository: Option<Box<TaskView>>,
    /// Runs after the program and the setup, instead of tests.
    pub(crate) snippet: Option<String>,
}

/// A program that the workflow may answer with, by the step that made it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) program: Program,
    /// The answer that the program was read from.
    pub(crate) text: String,
    pub(crate) finish_reason: FinishReason,
    /// The result of its run in the sandbox, if it was run.
    pub(crate) run: Option<ExecutionResult>,
    /// Whether the workflow replaced it before its run.
    pub(crate) is_replaced: bool,
    /// The log-probability of the answer, if it was asked for.
    pub(crate) log_probability: Option<LogProbability>,
}

/// The steps of one trajectory, its candidates and its budget.
pub(crate) struct StepQueue {
    task: Rc<TaskView>,
    ledger: Ledger,
    next_step: u32,
    round: u32,
    new_steps: Vec<Step>,
    /// Steps without a result.
    pending: BTreeMap<u32, Step>,
    results: BTreeMap<u32, Result<Reading, StopReason>>,
    /// In the order of the steps.
    lookups: Vec<LookupResult>,
    candidates: BTreeMap<u32, Candidate>,
    /// The candidate that the workflow itself chose.
    preferred: Option<u32>,
    format_failures: Vec<FormatFailure>,
    /// The phase of a chain, and the number of its calls.
    phase: Option<(Phase, u32)>,
    /// The phases in which a step was made, in their order.
    phases: Vec<Phase>,
    routed_to: Option<Workflow>,
}

impl StepQueue {
    pub(crate) fn new(task: Rc<TaskView>, budget: Spending) -> Self {
        Self {
            task,
            ledger: Ledger::new(budget),
            next_step: 0,
            round: 0,
            new_steps: Vec::new(),
            pending: BTreeMap::new(),
            results: BTreeMap::new(),
            lookups: Vec::new(),
            candidates: BTreeMap::new(),
            preferred: None,
            format_failures: Vec::new(),
            phase: None,
            phases: Vec::new(),
            routed_to: None,
        }
    }

    pub(crate) fn left(&self) -> Spending {
        self.ledger.left()
    }

    pub(crate) fn spent(&self) -> Spending {
        self.ledger.spent()
    }

    pub(crate) fn format_failures(&self) -> &[FormatFailure] {
        &self.format_failures
    }

    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    /// Returns the number of the next step.
    pub(crate) fn next_step(&self) -> u32 {
        self.next_step
    }

    pub(crate) fn candidate(&self, step: u32) -> &Candidate {
        self.candidates
            .get(&step)
            .unwrap_or_else(|| unreachable!("step {step} made no program"))
    }

    pub(crate) fn begin_round(&mut self, round: u32) {
        self.round = round;
    }

    /// Assigns the following steps to this phase of a chain.
    pub(crate) fn begin_phase(&mut self, phase: Phase) {
        self.phase = Some((phase, 0));
    }

    /// Returns the phase of the last step.
    pub(crate) fn phase(&self) -> Option<Phase> {
        self.phases.last().copied()
    }

    /// Returns the phases in which a step was made, in their order.
    pub(crate) fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Records the workflow that a router chose.
    pub(crate) fn route_to(&mut self, workflow: Workflow) {
        self.routed_to = Some(workflow);
    }

    /// Returns the workflow that a router chose.
    pub(crate) fn routed_to(&self) -> Option<Workflow> {
        self.routed_to
    }

    /// Marks a candidate as replaced before its run: it is kept only if no other can be run.
    pub(crate) fn replace(&mut self, step: u32) {
        if let Some(candidate) = self.candidates.get_mut(&step) {
            candidate.is_replaced = true;
        }
    }

    pub(crate) fn prefer(&mut self, step: u32) {
        self.preferred = Some(step);
    }

    /// Queues a call, shortened to the tokens that the budget has left.
    pub(crate) fn call(
        &mut self,
        parent: Option<u32>,
        mut call: ModelCall,
    ) -> Result<u32, StopReason> {
        call.max_new_tokens = self.ledger.call(call.max_new_tokens)?;
        if let Some((_, turn)) = &mut self.phase {
            *turn += 1;
        }
        Ok(self.send(parent, Work::Call(call)))
    }

    /// Queues the run of a candidate's program.
    pub(crate) fn execute(&mut self, step: u32, own: &[String]) -> Result<u32, StopReason> {
        self.ledger.execution()?;
        let in_repository = self.task.repository.is_some().then(|| self.task.clone());
        // Self-written tests call the function as if it were alone, but it needs its module.
        let own = if in_repository.is_some() { &[] } else { own };
        let execution = Execution {
            program: self.candidate(step).program.text.clone(),
            setup: self.task.setup.clone(),
            tests: [&self.task.public_examples, own].concat(),
            public: self.task.public_examples.len(),
            in_repository: in_repository.map(|task| Box::new((*task).clone())),
            snippet: None,
        };
        Ok(self.send(Some(step), Work::Execution(execution)))
    }

    /// Queues the run of a snippet after a candidate's program, or after the task's imports.
    pub(crate) fn try_snippet(
        &mut self,
        step: Option<u32>,
        snippet: &str,
    ) -> Result<u32, StopReason> {
        self.ledger.execution()?;
        let program = match step {
            Some(step) => self.candidate(step).program.text.clone(),
            None => imports(&self.task.prompt),
        };
        let execution = Execution {
            program,
            setup: self.task.setup.clone(),
            tests: Vec::new(),
            public: 0,
            in_repository: None,
            snippet: Some(snippet.to_owned()),
        };
        Ok(self.send(step, Work::Execution(execution)))
    }

    /// Queues a lookup. Returns `None` if the budget has none left, which ends nothing.
    pub(crate) fn look(&mut self, look: Look) -> Option<u32> {
        let is_paid = self.ledger.lookup();
        is_paid.then(|| self.send(None, Work::Lookup(look)))
    }

    /// Stores the result of a lookup.
    pub(crate) fn looked_up(&mut self, number: u32, found: LookupResult) -> Step {
        let step = self.finish(number);
        self.results
            .insert(number, Ok(Reading::Found(found.clone())));
        self.lookups.push(found);
        step
    }

    /// Marks chunks of the lookups as shown.
    pub(crate) fn mark_shown(&mut self, chunks: &[usize]) {
        let hits = self.lookups.iter_mut().flat_map(|found| &mut found.hits);
        for hit in hits.filter(|hit| chunks.contains(&hit.chunk)) {
            hit.shown = true;
        }
    }

    /// Returns the results of all lookups.
    pub(crate) fn lookups(&self) -> &[LookupResult] {
        &self.lookups
    }

    fn send(&mut self, parent: Option<u32>, work: Work) -> u32 {
        if let Some((phase, _)) = self.phase
            && self.phases.last() != Some(&phase)
        {
            self.phases.push(phase);
        }
        let step = Step {
            number: self.next_step,
            round: self.round,
            parent,
            phase: self.phase,
            work,
        };
        self.next_step += 1;
        self.pending.insert(step.number, step.clone());
        self.new_steps.push(step);
        self.next_step - 1
    }

    /// Removes and returns the steps that were not dispatched yet.
    pub(crate) fn take_new_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.new_steps)
    }

    /// Stores an answer, and returns the step, the program read from it, and its format failure.
    pub(crate) fn answered(
        &mut self,
        number: u32,
        answer: &Answer,
    ) -> (Step, Option<String>, Option<FormatFailure>) {
        let step = self.finish(number);
        let Work::Call(call) = &step.work else {
            unreachable!("an answer to a run")
        };
        self.ledger
            .answered(call.max_new_tokens, answer.completion_tokens);
        if answer.finish_reason == FinishReason::NoRoom {
            self.results.insert(number, Err(StopReason::ContextFull));
            return (step, None, None);
        }
        let (reading, failure) =
            read_whole(call.expects, &call.begun, answer).unwrap_or_else(|| {
                read(
                    call.expects,
                    call.offer,
                    &call.choices,
                    call.prompting,
                    Subject {
                        task: &self.task,
                        part: call.part.as_deref(),
                    },
                    &call.begun,
                    &answer.text,
                    answer.finish_reason,
                )
            });
        self.format_failures.extend(failure);
        let mut code = None;
        if let Reading::Program(program) = &reading {
            code = Some(program.text.clone());
            let candidate = Candidate {
                program: program.clone(),
                text: answer.text.clone(),
                finish_reason: answer.finish_reason,
                run: None,
                is_replaced: false,
                log_probability: answer.log_probability,
            };
            self.candidates.insert(number, candidate);
        }
        self.results.insert(number, Ok(reading));
        (step, code, failure)
    }

    /// Adds a program that several answers make up, the last of them at `step`.
    pub(crate) fn assemble(
        &mut self,
        step: u32,
        prompting: Prompting,
        text: String,
        finish_reason: FinishReason,
        log_probability: Option<LogProbability>,
    ) {
        let candidate = Candidate {
            is_replaced: false,
            program: Program::in_answer(style(prompting), &self.task, &text),
            text,
            finish_reason,
            run: None,
            log_probability,
        };
        self.candidates.insert(step, candidate);
    }

    /// Stores the result of a program's run, or of a snippet's, which leaves the program's as it is.
    pub(crate) fn executed(&mut self, number: u32, run: ExecutionResult) -> Step {
        let step = self.finish(number);
        if let Some(tried) = run.tried {
            self.results
                .insert(number, Ok(Reading::Prose(tried.output)));
            return step;
        }
        let candidate = step.parent.and_then(|of| self.candidates.get_mut(&of));
        let Some(candidate) = candidate else {
            unreachable!("a run without a program")
        };
        candidate.run = Some(run);
        // The workflow reads the candidate; this result only finishes the step.
        self.results
            .insert(number, Ok(Reading::Prose(String::new())));
        step
    }

    fn finish(&mut self, number: u32) -> Step {
        self.pending
            .remove(&number)
            .unwrap_or_else(|| unreachable!("step {number} is not pending"))
    }

    /// Returns the number of programs that were made until a step, by steps that were requested no later.
    pub(crate) fn programs_until(&self, step: u32) -> usize {
        self.candidates.range(..=step).count()
    }

    /// Whether a candidate is the same program as an earlier one.
    pub(crate) fn repeats(&self, step: u32) -> bool {
        let program = &self.candidate(step).program;
        self.candidates.range(..step).any(|(_, earlier)| {
            let earlier = &earlier.program;
            match (program.hash, earlier.hash) {
                (Some(hash), Some(of_earlier)) => hash == of_earlier,
                (None, None) => program.text == earlier.text,
                _ => false,
            }
        })
    }

    /// Returns the program to answer with: the one that the workflow chose; else, of those that can be run, the one
    /// that passes most public examples, then most self-written tests, then the earliest.
    pub(crate) fn chosen(&self) -> Option<u32> {
        let rank = |(step, candidate): &(&u32, &Candidate)| {
            let passed = candidate
                .run
                .as_ref()
                .map_or((0, 0), ExecutionResult::passed);
            let sound = candidate.program.fault.is_none();
            let is_latest = !candidate.is_replaced;
            (sound, is_latest, passed, std::cmp::Reverse(**step))
        };
        self.preferred
            .or_else(|| Some(*self.candidates.iter().max_by_key(rank)?.0))
    }
}

/// The result of a step, awaited until it is stored.
pub(crate) struct PendingResult {
    pub(super) queue: Rc<RefCell<StepQueue>>,
    pub(super) step: u32,
}

impl Future for PendingResult {
    type Output = Result<Reading, StopReason>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        // No waker is needed: the trajectory polls again after every result.
        match self.queue.borrow_mut().results.remove(&self.step) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}
