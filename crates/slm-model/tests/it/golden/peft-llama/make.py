"""Adapters of tiny-llama saved by PEFT, their logits, and one batch's loss with every LoRA gradient."""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_adapters

# The patterns are regular expressions that match the end of a module's path.
record_adapters(
    "llama",
    seed=41,
    second={
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {"v_proj": 2, "layers.1.self_attn.q_proj": 6},
        "alpha_pattern": {"v_proj": 5, "layers.2.self_attn.q_proj": 3},
    },
)
