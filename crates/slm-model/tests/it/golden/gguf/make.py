"""Quantised blocks with their values, and the tiny checkpoints as GGUF files.

`blocks.safetensors` contains `<TYPE>.raw` (bytes, one block per row) and `<TYPE>.f32` (dequantised by gguf-py).
The first rows of each type are quantised from normal data by ggml, the rest are random bytes whose float16 scales
are random but finite, including zeros, subnormals and negative values.

The GGUF files contain the same weights as `tiny-llama` and `tiny-qwen2` without loss, except `tiny-llama-mixed.gguf`,
whose matrices are quantised and whose logits are in `tiny-llama-mixed.expected.safetensors`.
"""

import ctypes
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, calm_torch, load_base, read_json, save_expected_logits, write_tensors

torch = calm_torch(71)

import gguf
import numpy as np
import xllamacpp
from gguf import GGMLQuantizationType as Type
from transformers import AutoModelForCausalLM

FOLDER = GOLDEN / "gguf"

SCALE_OFFSETS = {
    Type.Q8_0: [0],
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}
"""Offsets of the float16 scales of a block, in bytes from its start."""

EDGE_SCALES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]
"""Plus and minus: zero, the smallest and the largest subnormal, the smallest normal, one, the largest number."""


def ggml():
    """ggml's own functions: they quantise to the K types, which gguf-py cannot, and give a second opinion."""
    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    return library


def quantise(library, values, kind):
    """Quantises rows of float32 values to rows of blocks with ggml."""
    block_size, type_size = gguf.GGML_QUANT_SIZES[kind]
    n_rows, width = values.shape
    raw = np.zeros((n_rows, width // block_size * type_size), np.uint8)
    values = np.ascontiguousarray(values, np.float32)
    written = library.ggml_quantize_chunk(
        ctypes.c_int(int(kind)),
        values.ctypes.data_as(ctypes.c_void_p),
        raw.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(0),
        ctypes.c_int64(n_rows),
        ctypes.c_int64(width),
        None,
    )
    assert written == raw.nbytes
    return raw


def blocks():
    library = ggml()
    random = np.random.default_rng(72)
    tensors = {}
    for kind, offsets in SCALE_OFFSETS.items():
        block_size, type_size = gguf.GGML_QUANT_SIZES[kind]
        n_blocks = 8 if block_size == 256 else 24
        normal = quantise(library, random.standard_normal((n_blocks, block_size)), kind)
        bits = random.integers(0, 256, (n_blocks + len(EDGE_SCALES), type_size), np.uint8)
        for offset in offsets:
            scales = random.integers(0, 0x7C00, len(bits), np.uint16) | (
                random.integers(0, 2, len(bits), np.uint16) << 15
            )
            scales[: len(EDGE_SCALES)] = random.permutation(EDGE_SCALES)
            bits[:, offset : offset + 2] = scales.astype("<u2").view(np.uint8).reshape(-1, 2)
        raw = np.concatenate([normal, bits])
        values = gguf.dequantize(raw, kind)
        assert np.isfinite(values).all()
        second = np.empty_like(values)
        dequantise = library[f"dequantize_row_{kind.name.lower().replace('_k', '_K')}"]
        dequantise(
            raw.ctypes.data_as(ctypes.c_void_p), second.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(values.size)
        )
        assert (second.view(np.uint32) == values.view(np.uint32)).all(), f"ggml and gguf-py differ on {kind.name}"
        tensors |= {f"{kind.name}.raw": raw, f"{kind.name}.f32": values}
    every_16th = np.arange(3, 0x10000, 16, np.uint32).astype(np.uint16)
    for kind, exponent in ((Type.F16, 0x7C00), (Type.BF16, 0x7F80)):
        finite = np.concatenate([np.array(EDGE_SCALES, np.uint16), every_16th])
        finite = finite[(finite & exponent) != exponent]
        raw = finite.astype("<u2").view(np.uint8).reshape(1, -1)
        values = gguf.dequantize(finite.view(np.float16) if kind == Type.F16 else raw, kind)
        tensors |= {f"{kind.name}.raw": raw.reshape(-1, 2), f"{kind.name}.f32": values.reshape(-1, 1)}
    write_tensors(FOLDER / "blocks.safetensors", {name: torch.from_numpy(array) for name, array in tensors.items()})


def permute(weight, n_heads):
    """Permutes rows of a query or key matrix from Hugging Face's half-split order to llama.cpp's adjacent pairs."""
    rows, width = weight.shape
    return weight.reshape(n_heads, 2, rows // n_heads // 2, width).swapaxes(1, 2).reshape(rows, width)


NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[module]}.{kind}"


def write_model(arch, file, kind_of):
    """Writes one checkpoint; `kind_of` returns the type of each matrix, vectors stay float32."""
    model = load_base(arch)
    config = model.config
    writer = gguf.GGUFWriter(FOLDER / file, arch)
    writer.add_type("model")
    writer.add_name(f"Tiny {arch}")
    writer.add_size_label("0.1M")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if arch == "qwen2" else gguf.LlamaFileType.MOSTLY_BF16)
    if arch == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    add_tokenizer(writer, arch, config.vocab_size)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    library = ggml()
    as_stored = {}
    for index, (name, weight) in enumerate(model.state_dict().items()):
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = weight.numpy()
        if arch == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            n_heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            values = permute(values, n_heads)
        kind = Type.F32 if values.ndim == 1 else kind_of(index)
        if kind in (Type.F32, Type.F16):
            stored = values.astype(np.float16 if kind == Type.F16 else np.float32)
            as_stored[name] = stored.astype(np.float32)
        else:
            stored = gguf.quantize(values, kind) if kind == Type.BF16 else quantise(library, values, kind)
            as_stored[name] = gguf.dequantize(stored, kind)
        writer.add_tensor(gguf_name(name), np.ascontiguousarray(stored), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return as_stored


def add_tokenizer(writer, arch, n_rows):
    """The tokenizer's metadata as in a real file of this family."""
    folder = GOLDEN / f"tiny-{arch}"
    tokenizer = read_json(folder / "tokenizer.json")
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    names = {id: name for name, id in tokenizer["model"]["vocab"].items()} | {
        id: t["content"] for id, t in added.items()
    }
    tokens, kinds = [], []
    for id in range(n_rows):
        tokens.append(names.get(id, f"[PAD{id}]"))
        if id not in names:
            kinds.append(gguf.TokenType.UNUSED)
        elif id in added:
            kinds.append(gguf.TokenType.CONTROL if added[id]["special"] else gguf.TokenType.USER_DEFINED)
        else:
            kinds.append(gguf.TokenType.NORMAL)
    if arch == "llama":
        writer.add_add_space_prefix(False)
    writer.add_add_bos_token(False)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm" if arch == "llama" else "qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    config = read_json(folder / "config.json")
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    if arch == "llama":
        writer.add_unk_token_id(0)
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_chat_template(read_json(folder / "tokenizer_config.json")["chat_template"])


def read_by_transformers(arch, file):
    """The model as transformers reads it from the GGUF file: a check of this script."""
    return AutoModelForCausalLM.from_pretrained(
        FOLDER, gguf_file=file, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def main():
    blocks()
    for arch, kind in (("qwen2", Type.F32), ("llama", Type.BF16)):
        write_model(arch, f"tiny-{arch}.gguf", lambda _, kind=kind: kind)
        read, base = read_by_transformers(arch, f"tiny-{arch}.gguf"), load_base(arch)
        for name, weight in base.state_dict().items():
            torch.testing.assert_close(read.state_dict()[name], weight, rtol=0, atol=0)

    kinds = [Type.Q8_0, Type.Q4_1, Type.F16, Type.Q5_0, Type.Q4_0, Type.F32]
    stored = write_model("llama", "tiny-llama-mixed.gguf", lambda index: kinds[index % len(kinds)])
    read = read_by_transformers("llama", "tiny-llama-mixed.gguf")
    for name, values in stored.items():
        values = torch.from_numpy(values)
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            continue  # stored permuted; the lossless file above shows that transformers restores the order
        torch.testing.assert_close(read.state_dict()[name], values, rtol=0, atol=0)
    save_expected_logits(read, FOLDER, seed=73)
    (FOLDER / "expected.safetensors").rename(FOLDER / "tiny-llama-mixed.expected.safetensors")


if __name__ == "__main__":
    main()
