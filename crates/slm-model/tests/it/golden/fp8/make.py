"""FP8 weights with each kind of scale, and their values by torch's arithmetic.

`model.safetensors` has weights of type F8_E4M3 with the scales of Qwen3's FP8 repositories (`weight_scale_inv`, one per
block of 128 x 128), of Ministral 3 (`weight_scale_inv`, one per tensor) and of compressed-tensors (`weight_scale`, one per
tensor, row or block). `expected.safetensors` has `weight.float() * scale.float()`. Neither dimension of a weight with
blocks is a multiple of the block's, except in `even`. All finite codes occur in `channel`.

For `even`, transformers' `Fp8Dequantize` gives the same bits.

Made with torch 2.9.1 and transformers 5.24.0.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, calm_torch, write_tensors

torch = calm_torch(91)
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

FP8 = torch.float8_e4m3fn
stored, expected = {}, {}


def add(name, codes, scale, ending, grown):
    stored[f"{name}.weight"] = codes
    stored[f"{name}.{ending}"] = scale
    expected[f"{name}.weight"] = codes.float() * grown.float()


def codes(rows, columns):
    return (torch.randn(rows, columns) * 100).clamp(-448, 448).to(FP8)


def blocks(scale, height, width, rows, columns):
    return scale.repeat_interleave(height, 0).repeat_interleave(width, 1)[:rows, :columns]


scale = torch.rand(2, 2) / 300
add("block", codes(130, 140), scale, "weight_scale_inv", blocks(scale, 128, 128, 130, 140))
scale = (torch.rand(1, 2) / 300).bfloat16()
add("even", codes(128, 256), scale, "weight_scale_inv", blocks(scale, 128, 128, 128, 256))
read = Fp8Dequantize(None)._dequantize_one(stored["even.weight"], scale, torch.float32)
assert torch.equal(read, expected["even.weight"])
scale = torch.tensor(0.0123)
add("one", codes(5, 7), scale, "weight_scale_inv", scale)
scale = torch.tensor([0.0321]).bfloat16()
add("tensor", codes(5, 7), scale, "weight_scale", scale)
every = torch.arange(256, dtype=torch.uint8)
every = every[(every & 0x7F) != 0x7F].view(2, 127).view(FP8)
scale = torch.rand(2, 1).bfloat16()
add("channel", every, scale, "weight_scale", scale)
stored["plain.weight"] = torch.randn(3, 4).bfloat16()
expected["plain.weight"] = stored["plain.weight"].float()
for tensors, file in ((stored, "model"), (expected, "expected")):
    named = {f"model.layers.0.{name}": tensor for name, tensor in tensors.items()}
    write_tensors(GOLDEN / "fp8" / f"{file}.safetensors", named)
