"""Writes cases.json: ids of texts and of fill-in-the-middle prompts, by transformers.

transformers 5.24.0, tokenizers 0.23.3. Run in this folder: python make.py

Each family's tokens are added to the tokenizer of the golden checkpoint tiny-qwen2, as ordinary added tokens
("special": false), as Qwen2.5-Coder has them.
"""

import json
import pathlib

import tokenizers
import transformers

HERE = pathlib.Path(__file__).parent
TINY = HERE / "../../../../../crates/slm-model/tests/it/golden/tiny-qwen2/tokenizer.json"

FAMILIES = {
    "qwen": ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    "starcoder": ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    "deepseek": ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
}

TEXTS = [
    "{0}def add(a, b):\n{1}\n{2}    return a + b",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n",
    "<tool_call>x</tool_call>",
    "half a tag: <|im_start|user <|fim_prefix and {2",
    "{2}{1}{0}",
    " {0} \n{0}\t",
    "no tag at all",
]

CUTS = [
    ["def add(a, b):\n", "    return a + b", "\n\nprint(add(1, 2))\n"],
    ["", "x = 1\n", ""],
    ["x = ", "", "1\n"],
    ["def f():\n    retu", "rn 'é🙂", "'\n"],
    ["# <|im_end|> {0} as text\n", "y = '{2}'", "\n<tool_call>\n"],
]


def with_names(text, names):
    for at, name in enumerate(names):
        text = text.replace("{%d}" % at, name)
    return text


def letters(tokenizer, text):
    """Ids of a text in which no added token is recognised: the tokenizer without its added tokens."""
    plain = json.loads(tokenizer.to_str())
    plain["added_tokens"] = []
    return tokenizers.Tokenizer.from_str(json.dumps(plain)).encode(text).ids


def main():
    families = {}
    for family, names in FAMILIES.items():
        definition = json.loads(TINY.read_text())
        first = max(token["id"] for token in definition["added_tokens"]) + 1
        for at, name in enumerate(names):
            token = dict(definition["added_tokens"][-1], id=first + at, content=name)
            definition["added_tokens"].append(token)
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(definition))
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
        texts = [with_names(text, names) for text in TEXTS]
        prefix_id, suffix_id, middle_id = (fast.convert_tokens_to_ids(name) for name in names)
        cuts = []
        for cut in CUTS:
            prefix, middle, suffix = (with_names(part, names) for part in cut)
            ids = [letters(tokenizer, part) for part in (prefix, middle, suffix)]
            cuts.append(
                {
                    "prefix": prefix,
                    "middle": middle,
                    "suffix": suffix,
                    "middle_ids": ids[1],
                    "psm": [prefix_id, *ids[0], suffix_id, *ids[2], middle_id],
                    "spm_joined": [prefix_id, suffix_id, *ids[2], middle_id, *ids[0]],
                    "spm_separate": [suffix_id, *ids[2], prefix_id, *ids[0], middle_id],
                }
            )
            # Without tags in the parts, the ids are those of the whole text with its tags.
            if "<" not in prefix + middle + suffix:
                whole = names[0] + prefix + names[1] + suffix + names[2] + middle
                assert cuts[-1]["psm"] + ids[1] == fast.encode(whole, add_special_tokens=False), whole
        families[family] = {
            "tokens": names,
            "texts": [
                {
                    "text": text,
                    "auto": fast.encode(text, add_special_tokens=False),
                    "literal": letters(tokenizer, text),
                }
                for text in texts
            ],
            "cuts": cuts,
        }
    out = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "families": families}
    (HERE / "cases.json").write_text(json.dumps(out, ensure_ascii=False) + "\n")


main()
