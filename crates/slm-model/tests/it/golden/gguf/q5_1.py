"""Blocks of Q5_1 with their values, as `make.py` writes those of the other types to `blocks.safetensors`.

The first rows are quantised from normal data by gguf-py, the rest are random bytes whose float16 scales and minima are
random but finite, including zeros, subnormals and negative values.

Made with gguf 0.19.0 and numpy 2.4.6.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, write_tensors

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

EDGE_SCALES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]

random = np.random.default_rng(74)
block_size, type_size = gguf.GGML_QUANT_SIZES[Type.Q5_1]
normal = gguf.quantize(random.standard_normal((24, block_size)).astype(np.float32), Type.Q5_1)
bits = random.integers(0, 256, (24 + len(EDGE_SCALES), type_size), np.uint8)
for offset in (0, 2):
    scales = random.integers(0, 0x7C00, len(bits), np.uint16) | (random.integers(0, 2, len(bits), np.uint16) << 15)
    scales[: len(EDGE_SCALES)] = random.permutation(EDGE_SCALES)
    bits[:, offset : offset + 2] = scales.astype("<u2").view(np.uint8).reshape(-1, 2)
raw = np.concatenate([normal, bits])
values = gguf.dequantize(raw, Type.Q5_1)
assert np.isfinite(values).all()
tensors = {"Q5_1.raw": torch.from_numpy(raw), "Q5_1.f32": torch.from_numpy(values)}
write_tensors(GOLDEN / "gguf" / "q5_1.safetensors", tensors)
