"""A random Llama checkpoint: untied head, bfloat16 in several shards; and its logits in float32 arithmetic.

Beside it `tiny-llama3-rope`, the same weights read with the frequency scaling of Llama 3: its config and its logits.
"""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, VOCAB_SIZE, load_base, save_expected_logits, save_tiny_checkpoint

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

CONFIG = LlamaConfig(
    vocab_size=VOCAB_SIZE,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    rope_theta=100_000.0,
    rms_norm_eps=1e-5,
    tie_word_embeddings=False,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=2,
)

save_tiny_checkpoint(CONFIG, "llama", "smollm", torch.bfloat16, "120KB", seed=21)
save_expected_logits(load_base("llama"), GOLDEN / "tiny-llama", seed=22)

scaled = LlamaConfig.from_pretrained(GOLDEN / "tiny-llama")
# Of the eight frequencies two are kept, one is blended and five are divided by the factor.
scaled.rope_scaling = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
scaled.save_pretrained(GOLDEN / "tiny-llama3-rope")
model = AutoModelForCausalLM.from_pretrained(
    GOLDEN / "tiny-llama", config=scaled, dtype=torch.float32, attn_implementation="eager"
).eval()
print("inverse frequencies", model.model.rotary_emb.inv_freq.tolist())
save_expected_logits(model, GOLDEN / "tiny-llama3-rope", seed=23, shape=(1, 97))
