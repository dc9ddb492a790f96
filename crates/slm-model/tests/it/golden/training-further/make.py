"""Ten optimizer steps of PEFT from golden adapters, loaded with `is_trainable=True`.

Each folder has the adapter after the steps and their log; the adapter before them is the golden one. The micro-batches
are those of `training-qwen2` and `training-llama`.

Made with peft 0.21.2, transformers 5.24.0 and torch 2.9.1, which `make-all.sh` does not install:
PYTHONHASHSEED=0 OMP_NUM_THREADS=1 python training-further/make.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import record_further_training

record_further_training("qwen2", "peft-variants/dora", 5.0)
record_further_training("llama", "peft-later/layers", 3.5)
record_further_training("qwen2", "peft-later/lora-bias", 3.5)
record_further_training("qwen2", "peft-later/lm-head", 2.2)
record_further_training("llama", "peft-later/embed-tokens-untied", 5.0)
record_further_training("qwen2", "peft-later/tokens", 2.0)
