"""Records the ids of llama.cpp for the vocabularies of `make.py`, as GGUF files without tensors.

Run it once after `make.py`. `pre-tokenizers.json` gets the name of every rule that no model publishes, and for results
that differ from a published rule its name with `+llama.cpp` behind it. `gguf.json` has the ids with a SentencePiece
vocabulary.

`llama_cpp_ids.py FOLDER` records the ids of the vocabularies of real models instead.

Made with gguf 0.19.0 and llama-cpp-python 0.3.36.
"""

import json
import pathlib
import sys
import tempfile

import gguf
import llama_cpp  # before the folder of `oracle.py`, which has a file of this name

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, read_json

FOLDER = GOLDEN / "tokenizer-kinds"
TEXTS = read_json(FOLDER / "inputs.json")["texts"]
NAMES = [
    "default", "gpt-2", "mpt", "olmo", "trillion", "granite-docling", "smollm", "starcoder", "refact", "codeshell",
    "exaone", "minerva-7b", "mellum2", "falcon", "llama-bpe", "lfm2", "dbrx", "smaug-bpe", "chatglm-bpe", "glm4",
    "minicpm5", "qwen2", "qwen35", "deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "grok-2", "seed-coder",
    "bailingmoe", "deepseek-coder", "deepseek-llm", "deepseek-v3", "hunyuan-dense", "joyai-llm", "tekken", "gpt-4o",
    "llama4", "minimax-m2", "mellum", "exaone4", "command-r",
]  # fmt: skip
# Keys and name of each file with scores; the text is tokenized with what the file requests before and after it.
SCORED = {
    "plain": {},
    "named": {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2},
    "no prefix": {"tokenizer.ggml.add_space_prefix": False},
    "no begin": {"tokenizer.ggml.add_bos_token": False},
    "end": {"tokenizer.ggml.add_eos_token": True, "tokenizer.ggml.eos_token_id": 2},
    "extra spaces": {"tokenizer.ggml.remove_extra_whitespaces": True},
    "phi3": {"general.name": "Tiny Phi-3"},
}


def tokenize(model, vocabulary, pairs):
    """Writes a file, and returns llama.cpp's ids of all texts."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "v.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model(model)
        writer.add_token_list(vocabulary["tokens"])
        writer.add_token_types(vocabulary["types"])
        if "scores" in vocabulary:
            writer.add_token_scores(vocabulary["scores"])
        if "merges" in vocabulary:
            writer.add_token_merges(vocabulary["merges"])
        for key, value in pairs.items():
            add = {bool: writer.add_bool, int: writer.add_uint32, str: writer.add_string}[type(value)]
            add(key, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        return ids_of(path)


def ids_of(path):
    llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    return [llama.tokenize(text.encode(), add_bos=True, special=True) for text in TEXTS]


def byte_level():
    state = read_json(FOLDER / "byte-level.json")
    tokens = sorted(state["model"]["vocab"], key=state["model"]["vocab"].get)
    merges = [" ".join(pair) for pair in state["model"]["merges"]]
    types = [gguf.TokenType.CONTROL if token.startswith("<|") else gguf.TokenType.NORMAL for token in tokens]
    vocabulary = {"tokens": tokens, "types": types, "merges": merges}
    texts = read_json(FOLDER / "pre-tokenizers.json")["texts"]
    published = {name for entry in texts for result in entry["results"] for name in result["names"]}
    n_differences = {}
    for name in NAMES:
        pairs = {"tokenizer.ggml.pre": name, "tokenizer.ggml.add_bos_token": False}
        for entry, ids in zip(texts, tokenize("gpt2", vocabulary, pairs), strict=True):
            of_name = next((r for r in entry["results"] if name in r["names"]), None)
            if of_name is not None and of_name["ids"] == ids:
                continue
            label = name
            if name in published:
                n_differences[name] = n_differences.get(name, 0) + 1
                label += "+llama.cpp"
            known = next((r for r in entry["results"] if r["ids"] == ids), None)
            if known is None:
                entry["results"].append({"ids": ids, "names": [label]})
            else:
                known["names"].append(label)
    write_lines(FOLDER / "pre-tokenizers.json", {"texts": texts})
    print("published rules that llama.cpp does not follow, texts:", n_differences)


def scored():
    vocabulary = read_json(FOLDER / "sentence-piece-scores.json")
    files = [{"name": n, "pairs": p, "texts": tokenize("llama", vocabulary, p)} for n, p in SCORED.items()]
    write_lines(FOLDER / "gguf.json", {"files": files})


def write_lines(path, value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for start in ('{"text":', '{"ids":', '{"name":'):
        text = text.replace("," + start, ",\n" + start)
    path.write_text(text + "\n", encoding="utf-8")


def real(folder):
    """Writes the ids beside each GGUF file of a folder, for the test with `VOCABULARIES`."""
    for path in sorted(pathlib.Path(folder).glob("*.gguf")):
        cases = [{"text": text, "ids": ids} for text, ids in zip(TEXTS, ids_of(path), strict=True)]
        path.with_suffix(".json").write_text(json.dumps(cases, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        real(sys.argv[1])
    else:
        byte_level()
        scored()
