"""Renders conversations by the chat templates that TRL publishes, for `published_templates_give_...` in `thinking.rs`.

    PYTHON thinking/published.py FOLDER
    CHAT_TEMPLATES=FOLDER cargo test -p slm-model --test it published_templates

transformers renders a template. Where TRL's variant for training renders the same text, its mask marks what is learned,
without the white space after the end of a turn, and without what the prompt for an answer contains already: TRL counts both
to the answer. Thoughts in a field that a template does not read are not compared: our program moves them into the text. Run with TRL 1.16.0, transformers 5.24.0.
"""

import datetime
import json
import pathlib
import re
import sys

import make
import trl
from tokenizers import AddedToken, Tokenizer
from transformers.utils.chat_template_utils import render_jinja_template

OTHER_TOKENS = ["<start_of_turn>", "<end_of_turn>", "<bos>", "<s>", "</s>", "[gMASK]", "<sop>"]
TAGS = ["<think>", "</think>", "<tool_response>", "</tool_response>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"]
TOKENS = {"bos_token": "<s>", "eos_token": "<|im_end|>"}
# Masks with the name of the assistant's role, with the end of the whole text, or with an empty thought in another form than the
# prompt opens it, which our program takes for context.
NO_MASK = ("deepseek_r1_distill", "deepseekv3", "phi3_5", "nemotron_3_5_lightning", "nemotron_3_nano", "nemotron_3_super", "nemotron_3_ultra")
# Templates of images.
LEFT_OUT = ("vl", "idefics", "llava", "smolvlm", "diffusion")


def call(arguments, content):
    return {**make.call(arguments, content)}


QUESTION, RESULT = make.user("q"), {"role": "tool", "content": "4", "name": "add"}
CONVERSATIONS = {
    "one turn": ([QUESTION, make.answer("one two")], None),
    "two turns": ([QUESTION, make.answer("one"), make.user("r"), make.answer("two  three")], None),
    "system": ([{"role": "system", "content": "Be brief."}, QUESTION, make.answer("one")], None),
    "thought": ([QUESTION, make.answer(make.THOUGHT + "42")], None),
    "two thoughts": (make.TURNS, None),
    "thought in a field": ([QUESTION, make.answer("42", reasoning_content="hm")], None),
    "call": ([QUESTION, call({"a": 2, "b": "x"}, ""), RESULT, make.answer("four")], [make.TOOL]),
    "call with text": ([QUESTION, call({"a": 2}, "I call."), RESULT, make.answer("four")], [make.TOOL]),
}


def expect(sources, name, conversation, variables):
    messages, tools = CONVERSATIONS[conversation]
    variables = {**variables, **TOKENS}
    given = {"tools": tools, **variables}
    (text,), _ = render_jinja_template([messages], chat_template=sources[name], **given)
    (marked,), (spans,) = render_jinja_template(
        [messages], chat_template=sources[f"{name}_training"], return_assistant_tokens_mask=True, **given
    )
    turns = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    assert len(turns) == len(spans)
    learned = ""
    for at, (start, end) in zip(turns, spans):
        (prompt,), _ = render_jinja_template(
            [messages[:at]], chat_template=sources[name], add_generation_prompt=True, **given
        )
        start = max(start, len(prompt)) if text.startswith(prompt) else start
        learned += marked[start:end].rstrip()
    return {
        "name": f"{name}, {conversation}, {variables.get('enable_thinking', '')}",
        "template": sources[name],
        "kwargs": variables,
        "tools": tools,
        "messages": messages,
        # Our program renders for a fixed date.
        "text": text.replace(datetime.date.today().isoformat(), "2024-07-26"),
        "learned": learned if text == marked and name not in NO_MASK else None,
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    templates = (pathlib.Path(trl.__file__).parent / "chat_templates").glob("*.jinja")
    sources = {path.stem: path.read_text(encoding="utf-8") for path in templates}
    spelled = re.compile("<[|\uff5c][^<>\\s]{1,40}?[|\uff5c]>")
    special = sorted({token for source in sources.values() for token in spelled.findall(source)}) + OTHER_TOKENS
    tokenizer = Tokenizer.from_file(str(make.GOLDEN / "tokenizer" / "qwen2" / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in TAGS])
    tokenizer.save(str(folder / "tokenizer.json"))
    cases, refused = [], []
    for name in sorted(sources):
        if f"{name}_training" not in sources or any(word in name for word in LEFT_OUT):
            continue
        for conversation in CONVERSATIONS:
            for variables in ({}, {"enable_thinking": False}):
                if conversation == "thought in a field" and "reasoning_content" not in sources[name]:
                    continue
                # A thought after a prompt that closes it.
                if "thought" in conversation and (variables or "nothink" in name):
                    continue
                if variables and "enable_thinking" not in sources[name]:
                    continue
                try:
                    cases.append(expect(sources, name, conversation, variables))
                except Exception as error:  # A template refuses what it does not support.
                    refused.append(f"{name}, {conversation}: {error}")
    (folder / "expected.json").write_text(json.dumps({"cases": cases}, ensure_ascii=False), encoding="utf-8")
    print(f"{len(cases)} cases, {sum(case['learned'] is not None for case in cases)} with a mask")
    print(*refused, sep="\n")


if __name__ == "__main__":
    main()
