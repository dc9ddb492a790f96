//! The prompts of the roles: Markdown templates with `{{variable}}` placeholders.
//!
//! The built-in templates are in `prompts/`; a recipe can replace them by its own files. The text above a line of
//! three dashes is the system message, the rest the user's; without such a line there is no system message.

use std::fs;

use anyhow::{Context, Result};
use slm_cli::UserMistake;
use slm_config::{Prompts, Workflow};
use slm_model::{Message, Role as Speaker};

/// The line between system message and user message.
const RULE: &str = "---";

/// One of the templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Planner,
    Coder,
    Tester,
    Reviewer,
    CoderRevision,
    SelfTests,
    Critique,
    Revision,
    Repair,
    Grade,
    Restate,
    ChooseTools,
    Act,
    Instruct,
    Decompose,
    Function,
    Assemble,
    Specify,
    Question,
    Answer,
    ChainCoder,
    ChainReview,
    ChainRevision,
    Route,
    Verifier,
}

impl Prompt {
    const ALL: [Self; 25] = [
        Self::Planner,
        Self::Coder,
        Self::Tester,
        Self::Reviewer,
        Self::CoderRevision,
        Self::SelfTests,
        Self::Critique,
        Self::Revision,
        Self::Repair,
        Self::Grade,
        Self::Restate,
        Self::ChooseTools,
        Self::Act,
        Self::Instruct,
        Self::Decompose,
        Self::Function,
        Self::Assemble,
        Self::Specify,
        Self::Question,
        Self::Answer,
        Self::ChainCoder,
        Self::ChainReview,
        Self::ChainRevision,
        Self::Route,
        Self::Verifier,
    ];

    /// The workflows that use it, as far as the identity of a run is concerned.
    fn used_by(self) -> UsedBy {
        match self {
            Self::Planner
            | Self::Coder
            | Self::Tester
            | Self::Reviewer
            | Self::CoderRevision
            | Self::SelfTests
            | Self::Critique
            | Self::Revision => UsedBy::All,
            Self::Repair
            | Self::Grade
            | Self::Restate
            | Self::ChooseTools
            | Self::Act
            | Self::Instruct => UsedBy::Lookups,
            Self::Decompose | Self::Function | Self::Assemble => UsedBy::Split,
            Self::Specify
            | Self::Question
            | Self::Answer
            | Self::ChainCoder
            | Self::ChainReview
            | Self::ChainRevision => UsedBy::Chain,
            Self::Route => UsedBy::Router,
            Self::Verifier => UsedBy::Selection,
        }
    }

    /// Returns the prompt's key in a recipe, its built-in text, and the variables that it may name.
    #[expect(clippy::too_many_lines, reason = "one row for each prompt")]
    fn facts(self) -> (&'static str, &'static str, &'static [&'static str]) {
        const TASK: &[&str] = &["task", "entry_point"];
        const TESTS: &[&str] = &["task", "entry_point", "max_tests"];
        const CODE: &[&str] = &["task", "entry_point", "code", "report"];
        const REVIEW: &[&str] = &["task", "entry_point", "code", "report", "review"];
        const CHAIN: &[&str] = &[
            "task",
            "entry_point",
            "code",
            "report",
            "specification",
            "dialogue",
        ];
        match self {
            Self::Planner => ("planner", include_str!("prompts/planner.md"), TASK),
            Self::Coder => (
                "coder",
                include_str!("prompts/coder.md"),
                &["task", "entry_point", "plan"],
            ),
            Self::Tester => ("tester", include_str!("prompts/tester.md"), TESTS),
            Self::Reviewer => ("reviewer", include_str!("prompts/reviewer.md"), CODE),
            Self::CoderRevision => (
                "coder_revision",
                include_str!("prompts/coder_revision.md"),
                REVIEW,
            ),
            Self::SelfTests => ("self_tests", include_str!("prompts/self_tests.md"), TESTS),
            Self::Critique => ("critique", include_str!("prompts/critique.md"), CODE),
            Self::Revision => ("revision", include_str!("prompts/revision.md"), REVIEW),
            Self::Repair => (
                "repair",
                include_str!("prompts/repair.md"),
                &[
                    "task",
                    "entry_point",
                    "code",
                    "report",
                    "reference",
                    "functions",
                ],
            ),
            Self::Grade => (
                "grade",
                include_str!("prompts/grade.md"),
                &["task", "entry_point", "chunk"],
            ),
            Self::Restate => ("restate", include_str!("prompts/restate.md"), TASK),
            Self::ChooseTools => (
                "choose_tools",
                include_str!("prompts/choose_tools.md"),
                &["task", "entry_point", "tools"],
            ),
            Self::Act => (
                "act",
                include_str!("prompts/act.md"),
                &["task", "entry_point", "tools", "history"],
            ),
            Self::Instruct => (
                "instruct",
                include_str!("prompts/instruct.md"),
                &["task", "entry_point", "entries"],
            ),
            Self::Decompose => ("decompose", include_str!("prompts/decompose.md"), CODE),
            Self::Function => (
                "function",
                include_str!("prompts/function.md"),
                &["task", "entry_point", "functions", "function", "name"],
            ),
            Self::Assemble => (
                "assemble",
                include_str!("prompts/assemble.md"),
                &["task", "entry_point", "functions", "plan"],
            ),
            Self::Specify => ("specify", include_str!("prompts/specify.md"), TASK),
            Self::Question => ("question", include_str!("prompts/question.md"), CHAIN),
            Self::Answer => (
                "answer",
                include_str!("prompts/answer.md"),
                &["task", "entry_point", "question"],
            ),
            Self::ChainCoder => ("chain_coder", include_str!("prompts/chain_coder.md"), CHAIN),
            Self::ChainReview => (
                "chain_review",
                include_str!("prompts/chain_review.md"),
                CHAIN,
            ),
            Self::ChainRevision => (
                "chain_revision",
                include_str!("prompts/chain_revision.md"),
                CHAIN,
            ),
            Self::Route => (
                "route",
                include_str!("prompts/route.md"),
                &["task", "entry_point", "choices"],
            ),
            Self::Verifier => (
                "verifier",
                include_str!("prompts/verifier.md"),
                &["task", "entry_point", "code"],
            ),
        }
    }
}

/// All templates of a run.
#[derive(Clone, Debug)]
pub(crate) struct Templates(Vec<Template>);

impl Templates {
    /// Loads the built-in templates, with the recipe's files in place of some.
    ///
    /// # Errors
    /// A file cannot be read, or contains an unknown placeholder.
    pub(crate) fn load(prompts: &Prompts) -> Result<Self> {
        let files = prompts.entries();
        let load = |prompt: &Prompt| {
            let (key, built_in, variables) = prompt.facts();
            match files.iter().find(|(name, _)| *name == key) {
                Some((_, Some(path))) => {
                    let from = path.display().to_string();
                    let text = fs::read_to_string(path)
                        .map_err(|error| UserMistake(format!("{from}: {error}")))
                        .with_context(|| format!("cannot read evaluate.prompts.{key}"))?;
                    Template::parse(&text, &from, variables)
                }
                _ => Template::parse(built_in, key, variables),
            }
        };
        Ok(Self(Prompt::ALL.iter().map(load).collect::<Result<_>>()?))
    }

    /// Renders the messages of a prompt with these values; a variable without a value is empty.
    pub(crate) fn messages(&self, prompt: Prompt, values: &[(&str, &str)]) -> Vec<Message> {
        self.0[prompt as usize].render(values)
    }

    /// Returns the source texts that a run's workflows may use, for its identity: a template that is added later for
    /// other workflows leaves it as it is.
    pub(crate) fn texts(
        &self,
        workflows: &[Workflow],
        verifies: bool,
    ) -> impl Iterator<Item = &str> {
        let used = move |prompt: &Prompt| match prompt {
            Prompt::Verifier => verifies,
            _ => workflows.iter().any(|&of| prompt.used_by().includes(of)),
        };
        let all = Prompt::ALL.into_iter().zip(&self.0);
        all.filter(move |(prompt, _)| used(prompt))
            .map(|(_, template)| template.source.as_str())
    }
}

/// The workflows whose runs a template identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsedBy {
    /// Also runs that do not use it, as before other templates were added.
    All,
    /// Workflows that look something up, and their controls.
    Lookups,
    /// The chain of phases.
    Chain,
    /// Workflows that split a task into functions.
    Split,
    /// Workflows that choose another one.
    Router,
    /// Selection by a verifier, in any workflow.
    Selection,
}

impl UsedBy {
    fn includes(self, workflow: Workflow) -> bool {
        let is_chain = matches!(workflow, Workflow::ChatChain | Workflow::ChatChainPlain);
        let is_split = matches!(workflow, Workflow::Decompose | Workflow::DecomposeSelf);
        let is_router = workflow.chooses();
        match self {
            Self::All => true,
            Self::Lookups => !workflow.is_of_h3() && !is_chain,
            // A router may choose any of the others.
            Self::Chain => is_chain || is_router,
            Self::Split => is_split || is_router,
            Self::Router => is_router,
            Self::Selection => false,
        }
    }
}

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    source: String,
    /// The system message, if there is one, and the user's.
    messages: Vec<(Speaker, Vec<Part>)>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    pub(crate) fn parse(source: &str, from: &str, variables: &[&str]) -> Result<Self> {
        let source = source.replace("\r\n", "\n");
        let mut sections: Vec<(Speaker, usize, String)> = vec![(Speaker::User, 1, String::new())];
        for (number, line) in source.lines().enumerate() {
            if line.trim_end() == RULE && sections.len() == 1 {
                sections[0].0 = Speaker::System;
                sections.push((Speaker::User, number + 2, String::new()));
            } else if let Some((_, _, text)) = sections.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        let messages = sections
            .into_iter()
            .map(|(speaker, line, text)| Ok((speaker, parts(&text, from, line, variables)?)))
            .collect::<Result<_>>()?;
        Ok(Self { source, messages })
    }

    pub(crate) fn render(&self, values: &[(&str, &str)]) -> Vec<Message> {
        let value = |name: &str| {
            let found = values.iter().find(|(of, _)| *of == name);
            found.map_or("", |(_, value)| value.trim_end())
        };
        let message = |(speaker, parts): &(Speaker, Vec<Part>)| {
            let text: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.as_str(),
                    Part::Variable(name) => value(name),
                })
                .collect();
            Message::new(*speaker, text.trim())
        };
        self.messages.iter().map(message).collect()
    }
}

/// Splits a text at its placeholders. `line` is the line in the file where the text begins.
fn parts(text: &str, from: &str, line: usize, variables: &[&str]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let line = line + text[..text.len() - rest.len() + open].matches('\n').count();
        let mistake = |problem: String| {
            let known: Vec<String> = variables
                .iter()
                .map(|name| format!("{{{{{name}}}}}"))
                .collect();
            UserMistake(format!(
                "{from}:{line}: {problem}\nhint: known here: {}",
                known.join(", ")
            ))
        };
        let inside = &rest[open + 2..];
        let Some(close) = inside
            .find("}}")
            .filter(|&end| !inside[..end].contains('\n'))
        else {
            return Err(mistake("`{{` without `}}` on its line".to_owned()).into());
        };
        let name = inside[..close].trim();
        if !variables.contains(&name) {
            return Err(mistake(format!("unknown variable `{{{{{name}}}}}`")).into());
        }
        parts.push(Part::Text(rest[..open].to_owned()));
        parts.push(Part::Variable(name.to_owned()));
        rest = &inside[close + 2..];
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str, values: &[(&str, &str)]) -> Vec<(Speaker, String)> {
        Template::parse(source, "test.md", &["task", "code"])
            .expect("a template")
            .render(values)
            .into_iter()
            .map(|message| (message.role, message.content))
            .collect()
    }

    #[test]
    fn every_built_in_template_names_known_variables_and_the_task() {
        let templates = Templates::load(&Prompts::default()).expect("templates");
        for prompt in Prompt::ALL {
            let messages = templates.messages(prompt, &[("task", "def f(x):")]);
            let user = messages.last().expect("a message");
            assert_eq!(user.role, Speaker::User);
            assert!(user.content.contains("def f(x):"), "{prompt:?}");
            assert!(!user.content.contains("{{"), "{prompt:?}");
        }
    }

    #[test]
    fn recipes_know_every_template_and_no_other() {
        let keys = Prompts::default().entries().map(|(key, _)| key);
        assert_eq!(Prompt::ALL.map(|prompt| prompt.facts().0), keys);
    }

    #[test]
    fn what_stands_above_three_dashes_is_the_system_message() {
        assert_eq!(
            text(
                "Be brief.\n---\nDo {{ task }}.\n---\nend",
                &[("task", "it")]
            ),
            [
                (Speaker::System, "Be brief.".to_owned()),
                (Speaker::User, "Do it.\n---\nend".to_owned())
            ]
        );
        assert_eq!(
            text("{{code}}{{task}}", &[("task", "b"), ("code", "a\n")]),
            [(Speaker::User, "ab".to_owned())]
        );
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        assert_eq!(
            text("{{code}}", &[("code", "{{task}}"), ("task", "x")])[0].1,
            "{{task}}"
        );
    }

    #[test]
    fn an_unknown_variable_is_told_with_its_line_and_the_known_ones() {
        for (source, problem) in [
            (
                "a\n---\nb\n{{taks}}",
                "test.md:4: unknown variable `{{taks}}`",
            ),
            ("{{task", "test.md:1: `{{` without `}}` on its line"),
            ("\n{{task\n}}", "test.md:2: `{{` without `}}` on its line"),
        ] {
            let error =
                Template::parse(source, "test.md", &["task", "code"]).expect_err("must fail");
            assert_eq!(
                error.to_string(),
                format!("{problem}\nhint: known here: {{{{task}}}}, {{{{code}}}}")
            );
            assert!(error.is::<UserMistake>());
        }
    }
}
