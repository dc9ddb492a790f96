"""How far computing in bf16 moves LoRA gradients and logits of `trainer doctor`'s small models, in PyTorch on the CPU.

Models have the shapes and the spread of weights of crates/slm-model/src/{shape,synthetic}.rs and lora/synthetic.rs, and
the doctor's padded batch. Prints, for 40 seeds, the largest difference of an element divided by the largest element, for
the worst matrix of each seed. The doctor's bound for bf16 (src/doctor/finding.rs) is above all of them.

    python rounding.py >rounding.txt    # torch 2.9.1, transformers 5.24.0, peft 0.21.2; 30 s
"""

import peft
import torch
import transformers

SEEDS = 40
LENGTHS = [37, 21, 9, 50, 2]
RANK = 8
SHARED = dict(num_key_value_heads=2, max_position_embeddings=1024)
MODELS = {
    "tiny-qwen2": lambda: transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            vocab_size=512, hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4,
            rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True, **SHARED,
        )
    ),
    "tiny-llama": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=384, hidden_size=96, intermediate_size=224, num_hidden_layers=3, num_attention_heads=6,
            rms_norm_eps=1e-5, tie_word_embeddings=False, **SHARED,
        )
    ),
}


def adapted(name, seed):
    """A model with a random adapter on every linear layer."""
    linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    settings = peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=linears)
    model = peft.get_peft_model(MODELS[name](), settings)
    random = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        drawn = torch.randn(parameter.shape, generator=random)
        if "lora_B" in key:
            parameter.data = 0.1 / RANK**0.5 * drawn
        elif parameter.dim() == 2:
            parameter.data = drawn / parameter.shape[1] ** 0.5
        else:
            parameter.data = 0.1 * drawn + ("norm" in key)
    return model


def batch(vocab_size):
    """The doctor's examples, padded; the first third of each is a prompt."""
    tokens = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
    labels = torch.full_like(tokens, -100)
    for row, length in enumerate(LENGTHS):
        ids = torch.tensor([(i * i * 7 + i * 31 + row * 101) % vocab_size for i in range(length)])
        learned = slice(max(1, length // 3), length)
        tokens[row, :length] = ids
        labels[row, learned] = ids[learned]
    return tokens, labels


def run(model, tokens, labels):
    """Gradients by name, and logits, all in single precision."""
    model.zero_grad()
    logits = model(input_ids=tokens).logits.float()
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    loss.backward()
    gradients = {key: p.grad.float().clone() for key, p in model.named_parameters() if p.grad is not None}
    return gradients, logits.detach()


def relative(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


torch.set_num_threads(1)
print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
for name in MODELS:
    of_gradients, of_logits = [], []
    for seed in range(SEEDS):
        model = adapted(name, seed)
        data = batch(model.config.vocab_size)
        expected, logits = run(model, *data)
        found, rounded = run(model.bfloat16(), *data)
        of_gradients.append(max(relative(found[key], expected[key]) for key in expected))
        of_logits.append(relative(rounded, logits))
    for what, differences in [("gradients", of_gradients), ("logits", of_logits)]:
        print(f"{name}, {what}: smallest {min(differences):.3f}, largest {max(differences):.3f} of {SEEDS} seeds")
