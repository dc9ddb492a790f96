"""Blocks of Q2_K, Q3_K, IQ4_NL and IQ4_XS with their values, as `make.py` writes those of the other types.

The first rows are quantised from normal data by ggml, the rest are random bytes whose float16 scales are random but
finite, including zeros, subnormals and negative values. The values are gguf-py's, and ggml's are the same bits.

Made with gguf 0.19.0, xllamacpp 2026.10.11549 (for ggml) and numpy 2.4.6.
"""

import ctypes
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import gguf
import numpy as np
import xllamacpp
from gguf import GGMLQuantizationType as Type

SCALE_OFFSETS = {Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.IQ4_NL: [0], Type.IQ4_XS: [0]}
EDGE_SCALES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]


def library():
    ggml = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    return ggml


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def quantise(ggml, values, kind):
    """Quantises rows of values with ggml."""
    block_size, type_size = gguf.GGML_QUANT_SIZES[kind]
    values = np.ascontiguousarray(values, np.float32)
    raw = np.zeros((len(values), values.shape[1] // block_size * type_size), np.uint8)
    rows, width = (ctypes.c_int64(n) for n in values.shape)
    written = ggml.ggml_quantize_chunk(
        ctypes.c_int(int(kind)), pointer(values), pointer(raw), ctypes.c_int64(0), rows, width, None
    )
    assert written == raw.nbytes
    return raw


def main():
    from oracle import GOLDEN, write_tensors
    import torch

    ggml = library()
    random = np.random.default_rng(75)
    tensors = {}
    for kind, offsets in SCALE_OFFSETS.items():
        block_size, type_size = gguf.GGML_QUANT_SIZES[kind]
        n_blocks = 8 if block_size == 256 else 24
        normal = quantise(ggml, random.standard_normal((n_blocks, block_size)), kind)
        bits = random.integers(0, 256, (n_blocks + len(EDGE_SCALES), type_size), np.uint8)
        for offset in offsets:
            scales = random.integers(0, 0x7C00, len(bits), np.uint16)
            scales |= random.integers(0, 2, len(bits), np.uint16) << 15
            scales[: len(EDGE_SCALES)] = random.permutation(EDGE_SCALES)
            bits[:, offset : offset + 2] = scales.astype("<u2").view(np.uint8).reshape(-1, 2)
        raw = np.concatenate([normal, bits])
        values = gguf.dequantize(raw, kind)
        assert np.isfinite(values).all()
        second = np.empty_like(values)
        name = kind.name.lower().replace("_k", "_K")
        ggml[f"dequantize_row_{name}"](pointer(raw), pointer(second), ctypes.c_int64(values.size))
        assert (second.view(np.uint32) == values.view(np.uint32)).all(), f"ggml and gguf-py differ on {kind.name}"
        tensors |= {f"{kind.name}.raw": raw, f"{kind.name}.f32": values}
    write_tensors(
        GOLDEN / "gguf" / "low_bits.safetensors", {name: torch.from_numpy(array) for name, array in tensors.items()}
    )


if __name__ == "__main__":
    main()
