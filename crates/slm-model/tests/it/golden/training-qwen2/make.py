"""Ten optimizer steps of tiny-qwen2 with LoRA, from PEFT's initialization, from one with nonzero B, and with LoRA+."""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_training

record_training("qwen2", seed=51, max_grad_norm={"zero-b": 3.7, "random-b": 5.35, "loraplus": 5.0})
