//! The part of the interface of workflows that only `decompose` uses: requests for functions that become parts of a
//! program.

use std::rc::Rc;

use slm_artifacts::{Expects, StopReason};
use slm_benchmarks::TaskView;
use slm_config::{Prompting, Role};
use slm_model::{CODE_STOP, CodeRequest};

use super::agent::{Agent, Code};
use super::prompt::Prompt;
use super::read::Reading;
use super::step_queue::ModelCall;
use super::subtask::{Subtask, with_functions};

impl Agent {
    /// Requests the functions that the task is split into; there may be none.
    pub(super) async fn split(&self, of: Code, report: &str) -> Result<Vec<Subtask>, StopReason> {
        let values = [("report", report)];
        let call = ModelCall {
            role: Role::Decomposer,
            expects: Expects::Signatures,
            offer: &[],
            choices: Vec::new(),
            part: None,
            messages: self.messages(Prompt::Decompose, Some(of), &values),
            begun: String::new(),
            stop: Vec::new(),
            prompting: Prompting::Chat,
            sampling: self.sampling(),
            max_new_tokens: self.side_tokens(),
        };
        match self.send(Some(of), call)?.await? {
            Reading::Signatures(subtasks) => Ok(subtasks),
            other => unreachable!("signatures were expected, not {other:?}"),
        }
    }

    /// Requests a function, with the earlier ones in view. Returns `None` if the answer has none.
    pub(super) async fn write_function(
        &self,
        subtask: &Subtask,
        earlier: &[String],
    ) -> Result<Option<String>, StopReason> {
        let stub = subtask.stub();
        let shown = earlier.join("\n\n");
        let values = [
            ("functions", shown.as_str()),
            ("function", &stub),
            ("name", &subtask.name),
        ];
        let part = TaskView {
            prompt: with_functions(&stub, &subtask.name, earlier),
            entry_point: subtask.name.clone(),
            method: None,
            public_examples: Vec::new(),
            instruction: None,
            few_shot: None,
            repository: None,
            ..self.task().clone()
        };
        let call = self.coding(
            Expects::Function,
            None,
            Prompt::Function,
            &values,
            part,
            &stub,
        );
        match self.send(None, call)?.await? {
            Reading::Function(program) => {
                let is_sound = program.fault.is_none();
                Ok(is_sound.then(|| without(&program.text, earlier)))
            }
            other => unreachable!("a function was expected, not {other:?}"),
        }
    }

    /// Requests the program over these functions; `of` is the program that it revises.
    pub(super) async fn write_over(
        &self,
        prompt: Prompt,
        of: Option<Code>,
        values: &[(&str, &str)],
        functions: &[String],
    ) -> Result<Code, StopReason> {
        let joined = functions.join("\n\n");
        let values = [values, &[("functions", joined.as_str())]].concat();
        let part = TaskView {
            prompt: with_functions(&self.task().prompt, &self.task().entry_point, functions),
            ..self.task().clone()
        };
        let stub = part.prompt.clone();
        let call = self.coding(Expects::Program, of, prompt, &values, part, &stub);
        let result = self.send(of, call)?;
        let step = result.step;
        result.await.map(|_| Code(step))
    }

    /// Returns a call whose answer continues `stub`.
    fn coding(
        &self,
        expects: Expects,
        of: Option<Code>,
        prompt: Prompt,
        values: &[(&str, &str)],
        part: TaskView,
        stub: &str,
    ) -> ModelCall {
        ModelCall {
            role: Role::Coder,
            expects,
            offer: &[],
            choices: Vec::new(),
            part: Some(Rc::new(part)),
            messages: self.messages(prompt, of, values),
            begun: CodeRequest { stub }.begun(),
            stop: CODE_STOP.to_vec(),
            prompting: Prompting::Training,
            sampling: self.sampling(),
            max_new_tokens: self.settings.evaluate.max_new_tokens,
        }
    }
}

/// Returns a program without the definitions of earlier functions, which the extraction kept because it calls them.
fn without(program: &str, earlier: &[String]) -> String {
    let outline = |text: &str| slm_metrics::syntax::outline(text).unwrap_or_default();
    let known: Vec<String> = earlier
        .iter()
        .flat_map(|function| outline(function))
        .filter_map(|item| item.name)
        .collect();
    let own: Vec<String> = outline(program)
        .into_iter()
        .filter(|item| item.name.as_ref().is_none_or(|name| !known.contains(name)))
        .map(|item| item.text)
        .collect();
    own.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_kept_with_its_imports_and_without_the_earlier_ones() {
        let earlier = ["def square(x):\n    return x * x\n".to_owned()];
        let program = "import math\ndef square(x):\n    return x * x\n\n\ndef area(r):\n    return math.pi * square(r)\n";
        assert_eq!(
            without(program, &earlier),
            "import math\ndef area(r):\n    return math.pi * square(r)"
        );
        assert_eq!(without("def f(x): return 1\n", &[]), "def f(x): return 1");
    }
}
