"""Adapters with PEFT's rarer settings: their logits, and one batch's loss with every gradient.

Made with peft 0.21.2, transformers 5.24.0 and torch 2.9.1, which `make-all.sh` does not install:
PYTHONHASHSEED=0 OMP_NUM_THREADS=1 python peft-later/make.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_variant

PLACE = "peft-later"
TOKENS = list(range(2, 352, 11))
"""Some of these are in the batches."""

record_variant("llama", "layers", 81, PLACE, target_modules=["q_proj", "down_proj"], layers_to_transform=[0, 2], layers_pattern="layers")
record_variant("qwen2", "one-layer", 83, PLACE, target_modules=["v_proj", "model.layers.0.mlp.up_proj"], layers_to_transform=1)
record_variant("qwen2", "exclude-names", 85, PLACE, exclude_modules=["k_proj", "layers.1.mlp.up_proj"])
record_variant("llama", "exclude-pattern", 87, PLACE, exclude_modules=r"model\.layers\.(0|1)\.(self_attn\.[qkv]_proj|mlp\..*)")
record_variant("qwen2", "lora-bias", 89, PLACE, target_modules=["q_proj", "v_proj"], lora_bias=True)
record_variant("llama", "lora-bias-beside-none", 91, PLACE, target_modules=["o_proj", "down_proj"], lora_bias=True)

# The embedding and the head. PEFT stores the base model's weight beside a pair on them.
record_variant("qwen2", "lm-head", 93, PLACE, target_modules=["q_proj", "lm_head"])
record_variant("llama", "lm-head-untied", 95, PLACE, target_modules=["q_proj", "lm_head"], rank_pattern={"lm_head": 2})
record_variant("qwen2", "embed-tokens", 97, PLACE, target_modules=["q_proj", "embed_tokens"])
record_variant("llama", "embed-tokens-untied", 99, PLACE, target_modules=["q_proj", "embed_tokens"], use_rslora=True)
record_variant("qwen2", "tokens", 101, PLACE, target_modules=["q_proj"], trainable_token_indices=TOKENS)
record_variant("llama", "tokens-untied", 103, PLACE, target_modules=["q_proj"], trainable_token_indices=TOKENS)
record_variant(
    "llama", "tokens-of-both", 105, PLACE, target_modules=["q_proj"],
    trainable_token_indices={"embed_tokens": TOKENS, "lm_head": TOKENS[::-3]},
)
record_variant("qwen2", "saved-embedding", 107, PLACE, save={"save_embedding_layers": True}, target_modules=["q_proj"])
record_variant("llama", "saved-embedding-untied", 109, PLACE, save={"save_embedding_layers": True}, target_modules=["q_proj"])
