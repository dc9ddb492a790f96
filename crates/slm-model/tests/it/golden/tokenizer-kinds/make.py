"""Trains two small vocabularies and records what tokenizers and transformers do with each kind of tokenizer.

`sentence-piece.json` is a tokenizer.json as in Llama 2: 256 byte tokens, merged pieces, letters; its merges are made
from the scores by transformers. `sentence-piece-scores.json` has the scores and types of its tokens, as a GGUF file has
them. `byte-level.json` is a byte-level vocabulary whose merges know no words, so that every way to split a text gives
other ids. `unigram-model.json` is a Unigram model. `inputs.json` has the texts and chats, and a file per kind what becomes of
them; `pre-tokenizers.json` has the ids by the rules that models publish. `llama_cpp_ids.py` adds those of llama.cpp.

Made with transformers 5.24.0 and tokenizers 0.23.3, without network.
"""

import importlib.util
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, write_json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges

FOLDER = GOLDEN / "tokenizer-kinds"
MARK = "\u2581"
SPECIALS = ["<unk>", "<s>", "</s>"]
LATER_SPECIALS = ["<|endoftext|>", "<|end|>"]
USER_DEFINED = ["<table>", "</table>", "<think>"]

spec = importlib.util.spec_from_file_location("tokenizer_make", GOLDEN / "tokenizer" / "make.py")
earlier = importlib.util.module_from_spec(spec)
spec.loader.exec_module(earlier)
CORPUS = earlier.CORPUS.replace("def is_prime", "\tdef is_prime").replace("    while", "\twhile")

TEXTS = [
    *earlier.STRINGS,
    "<s>begin</s>end",
    "a </s> b  </s>  c",
    "</s>\n</s>x",
    "<table><td>1</td></table>",
    "  \u2581 a mark \u2581\u2581",
    "if x:\n        return 'a'\n    else:\n\treturn\t\t\"b\"",
    "the                                                                 end",
    "<0x41> <0x0A> <0xzz>",
    "x = 1234567 + 12 + 123\n\n\n\n# 42",
    "ÀÉÎ Ünïcödé ΑΒΓ αβγ ДЖ дж CamelÉcole HTTPServer2Go",
]
assert len(TEXTS) == 60

CODE = "def add(a, b):\n\treturn a + b\n"
CHATS = [
    [("user", "Hi"), ("assistant", "Yes")],
    [("user", "Write a function."), ("assistant", CODE)],
    [("system", "Be brief."), ("user", "q"), ("assistant", "  indented"), ("user", "x"), ("assistant", "No")],
    [("user", "größer?"), ("assistant", "Die Straße ist größer. 🙂👍🏽")],
    [("user", "line\r\nline"), ("assistant", "a\r\nb\r\n")],
    [("user", "你好"), ("assistant", "世界，这是测试")],
    [("user", " leading"), ("assistant", "trailing ")],
    [("user", "12345"), ("assistant", "3.14159 and 1_000")],
    [("system", ""), ("user", "```python\nx\n```"), ("assistant", "```python\n    x = 1\n```")],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d\n\n\te")],
]
TEMPLATES = {
    "roles": "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}",
    "instructions": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }}</s>"
        "{% else %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
    ),
}


def as_messages(chat):
    return [{"role": role, "content": content} for role, content in chat]


def save(name, tokenizer):
    text = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def sentence_piece():
    """Trains the pieces; the scores fall in the order of training, as SentencePiece writes them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(MARK + "*[^" + MARK + "\n]*"), behavior="isolated")
    tokenizer.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=480, show_progress=False))
    pieces = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    letters = [piece for piece in pieces if len(piece) == 1 and piece not in "\n\t"]
    pieces = [piece for piece in pieces if len(piece) > 1]
    tokens = [*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, *letters, *USER_DEFINED, *LATER_SPECIALS]
    types = [2, 3, 3] + [6] * 256 + [1] * (len(pieces) + len(letters)) + [4] * len(USER_DEFINED) + [3] * len(LATER_SPECIALS)
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces) + len(letters))] + [-1000.0] * 5
    vocabulary = {token: i for i, token in enumerate(tokens)}
    scored = {t: s for t, s, kind in zip(tokens, scores, types, strict=True) if kind == 1}
    model = models.BPE(
        vocabulary, generate_merges(vocabulary, scored), unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    tokenizer = Tokenizer(model)
    add_tokens(tokenizer)
    write_json(FOLDER / "sentence-piece-scores.json", {"tokens": tokens, "scores": scores, "types": types})
    return tokenizer


def add_tokens(tokenizer):
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIALS + LATER_SPECIALS])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in USER_DEFINED])


def kinds():
    """Normalizer, pre-tokenizer and decoder of each kind that shares the vocabulary."""
    space = normalizers.Replace(" ", MARK)
    decode = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    stripped = decoders.Sequence([*decode, decoders.Strip(" ", 1, 0)])

    def metaspace(scheme, split):
        return pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme=scheme, split=split)

    merged = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    return {
        "metaspace-first": (None, metaspace("first", False), stripped),
        "metaspace-always": (None, metaspace("always", True), stripped),
        "metaspace-never": (None, metaspace("never", True), decoders.Sequence(decode)),
        "prepend": (normalizers.Sequence([normalizers.Prepend(MARK), space]), None, stripped),
        "no-prefix": (space, merged, decoders.Sequence(decode)),
    }


def unigram():
    """Trains the Unigram model once: its trainer gives another one in each run."""
    path = FOLDER / "unigram-model.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {9,}"), "        ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="first", split=True)
    trainer = trainers.UnigramTrainer(
        vocab_size=260, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False, shrinking_factor=0.6
    )
    tokenizer.train_from_iterator(CORPUS.split("\n"), trainer)
    state = json.loads(tokenizer.to_str())
    pieces = [tuple(piece) for piece in state["model"]["vocab"] if piece[0] not in SPECIALS]
    pieces = [(piece, round(score, 4)) for piece, score in pieces]
    special = [(token, 0.0) for token in SPECIALS]
    bytes_ = [(f"<0x{byte:02X}>", 0.0) for byte in range(256)]
    state["model"] = {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": special + bytes_ + pieces}
    state["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(MARK, "first")])
    add_tokens(tokenizer)
    save("unigram-model.json", tokenizer)
    return tokenizer


def record(tokenizer):
    """Ids and texts; ends of lines and special tokens, where a completion may start; chats and their answers."""
    texts = []
    for text in TEXTS:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        texts.append({"ids": encoding.ids, "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=False)})
    chats = []
    for name, template in TEMPLATES.items():
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, chat_template=template, bos_token="<s>", eos_token="</s>"
        )
        for chat in CHATS:
            rendered = fast.apply_chat_template(as_messages(chat), tokenize=False)
            encoding = tokenizer.encode(rendered, add_special_tokens=False)
            assert encoding.ids == fast(rendered, add_special_tokens=False).input_ids
            start = rendered.rindex(chat[-1][1])
            end = start + len(chat[-1][1])
            answer = [i for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True) if a < end and start < b]
            chats.append({"template": name, "ids": encoding.ids, "answer": answer})
    return {"texts": texts, "chats": chats}


def state_of(part):
    return None if part is None else json.loads(part.__getstate__())


def configured():
    """What transformers makes of `add_bos_token` and `add_eos_token` beside a tokenizer.json with and without a template."""
    found = []
    template = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    for has_template in (False, True):
        for config in ({}, {"add_bos_token": True, "add_eos_token": True}, {"add_bos_token": False}):
            tokenizer = Tokenizer.from_file(str(FOLDER / "sentence-piece.json"))
            if has_template:
                tokenizer.post_processor = template
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder)
                tokenizer.save(str(path / "tokenizer.json"))
                common = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
                (path / "tokenizer_config.json").write_text(json.dumps(common | config))
                (path / "config.json").write_text('{"model_type": "llama"}')
                ids = AutoTokenizer.from_pretrained(path)("Yes").input_ids
            found.append({"has_template": has_template, "config": config, "ids": ids})
    return found


def byte_level():
    """Trains merges on whole lines, without words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=760,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    more = ["12 123 1234 12345 x2 3y 2024-01-31", "HTTPServer camelCase CamelCase ABC", "a\r\n\r\n  b\n\n\n!\n)\n);\n"]
    marks = ["cafe\u0301 e\u0301 n\u0303", "I'm you're DON'T they'll", "path/to//file/\n//\n", "日本語 你好 世界", "; };\n\n"]
    lines = [line + "\n" for line in CORPUS.split("\n")]
    tokenizer.train_from_iterator([*lines * 2, *more * 3, *marks * 3], trainer)
    return tokenizer


CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s"
)
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + REST
GPT4O = CASED % (CONTRACTIONS + "?", CONTRACTIONS + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + REST
PUBLISHED = {
    "qwen2": (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + REST, True),
    "qwen35": (
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + REST,
        True,
    ),
    "dbrx": (LLAMA3, False),
    "smaug-bpe": (LLAMA3, False),
    "gpt-4o": (GPT4O, False),
    "llama4": (GPT4O, False),
    "minimax-m2": (GPT4O, False),
    "tekken": (CASED % ("", "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + REST, False),
}


def published():
    """Tokenizers by the rules in the models' own files, where they are known."""
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Digits(individual_digits=True)

    def split(pattern):
        return pre_tokenizers.Split(Regex(pattern), behavior="isolated")

    found = {
        name: (normalizers.NFC() if nfc else None, pre_tokenizers.Sequence([split(pattern), plain]))
        for name, (pattern, nfc) in PUBLISHED.items()
    }
    found["command-r"] = (normalizers.NFC(), pre_tokenizers.Sequence([digits, gpt2]))
    found["gpt-2"] = (None, gpt2)
    for name in ("starcoder", "refact", "smollm"):
        found[name] = (None, pre_tokenizers.Sequence([digits, gpt2]))
    coder = [split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), digits, plain]
    found["deepseek-coder"] = (None, pre_tokenizers.Sequence(coder))
    return found


def main():
    spm = sentence_piece()
    save("sentence-piece.json", spm)
    for name, (normalizer, pre_tokenizer, decoder) in kinds().items():
        tokenizer = Tokenizer.from_file(str(FOLDER / "sentence-piece.json"))
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        if pre_tokenizer is not None:
            tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.decoder = decoder
        parts = {"normalizer": state_of(normalizer), "pre_tokenizer": state_of(pre_tokenizer), "decoder": state_of(decoder)}
        write_compact(FOLDER / f"{name}.json", {"file": "sentence-piece", "parts": parts} | record(tokenizer))
    tokenizer = unigram()
    write_compact(FOLDER / "unigram.json", {"file": "unigram-model", "parts": {}} | record(tokenizer))
    chats = [as_messages(chat) for chat in CHATS]
    write_json(
        FOLDER / "inputs.json",
        {"texts": TEXTS, "chats": chats, "templates": TEMPLATES, "configured": configured()},
    )

    tokenizer = byte_level()
    save("byte-level.json", tokenizer)
    write_compact(FOLDER / "pre-tokenizers.json", by_text(published_ids()))


def published_ids():
    """The ids of every published rule; a rule that ignores merges takes a piece that is in the vocabulary as it is."""
    rules = {}
    for name, (normalizer, pre_tokenizer) in published().items():
        state = json.loads((FOLDER / "byte-level.json").read_text(encoding="utf-8"))
        state["model"]["ignore_merges"] = name == "tekken"
        tokenizer = Tokenizer.from_str(json.dumps(state))
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        rules[name] = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    return rules


def by_text(rules):
    """Each text with its different results and the names that have them."""
    texts = []
    for at, text in enumerate(TEXTS):
        results = []
        for name, ids in rules.items():
            known = next((result for result in results if result["ids"] == ids[at]), None)
            if known is None:
                results.append({"ids": ids[at], "names": [name]})
            else:
                known["names"].append(name)
        texts.append({"text": text, "results": results})
    return {"texts": texts}


def write_compact(path, value):
    """One line for each kind or text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for start in ('{"text":', '{"ids":', '{"template":'):
        text = text.replace("," + start, ",\n" + start)
    assert json.loads(text) == value
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
