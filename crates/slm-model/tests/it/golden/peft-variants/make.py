"""Adapters beyond plain LoRA, saved by PEFT: their logits, and one batch's loss with every gradient."""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_pissa, record_variant

record_variant("qwen2", "dora", seed=61, use_dora=True)
record_variant(
    "llama",
    "dora-rslora-patterns",
    seed=63,
    use_dora=True,
    use_rslora=True,
    rank_pattern={"q_proj": 2, r"layers\.1\.mlp\.down_proj": 6},
    alpha_pattern={"up_proj": 3},
)
record_variant("llama", "regex", seed=65, target_modules=r"model\.layers\.(0|2)\.(self_attn\.(q|o)_proj|mlp\.down_proj)")
record_variant("qwen2", "names", seed=67, target_modules=["self_attn.v_proj", "model.layers.0.mlp.up_proj", "1.mlp.gate_proj"])
record_variant("llama", "modules-to-save", seed=69, modules_to_save=["embed_tokens", "lm_head"])
record_pissa("llama", seed=71)
