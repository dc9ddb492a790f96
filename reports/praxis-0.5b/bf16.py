"""Rounds the tensors of a safetensors file from 32 to 16 bits (bfloat16, to nearest, ties to even), in place.

    python3 reports/praxis-0.5b/bf16.py adapter_model.safetensors
"""
import array
import json
import os
import struct
import sys


def rounded(data):
    """Returns the bytes of bfloat16 values for those of finite float32 values."""
    values = array.array("I")
    values.frombytes(data)
    out = array.array("H", ((v + 0x7FFF + (v >> 16 & 1)) >> 16 for v in values))
    return out.tobytes()


def main(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", None)
    tensors = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    parts, end = [], 0
    for _, tensor in tensors:
        if tensor["dtype"] != "F32":
            sys.exit(f"{path}: a tensor has dtype {tensor['dtype']}, expected F32")
        start, stop = tensor["data_offsets"]
        part = rounded(data[start:stop])
        tensor.update(dtype="BF16", data_offsets=[end, end + len(part)])
        parts.append(part)
        end += len(part)
    header = dict(tensors) if metadata is None else {"__metadata__": metadata, **dict(tensors)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main(*sys.argv[1:])
