"""Renders conversations with thoughts and tool calls, and records which tokens transformers' masks cover.

Each template is written for this test, with the mechanism of some family's template: it cuts the thoughts of earlier
turns, cuts them all, prints an empty thought where there is none, or prints thoughts and tool calls in its own markup.
`{% generation %}` marks what the model writes, as transformers expects it for `return_assistant_tokens_mask`; our
program ignores the mark. A turn of which the template omits a part is not learned: `cut` lists these, by their index
among the turns of the assistant.

`text` is the whole rendering, or, where the thought of the last answer is kept although the template omits it, the prompt
of the last answer followed by the answer. Made by transformers 5.24.0 and tokenizers 0.23.3. Writes `tokenizer.json` and
`expected.json`.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, write_json

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

FOLDER = GOLDEN / "thinking"
SPECIAL = ["<|user|>", "<|assistant|>", "<|observation|>", "<|call|>", "<|channel|>"]
TAGS = ["<think>", "</think>", "<tool_response>", "</tool_response>"]

# Definitions of tools at the start, calls as JSON between tags, results as turns of the user.
TOOLS = (
    "{% if tools %}<|im_start|>system\nTools:{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
)
CALLS = (
    "{% for call in m.tool_calls or [] %}{% set f = call.function %}{% if c or not loop.first %}{{ '\\n' }}{% endif %}"
    "<tool_call>\n{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}\n</tool_call>{% endfor %}"
)
SPLIT = (
    "{% set c = m.content or '' %}{% set t = m.reasoning_content or '' %}"
    "{% if not t and '</think>' in c %}{% set t = c.split('</think>')[0].split('<think>')[-1].strip('\\n') %}"
    "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
)
TEMPLATES = {
    # As Qwen3: thoughts after the last question alone, an empty one where there is none.
    "cuts": TOOLS
    + "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for m in messages %}{% if m.role == 'assistant' %}" + SPLIT + "<|im_start|>assistant\n"
    "{% generation %}{% if loop.index0 > ns.last and (loop.last or t) %}{{ '<think>\\n' + t + '\\n</think>\\n\\n' }}{% endif %}"
    "{{ c }}" + CALLS + "<|im_end|>{% endgeneration %}{{ '\\n' }}{% elif m.role == 'tool' %}<|im_start|>user\n"
    "<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}",
    # As the distilled R1: no thoughts at all, and the prompt opens one.
    "omits": "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}{% elif m.role == 'assistant' %}"
    "{% set c = m.content %}{% if '</think>' in c %}{% set c = c.split('</think>')[-1] %}{% endif %}<|assistant|>"
    "{% generation %}{{ c }}<|im_end|>{% endgeneration %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% endif %}",
    # As SmolLM3: answers as they are, or after an empty thought.
    "flags": "{% set on = enable_thinking | default(true) %}<|im_start|>system\n{{ '/think' if on else '/no_think' }}<|im_end|>\n"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% if not on %}"
    "{{ '<think>\\n\\n</think>\\n' }}{% endif %}{% generation %}{{ m.content.lstrip('\\n') }}<|im_end|>{% endgeneration %}\n"
    "{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not on %}{{ '<think>\\n\\n</think>\\n' }}{% endif %}{% endif %}",
    # As GLM: no end of a turn but the start of the next one, and arguments one by one.
    "roles": "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for m in messages %}{% if m.role == 'user' %}<|user|>\n{{ m.content }}"
    "{% elif m.role == 'tool' %}<|observation|>\n{{ m.content }}{% else %}" + SPLIT + "<|assistant|>{% generation %}"
    "{{ '\\n<think>' + (t.strip() if loop.index0 > ns.last else '') + '</think>' }}{{ '\\n' + c.strip() if c.strip() else '' }}"
    "{% for call in m.tool_calls or [] %}{% set f = call.function %}{{ '\\n<tool_call>' + f.name }}"
    "{% for key, value in f.arguments.items() %}{{ '\\n' + key + '=' }}"
    "{{ value if value is string else value | tojson(ensure_ascii=False) }}{% endfor %}{{ '\\n</tool_call>' }}{% endfor %}"
    "{% endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    # As gpt-oss: thoughts and calls in channels, and calls that end with their own token.
    "channels": "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{% generation %}{% if m.thinking %}<|channel|>thought "
    "{{ m.thinking }}<|im_end|><|assistant|>{% endif %}{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}<|channel|>"
    "{{ f.name }} {{ f.arguments | tojson }}<|call|>{% else %}<|channel|>final {{ m.content }}<|im_end|>{% endif %}"
    "{% endgeneration %}{% elif m.role == 'tool' %}<|observation|>{{ m.content }}<|im_end|>{% else %}<|user|>{{ m.content }}"
    "<|im_end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    # As DeepSeek: arguments must be text.
    "text_arguments": "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{% generation %}{{ m.content or '' }}"
    "{% for call in m.tool_calls or [] %}{{ '<tool_call>' + call.function.name + '\\n' + call.function.arguments + '\\n</tool_call>' }}"
    "{% endfor %}<|im_end|>{% endgeneration %}{% elif m.role == 'tool' %}<|observation|>{{ m.content }}{% else %}<|user|>"
    "{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
}


def user(text):
    return {"role": "user", "content": text}


def answer(text, **fields):
    return {"role": "assistant", "content": text, **fields}


def call(arguments, content=None, **fields):
    function = {"name": "add", "arguments": arguments}
    return answer(content, tool_calls=[{"type": "function", "function": function}], **fields)


RESULT = {"role": "tool", "content": "4"}
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "number"}}},
    },
}
THOUGHT = "<think>\nhm\n</think>\n\n"
ARGUMENTS = {"b": 2, "a": "zwei ü"}
TURNS = [user("q"), answer(THOUGHT + "1"), user("r"), answer(THOUGHT + "2")]
PLAIN = [user("q"), answer("1"), user("r"), answer("2")]
FIELD = [user("q"), answer("1", reasoning_content="hm"), user("r"), answer("2", reasoning_content="ha")]
CALLED = [user("2+2?"), call(ARGUMENTS), RESULT, answer("It is 4.")]
OFF = {"enable_thinking": False}

# Name, template, variables, tools, what becomes of thoughts, messages, cut turns.
CASES = [
    ("one thought", "cuts", {}, None, "auto", TURNS[2:], []),
    ("thoughts of earlier turns are cut", "cuts", {}, None, "auto", TURNS, [0]),
    ("no thoughts", "cuts", {}, None, "auto", PLAIN, []),
    ("thoughts in a field", "cuts", {}, None, "auto", FIELD, [0]),
    ("thoughts stripped", "cuts", {}, None, "strip", TURNS, []),
    ("a thought that is kept is where the template prints it", "cuts", {}, None, "keep", TURNS, [0]),
    ("tools", "cuts", {}, [TOOL], "auto", CALLED, []),
    ("a call with text and thought", "cuts", {}, [TOOL], "auto",
     [user("q"), call(ARGUMENTS, "I call.", reasoning_content="hm"), RESULT, answer("4", reasoning_content="ha")], []),
    ("an earlier call with a thought is cut", "cuts", {}, [TOOL], "auto",
     [user("q"), call({}, "", reasoning_content="hm"), RESULT, answer("4"), *PLAIN[2:]], [0]),
    ("earlier calls without thoughts", "cuts", {}, [TOOL], "auto", [*CALLED, *CALLED], []),
    ("two calls in a row", "cuts", {}, [TOOL], "auto", [user("q"), call({"a": 1}), RESULT, call({"a": 2}), RESULT, answer("5")], []),
    ("thoughts omitted and stripped", "omits", {}, None, "strip", TURNS, []),
    ("no thoughts to omit", "omits", {}, None, "auto", PLAIN, []),
    ("an omitted thought is kept", "omits", {}, None, "keep", TURNS[2:], []),
    ("an omitted thought is kept, earlier ones are cut", "omits", {}, None, "keep", TURNS, [0]),
    ("thoughts as they are", "flags", {}, None, "auto", TURNS, []),
    ("a thought in a field goes into the text", "flags", {}, None, "auto", FIELD, []),
    ("an empty thought that the prompt has", "flags", OFF, None, "auto", PLAIN, []),
    ("turns that end with the next one", "roles", {}, None, "auto", [*PLAIN[:2], *TURNS[2:]], []),
    ("calls that end with the next turn", "roles", {}, None, "auto", CALLED, []),
    ("channels", "channels", {}, None, "auto", [user("q"), answer("2", thinking="hm")], []),
    ("a call with its own end", "channels", {}, None, "auto",
     [user("q"), call(ARGUMENTS, "", thinking="hm"), RESULT, answer("4", thinking="ha")], []),
    ("arguments as text", "text_arguments", {}, None, "auto", CALLED, []),
]  # fmt: skip
FIELDS = {"cuts": "reasoning_content", "roles": "reasoning_content", "channels": "thinking"}


def as_template_expects(message, template, thinking):
    """The message that transformers must receive: our program converts thoughts and arguments into this form."""
    message = json.loads(json.dumps(message))
    thought = message.pop("reasoning_content", None) or message.pop("thinking", None)
    if thinking == "strip":
        thought = None
        if message["role"] == "assistant":
            message["content"] = message["content"].split("</think>")[-1].lstrip()
    if thought and template in FIELDS:
        message[FIELDS[template]] = thought
    elif thought:
        message["content"] = f"<think>\n{thought}\n</think>\n\n{message['content']}"
    if template == "text_arguments":
        for one in message.get("tool_calls", []):
            one["function"]["arguments"] = json.dumps(one["function"]["arguments"], ensure_ascii=False)
    return message


def expect(fast, case):
    name, template, variables, tools, thinking, messages, cut = case
    given = [as_template_expects(m, template, thinking) for m in messages]
    source = TEMPLATES[template]
    (text,), (spans,) = render_jinja_template(
        [given], tools=tools, chat_template=source, return_assistant_tokens_mask=True, **variables
    )
    assert len(spans) == sum(m["role"] == "assistant" for m in messages), name
    spans = [list(span) for at, span in enumerate(spans) if at not in cut]
    if thinking == "keep" and template == "omits":
        prompt = fast.apply_chat_template(given[:-1], chat_template=source, tokenize=False, add_generation_prompt=True)
        assert prompt.endswith("<think>\n")
        spans = [span for span in spans[:-1] if span[1] <= len(prompt)]
        text = prompt + messages[-1]["content"].removeprefix("<think>\n") + "<|im_end|>"
        spans.append([len(prompt), len(text)])
    if template == "roles":
        # The start of the next turn ends an answer; of the last one, the model's end token does.
        starts = [text.find("<|", end) for _, end in spans]
        if spans[-1][1] == len(text):
            text += "<|im_end|>"
            starts[-1] = text.rfind("<|")
        spans = [[start, text.index("|>", at) + 2] for (start, _), at in zip(spans, starts)]
    encoded = fast(text, add_special_tokens=False, return_offsets_mapping=True)
    learned = [any(a < end and start < b for start, end in spans) for a, b in encoded.offset_mapping]
    return {
        "name": name,
        "template": source,
        "kwargs": variables,
        "tools": tools,
        "thinking": thinking,
        "messages": messages,
        "text": text,
        "ids": encoded.input_ids,
        "learned": [int(flag) for flag in learned],
        "n_cut": len(cut),
    }


def main():
    tokenizer = Tokenizer.from_file(str(GOLDEN / "tokenizer" / "qwen2" / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in TAGS])
    path = FOLDER / "tokenizer.json"
    path.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + "\n", encoding="utf-8")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    write_json(FOLDER / "expected.json", {"cases": [expect(fast, case) for case in CASES]})


if __name__ == "__main__":
    main()
