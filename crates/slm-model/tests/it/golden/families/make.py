"""Tiny random checkpoints of the families beyond llama and qwen2, with an adapter each; logits, loss and gradients.

    PYTHONHASHSEED=0 OMP_NUM_THREADS=1 LLAMA_CPP=llama.cpp python families/make.py [NAME...]

Made with torch 2.9.1, transformers 5.24.0, peft 0.21.2 and the converter of llama.cpp (the sources in the package
llama-cpp-python 0.3.36) in a separate environment. Each configuration needs the operations of its family: sequences
longer than the window and than the original context, multipliers other than 1, a head width other than
hidden_size / heads. Weights are rounded to bfloat16, as they are stored.
"""

import copy
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import (
    adapter_tensors,
    add_lora,
    calm_torch,
    random_batch,
    read_json,
    save_adapter,
    summed_loss,
    write_json,
    write_tensors,
)

# Its `llama_cpp.py` would hide the package of this name.
sys.path.pop(0)

import torch
import transformers

FOLDER = pathlib.Path(__file__).resolve().parent
VOCABULARY = 96
MULTIPLIERS = {
    "embedding_multiplier": 12.0,
    "residual_multiplier": 0.22,
    "attention_multiplier": 0.05,
    "logits_scaling": 3.0,
}
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
QKVO = ["q_proj", "k_proj", "v_proj", "o_proj"]
LLAMA = [*QKVO, "gate_proj", "up_proj", "down_proj"]
FAMILIES = {
    "qwen3": ("Qwen3Config", {"head_dim": 16, "tie_word_embeddings": True}, LLAMA),
    "smollm3": ("SmolLM3Config", {"num_hidden_layers": 5, "tie_word_embeddings": True}, LLAMA),
    "granite": ("GraniteConfig", MULTIPLIERS, LLAMA),
    "granitemoehybrid": (
        "GraniteMoeHybridConfig",
        MULTIPLIERS
        | {
            "shared_intermediate_size": 48,
            "num_local_experts": 0,
            "num_experts_per_tok": 0,
            "layer_types": ["attention"] * 2,
            "position_embedding_type": "rope",
            "tie_word_embeddings": True,
            "mamba_n_heads": 4,
        },
        [*QKVO, "input_linear", "output_linear"],
    ),
    "mistral": ("MistralConfig", {"sliding_window": 8, "head_dim": 12}, LLAMA),
    "phi3": (
        "Phi3Config",
        {
            "hidden_size": 64,
            "original_max_position_embeddings": 12,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 0.75,
                "short_factor": [1.0, 1.05, 1.1, 1.2, 1.3, 1.5],
                "long_factor": [1.0, 1.4, 2.0, 3.0, 4.5, 6.0],
                "original_max_position_embeddings": 12,
            },
            "tie_word_embeddings": True,
        },
        ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    ),
    "starcoder2": ("Starcoder2Config", {"sliding_window": 8}, [*QKVO, "c_fc", "c_proj"]),
    "olmo2": ("Olmo2Config", {}, LLAMA),
    "gemma3_text": (
        "Gemma3TextConfig",
        {
            "num_hidden_layers": 7,
            "head_dim": 16,
            "num_key_value_heads": 1,
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
        },
        LLAMA,
    ),
    "qwen2-yarn": (
        "Qwen2Config",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1_000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 16,
            },
            "num_hidden_layers": 2,
            "hidden_size": 64,
        },
        LLAMA,
    ),
    "llama-biases": ("LlamaConfig", {"attention_bias": True, "mlp_bias": True}, LLAMA),
}


def random_model(config, seed):
    """A model whose logits are several units apart and whose every weight and bias matters, rounded to bfloat16."""
    calm_torch(seed)
    generator = torch.Generator().manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("bias"):
                weight.copy_(0.4 * noise)
            elif "norm" in name:
                mean = 0.0 if config.model_type == "gemma3_text" else 1.0
                weight.copy_(mean + 0.3 * noise)
            elif "embed" in name or "lm_head" in name:
                weight.copy_(0.5 * noise)
            else:
                weight.copy_(0.25 * noise)
            weight.copy_(weight.to(torch.bfloat16))
    return model.eval()


def convert(folder, path, vocabulary, kind_of_file):
    """Converts a folder with llama.cpp's own converter, without a vocabulary."""
    source = pathlib.Path(os.environ["LLAMA_CPP"])
    sys.path[:0] = [str(source), str(source / "gguf-py")]
    import gguf
    from conversion import ModelBase, ModelType, get_model_class

    hparams = ModelBase.load_hparams(folder, False)
    kind = get_model_class(hparams["architectures"][0])

    class NoVocabulary(kind):
        model_arch = kind.model_arch

        def set_vocab(self):
            self.gguf_writer.add_tokenizer_model("no_vocab")
            self.gguf_writer.add_vocab_size(vocabulary)

    model = NoVocabulary(folder, gguf.LlamaFileType[kind_of_file], path)
    model.write()


def logits_of_llama_cpp(path, tokens):
    """The logits of a GGUF file after each token, in single precision."""
    import llama_cpp
    import numpy as np

    model = llama_cpp.Llama(
        str(path), n_ctx=64, logits_all=True, verbose=False, flash_attn=False, type_k=0, type_v=0, n_threads=1
    )
    model.eval(tokens)
    return torch.from_numpy(np.array(model.scores[: len(tokens)], np.float32))


def record(name, seed):
    config_class, settings, targets = FAMILIES[name]
    config = getattr(transformers, config_class)(**COMMON | settings)
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    model = random_model(config, seed)
    # A copy, since a conversion of the model would round its rotary frequencies too.
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    batch = random_batch(
        torch.Generator().manual_seed(seed + 1), config.vocab_size, 0, 2, lengths=[21, 14], n_prompt=[9, 4]
    )
    expected = dict(batch)
    if name == "granitemoehybrid":
        # The word of the published files, which transformers 5 replaces on saving.
        written = read_json(folder / "config.json")
        written["layer_types"] = ["attention"] * config.num_hidden_layers
        write_json(folder / "config.json", written)
    if name != "mistral":
        # The converter drops rows of Gemma's embedding that the vocabulary lacks.
        write_json(folder / "tokenizer.json", {"model": {"vocab": list(range(VOCABULARY))}, "added_tokens": []})
        convert(folder, folder / "model.gguf", config.vocab_size, "MOSTLY_BF16")
        with tempfile.TemporaryDirectory() as parent:
            exact = pathlib.Path(parent) / "exact.gguf"
            convert(folder, exact, config.vocab_size, "ALL_F32")
            of_llama_cpp = logits_of_llama_cpp(exact, batch["input_ids"][0].tolist())
        (folder / "tokenizer.json").unlink()
        expected["llama_cpp_logits"] = of_llama_cpp[None]

    with torch.no_grad():
        expected["base_logits"] = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        if name == "phi3":
            expected["short_logits"] = model(input_ids=batch["input_ids"][:, :11]).logits
    model = add_lora(model, seed + 2, r=2, lora_alpha=4, target_modules=targets)
    save_adapter(model, folder / "adapter", f"example/tiny-{name}")
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"])
    _, n_supervised = summed_loss(model, batch)
    output.loss.backward()
    expected |= {"logits": output.logits, "loss": output.loss, "n_supervised": torch.tensor(n_supervised)}
    expected |= adapter_tensors(model, ".grad", lambda weight: weight.grad)
    write_tensors(folder / "expected.safetensors", expected)
    if "llama_cpp_logits" in expected:
        difference = (expected["llama_cpp_logits"][0] - expected["base_logits"][0]).abs().max().item()
        print(name, "llama.cpp differs by", difference)
    print(name, "loss", output.loss.item(), "spread of logits", expected["base_logits"].std().item())


names = sys.argv[1:] or list(FAMILIES)
for name in names:
    record(name, 900 + 10 * list(FAMILIES).index(name))
