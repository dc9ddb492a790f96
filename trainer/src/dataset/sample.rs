//! Samples of a data set, and their encoding as tokens.

use slm_cli::UserMistake;
use slm_config::{Data, SpecialTokens, TrainOn, TrainOnEos};
use slm_model::{
    Chat, ChatError, ChatTemplate, CodeRequest, OwnedTokens, Thinking, TokenOwner, Tokenizer,
    TokenizerError,
};

use super::content::Content;
use super::counts::{BadRow, Reason};
use super::units::Unit;
use super::untaught_end::UntaughtEnd;
use crate::batch::Example;
use crate::fim;

/// A piece of text to train on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The text.
    pub(crate) content: Content,
    /// File and line or row, for messages.
    pub(crate) origin: String,
    /// Treatment of the added tokens that a text without chat template spells out.
    pub(crate) special_tokens: SpecialTokens,
    /// Key that keeps samples on the same side of the split into training and validation; `None` for the tokens
    /// themselves.
    pub(crate) group: Option<String>,
}

/// Tokenises samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder<'a> {
    /// The model's tokenizer.
    pub(crate) tokenizer: &'a Tokenizer,
    /// Its chat template.
    pub(crate) template: &'a ChatTemplate,
    /// The recipe's data section, which selects the supervised tokens.
    pub(crate) data: &'a Data,
    /// The template's end of a turn, if the model was not trained to generate it.
    pub(crate) untaught_end: Option<UntaughtEnd>,
}

#[cfg(test)]
impl Sample {
    /// Returns all text of the sample.
    pub(super) fn text(&self) -> String {
        self.content.text()
    }

    /// Makes a text without a prompt, for tests.
    pub(super) fn of_text(text: &str) -> Self {
        Self {
            content: Content::Plain {
                prompt: String::new(),
                completion: text.to_owned(),
            },
            origin: "a.py:3".to_owned(),
            special_tokens: SpecialTokens::Auto,
            group: None,
        }
    }
}

/// Why a sample cannot be encoded.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// The sample is the cause.
    Bad(BadRow),
    /// The chat template cannot be used with any sample.
    Model(anyhow::Error),
}

impl EncodeError {
    pub(super) fn of(error: ChatError, origin: &str) -> Self {
        let rules = "the messages must follow the rules of the model's chat template";
        let (reason, hint) = match &error {
            ChatError::Render { .. } | ChatError::NoTools { .. } => {
                (Reason::RefusedByTemplate, rules)
            }
            ChatError::Rewritten { .. } | ChatError::Incomplete { .. } => {
                (Reason::RewrittenByTemplate, rules)
            }
            ChatError::SpecialToken { .. } | ChatError::Tokenizer(_) => {
                (Reason::Untokenizable, "remove the row")
            }
            // The error's text has a hint.
            ChatError::Missing => {
                return Self::Model(UserMistake(format!("{origin}: {error}")).into());
            }
            ChatError::Template { .. } | ChatError::NoEndOfTurn => {
                let hint = "put a chat template that ends the assistant's turn beside the model's \
                            files, as chat_template.jinja";
                let text = format!("{origin}: {error}\nhint: {hint}");
                return Self::Model(UserMistake(text).into());
            }
        };
        Self::Bad(BadRow {
            reason,
            problem: format!("{origin}: {error}"),
            hint: Some(error.hint().unwrap_or(hint).to_owned()),
        })
    }
}

impl Encoder<'_> {
    /// Encodes a sample and marks its supervised tokens. Of a pair and of a labelled answer only the last message is
    /// supervised.
    ///
    /// # Errors
    /// The chat template or the tokenizer refuses the sample, which the error names; or the template cannot be used at
    /// all.
    #[cfg(test)]
    pub(crate) fn encode(&self, sample: &Sample) -> Result<Unit, EncodeError> {
        self.encode_counted(sample).map(|(unit, _)| unit)
    }

    /// As [`Self::encode`]; also returns the number of answers that are not learned because the chat template cuts them.
    pub(crate) fn encode_counted(&self, sample: &Sample) -> Result<(Unit, usize), EncodeError> {
        let turns = |content: &Content| -> Result<OwnedTokens, EncodeError> {
            let turns = self.turns(content, sample.special_tokens);
            turns.map_err(|error| EncodeError::of(error, &sample.origin))
        };
        let answer = |content: &Content| -> Result<Example, EncodeError> {
            Ok(self.example(turns(content)?, TrainOn::Completion))
        };
        let mut n_cut = 0;
        let unit = match &sample.content {
            Content::Pair(sides) => Unit::Pair([answer(&sides[0])?, answer(&sides[1])?]),
            Content::Labelled(content, label) => Unit::Labelled(answer(content)?, *label),
            Content::Tokens { ids, supervised } => {
                self.check_tokens(ids, &sample.origin)?;
                Unit::Row(Example::new(ids.clone(), supervised.clone()))
            }
            content => {
                let turns = turns(content)?;
                if self.data.train_on != TrainOn::Completion {
                    n_cut = turns.n_cut;
                }
                Unit::Row(self.example(turns, self.data.train_on))
            }
        };
        Ok((unit, n_cut))
    }

    /// What becomes of thoughts in answers.
    fn thinking(&self) -> Thinking {
        match self.data.thinking {
            slm_config::Thinking::Auto => Thinking::Auto,
            slm_config::Thinking::Keep => Thinking::Keep,
            slm_config::Thinking::Strip => Thinking::Strip,
        }
    }

    /// Encodes one text or conversation. Messages are always literal.
    fn turns(
        &self,
        content: &Content,
        special_tokens: SpecialTokens,
    ) -> Result<OwnedTokens, ChatError> {
        let (template, tokenizer) = (self.template, self.tokenizer);
        match content {
            Content::Code { prompt, body, .. } => {
                let request = CodeRequest { stub: prompt };
                template.encode_code_turns(tokenizer, request, body)
            }
            Content::Conversation(messages) => {
                template.encode_chat(tokenizer, Chat::of(messages), self.thinking())
            }
            Content::WithTools { messages, tools } => {
                let chat = Chat {
                    messages,
                    tools: Some(tools),
                };
                template.encode_chat(tokenizer, chat, self.thinking())
            }
            Content::Segments(segments) => Ok(self.encode_segments(segments)?),
            // Tokenised already.
            Content::Tokens { .. } => Ok(OwnedTokens::default()),
            Content::Begun {
                messages,
                begun,
                answer,
            } => template.encode_begun_turns(tokenizer, messages, begun, answer),
            Content::Plain { prompt, completion } => {
                Ok(self.plain(prompt, completion, special_tokens)?)
            }
            Content::Piece(piece) => {
                let mut turns = self.plain("", piece.text(), special_tokens)?;
                if !piece.is_last() {
                    let is_text = |owner: &&TokenOwner| !matches!(owner, TokenOwner::End(_));
                    let n = turns.owners.iter().take_while(is_text).count();
                    turns.ids.truncate(n);
                    turns.owners.truncate(n);
                }
                Ok(turns)
            }
            Content::Document(document) => {
                let turns = fim::encode(tokenizer, document, usize::MAX)?;
                Ok(turns.map(|(turns, _)| turns).unwrap_or_default())
            }
            Content::Pair(sides) => self.turns(&sides[0], special_tokens),
            Content::Labelled(content, _) => self.turns(content, special_tokens),
        }
    }

    /// Encodes texts between the tokens that begin and end a text: as transformers does, recognising added tokens, or
    /// with all of them as letters. A text that spells out its begin token gets no second one.
    fn plain(
        &self,
        prompt: &str,
        completion: &str,
        special_tokens: SpecialTokens,
    ) -> Result<OwnedTokens, TokenizerError> {
        let tokenizer = self.tokenizer;
        let first = |text| match special_tokens {
            SpecialTokens::Auto => tokenizer.encode(text),
            SpecialTokens::Literal => tokenizer.encode_text(text),
        };
        let mut turns = OwnedTokens::default();
        let (start, prompt_ids) = (tokenizer.text_start()?, first(prompt)?);
        let completion = match special_tokens {
            _ if prompt.is_empty() => first(completion)?,
            SpecialTokens::Auto => tokenizer.encode_continuation(completion)?,
            SpecialTokens::Literal => tokenizer.encode_text_continuation(completion)?,
        };
        let begins = if prompt.is_empty() {
            &completion
        } else {
            &prompt_ids
        };
        if !begins.starts_with(&start) {
            turns.push(TokenOwner::Context, start);
        }
        turns.push(TokenOwner::Context, prompt_ids);
        turns.push(TokenOwner::Answer(0), completion);
        turns.push(TokenOwner::End(0), tokenizer.text_end());
        Ok(turns)
    }

    /// Marks the tokens that the recipe supervises.
    pub(super) fn example(&self, turns: OwnedTokens, train_on: TrainOn) -> Example {
        let last = turns.n_answers().saturating_sub(1);
        let train_on_eos = self.data.train_on_eos;
        let answer_is_learned = |answer| train_on != TrainOn::Completion || answer == last;
        let is_learned = |part: &TokenOwner| match *part {
            TokenOwner::Context => train_on == TrainOn::All,
            TokenOwner::NotLearned(_) => false,
            TokenOwner::Answer(answer) => answer_is_learned(answer),
            TokenOwner::End(answer) => {
                answer_is_learned(answer)
                    && match train_on_eos {
                        TrainOnEos::Turn => true,
                        TrainOnEos::Last => answer == last,
                        TrainOnEos::None => false,
                    }
            }
        };
        let supervised = turns.owners.iter().map(is_learned).collect();
        let spoken = |(&id, part): (&u32, &TokenOwner)| match (self.untaught_end, part) {
            (Some(end), TokenOwner::End(_)) if id == end.token => end.instead,
            _ => id,
        };
        let ids = turns.ids.iter().zip(&turns.owners).map(spoken).collect();
        Example::new(ids, supervised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_benchmarks::ScoringPhase;
    use slm_metrics::syntax::FunctionSource;
    use slm_model::{Message, Role, Weights};
    use std::path::Path;

    fn tiny(model: &str) -> (Tokenizer, ChatTemplate) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crates/slm-model/tests/it/golden")
            .join(model);
        let weights = Weights::open(&folder).expect("golden checkpoint");
        let template = weights
            .chat_template()
            .expect("template")
            .unwrap_or_else(ChatTemplate::chatml);
        (weights.tokenizer().expect("tokenizer"), template)
    }

    /// Encodes a sample that is one example.
    fn row(encoder: &Encoder, sample: &Sample) -> Example {
        match encoder.encode(sample).expect("tokens") {
            Unit::Row(example) => example,
            other => panic!("{other:?} is no row"),
        }
    }

    fn sample(content: Content) -> Sample {
        Sample {
            content,
            origin: "a.jsonl:1".to_owned(),
            special_tokens: SpecialTokens::Auto,
            group: None,
        }
    }

    fn conversation() -> Sample {
        sample(Content::Conversation(vec![
            Message::new(Role::User, "One?"),
            Message::new(Role::Assistant, "First."),
            Message::new(Role::User, "Two?"),
            Message::new(Role::Assistant, "Second."),
        ]))
    }

    /// Returns the supervised tokens of a sample as text.
    fn learned(sample: &Sample, train_on: TrainOn, train_on_eos: TrainOnEos) -> String {
        let (tokenizer, _) = tiny("tiny-qwen2");
        let data = Data {
            train_on,
            train_on_eos,
            ..Data::default()
        };
        let encoder = Encoder {
            tokenizer: &tokenizer,
            template: &ChatTemplate::chatml(),
            data: &data,
            untaught_end: None,
        };
        let example = row(&encoder, sample);
        let ids: Vec<u32> = example
            .tokens
            .iter()
            .zip(&example.supervised)
            .filter(|(_, supervised)| **supervised)
            .map(|(&id, _)| id)
            .collect();
        tokenizer.decode(&ids, false).expect("text")
    }

    /// Asserts that the part of a function's example that is not learned has the tokens of the evaluator's request, which
    /// is `encode_code_request` of the task's prompt, unchanged.
    fn check_prompt(
        (tokenizer, template): &(Tokenizer, ChatTemplate),
        function: FunctionSource,
        prompt: &str,
    ) {
        let data = Data::default();
        let encoder = Encoder {
            tokenizer,
            template,
            data: &data,
            untaught_end: None,
        };
        let example = row(&encoder, &sample(Content::of_function(function)));
        let asked = template
            .encode_code_request(tokenizer, CodeRequest { stub: prompt })
            .expect("tokens");
        let unlearned = example.supervised.iter().take_while(|learned| !**learned);
        assert_eq!(example.tokens[..unlearned.count()], asked, "{prompt}");
    }

    #[test]
    fn a_training_prompt_has_the_tokens_of_the_evaluators_request_for_the_same_function() {
        for model in ["tiny-qwen2", "tiny-llama"] {
            let model = tiny(model);
            let tasks = slm_benchmarks::by_name("embedded")
                .and_then(|b| b.tasks())
                .expect("embedded tasks");
            let mut compared = 0;
            for task in &tasks {
                let view = task.view();
                let source = format!(
                    "{}{}",
                    view.prompt,
                    task.canonical_solution(&ScoringPhase::begin())
                );
                let functions = slm_metrics::syntax::documented_functions(&source)
                    .expect("a solved task is Python");
                // Tasks with classes have no single function, and imports precede the function, so they are not part of
                // it.
                let Some(function) = functions
                    .into_iter()
                    .find(|f| f.name == view.entry_point && view.prompt.starts_with("def "))
                else {
                    continue;
                };
                check_prompt(&model, function, &view.prompt);
                compared += 1;
            }
            assert!(compared > 40, "only {compared} tasks compared");
        }
    }

    /// Of a method the request contains its class, and the answer is indented inside it.
    #[test]
    fn a_training_prompt_of_a_method_has_the_tokens_of_the_evaluators_request_for_it() {
        let source = "import math\n\nclass A:\n    def __init__(self, r):\n        self.r = r\n\n    @property\n    \
                      def area(self):\n        \"\"\"Doc.\"\"\"\n        return math.pi * self.r\n";
        let functions = slm_metrics::syntax::documented_functions(source).expect("Python");
        let prompt = functions[0].prompt();
        assert!(
            prompt.starts_with("import math\n") && prompt.contains("self.r = r"),
            "{prompt}"
        );
        for model in ["tiny-qwen2", "tiny-llama"] {
            check_prompt(&tiny(model), functions[0].clone(), &prompt);
        }
    }

    /// A row of a data set that was made from answers, and the function itself, give one example.
    #[test]
    fn an_answer_with_a_given_beginning_has_the_tokens_of_the_function_that_it_completes() {
        let stub = "import math\n\ndef f(x):\n    \"\"\"Doc.\"\"\"";
        for (body, model) in [
            ("    return x\n", "tiny-qwen2"),
            (
                "    if x:\n        return 1\n\n    return 2\n\n",
                "tiny-qwen2",
            ),
            ("    return x\n", "tiny-llama"),
            ("\n    return x", "tiny-llama"),
        ] {
            let (tokenizer, template) = tiny(model);
            let data = Data::default();
            let encoder = Encoder {
                tokenizer: &tokenizer,
                template: &template,
                data: &data,
                untaught_end: None,
            };
            let code = Content::Code {
                prompt: stub.to_owned(),
                body: body.to_owned(),
                definition: String::new(),
            };
            let request = CodeRequest { stub };
            let begun = Content::Begun {
                messages: request.messages().to_vec(),
                begun: request.begun(),
                answer: format!("{}\n```", body.trim_end()),
            };
            let expected = row(&encoder, &sample(code));
            assert_eq!(row(&encoder, &sample(begun.clone())), expected, "{model}");
            let label = Content::Labelled(Box::new(begun), true);
            let encoded = encoder.encode(&sample(label)).expect("tokens");
            assert_eq!(encoded, Unit::Labelled(expected, true));
        }
    }

    #[test]
    fn of_a_pair_only_the_last_messages_are_learned() {
        let (tokenizer, template) = tiny("tiny-qwen2");
        let data = Data::default();
        let encoder = Encoder {
            tokenizer: &tokenizer,
            template: &template,
            data: &data,
            untaught_end: None,
        };
        let side = conversation().content;
        let pair = Content::Pair(Box::new([side.clone(), side]));
        let encoded = encoder.encode(&sample(pair)).expect("tokens");
        for example in encoded.examples() {
            let learned = example.tokens[example.context().len()..].to_vec();
            let text = tokenizer.decode(&learned, false).expect("text");
            assert_eq!(text.trim_end(), "Second.<|im_end|>");
        }
    }

    #[test]
    fn of_code_the_body_the_fence_and_the_end_of_the_turn_are_learned() {
        let code = sample(Content::Code {
            prompt: "def f(x):\n    \"\"\"Doc.\"\"\"\n".to_owned(),
            body: "    return x\n".to_owned(),
            definition: String::new(),
        });
        let text = learned(&code, TrainOn::Assistant, TrainOnEos::Turn);
        assert_eq!(
            ChatTemplate::code_body(&text),
            "    return x\n```<|im_end|>"
        );
        let text = learned(&code, TrainOn::Assistant, TrainOnEos::None);
        assert_eq!(ChatTemplate::code_body(&text), "    return x\n```");
    }

    #[test]
    fn of_a_conversation_is_learned_what_the_recipe_says() {
        let check = |train_on, train_on_eos, expected: &str| {
            assert_eq!(learned(&conversation(), train_on, train_on_eos), expected);
        };
        let (turn, last, none) = (TrainOnEos::Turn, TrainOnEos::Last, TrainOnEos::None);
        check(
            TrainOn::Assistant,
            turn,
            "First.<|im_end|>Second.<|im_end|>",
        );
        check(TrainOn::Assistant, last, "First.Second.<|im_end|>");
        check(TrainOn::Assistant, none, "First.Second.");
        check(TrainOn::Completion, turn, "Second.<|im_end|>");
        check(TrainOn::Completion, none, "Second.");
        // The first token is never supervised, as nothing precedes it.
        check(
            TrainOn::All,
            turn,
            "user\nOne?<|im_end|>\n<|im_start|>assistant\nFirst.<|im_end|>\n<|im_start|>user\nTwo?<|im_end|>\n\
             <|im_start|>assistant\nSecond.<|im_end|>\n",
        );
    }

    #[test]
    fn a_plain_text_is_learned_with_its_end_and_a_prompt_before_it_is_not() {
        let plain = |prompt: &str| {
            let (prompt, completion) = (prompt.to_owned(), "b = 2".to_owned());
            sample(Content::Plain { prompt, completion })
        };
        for prompt in ["a = 1\n", "a"] {
            let text = learned(&plain(prompt), TrainOn::Assistant, TrainOnEos::Turn);
            assert_eq!(text, "b = 2<|endoftext|>");
        }
    }

    /// As in transformers, added tokens that a text spells out are recognised, special or not.
    #[test]
    fn tokens_that_a_plain_text_spells_out_are_tokens() {
        let call = "<tool_call>x</tool_call>";
        let turn = "<|im_start|>user\nhi<|im_end|>\n";
        // The token that ends the text is supervised too; the very first token is not.
        for (prompt, completion, learned) in [("", call, 3), (call, call, 4), ("", turn, 9)] {
            let (tokenizer, template) = tiny("tiny-qwen2");
            let data = Data::default();
            let encoder = Encoder {
                tokenizer: &tokenizer,
                template: &template,
                data: &data,
                untaught_end: None,
            };
            let (prompt, completion) = (prompt.to_owned(), completion.to_owned());
            let example = row(&encoder, &sample(Content::Plain { prompt, completion }));
            assert_eq!(example.n_supervised(), learned);
        }
    }

    #[test]
    fn an_answer_that_is_not_to_be_learned_is_not_learned_whatever_the_recipe_learns() {
        let [ask, answer] = ["One?", "First."];
        let conversation = sample(Content::Conversation(vec![
            Message::new(Role::User, ask),
            Message::new(Role::Assistant, answer).not_learned(),
            Message::new(Role::User, "Two?"),
            Message::new(Role::Assistant, "Second."),
        ]));
        for train_on in [TrainOn::Assistant, TrainOn::Completion] {
            let text = learned(&conversation, train_on, TrainOnEos::Turn);
            assert_eq!(text, "Second.<|im_end|>");
        }
        let text = learned(&conversation, TrainOn::All, TrainOnEos::Turn);
        assert!(text.contains(ask) && !text.contains(answer), "{text}");
    }

    /// A base model's configuration names only the end of texts, an Instruct model's the end of turns.
    #[test]
    fn an_answer_ends_with_a_token_that_the_model_can_say() {
        let (tokenizer, _) = tiny("tiny-qwen2");
        let id = |token: &str| tokenizer.token_to_id(token).expect("a token");
        let (of_turn, of_text) = (id("<|im_end|>"), id("<|endoftext|>"));
        let chatml = ChatTemplate::chatml();
        let found = |declared: &[u32]| UntaughtEnd::of(&chatml, &tokenizer, declared);
        for declared in [&[of_turn][..], &[of_text, of_turn], &[]] {
            assert_eq!(found(declared).expect("a template"), None, "{declared:?}");
        }
        let end = found(&[of_text]).expect("a template");
        let expected = UntaughtEnd {
            token: of_turn,
            instead: of_text,
        };
        assert_eq!(end, Some(expected));
        let data = Data::default();
        let encoder = Encoder {
            tokenizer: &tokenizer,
            template: &chatml,
            data: &data,
            untaught_end: end,
        };
        let example = row(&encoder, &conversation());
        let text = tokenizer.decode(&example.tokens, false).expect("text");
        let expected = "<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\nFirst.<|endoftext|>\n\
                        <|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\nSecond.<|endoftext|>\n";
        assert_eq!(text, expected);
    }
}
