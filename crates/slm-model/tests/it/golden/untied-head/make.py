"""Logits of `tiny-qwen2`, whose config ties the head to the embedding, with a separate head in its file.

The head is the embedding with its rows in reverse order, so that the tests can create it themselves. In this case
transformers 5 does not tie the two, and warns.

Made with transformers 5.24.0 and torch 2.15.0.
"""

import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, save_expected_logits

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

with tempfile.TemporaryDirectory() as parent:
    folder = pathlib.Path(parent) / "model"
    shutil.copytree(GOLDEN / "tiny-qwen2", folder)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].flip(0).contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    save_expected_logits(model, GOLDEN / "untied-head", seed=83, shape=(1, 7))
