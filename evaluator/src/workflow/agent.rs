//! The interface of workflows: call the model, run a program with the visible tests, look something up, keep the best
//! program.
//!
//! A workflow is an `async fn` over an [`Agent`]. Each `.await` is a step, which is logged when it is finished; `?`
//! ends the workflow when the budget is spent. No other future can be awaited, and a workflow must depend only on its
//! task and the results of its steps, since a resumed run replays it from the log.

use std::cell::RefCell;
use std::rc::Rc;

use slm_artifacts::{Expects, StopReason};
use slm_benchmarks::TaskView;
use slm_config::{Evaluate, Grade, Prompting, Role, Workflow};
use slm_model::{CODE_STOP, CodeRequest, Sampling};
use slm_scoring::ProgramFault;

use super::convention::{Opening, opening};
use super::event::{ExecutionResult, LookupResult};
use super::prompt::{Prompt, Templates};
use super::read::{MAX_TESTS, Reading};
use super::step_queue::{ModelCall, PendingResult, StepQueue};
use crate::knowledge::{Knowledge, Look};
use crate::routing::Routing;

/// How a plan begins. The space after it belongs to the next token.
const FIRST_STEP: &str = "1.";

/// Maximum tokens of a plan, a review or a list of tests: a small model that exceeds this repeats itself.
const MAX_SIDE_TOKENS: usize = 256;

/// Replaces the program in a prompt if an answer contained none.
const NO_PROGRAM: &str = "# no program was found in the answer";

/// What all trajectories of a run share.
pub(crate) struct Settings {
    pub(crate) evaluate: Evaluate,
    pub(crate) templates: Templates,
    pub(crate) knowledge: Rc<Knowledge>,
    /// How `crag` grades what it finds.
    pub(crate) grading: Grading,
    /// How `adaptive` chooses.
    pub(crate) routing: Rc<Routing>,
}

/// How `crag` grades what it finds: `knowledge.grade`, `knowledge.upper` and `knowledge.lower`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grading {
    pub(crate) by: Grade,
    pub(crate) upper: f64,
    pub(crate) lower: f64,
}

impl From<&slm_config::Knowledge> for Grading {
    fn from(knowledge: &slm_config::Knowledge) -> Self {
        Self {
            by: knowledge.grade,
            upper: knowledge.upper,
            lower: knowledge.lower,
        }
    }
}

/// A program of the workflow, by the step that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code(pub(super) u32);

/// One workflow on one task.
#[derive(Clone)]
pub(crate) struct Agent {
    workflow: Workflow,
    task: Rc<TaskView>,
    /// The seed of the sample.
    seed: u64,
    pub(super) settings: Rc<Settings>,
    pub(super) queue: Rc<RefCell<StepQueue>>,
}

impl Agent {
    pub(crate) fn new(
        workflow: Workflow,
        task: Rc<TaskView>,
        seed: u64,
        settings: Rc<Settings>,
        queue: Rc<RefCell<StepQueue>>,
    ) -> Self {
        Self {
            workflow,
            task,
            seed,
            settings,
            queue,
        }
    }

    /// Returns the interface of another workflow on the same task, with the rest of the budget.
    pub(crate) fn with_workflow(&self, workflow: Workflow) -> Self {
        Self {
            workflow,
            ..self.clone()
        }
    }

    /// Returns the seed of the sample.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The workflow in progress: some files hold a workflow and its controls.
    pub(crate) fn workflow(&self) -> Workflow {
        self.workflow
    }

    /// What the workflow sees of the task.
    pub(crate) fn task(&self) -> &TaskView {
        &self.task
    }

    /// How `crag` grades what it finds.
    pub(crate) fn grading(&self) -> Grading {
        self.settings.grading
    }

    /// What can be looked up.
    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.settings.knowledge
    }

    /// Returns the words by which the task is looked up: those of its docstring and the names of its signature.
    pub(crate) fn query(&self) -> String {
        slm_retrieval::query_of(&self.task.prompt, &self.task.entry_point)
    }

    /// Records that a prompt shows these chunks of the lookups before.
    pub(crate) fn mark_shown(&self, chunks: &[usize]) {
        self.queue.borrow_mut().mark_shown(chunks);
    }

    /// Looks something up. Returns `None` if the budget has no lookup left, which ends nothing.
    pub(crate) async fn look(&self, look: Look) -> Result<Option<LookupResult>, StopReason> {
        let sent = self.queue.borrow_mut().look(look);
        let Some(step) = sent else {
            return Ok(None);
        };
        match self.pending(step).await? {
            Reading::Found(found) => Ok(Some(found)),
            other => unreachable!("a lookup was expected, not {other:?}"),
        }
    }

    /// Whether programs are run with the visible tests.
    pub(crate) fn runs_programs(&self) -> bool {
        self.workflow.runs_programs()
    }

    /// Rounds of review and revision.
    pub(crate) fn rounds(&self) -> u32 {
        self.settings.evaluate.rounds as u32
    }

    /// Programs to choose from.
    pub(crate) fn samples(&self) -> usize {
        self.settings.evaluate.samples
    }

    /// Assigns the following steps to this round.
    pub(crate) fn begin_round(&self, round: u32) {
        self.queue.borrow_mut().begin_round(round);
    }

    /// Requests the first program, with the recipe's prompting convention: by default that of training.
    pub(crate) async fn draft(&self) -> Result<Code, StopReason> {
        self.draft_after("").await
    }

    /// Requests the first program after a text that may help, which may be empty.
    pub(crate) async fn draft_after(&self, before: &str) -> Result<Code, StopReason> {
        self.code(self.ask_for_draft(self.sampling(), before)?)
            .await
    }

    /// Requests `n` first programs concurrently, or as many as the budget allows; all but the first are sampled at
    /// `samples_temperature`.
    pub(crate) async fn drafts(&self, n: usize) -> Result<Vec<Code>, StopReason> {
        let varied = Sampling {
            temperature: self.settings.evaluate.samples_temperature,
            ..self.sampling()
        };
        let mut drafts = Vec::new();
        while drafts.len() < n {
            // A call is not shortened while others are pending: the tokens that they leave may suffice later.
            let mut asked: Vec<PendingResult> = Vec::new();
            while drafts.len() + asked.len() < n {
                let left = self.queue.borrow().left().completion_tokens;
                if !asked.is_empty() && left < self.settings.evaluate.max_new_tokens {
                    break;
                }
                let is_first = drafts.is_empty() && asked.is_empty();
                let sampling = if is_first { self.sampling() } else { varied };
                match self.ask_for_draft(sampling, "") {
                    Ok(result) => asked.push(result),
                    Err(_) if !(asked.is_empty() && drafts.is_empty()) => break,
                    Err(spent) => return Err(spent),
                }
            }
            if asked.is_empty() {
                break;
            }
            for result in asked {
                drafts.push(self.code(result).await?);
            }
        }
        Ok(drafts)
    }

    /// Requests a program with another prompt; `of` is the program that it revises.
    pub(crate) async fn write(
        &self,
        prompt: Prompt,
        of: Option<Code>,
        values: &[(&str, &str)],
    ) -> Result<Code, StopReason> {
        let stub = CodeRequest {
            stub: &self.task.prompt,
        };
        let call = ModelCall {
            role: Role::Coder,
            expects: Expects::Program,
            offer: &[],
            part: None,
            choices: Vec::new(),
            messages: self.messages(prompt, of, values),
            begun: stub.begun(),
            stop: CODE_STOP.to_vec(),
            prompting: Prompting::Training,
            sampling: self.sampling(),
            max_new_tokens: self.settings.evaluate.max_new_tokens,
        };
        self.code(self.send(of, call)?).await
    }

    /// Requests tests from the task's text, and returns those that the task does not show itself. There may be none.
    pub(crate) async fn write_tests(&self, prompt: Prompt) -> Result<Vec<String>, StopReason> {
        let entry_point = &self.task.entry_point;
        // Without the bracket, which many vocabularies join to what follows, as in `("`: a prompt that ends with it leads to
        // arguments without quotes. MBPP's tasks show the function only in an example.
        let prompt_text = &self.task.prompt;
        let is_function = prompt_text.contains(&format!("def {entry_point}("))
            || (!entry_point.is_empty() && prompt_text.contains(&format!("assert {entry_point}(")));
        let begun = if is_function {
            format!("```python\nassert {entry_point}")
        } else {
            "```python\n".to_owned()
        };
        let max_tests = MAX_TESTS.to_string();
        let call = ModelCall {
            role: Role::Tester,
            expects: Expects::Tests,
            offer: &[],
            part: None,
            choices: Vec::new(),
            messages: self.messages(prompt, None, &[("max_tests", &max_tests)]),
            begun,
            stop: CODE_STOP.to_vec(),
            prompting: Prompting::Training,
            sampling: self.sampling(),
            max_new_tokens: self.side_tokens(),
        };
        match self.send(None, call)?.await? {
            Reading::Tests(tests) => Ok(tests),
            other => unreachable!("tests were expected, not {other:?}"),
        }
    }

    /// Requests prose: a plan, or a review of a program.
    pub(crate) async fn say(
        &self,
        role: Role,
        prompt: Prompt,
        about: Option<Code>,
        values: &[(&str, &str)],
    ) -> Result<String, StopReason> {
        let is_plan = matches!(prompt, Prompt::Planner);
        // Without a beginning, small models and adapters that were trained on code write the program instead.
        let begun = if is_plan { FIRST_STEP } else { "" };
        // A plan and a review end where a program begins, which their requests forbid.
        let stop = if is_plan || role == Role::Reviewer {
            vec!["```"]
        } else {
            Vec::new()
        };
        let call = ModelCall {
            role,
            expects: Expects::Prose,
            offer: &[],
            part: None,
            choices: Vec::new(),
            messages: self.messages(prompt, about, values),
            begun: begun.to_owned(),
            stop,
            prompting: Prompting::Training,
            sampling: self.sampling(),
            max_new_tokens: self.side_tokens(),
        };
        match self.send(about, call)?.await? {
            Reading::Prose(text) if text.is_empty() || text.starts_with(begun) => Ok(text),
            Reading::Prose(text) => Ok(format!("{begun} {text}")),
            other => unreachable!("words were expected, not {other:?}"),
        }
    }

    /// Runs programs with the public examples and these tests, concurrently. Faulty programs are not run and cost
    /// nothing.
    pub(crate) async fn run(&self, codes: &[Code], own: &[String]) -> Result<(), StopReason> {
        let (mut results, mut spent) = (Vec::new(), None);
        for code in codes.iter().filter(|&&code| self.is_sound(code)) {
            let sent = self.queue.borrow_mut().execute(code.0, own);
            match sent {
                Ok(step) => results.push(self.pending(step)),
                Err(stop) => {
                    spent = Some(stop);
                    break;
                }
            }
        }
        for result in results {
            result.await?;
        }
        spent.map_or(Ok(()), Err)
    }

    /// Returns the result of a program's run, if it was run.
    pub(crate) fn result(&self, code: Code) -> Option<ExecutionResult> {
        self.queue.borrow().candidate(code.0).run.clone()
    }

    /// Returns why a program cannot be run; `None` if it can.
    pub(crate) fn fault(&self, code: Code) -> Option<&'static str> {
        let fault = self.queue.borrow().candidate(code.0).program.fault;
        fault.map(ProgramFault::text)
    }

    /// Whether a program can be run.
    pub(crate) fn is_sound(&self, code: Code) -> bool {
        self.fault(code).is_none()
    }

    /// Whether a program equals an earlier one, apart from layout, comments and docstrings.
    pub(crate) fn repeats(&self, code: Code) -> bool {
        self.queue.borrow().repeats(code.0)
    }

    /// Makes this program the answer, regardless of its tests.
    pub(crate) fn prefer(&self, code: Code) {
        self.queue.borrow_mut().prefer(code.0);
    }

    fn ask_for_draft(&self, sampling: Sampling, before: &str) -> Result<PendingResult, StopReason> {
        let prompting = self.settings.evaluate.prompting;
        let Opening {
            messages,
            begun,
            stop,
        } = opening(prompting, &self.task, before);
        let call = ModelCall {
            role: Role::Coder,
            expects: Expects::Program,
            offer: &[],
            part: None,
            choices: Vec::new(),
            messages,
            begun,
            stop,
            prompting,
            sampling,
            max_new_tokens: self.settings.evaluate.max_new_tokens,
        };
        self.send(None, call)
    }

    async fn code(&self, result: PendingResult) -> Result<Code, StopReason> {
        let step = result.step;
        result.await.map(|_| Code(step))
    }

    pub(super) fn send(
        &self,
        about: Option<Code>,
        call: ModelCall,
    ) -> Result<PendingResult, StopReason> {
        let step = self
            .queue
            .borrow_mut()
            .call(about.map(|code| code.0), call)?;
        Ok(self.pending(step))
    }

    pub(super) fn pending(&self, step: u32) -> PendingResult {
        PendingResult {
            queue: Rc::clone(&self.queue),
            step,
        }
    }

    pub(super) fn messages(
        &self,
        prompt: Prompt,
        about: Option<Code>,
        values: &[(&str, &str)],
    ) -> Vec<slm_model::Message> {
        let code = about.map_or_else(String::new, |code| {
            if self.is_sound(code) {
                self.queue.borrow().candidate(code.0).program.text.clone()
            } else {
                NO_PROGRAM.to_owned()
            }
        });
        let common = [
            ("task", self.task.prompt.as_str()),
            ("entry_point", &self.task.entry_point),
            ("code", &code),
        ];
        self.settings
            .templates
            .messages(prompt, &[&common, values].concat())
    }

    pub(super) fn sampling(&self) -> Sampling {
        let sampling = &self.settings.evaluate.sampling;
        Sampling {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
        }
    }

    pub(super) fn side_tokens(&self) -> usize {
        self.settings.evaluate.max_new_tokens.min(MAX_SIDE_TOKENS)
    }
}
