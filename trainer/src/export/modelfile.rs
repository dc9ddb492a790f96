//! A `Modelfile` for Ollama beside an exported GGUF file.
//!
//! Ollama's templates are programs of another language. One is written only if the model's chat template puts fixed text
//! around each message, which is found by rendering conversations and checked with others. Otherwise the file has none, and
//! Ollama may recognise the template inside the GGUF file.

use std::fmt::Write as _;

use slm_model::{ChatTemplate, Message, Role, Tokenizer};

use crate::fim::FimTokens;

/// The texts around the messages of a conversation.
#[derive(Debug, PartialEq, Eq)]
struct Turns {
    /// Before a conversation without a system message.
    start: String,
    before_system: String,
    after_system: String,
    before_user: String,
    /// Ends where the answer starts.
    after_user: String,
    after_answer: String,
    /// The system message of conversations without one.
    default_system: Option<String>,
}

/// Returns the text of the file for `model`, the name of a GGUF file in the same folder.
pub(super) fn text(model: &str, template: &ChatTemplate, tokenizer: &Tokenizer) -> String {
    let mut text =
        String::from("# Written by `trainer export`, for `ollama create NAME -f` this file.\n");
    let model = if model.contains(char::is_whitespace) {
        format!("\"./{model}\"")
    } else {
        format!("./{model}")
    };
    let _ = writeln!(text, "FROM {model}");
    let fim = FimTokens::of(tokenizer, None, "").ok();
    let turns = Turns::of(template);
    let body = match &turns {
        Some(turns) => turns
            .template(tokenizer)
            .ok_or("the chat template contains marks of Ollama's own language"),
        None if template.is_missing() && fim.is_some() => Ok("{{ .Prompt }}".to_owned()),
        None => {
            Err("the model has no chat template, or one that is not fixed text around each message")
        }
    };
    match body {
        Ok(body) => {
            let body = fim
                .as_ref()
                .map_or(body.clone(), |fim| with_suffix(fim, &body));
            let _ = writeln!(text, "TEMPLATE \"\"\"{body}\"\"\"");
            if let Some(system) = turns.and_then(|turns| turns.default_system) {
                let _ = writeln!(text, "SYSTEM \"\"\"{system}\"\"\"");
            }
        }
        Err(cause) => {
            let _ = writeln!(text, "# No TEMPLATE: {cause}.");
        }
    }
    let ends = fim.as_ref().map_or(tokenizer.eos_ids(), FimTokens::stops);
    let mut stops: Vec<String> = ends
        .iter()
        .filter_map(|&id| tokenizer.id_to_token(id))
        .filter(|token| !token.contains(['"', '\\', '\n']))
        .collect();
    stops.sort();
    stops.dedup();
    for stop in stops {
        let _ = writeln!(text, "PARAMETER stop \"{stop}\"");
    }
    text
}

/// Returns a template that is `body` unless a request has a suffix: Ollama accepts requests for fill-in-the-middle only if the
/// template names `.Suffix`.
fn with_suffix(fim: &FimTokens, body: &str) -> String {
    let [prefix, suffix, middle] = fim.names();
    format!(
        "{{{{ if .Suffix }}}}{prefix}{{{{ .Prompt }}}}{suffix}{{{{ .Suffix }}}}{middle}{{{{ else }}}}{body}{{{{ end }}}}"
    )
}

/// Texts that occur in no template.
const SYSTEM: &str = "systemtext";
const QUESTION: &str = "firstquestion";
const ANSWER: &str = "firstanswer";
const QUESTION_2: &str = "secondquestion";

fn system(text: &str) -> Message {
    Message::new(Role::System, text)
}

fn user(text: &str) -> Message {
    Message::new(Role::User, text)
}

fn assistant(text: &str) -> Message {
    Message::new(Role::Assistant, text)
}

/// Splits a text around words that follow each other, each of which occurs once.
fn around<'a>(text: &'a str, words: &[&str]) -> Option<Vec<&'a str>> {
    let mut parts = Vec::new();
    let mut rest = text;
    for word in words {
        let (before, after) = rest.split_once(word)?;
        if after.contains(word) {
            return None;
        }
        parts.push(before);
        rest = after;
    }
    parts.push(rest);
    Some(parts)
}

impl Turns {
    /// Finds the texts around messages; `None` if they are not fixed.
    fn of(template: &ChatTemplate) -> Option<Self> {
        let render = |messages: &[Message], prompt| template.render(messages, prompt).ok();
        let all = [
            system(SYSTEM),
            user(QUESTION),
            assistant(ANSWER),
            user(QUESTION_2),
        ];
        let all = render(&all, true)?;
        let [before, first, second, third, last] =
            around(&all, &[SYSTEM, QUESTION, ANSWER, QUESTION_2])?[..]
        else {
            return None;
        };
        let answered = render(&[user(QUESTION), assistant(ANSWER)], false)?;
        let after_answer = around(&answered, &[QUESTION, ANSWER])?[2];
        let before_user = third.strip_prefix(after_answer)?;
        let after_system = first.strip_suffix(before_user)?;
        let alone = render(&[user(QUESTION)], true)?;
        let start = around(&alone, &[QUESTION])?[0].strip_suffix(before_user)?;
        // A template may put a default system message before conversations without one.
        let default_system = match before.strip_prefix(start) {
            Some(_) => None,
            None => Some(start.strip_prefix(before)?.strip_suffix(after_system)?),
        };
        let (start, before_system) = match default_system {
            None => (start, &before[start.len()..]),
            Some(_) => ("", before),
        };
        let turns = Self {
            start: start.to_owned(),
            before_system: before_system.to_owned(),
            after_system: after_system.to_owned(),
            before_user: before_user.to_owned(),
            after_user: last.to_owned(),
            after_answer: after_answer.to_owned(),
            default_system: default_system.map(str::to_owned),
        };
        (second == last && turns.renders_as(template)).then_some(turns)
    }

    /// Whether the template renders other conversations in the same way.
    fn renders_as(&self, template: &ChatTemplate) -> bool {
        let conversations = [
            vec![user("Write a function.")],
            vec![system("Be brief."), user("Hello?")],
            vec![
                user("a\n\nb"),
                assistant("```python\nx = 1\n```"),
                user("why?"),
            ],
            vec![
                system("  Use tabs.\n"),
                user("\n{{ q }} <|x|> "),
                assistant("  ok\n\n"),
                user("\tmore\n"),
                assistant("<think>\nhm\n</think>\n\n42"),
                user("end"),
            ],
            vec![system(""), user("no system")],
        ];
        conversations
            .iter()
            .all(|messages| template.render(messages, true).ok() == Some(self.render(messages)))
    }

    /// The text that Ollama makes of a conversation that ends with a question.
    fn render(&self, messages: &[Message]) -> String {
        let mut text = self.start.clone();
        let has_system = messages.iter().any(|message| message.role == Role::System);
        if let Some(default) = self.default_system.as_ref().filter(|_| !has_system) {
            text += &[&self.before_system, default, &self.after_system]
                .map(String::as_str)
                .concat();
        }
        for message in messages {
            let (before, after) = match message.role {
                Role::System => (self.before_system.as_str(), self.after_system.as_str()),
                Role::User => (self.before_user.as_str(), self.after_user.as_str()),
                Role::Assistant => ("", self.after_answer.as_str()),
                // No conversation here has one.
                Role::Tool => ("", ""),
            };
            text += &[before, &message.content, after].concat();
        }
        text
    }

    /// Returns Ollama's template; `None` if it or the default system message would contain marks of Ollama's language.
    fn template(&self, tokenizer: &Tokenizer) -> Option<String> {
        let begins = tokenizer.text_start().unwrap_or_default();
        let begins = begins.first().and_then(|&id| tokenizer.id_to_token(id));
        // The program that reads the file puts it there.
        let without_begin = |part: &str| match &begins {
            Some(token) => part.strip_prefix(token.as_str()).unwrap_or(part).to_owned(),
            None => part.to_owned(),
        };
        let (start, before_system) = if self.start.is_empty() {
            (String::new(), without_begin(&self.before_system))
        } else {
            (without_begin(&self.start), self.before_system.clone())
        };
        let template = format!(
            "{start}{{{{ range .Messages }}}}{{{{ if eq .Role \"system\" }}}}{before_system}{{{{ .Content }}}}{}\
             {{{{ else if eq .Role \"user\" }}}}{}{{{{ .Content }}}}{}\
             {{{{ else if eq .Role \"assistant\" }}}}{{{{ .Content }}}}{}{{{{ end }}}}{{{{ end }}}}",
            self.after_system, self.before_user, self.after_user, self.after_answer,
        );
        let texts = [
            &self.start,
            &self.before_system,
            &self.after_system,
            &self.before_user,
            &self.after_user,
            &self.after_answer,
        ];
        let system = self.default_system.as_deref().unwrap_or_default();
        let has_marks = texts.iter().any(|text| text.contains("{{"))
            || [&template[..], system]
                .iter()
                .any(|text| text.contains("\"\"\""));
        (!has_marks).then_some(template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn turns(source: &str) -> Option<Turns> {
        Turns::of(&ChatTemplate::new(source, BTreeMap::new()).expect("a template"))
    }

    fn chatml() -> Turns {
        Turns {
            start: String::new(),
            before_system: "<|im_start|>system\n".to_owned(),
            after_system: "<|im_end|>\n".to_owned(),
            before_user: "<|im_start|>user\n".to_owned(),
            after_user: "<|im_end|>\n<|im_start|>assistant\n".to_owned(),
            after_answer: "<|im_end|>\n".to_owned(),
            default_system: None,
        }
    }

    #[test]
    fn fixed_texts_around_messages_are_found_with_the_default_system_message() {
        assert_eq!(Turns::of(&ChatTemplate::chatml()), Some(chatml()));
        let with_default = turns(
            "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}\
             {% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
             {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        );
        let expected = Turns {
            default_system: Some("Be kind.".to_owned()),
            ..chatml()
        };
        assert_eq!(with_default, Some(expected));
        let begun = turns(
            "<s>{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}\
             {% if add_generation_prompt %}[assistant]{% endif %}",
        );
        assert_eq!(begun.map(|turns| turns.start), Some("<s>".to_owned()));
    }

    #[test]
    fn a_template_that_changes_messages_or_depends_on_them_is_not_written() {
        let plain = "{% if add_generation_prompt %}A:{% endif %}";
        for body in [
            "{% for m in messages %}{{ m.role }}:{{ m.content | trim }}\n{% endfor %}",
            "{% for m in messages %}{{ m.role }}:{{ m.content.split('</think>') | last }}\n{% endfor %}",
            "{% for m in messages %}{{ loop.index }}{{ m.role }}:{{ m.content }}\n{% endfor %}",
            "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
             {% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}",
            "{% for m in messages %}{{ m.content }}\n{% if loop.last %}!{% endif %}{% endfor %}",
        ] {
            assert_eq!(turns(&format!("{body}{plain}")), None, "{body}");
        }
        assert_eq!(Turns::of(&ChatTemplate::missing()), None);
    }
}
