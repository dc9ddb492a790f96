"""Ten optimizer steps of tiny-llama with LoRA, from PEFT's initialization and from one with nonzero B."""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_training

record_training("llama", seed=61, max_grad_norm={"zero-b": 4.5, "random-b": 6.4})
