"""Loads adapters saved by this project in PEFT, and records PEFT's logits.

    python saved-here/check_saved_adapter.py [FOLDER ...]

Each folder contains an `adapter`, whose base model's name is that of a tiny model; the default is `saved-here` and all
folders in it. The logits are written to `expected.safetensors` beside the adapter, with the sha256 of its tensors in
the metadata. Fails if PEFT prints a warning, misses a tensor or ignores one.
"""

import hashlib
import json
import pathlib
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, calm_torch, load_base

torch = calm_torch(81)

from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file

HERE = GOLDEN / "saved-here"


def read_tensors(path):
    with safe_open(path, "pt") as file:
        if (file.metadata() or {}).get("format") != "pt":
            sys.exit(f"{path}: metadata is {file.metadata()}, expected format: pt")
        return {name: file.get_tensor(name) for name in file.keys()}


def check(adapter):
    """The tiny model with the adapter, all tensors of which must have been loaded."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    for key in ("peft_type", "task_type", "r", "lora_alpha", "target_modules", "base_model_name_or_path"):
        if config.get(key) is None:
            sys.exit(f"adapter_config.json: `{key}` is missing")
    base = load_base(config["base_model_name_or_path"].removeprefix("tiny-"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # PEFT warns for every model with a tied layer's name, tied or not; tiny-llama's are two matrices.
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        model = PeftModel.from_pretrained(base, adapter).eval()
    saved = read_tensors(adapter / "adapter_model.safetensors")
    # The base model's name is not a folder here, and PEFT need not check whether its vocabulary has grown.
    loaded = get_peft_model_state_dict(model, save_embedding_layers=False)
    if missing := sorted(loaded.keys() - saved.keys()):
        sys.exit(f"PEFT expects tensors that the file lacks: {missing}")
    if unexpected := sorted(saved.keys() - loaded.keys()):
        sys.exit(f"the file has tensors that PEFT ignores: {unexpected}")
    for name, tensor in saved.items():
        if not torch.equal(loaded[name].to(tensor.dtype), tensor):
            sys.exit(f"{name}: PEFT holds other values or another shape than the file")
    print(f"{len(saved)} tensors, all in place")
    return model


def record(folder):
    adapter = folder / "adapter"
    model = check(adapter)
    generator = torch.Generator().manual_seed(81)
    input_ids = torch.randint(0, model.config.vocab_size, (2, 17), generator=generator)
    with torch.no_grad():
        logits = model(input_ids=input_ids).logits
        with model.disable_adapter():
            distance = (model(input_ids=input_ids).logits - logits).abs().max().item()
    if distance < 1e-3:
        sys.exit(f"the adapter changes no logit by more than {distance}: save one whose B is not zero")
    digest = hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()
    output = folder / "expected.safetensors"
    save_file({"input_ids": input_ids, "logits": logits}, output, {"format": "pt", "adapter_sha256": digest})
    print(f"{folder.name}: logits moved by up to {distance:.3f}; wrote {output.name}")


def main(*folders):
    for folder in map(pathlib.Path, folders) if folders else [HERE, *sorted(HERE.iterdir())]:
        if (folder / "adapter").is_dir():
            record(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
