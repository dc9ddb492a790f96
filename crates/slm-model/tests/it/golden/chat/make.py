"""Renders conversations by templates that strip, split or date what they print, and records the ids of the whole text.

transformers renders and tokenizers encodes the whole rendering, with offsets. The tokens of an answer are those that
share a character with it. `metaspace-first` and `metaspace-prepend` are tokenizers as in Llama 2, the first with a
pre-tokenizer that marks the start of a text, the second with a normalizer that does so after each added token.
Writes `{metaspace-first,metaspace-prepend}.json` and `expected.json`.
"""

import datetime
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, write_json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

FOLDER = GOLDEN / "chat"
MARK = "\u2581"
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
SPLIT_OFF = "{% set c = m.content.split('</think>')[-1].lstrip('\\n') %}"
# Each template is written for this test, with the mechanism of some family's template.
TEMPLATES = {
    "windows": CHATML.replace("{% endfor", "\n{% endfor").replace("\n", "\r\n"),
    "strips": (
        "{% set sys = messages[0].content if messages[0].role == 'system' else '' %}"
        "{% set rest = messages[1:] if sys else messages %}{% for m in rest %}{% if m.role == 'user' %}"
        "{% set c = ('<<SYS>>\\n' + sys + '\\n<</SYS>>\\n\\n' + m.content) if loop.first and sys else m.content %}"
        "[INST] {{ c.strip() }} [/INST]{% else %} {{ m.content.strip() }} <|im_end|>{% endif %}{% endfor %}"
    ),
    "space": "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>\n{% endfor %}",
    "last_thought": "{% for m in messages %}<|im_start|>{{ m.role }}\n" + SPLIT_OFF + "{{ c }}<|im_end|>\n{% endfor %}",
    "keeps_thought": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% set t, c = '', m.content %}{% if '</think>' in c %}"
        "{% set t = c.split('</think>')[0].split('<think>')[-1].strip('\\n') %}"
        "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
        "{% if m.role == 'assistant' %}<think>\n{{ t }}\n</think>\n\n{% endif %}{{ c }}<|im_end|>\n{% endfor %}"
    ),
    "plain_end": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n###\n{% endfor %}",
    "metaspace": "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}",
}
QUESTION = {"role": "user", "content": "q"}
SYSTEM = {"role": "system", "content": "Be brief.\n"}


def answer(text):
    return {"role": "assistant", "content": text}


# Name, tokenizer, template, messages, and the part of the answer that the template prints.
CASES = [
    ("windows newlines", "qwen2", "windows", [QUESTION, answer("a\nb")], "a\nb"),
    ("stripped", "qwen2", "strips", [SYSTEM, QUESTION, answer("def f():\n    pass\n")], "def f():\n    pass"),
    ("stripped on one side", "qwen2", "strips", [QUESTION, answer("\n  def f")], "def f"),
    ("space before", "qwen2", "strips", [QUESTION, answer("a")], "a"),
    ("space after the role", "qwen2", "space", [QUESTION, answer("def f")], "def f"),
    ("no thought", "qwen2", "last_thought", [QUESTION, answer("a")], "a"),
    ("newline before", "qwen2", "last_thought", [QUESTION, answer("\na")], "a"),
    ("newline after", "qwen2", "last_thought", [QUESTION, answer("a\n")], "a\n"),
    ("newlines before, space after", "qwen2", "last_thought", [QUESTION, answer("\n\na ")], "a "),
    (
        "a thought that the template prints",
        "qwen2",
        "keeps_thought",
        [QUESTION, answer("<think>\nhm\n</think>\n\n42")],
        "<think>\nhm\n</think>\n\n42",
    ),
    ("no thought where the template prints one", "qwen2", "keeps_thought", [QUESTION, answer("42")], "42"),
    ("an end in plain text", "qwen2", "plain_end", [QUESTION, answer("x."), QUESTION, answer("y")], "x."),
    ("metaspace first", "metaspace-first", "metaspace", [QUESTION, answer("Yes"), QUESTION, answer("No")], "Yes"),
    ("metaspace prepend", "metaspace-prepend", "metaspace", [QUESTION, answer("Yes"), QUESTION, answer("No")], "Yes"),
]
# Texts without turns: added tokens are recognised, special or not.
TEXTS = [
    ("qwen2", "<tool_call>x</tool_call>"),
    ("qwen2", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"),
    ("metaspace-first", "Hi\nYes"),
    ("metaspace-prepend", "Hi\nYes"),
    ("metaspace-first", "Hi</s>Yes"),
    ("metaspace-prepend", "Hi</s>Yes"),
]
DIRECTIVES = [
    "%d %B %Y, %I:%M %p", "%-d %b %Y", "%Z|%z", "%j", "%A", "%a", "%Y-%m-%d %H:%M:%S", "%c", "%x %X", "%D %T", "%F %R",
    "%e", "%-m/%-d/%y", "%_m", "%_j", "%k:%M", "%-I %P", "%l", "%r", "%U %W %V %u %w", "%C %G %g", "%h", "%f", "%n%t%%",
    "%^a %#p %#B %^B %#c %^c %^P", "%Ey %Od", "%%%d",
]  # fmt: skip


def metaspace(kind):
    """A BPE without merges: one token per letter and per other byte."""
    letters = [MARK, *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ<|>/.,:?"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if kind == "first":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    return tokenizer


def spans(rendered, text):
    """Position of the last answer's first occurrence after the last prompt."""
    at = rendered.rindex(text)
    return at, at + len(text)


def main():
    tokenizers = {"qwen2": Tokenizer.from_file(str(GOLDEN / "tokenizer" / "qwen2" / "tokenizer.json"))}
    for kind in ("first", "prepend"):
        name = f"metaspace-{kind}"
        tokenizers[name] = metaspace(kind)
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(json.loads(tokenizers[name].to_str()), ensure_ascii=False) + "\n", encoding="utf-8")
    cases = []
    for name, tokenizer, template, messages, printed in CASES:
        raw = tokenizers[tokenizer]
        fast = PreTrainedTokenizerFast(tokenizer_object=raw, chat_template=TEMPLATES[template])
        rendered = fast.apply_chat_template(messages, tokenize=False)
        encoding = raw.encode(rendered, add_special_tokens=False)
        assert encoding.ids == fast(rendered, add_special_tokens=False).input_ids
        start, end = spans(rendered, printed)
        answer_ids = [i for i, (a, b) in zip(encoding.ids, encoding.offsets) if a < end and start < b]
        cases.append(
            {
                "name": name,
                "tokenizer": tokenizer,
                "template": TEMPLATES[template],
                "messages": messages,
                "rendered": rendered,
                "ids": encoding.ids,
                "answer": answer_ids,
            }
        )
    texts = [
        {"tokenizer": name, "text": text, "ids": tokenizers[name].encode(text, add_special_tokens=False).ids}
        for name, text in TEXTS
    ]
    moment = datetime.datetime(2024, 7, 26)
    write_json(
        FOLDER / "expected.json",
        {
            "cases": cases,
            "texts": texts,
            "prefix_space": prefix_space(),
            "begin": begin(),
            "dates": [{"format": f, "text": moment.strftime(f)} for f in DIRECTIVES],
        },
    )


def prefix_space():
    """The effect of `add_prefix_space` in transformers, in a model's folder."""
    texts = ["def add(a, b):\n    return a", " x", "<|im_start|>a<|im_end|>b"]
    config = json.loads((GOLDEN / "tiny-qwen2" / "tokenizer_config.json").read_text(encoding="utf-8"))
    found = []
    for add in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name in ("config.json", "tokenizer.json"):
                (folder / name).write_bytes((GOLDEN / "tiny-qwen2" / name).read_bytes())
            (folder / "tokenizer_config.json").write_text(json.dumps(config | {"add_prefix_space": add}))
            tokenizer = AutoTokenizer.from_pretrained(folder)
            found += [{"add": add, "text": t, "ids": tokenizer(t, add_special_tokens=False).input_ids} for t in texts]
    return found


def begin():
    """The tokens that transformers puts before a text if only `tokenizer_config.json` requests the begin token."""
    config = {"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    found = []
    for add in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "config.json").write_bytes((GOLDEN / "tiny-llama" / "config.json").read_bytes())
            (folder / "tokenizer.json").write_bytes((FOLDER / "metaspace-first.json").read_bytes())
            (folder / "tokenizer_config.json").write_text(json.dumps(config | {"add_bos_token": add}))
            found.append({"add": add, "text": "Hi", "ids": AutoTokenizer.from_pretrained(folder)("Hi").input_ids})
    return found


if __name__ == "__main__":
    main()
