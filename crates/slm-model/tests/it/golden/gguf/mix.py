"""The types that llama.cpp's `llama_model_quantize` gives the tensors of small random models.

`mix.json` has for each model and file type the type and shape (outermost first) of every tensor. The models have tied and
separate heads, widths that are no multiple of 256 or of 32, and 5, 12 and 30 layers.

Made with llama-cpp-python 0.3.36 and gguf 0.19.0.
"""

import ctypes
import pathlib
import sys
import tempfile

# At the end: a script there has the name of a package.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, write_json

import gguf
import llama_cpp
import numpy as np

MODELS = {
    "tied-30": dict(layers=30, width=256, inner=512, tied=True),
    "separate-5": dict(layers=5, width=256, inner=512, tied=False),
    "narrow-12": dict(layers=12, width=192, inner=512, tied=True),
    "odd-5": dict(layers=5, width=80, inner=256, tied=False),
}
TYPES = {"q4_k_m": 15, "q8_0": 7}
"""llama.cpp's numbers of the file types `Q4_K_M` and `Q8_0`."""
random = np.random.default_rng(77)


def write(path, layers, width, inner, tied):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 4)
    tokens = ["<s>", "a", "b", "ab"] + [f"[PAD{i}]" for i in range(4, 64)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 1, 1, 1] + [5] * 60)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)

    def add(name, *shape):
        kind = np.float32 if len(shape) == 1 else np.float16
        writer.add_tensor(name, random.standard_normal(shape).astype(kind))

    add("token_embd.weight", 64, width)
    add("output_norm.weight", width)
    if not tied:
        add("output.weight", 64, width)
    for i in range(layers):
        for name, *shape in (
            ("attn_norm", width),
            ("attn_q", width, width),
            ("attn_k", width // 2, width),
            ("attn_v", width // 2, width),
            ("attn_output", width, width),
            ("ffn_norm", width),
            ("ffn_gate", inner, width),
            ("ffn_up", inner, width),
            ("ffn_down", width, inner),
        ):
            add(f"blk.{i}.{name}.weight", *shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


llama_cpp.llama_backend_init()
mix = {}
with tempfile.TemporaryDirectory() as folder:
    for name, sizes in MODELS.items():
        plain = pathlib.Path(folder) / f"{name}.gguf"
        write(plain, **sizes)
        for kind, file_type in TYPES.items():
            params = llama_cpp.llama_model_quantize_default_params()
            params.ftype = file_type
            out = pathlib.Path(folder) / f"{name}-{kind}.gguf"
            assert llama_cpp.llama_model_quantize(str(plain).encode(), str(out).encode(), ctypes.byref(params)) == 0
            tensors = gguf.GGUFReader(out).tensors
            mix[f"{name}-{kind}"] = {
                t.name: [t.tensor_type.name, [int(n) for n in reversed(t.shape)]] for t in tensors
            }
            out.unlink()
write_json(GOLDEN / "gguf" / "mix.json", mix)
