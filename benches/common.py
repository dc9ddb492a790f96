"""Common parts of the peers' scripts: shapes, FLOPs, memory, output."""

import json
import os
import sys
from pathlib import Path

SHAPES = json.loads(Path(__file__).with_name("shapes.json").read_text())


def flops_per_token(shape, rank, length):
    """Returns the FLOPs of LoRA training per token, by the same formula as trainer/src/flops.rs."""
    s = SHAPES[shape]
    hidden, inner, layers = s["hidden_size"], s["intermediate_size"], s["num_hidden_layers"]
    dim = hidden // s["num_attention_heads"]
    keys = s["num_key_value_heads"] * dim
    linears = [(hidden, hidden), (keys, hidden), (keys, hidden), (hidden, hidden)]
    linears += [(inner, hidden), (inner, hidden), (hidden, inner)]
    frozen = layers * sum(o * i for o, i in linears) + s["vocab_size"] * hidden
    trained = layers * sum(rank * (o + i) for o, i in linears)
    attention = 4 * layers * hidden * length / 2
    return 4 * frozen + 6 * trained + 3 * attention


def model_config(shape):
    """Returns the shape as a configuration of transformers."""
    from transformers import AutoConfig

    fields = dict(SHAPES[shape])
    model_type = fields.pop("model_type")
    # Releases from 5.0 on store theta and scaling together, earlier ones separately; each ignores unknown keys.
    rope = {"rope_type": "default"} | fields.get("rope_scaling", {})
    rope["rope_theta"] = fields["rope_theta"]
    config = AutoConfig.for_model(model_type, **fields)
    if hasattr(config, "rope_parameters"):
        config.rope_parameters = rope
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    return config


def random_model(shape, dtype, device):
    """Creates a model of the shape with transformers' own initial weights."""
    import torch
    from transformers import AutoModelForCausalLM

    config = model_config(shape)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        config.dtype = dtype
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    finally:
        torch.set_default_dtype(before)
    return model.to(device=device, dtype=dtype)


def torch_dtype(name):
    import torch

    return {"f32": torch.float32, "bf16": torch.bfloat16}[name]


def peak_rss_bytes():
    """Returns the peak memory of this process, or None where the system does not report it."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def versions(*packages):
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def numbers(text):
    return [int(part) for part in text.split(",")]


def emit(record):
    """Prints one line of JSON to stdout, unbuffered."""
    print(json.dumps(record), flush=True)


def use_threads(count):
    """Sets the number of threads; by default one per core that this process may use."""
    import torch

    torch.set_num_threads(count or len(os.sched_getaffinity(0)))
