"""A random Qwen2 checkpoint: biases on q, k and v, tied head, float32 in one file; and its logits."""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, VOCAB_SIZE, load_base, save_expected_logits, save_tiny_checkpoint

import torch
from transformers import Qwen2Config

CONFIG = Qwen2Config(
    vocab_size=VOCAB_SIZE,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    rope_theta=1_000_000.0,
    rms_norm_eps=1e-6,
    tie_word_embeddings=True,
    bos_token_id=342,
    eos_token_id=344,
    pad_token_id=342,
)

save_tiny_checkpoint(CONFIG, "qwen2", "qwen2", torch.float32, "1GB", seed=11)
save_expected_logits(load_base("qwen2"), GOLDEN / "tiny-qwen2", seed=12)
