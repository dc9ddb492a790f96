//! Reduces whole chat answers to the continuation of a prefill.
//!
//! The workflows begin an answer for the model (prefill) and read what follows. `/v1/chat/completions` has no prefill
//! that all servers support, so the model writes the whole answer, and the prefill is searched for in its text.

const FENCE: &str = "```";

/// Returns what follows `begun` in an answer that was generated without a prefill.
///
/// - only the content of a fenced block is used, or the whole answer if there is none
/// - what the block shares with `begun` is removed: the signature and docstring of a function, or `assert f(`
/// - a function that is written again follows the stub; Python uses the later definition
pub(super) fn continuation(begun: &str, answer: &str) -> String {
    if begun.is_empty() {
        return answer.to_owned();
    }
    let block = block(answer);
    let stub = begun.split_once('\n').map_or("", |(_, stub)| stub);
    let shared = stub.trim_end();
    if shared.is_empty() {
        return block.to_owned();
    }
    match block.find(shared) {
        Some(at) => {
            let rest = &block[at + shared.len()..];
            // `begun` already ends in this newline.
            let newline = stub.ends_with('\n');
            rest.strip_prefix('\n')
                .filter(|_| newline)
                .unwrap_or(rest)
                .to_owned()
        }
        None => format!("\n{block}"),
    }
}

/// Returns the content of the first fenced block.
fn block(answer: &str) -> &str {
    let Some((_, after)) = answer.split_once(FENCE) else {
        return answer;
    };
    // The rest of the fence's line is the language.
    let content = after.split_once('\n').map_or("", |(_, content)| content);
    content
        .split_once("\n```")
        .map_or(content, |(block, _)| block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUB: &str = "```python\ndef f(x):\n    \"\"\"Double.\"\"\"\n";

    fn check(begun: &str, answer: &str, expected: &str) {
        assert_eq!(continuation(begun, answer), expected, "{answer}");
    }

    #[test]
    fn a_stub_that_is_repeated_is_taken_off() {
        let whole = "def f(x):\n    \"\"\"Double.\"\"\"\n    return 2 * x";
        check(
            STUB,
            &format!("Sure:\n```python\n{whole}\n```\nDone."),
            "    return 2 * x",
        );
        check(
            STUB,
            &format!("```\nimport math\n{whole}\n"),
            "    return 2 * x\n",
        );
    }

    #[test]
    fn a_function_written_anew_follows_the_stub() {
        check(
            STUB,
            "```python\ndef f(x):\n    return 2 * x\n```",
            "\ndef f(x):\n    return 2 * x",
        );
        check(STUB, "def f(x): return 2", "\ndef f(x): return 2");
    }

    #[test]
    fn tests_go_on_from_the_first() {
        check(
            "```python\nassert f(",
            "Here:\n```python\n# tests\nassert f(1) == 2\nassert f(2) == 4\n```",
            "1) == 2\nassert f(2) == 4",
        );
        check("```python\n", "```py\nassert f(1)\n```", "assert f(1)");
    }

    #[test]
    fn words_stay_words() {
        check("", "APPROVED ```x```", "APPROVED ```x```");
    }

    #[test]
    fn a_fence_that_never_closes_or_holds_nothing_is_no_trouble() {
        check("```python\n", "```python\nx = 1", "x = 1");
        check("```python\n", "```", "");
    }
}
