"""Loads this project's exports in the target programs, and records their results.

    python saved-here/check_exports.py

`merged/model` is loaded by transformers, which must use every tensor of it; `gguf/adapter.gguf` and `gguf/merged.gguf`
by llama.cpp, the adapter with `gguf/tiny-llama.gguf`. The files are written by the tests of `merge.rs` with
UPDATE_GOLDEN=1.
"""

import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from llama_cpp import VERSION, LlamaCpp
from oracle import GOLDEN, calm_torch, save_expected_logits, write_json

torch = calm_torch(82)

import xllamacpp
from transformers import AutoModelForCausalLM

HERE = GOLDEN / "saved-here"

PROMPT = [(i * 7) % 340 for i in range(3, 20)]


def check_transformers():
    model, loaded = AutoModelForCausalLM.from_pretrained(
        HERE / "merged" / "model", dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    if any(loaded.values()):
        sys.exit(f"transformers did not find everything in its place: {loaded}")
    save_expected_logits(model.eval(), HERE / "merged", 82)
    print("merged: all tensors in place")


def with_adapter(path):
    """llama.cpp's server loads adapters at start."""
    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path = str(path)
    adapter.scale = 1.0
    return [adapter]


def main():
    check_transformers()
    base, folder = GOLDEN / "gguf" / "tiny-llama.gguf", HERE / "gguf"
    cases = {
        "base": (base, None),
        "adapter.gguf": (base, folder / "adapter.gguf"),
        "merged.gguf": (folder / "merged.gguf", None),
    }
    found = {"llama_cpp": VERSION, "prompt": PROMPT}
    for name, (path, adapter) in cases.items():
        model = LlamaCpp(path, n_threads=1, adapters=with_adapter(adapter) if adapter else [])
        ids, _, steps = model.greedy(PROMPT, 4)
        found[name] = {"ids": ids, "steps": steps}
        if name != "base":
            found[name]["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        print(name, ids, [step[0]["logprob"] for step in steps])
    if found["base"]["steps"] == found["adapter.gguf"]["steps"]:
        sys.exit("the adapter changes nothing")
    write_json(folder / "expected.json", found)


if __name__ == "__main__":
    main()
