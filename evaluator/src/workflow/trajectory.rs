//! One workflow on one task, from the first step to the decision.
//!
//! A trajectory polls its workflow, which puts steps into the [queue](super::step_queue). Steps that an earlier start
//! of the run logged are answered from the log at once, so that a resumed trajectory reaches its former state without
//! a call; the others are dispatched, and become [events](super::event) when their results arrive.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use anyhow::{Result, anyhow};
use slm_artifacts::{FinishReason, FormatFailure, Phase, StopReason, sha256_of_texts};
use slm_benchmarks::TaskView;
use slm_config::{Role, RoleSpeaker, Workflow};
use slm_report::Spending;
use slm_scoring::Program;

use super::Running;
use super::agent::{Agent, Settings};
use super::event::{
    CallMeasures, CallResult, Decision, Event, ExecutionResult, Key, LOG_VERSION, LoggedMessage,
    LookupResult, What,
};
use super::parser::missing;
use super::scores::wanted;
use super::step_queue::{ModelCall, Step, StepQueue, Work};
use crate::backend::{Answer, Judgement, LogProbability, Query, Speaker};
use crate::digest::step_seed;
use crate::knowledge::{Look, LookedUp};

/// The identity that a trajectory's events record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// The run's name.
    pub(crate) run: String,
    pub(crate) config_sha256: String,
    pub(crate) model_sha256: String,
    /// `None` for the base model's arm.
    pub(crate) adapter_sha256: Option<String>,
    /// The adapters of `evaluate.speakers`.
    pub(crate) speakers: Vec<SpeakingAdapter>,
    /// Hash of what identifies the teacher, if there is one.
    pub(crate) teacher_sha256: Option<String>,
}

/// An adapter of `evaluate.speakers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpeakingAdapter {
    /// As the recipe names it.
    pub(crate) name: String,
    pub(crate) sha256: String,
}

/// A workflow in progress.
pub(crate) struct Trajectory {
    key: Key,
    identity: Rc<Identity>,
    settings: Rc<Settings>,
    task: Rc<TaskView>,
    queue: Rc<RefCell<StepQueue>>,
    running: Running,
    /// Steps of an earlier start that are not replayed yet.
    logged: BTreeMap<u32, Event>,
    finished: Option<Finished>,
    /// Completion tokens and wall seconds of each call, by its step.
    spent_by_call: BTreeMap<u32, (usize, f64)>,
    prompt_tokens: usize,
    generation_s: f64,
    reused_s: f64,
    retries: usize,
    tokens_estimated: bool,
}

/// The position of an event in its trajectory.
#[derive(Clone, Copy)]
struct EventPosition {
    step: u32,
    round: u32,
    parent: Option<u32>,
}

impl EventPosition {
    fn of(step: &Step) -> Self {
        Self {
            step: step.number,
            round: step.round,
            parent: step.parent,
        }
    }
}

/// What a trajectory had made and spent when it had made its final program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attempt {
    /// Number of the program among those of the trajectory, from 1, in the order of the requests.
    pub(crate) number: u32,
    /// Tokens of the calls until the one that made the program, that included.
    pub(crate) completion_tokens: usize,
    /// Share of the batches' wall time of these calls, in seconds.
    pub(crate) generation_s: f64,
}

/// The program that a trajectory ends with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChosenProgram {
    pub(crate) program: Program,
    /// The answer that the program was read from.
    pub(crate) text: String,
    pub(crate) finish_reason: FinishReason,
    pub(crate) attempt: Attempt,
}

/// A closed trajectory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finished {
    pub(crate) key: Key,
    /// The seed of the first step.
    pub(crate) seed: u64,
    pub(crate) stop: StopReason,
    /// `None` if the budget ended the trajectory before any program.
    pub(crate) chosen: Option<ChosenProgram>,
    pub(crate) spent: Spending,
    pub(crate) left: Spending,
    pub(crate) prompt_tokens: usize,
    /// Share of the batches' wall time, in seconds.
    pub(crate) generation_s: f64,
    /// The part of it that earlier, equal calls of the run took.
    pub(crate) reused_s: f64,
    /// Number of repeated requests to a server.
    pub(crate) retries: usize,
    /// Whether tokens of some call were counted locally because a server did not report them.
    pub(crate) tokens_estimated: bool,
    pub(crate) rounds: u32,
    pub(crate) format_failures: Vec<FormatFailure>,
    /// The phases of a chain in which a step was made, in their order.
    pub(crate) phases: Vec<Phase>,
    /// Whether the kept program of a chain can be run and has no placeholder.
    pub(crate) complete: Option<bool>,
    /// The workflow that the router chose.
    pub(crate) routed_to: Option<Workflow>,
    /// What its lookups showed; their number is in `spent`.
    pub(crate) looked_up: LookedUp,
}

/// What an advance of a trajectory leads to.
#[derive(Debug, Default)]
pub(crate) struct Advance {
    /// New steps to be dispatched.
    pub(crate) steps: Vec<Step>,
    /// Steps that are finished already, to be logged: lookups, and the decision if the workflow ended.
    pub(crate) events: Vec<Event>,
    /// The calls of an earlier start, with their answers.
    pub(crate) replayed: Vec<(Query, Answer)>,
}

impl Trajectory {
    /// Prepares a workflow; `logged` are the events of an earlier start of it.
    pub(crate) fn new(
        key: Key,
        task: &TaskView,
        identity: Rc<Identity>,
        settings: Rc<Settings>,
        logged: Vec<Event>,
    ) -> Self {
        let task = Rc::new(task.clone());
        let budget = Spending::from(&settings.evaluate.budget);
        let queue = Rc::new(RefCell::new(StepQueue::new(Rc::clone(&task), budget)));
        let agent = Agent::new(
            key.workflow,
            Rc::clone(&task),
            step_seed(settings.evaluate.sampling.seed, &key.task_id, key.sample, 0),
            Rc::clone(&settings),
            Rc::clone(&queue),
        );
        Self {
            task,
            running: super::start(key.workflow, agent),
            key,
            identity,
            settings,
            queue,
            logged: logged
                .into_iter()
                .map(|event| (event.step, event))
                .collect(),
            finished: None,
            spent_by_call: BTreeMap::new(),
            prompt_tokens: 0,
            generation_s: 0.0,
            reused_s: 0.0,
            retries: 0,
            tokens_estimated: false,
        }
    }

    /// Whether an earlier start finished this trajectory.
    pub(crate) fn is_decided_in_log(&self) -> bool {
        let decided = |event: &Event| matches!(event.what, What::Decision(_));
        self.logged.values().any(decided)
    }

    /// Returns the result, if the trajectory is finished.
    pub(crate) fn finished(&self) -> Option<&Finished> {
        self.finished.as_ref()
    }

    /// Advances as far as results allow. Lookups are done at once, since the index is in memory.
    ///
    /// # Errors
    /// The log contains other steps than the workflow takes.
    pub(crate) fn advance(&mut self) -> Result<Advance> {
        let mut new = Advance::default();
        loop {
            let polled = self
                .running
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(stop) = polled {
                let stop = stop.unwrap_or_else(|spent| spent);
                new.events.extend(self.decide(stop)?);
                return Ok(new);
            }
            let mut has_results = false;
            let steps = self.queue.borrow_mut().take_new_steps();
            for step in steps {
                match (self.logged.remove(&step.number), &step.work) {
                    (Some(event), _) => {
                        new.replayed.extend(self.replay(&step, event)?);
                        has_results = true;
                    }
                    (None, Work::Lookup(look)) => {
                        let event = self.look_up(step.number, look);
                        new.events.push(event);
                        has_results = true;
                    }
                    (None, _) => new.steps.push(step),
                }
            }
            if !has_results {
                return Ok(new);
            }
        }
    }

    /// Returns the query of a step's call.
    pub(crate) fn query(&self, step: &Step, call: &ModelCall) -> Query {
        Query {
            messages: call.messages.clone(),
            begun: call.begun.clone(),
            stop: call.stop.clone(),
            sampling: call.sampling,
            max_new_tokens: call.max_new_tokens,
            seed: self.seed(step.number),
            speaker: self.speaker(call),
            wanted: wanted(call, self.acting(), &self.settings.evaluate, &self.task),
        }
    }

    /// Records an answer, and returns the event to be logged.
    pub(crate) fn answered(&mut self, number: u32, answer: Answer) -> Event {
        let (step, code, format_failure) = self.take_answer(number, &answer);
        let Work::Call(call) = &step.work else {
            unreachable!("an answer to a run")
        };
        let result = CallResult {
            role: call.role,
            expects: call.expects,
            messages: call
                .messages
                .iter()
                .map(|message| LoggedMessage {
                    role: message.role.name().to_owned(),
                    content: message.content.clone(),
                })
                .collect(),
            begun: call.begun.clone(),
            messages_sha256: messages_sha256(call),
            temperature: call.sampling.temperature,
            top_p: call.sampling.top_p,
            top_k: call.sampling.top_k,
            max_new_tokens: call.max_new_tokens,
            seed: self.seed(number),
            model_sha256: self.model_sha256(call),
            adapter_sha256: self.adapter_sha256(call),
            speaker: self.named_speaker(call),
            prompt_tokens: answer.prompt_tokens,
            completion_tokens: answer.completion_tokens,
            tokens_estimated: answer.tokens_estimated,
            finish_reason: answer.finish_reason,
            text: answer.text,
            code_sha256: code.map(|code| sha256_of_texts([code.as_str()])),
            format_failure,
            phase: step.phase.map(|(phase, _)| phase),
            turn: step.phase.map(|(_, turn)| turn),
            log_probability: answer.log_probability.map(|of| of.sum),
            log_probability_tokens: answer.log_probability.map(|of| of.tokens),
            p_yes: answer.judgement.map(|of| of.yes),
            p_no: answer.judgement.map(|of| of.no),
            measured: CallMeasures {
                wall_s: answer.seconds,
                reused: answer.reused,
                retries: answer.retries,
            },
        };
        self.event(EventPosition::of(&step), What::Call(Box::new(result)))
    }

    /// Records the result of a program's run, and returns the event to be logged.
    pub(crate) fn executed(&mut self, number: u32, run: ExecutionResult) -> Event {
        let step = self.queue.borrow_mut().executed(number, run.clone());
        self.event(EventPosition::of(&step), What::Execution(run))
    }

    /// Does a lookup, and returns the event to be logged.
    fn look_up(&mut self, number: u32, look: &Look) -> Event {
        let found = self.found(look);
        let step = self.queue.borrow_mut().looked_up(number, found.clone());
        self.event(EventPosition::of(&step), What::Lookup(found))
    }

    fn found(&self, look: &Look) -> LookupResult {
        let seed = self.seed(0);
        self.settings.knowledge.look(&self.task, look, seed)
    }

    fn take_answer(
        &mut self,
        number: u32,
        answer: &Answer,
    ) -> (Step, Option<String>, Option<FormatFailure>) {
        let spent = (answer.completion_tokens, answer.seconds);
        self.spent_by_call.insert(number, spent);
        self.prompt_tokens += answer.prompt_tokens;
        self.generation_s += answer.seconds;
        if answer.reused {
            self.reused_s += answer.seconds;
        }
        self.retries += answer.retries;
        self.tokens_estimated |= answer.tokens_estimated;
        self.queue.borrow_mut().answered(number, answer)
    }

    /// Answers a step with the result in the log; returns a call with its answer.
    fn replay(&mut self, step: &Step, event: Event) -> Result<Option<(Query, Answer)>> {
        match (&step.work, event.what) {
            (Work::Call(call), What::Call(logged))
                if logged.messages_sha256 == messages_sha256(call)
                    && logged.seed == self.seed(step.number)
                    && logged.max_new_tokens == call.max_new_tokens =>
            {
                let answer = Answer {
                    text: logged.text,
                    prompt_tokens: logged.prompt_tokens,
                    completion_tokens: logged.completion_tokens,
                    finish_reason: logged.finish_reason,
                    seconds: logged.measured.wall_s,
                    reused: logged.measured.reused,
                    retries: logged.measured.retries,
                    tokens_estimated: logged.tokens_estimated,
                    log_probability: logged
                        .log_probability
                        .zip(logged.log_probability_tokens)
                        .map(|(sum, tokens)| LogProbability { sum, tokens }),
                    judgement: logged
                        .p_yes
                        .zip(logged.p_no)
                        .map(|(yes, no)| Judgement { yes, no }),
                };
                self.take_answer(step.number, &answer);
                return Ok(Some((self.query(step, call), answer)));
            }
            (Work::Execution(execution), What::Execution(run))
                if run.code_sha256 == sha256_of_texts([execution.program.as_str()])
                    && run.snippet() == execution.snippet.as_deref() =>
            {
                self.queue.borrow_mut().executed(step.number, run);
            }
            // A lookup costs nothing and depends on the index alone: it is done again and compared.
            (Work::Lookup(look), What::Lookup(logged)) if logged == self.found(look) => {
                self.queue.borrow_mut().looked_up(step.number, logged);
            }
            _ => return Err(self.misfit(step.number)),
        }
        Ok(None)
    }

    fn decide(&mut self, stop: StopReason) -> Result<Option<Event>> {
        let queue = self.queue.borrow();
        let chosen = queue.chosen();
        let decision = Decision {
            stop,
            chosen,
            code_sha256: chosen
                .map(|step| sha256_of_texts([queue.candidate(step).program.text.as_str()])),
            spent: queue.spent(),
            left: queue.left(),
            phase: queue.phase(),
            complete: queue
                .phase()
                .and(chosen)
                .map(|step| self.is_complete(&queue.candidate(step).program)),
            routed_to: queue.routed_to(),
        };
        self.finished = Some(Finished {
            key: self.key.clone(),
            seed: self.seed(0),
            stop,
            chosen: chosen.map(|step| {
                let candidate = queue.candidate(step);
                ChosenProgram {
                    program: candidate.program.clone(),
                    text: candidate.text.clone(),
                    finish_reason: candidate.finish_reason,
                    attempt: self.attempt(step, queue.programs_until(step)),
                }
            }),
            spent: decision.spent,
            left: decision.left,
            prompt_tokens: self.prompt_tokens,
            generation_s: self.generation_s,
            reused_s: self.reused_s,
            retries: self.retries,
            tokens_estimated: self.tokens_estimated,
            rounds: queue.round(),
            format_failures: queue.format_failures().to_vec(),
            phases: queue.phases().to_vec(),
            complete: decision.complete,
            routed_to: decision.routed_to,
            looked_up: self.settings.knowledge.looked_up(
                &self.key.task_id,
                queue.lookups(),
                chosen.map(|step| queue.candidate(step).program.text.as_str()),
            ),
        });
        let place = EventPosition {
            step: queue.next_step(),
            round: queue.round(),
            parent: chosen,
        };
        drop(queue);
        match self.logged.remove(&place.step) {
            None => Ok(Some(self.event(place, What::Decision(decision)))),
            Some(event) if is_same_decision(&event, &decision) => Ok(None),
            Some(_) => Err(self.misfit(place.step)),
        }
    }

    /// Returns what was made and spent until `step`, which made program number `number`.
    fn attempt(&self, step: u32, number: usize) -> Attempt {
        let until = || self.spent_by_call.range(..=step).map(|(_, spent)| spent);
        Attempt {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            completion_tokens: until().map(|(tokens, _)| tokens).sum(),
            generation_s: until().map(|(_, seconds)| seconds).sum(),
        }
    }

    /// Whether a program can be run and has no placeholder.
    fn is_complete(&self, program: &Program) -> bool {
        program.fault.is_none() && missing(&self.task, &program.text).is_empty()
    }

    fn misfit(&self, step: u32) -> anyhow::Error {
        let Key {
            arm,
            workflow,
            decoding,
            task_id,
            sample,
        } = &self.key;
        anyhow!(
            "the trajectory log does not fit: step {step} of {arm}, {workflow}, {decoding}, {task_id}, sample {sample} \
             differs from this run's\n\
             hint: if an earlier version of this program began the run, finish it with that version; else move the \
             run's folder away and run again"
        )
    }

    fn event(&self, place: EventPosition, what: What) -> Event {
        Event {
            version: LOG_VERSION,
            run: self.identity.run.clone(),
            config_sha256: self.identity.config_sha256.clone(),
            trajectory: self.key.clone(),
            step: place.step,
            round: place.round,
            parent: place.parent,
            what,
        }
    }

    fn seed(&self, step: u32) -> u64 {
        let seed = self.settings.evaluate.sampling.seed;
        step_seed(seed, &self.key.task_id, self.key.sample, step)
    }

    /// Returns the workflow that solves the task: the one that a router chose, or the trajectory's own.
    fn acting(&self) -> Workflow {
        let routed = self.queue.borrow().routed_to();
        routed.unwrap_or(self.key.workflow)
    }

    /// Returns who answers a call by the recipe; in `decompose_self`, the speaker of the coder splits the task.
    fn role_speaker(&self, call: &ModelCall) -> RoleSpeaker {
        let role = match (self.acting(), call.role) {
            (Workflow::DecomposeSelf, Role::Decomposer) => Role::Coder,
            (_, role) => role,
        };
        self.settings.evaluate.speaker(role)
    }

    fn speaker(&self, call: &ModelCall) -> Speaker {
        match self.role_speaker(call) {
            RoleSpeaker::Arm if self.identity.adapter_sha256.is_some() => Speaker::Arm,
            RoleSpeaker::Arm | RoleSpeaker::Base => Speaker::Base,
            RoleSpeaker::Teacher => Speaker::Teacher,
            RoleSpeaker::Adapter(name) => {
                let mut all = self.identity.speakers.iter();
                let at = all.position(|of| of.name == name);
                Speaker::Adapter(at.unwrap_or_else(|| unreachable!("`{name}` was not opened")))
            }
        }
    }

    /// Returns the speaker as the recipe names it, if it is not a model of the arm.
    fn named_speaker(&self, call: &ModelCall) -> Option<String> {
        match self.role_speaker(call) {
            RoleSpeaker::Arm | RoleSpeaker::Base => None,
            other => Some(String::from(other)),
        }
    }

    fn adapter_sha256(&self, call: &ModelCall) -> Option<String> {
        match self.speaker(call) {
            Speaker::Base | Speaker::Teacher => None,
            Speaker::Arm => self.identity.adapter_sha256.clone(),
            Speaker::Adapter(at) => Some(self.identity.speakers[at].sha256.clone()),
        }
    }

    fn model_sha256(&self, call: &ModelCall) -> String {
        let of_teacher = self.identity.teacher_sha256.clone();
        let of_teacher = of_teacher.filter(|_| self.speaker(call) == Speaker::Teacher);
        of_teacher.unwrap_or_else(|| self.identity.model_sha256.clone())
    }
}

/// Whether a logged decision equals the one made now. An earlier version may have extracted another program from the
/// same answer, and had no budget of lookups.
fn is_same_decision(event: &Event, decision: &Decision) -> bool {
    let What::Decision(logged) = &event.what else {
        return false;
    };
    let mut expected = decision.clone();
    if event.version < 3 {
        expected.code_sha256.clone_from(&logged.code_sha256);
    }
    if event.version < 4 {
        expected.left.lookups = logged.left.lookups;
    }
    *logged == expected
}

fn messages_sha256(call: &ModelCall) -> String {
    let texts = call
        .messages
        .iter()
        .flat_map(|message| [message.role.name(), &message.content]);
    sha256_of_texts(texts.chain([call.begun.as_str()]))
}
