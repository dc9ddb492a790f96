"""Values with the blocks that others make of them.

`<SET>.f32` are the values; `<SET>.<TYPE>` the bytes. F16, BF16, Q8_0, Q5_0 and Q5_1 are gguf-py's, which are also ggml's;
Q4_K, Q5_K and Q6_K are those of llama.cpp's `ggml_quantize_chunk` without an importance matrix.

Made with gguf 0.19.0, xllamacpp 2026.10.11549 (for ggml) and numpy 2.4.6.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from low_bits import library, quantise
from oracle import GOLDEN, write_tensors

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

random = np.random.default_rng(76)
shape = (8, 256)
edges = np.zeros(shape)
edges[1, ::2] = 1e-7 * random.standard_normal(128)
edges[2, 100] = -3.0
edges[3] = np.where(np.arange(256) % 2, 5e4, -5e4)
edges[4] = 0.25
edges[5] = -random.random(256)
edges[6] = random.random(256) ** 8
edges[7] = np.repeat(random.standard_normal(8) * 10.0 ** np.arange(-4, 4), 32) * random.standard_normal(256)
sets = {
    "noise": random.standard_normal(shape) * 0.03,
    "heavy": random.standard_t(2, shape) * 0.02,
    "shifted": random.random(shape) - 0.2,
    "edges": edges,
}
ggml = library()
tensors = {}
for name, values in sets.items():
    values = values.astype(np.float32)
    tensors[f"{name}.f32"] = values
    if name in ("noise", "edges"):
        for kind in (Type.F16, Type.BF16, Type.Q8_0, Type.Q5_0, Type.Q5_1):
            raw = gguf.quantize(values, kind)
            tensors[f"{name}.{kind.name}"] = np.ascontiguousarray(raw).view(np.uint8)
            if kind in (Type.Q8_0, Type.Q5_0, Type.Q5_1):
                assert (quantise(ggml, values, kind) == raw).all(), kind
    for kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):
        tensors[f"{name}.{kind.name}"] = quantise(ggml, values, kind)
write_tensors(
    GOLDEN / "gguf" / "quantized.safetensors", {name: torch.from_numpy(array) for name, array in tensors.items()}
)
