"""Adapters of PEFT that train more than linear layers, or come from a wrapped model: their settings and tensors' shapes.

`NAME.json` contains the two files of an adapter as written by PEFT: `adapter_config` unchanged, and under `tensors`
each tensor's shape by its name. The values, of which embeddings have many, are omitted; the tests use zeros.

Made with peft 0.21.2, transformers 5.24.0 and torch 2.15.0.
"""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, load_base, write_json

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file


def record(name, arch="qwen2", change=lambda base: base, save=None, **settings):
    """Writes `NAME.json` for an adapter on `tiny-ARCH` after `change`."""
    config = LoraConfig(task_type="CAUSAL_LM", **({"r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]} | settings))
    model = get_peft_model(change(load_base(arch)), config)
    model.peft_config["default"].base_model_name_or_path = f"example/tiny-{arch}"
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent)
        model.save_pretrained(folder, **(save or {}))
        written = json.loads((folder / "adapter_config.json").read_text())
        tensors = load_file(folder / "adapter_model.safetensors")
    shapes = {key: list(tensor.shape) for key, tensor in sorted(tensors.items())}
    write_json(GOLDEN / "peft-foreign" / f"{name}.json", {"adapter_config": written, "tensors": shapes})


def resized(base):
    base.resize_token_embeddings(360)
    return base


def compiled_inside(base):
    base.model = torch.compile(base.model)
    return base


record("plain")
record("lm-head", target_modules=["q_proj", "lm_head"])
record("lm-head-untied", arch="llama", target_modules=["q_proj", "lm_head"])
record("embed-tokens", target_modules=["q_proj", "embed_tokens"])
record("saved-embedding", save={"save_embedding_layers": True})
record("saved-embedding-untied", arch="llama", save={"save_embedding_layers": True})
# PEFT does this by itself if it finds the base model's configuration, which has fewer rows.
record("resized", change=resized, save={"save_embedding_layers": True})
record("resized-untied", arch="llama", change=resized, save={"save_embedding_layers": True})
record("compiled", change=torch.compile)
record("compiled-inside", change=compiled_inside)
