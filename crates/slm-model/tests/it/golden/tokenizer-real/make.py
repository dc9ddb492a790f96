"""Token ids and rendered chats of the real SmolLM2 and Qwen2.5-Coder files, from their own metadata.

The ids are from two oracles: llama.cpp, and the `tokenizers` package configured as by the models' publishers. They
agree on most texts; an entry on which they differ also has `llama_cpp_ids`. If they differ only by Unicode
normalisation, the publisher's tokenizer is right: llama.cpp does none. Chats are rendered as in transformers.

    python tokenizer-real/make.py NAME=PATH.gguf ...   (NAME: smollm2 or qwen2.5-coder)
"""

import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tokenizer"))
from llama_cpp import VERSION, LlamaCpp
from make import CHATS, QWEN2_SPLIT, STRINGS
from oracle import GOLDEN, write_json

import gguf
import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

REAL_STRINGS = STRINGS + [
    "The quick brown fox jumps over 13 lazy dogs; 1,234.56!",
    'import numpy as np\n\n\ndef mean(xs: list[float]) -> float:\n    """Mean of xs."""\n    return sum(xs) / len(xs)\n',
    'try:\n    pass\nexcept (ValueError, KeyError) as error:\n    raise RuntimeError(f"{error!r}") from error',
    "    \n        \n\tmixed \t whitespace\t\n",
    "<|fim_prefix|>def f():<|fim_suffix|>return 1<|fim_middle|>",
    "<repo_name>a/b<file_sep>src/main.py\n",
    "supercalifragilisticexpialidocious",
]


def from_metadata(fields):
    """The publisher's tokenizer, from the vocabulary in the file and the known settings of its family."""
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    style = fields["tokenizer.ggml.pre"]
    added = [i for i, kind in enumerate(kinds) if kind in (gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED)]
    skipped = {i for i, kind in enumerate(kinds) if kind == gguf.TokenType.UNUSED} | (
        set(added) if style == "qwen2" else set()
    )
    vocabulary = {token: i for i, token in enumerate(tokens) if i not in skipped}
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    if style == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    elif style == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        raise ValueError(f"unknown pre-tokenizer {style}")
    tokenizer.decoder = decoders.ByteLevel()
    for i in added:
        special = kinds[i] == gguf.TokenType.CONTROL
        tokenizer.add_tokens([AddedToken(tokens[i], special=special, normalized=False)])
    assert all(tokenizer.token_to_id(tokens[i]) == i for i in added)
    return tokenizer


def record(name, path):
    path = pathlib.Path(path).resolve()
    fields = {key: field.contents() for key, field in gguf.GGUFReader(path).fields.items()}
    llama, tokenizer = LlamaCpp(path), from_metadata(fields)
    texts = []
    for text in REAL_STRINGS:
        ids, theirs = tokenizer.encode(text, add_special_tokens=False).ids, llama.tokenize(text)
        entry = {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
        if ids != theirs:
            print(f"{name}: llama.cpp differs on {text!r}")
            entry["llama_cpp_ids"] = theirs
        texts.append(entry)
    chats = []
    for messages in CHATS:
        for add_generation_prompt in (False, True):
            rendered, _ = transformers.utils.chat_template_utils.render_jinja_template(
                conversations=[messages],
                chat_template=fields["tokenizer.chat_template"],
                add_generation_prompt=add_generation_prompt,
            )
            ids = tokenizer.encode(rendered[0], add_special_tokens=False).ids
            chats.append(
                {
                    "messages": messages,
                    "add_generation_prompt": add_generation_prompt,
                    "rendered": rendered[0],
                    "ids": ids,
                }
            )
            if ids != llama.tokenize(rendered[0]):
                print(f"{name}: llama.cpp differs on {rendered[0]!r}")
    write_json(
        GOLDEN / "tokenizer-real" / f"{name}.json",
        {
            "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "oracles": [f"tokenizers {tokenizers.__version__}", VERSION, f"transformers {transformers.__version__}"],
            "texts": texts,
            "chats": chats,
        },
    )


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        record(*argument.split("=", 1))
