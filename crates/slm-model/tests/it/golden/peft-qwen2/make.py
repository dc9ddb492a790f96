"""Adapters of tiny-qwen2 saved by PEFT, their logits, and one batch's loss with every LoRA gradient."""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_adapters

record_adapters(
    "qwen2", seed=31, second={"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "use_rslora": True}
)
