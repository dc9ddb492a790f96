"""Shared code of the scripts that make the golden files: paths, seeds and writers.

Every script is deterministic: one thread, fixed seeds, float32 arithmetic, eager attention.
"""

import json
import pathlib
import re
import shutil
import sys

GOLDEN = pathlib.Path(__file__).resolve().parent

VOCAB_SIZE = 352
"""Rows of both tiny models' embeddings; the Qwen2 style tokenizer is a few tokens smaller, like the real one."""


def write_json(path, value):
    """Writes readable JSON: UTF-8, no escapes beyond what JSON needs, floats with all their digits."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False)
    numbers_on_a_line = re.sub(r"\[[\s\d,.eE+-]*\]", lambda match: " ".join(match[0].split()), text)
    assert json.loads(numbers_on_a_line) == value
    path.write_text(numbers_on_a_line + "\n", encoding="utf-8")


def read_json(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def write_tensors(path, tensors):
    """Writes torch tensors with the `safetensors` package, contiguous, with the metadata that PEFT writes too."""
    from safetensors.torch import save_file

    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})


def calm_torch(seed):
    """One thread, deterministic kernels, a fixed seed; returns the torch module."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    return torch


def load_base(arch):
    """The tiny checkpoint `tiny-<arch>` in float32 with eager attention, in evaluation mode."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        GOLDEN / f"tiny-{arch}", dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval()


def save_tiny_checkpoint(config, arch, tokenizer, dtype, max_shard_size, seed):
    """Writes a random model of this config to `tiny-<arch>`, with a tokenizer's files beside it.

    Weights are large enough for logits several units apart and attention far from uniform; norm weights are
    around one and biases, if the architecture has them, are not zero, so that omitting one is detected.
    """
    torch = calm_torch(seed)
    from transformers import AutoModelForCausalLM

    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name:
                weight.copy_(1.0 + 0.3 * noise)
            elif "embed" in name or "lm_head" in name:
                weight.copy_(0.3 * noise)
            elif name.endswith("bias"):
                weight.copy_(0.5 * noise)
            else:
                weight.copy_(0.15 * noise)
    folder = GOLDEN / f"tiny-{arch}"
    for stale in folder.glob("model*"):
        stale.unlink()
    model.to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(GOLDEN / "tokenizer" / tokenizer / name, folder / name)


def save_expected_logits(model, folder, seed, shape=(2, 17)):
    """Records the float32 logits for random tokens as `expected.safetensors` in the folder."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(0, model.config.vocab_size, shape, generator=generator)
    with torch.no_grad():
        logits = model(input_ids=input_ids).logits
    assert logits.dtype == torch.float32 and logits.std() > 1
    write_tensors(folder / "expected.safetensors", {"input_ids": input_ids, "logits": logits})


LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def add_lora(base, seed, random_b=0.1, **settings):
    """Wraps a base model with PEFT; `random_b` is the standard deviation of B, zero keeps PEFT's default (B = 0).

    A has PEFT's initialization in both cases: uniform, from the seed.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": LORA_TARGETS} | settings
    # PEFT keeps a set and writes it in the set's order, which depends on Python's hash seed.
    assert sys.flags.hash_randomization == 0, "set PYTHONHASHSEED=0"
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none", **settings))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name and random_b:
                weight.copy_(random_b * torch.randn(weight.shape))
    return model


def save_adapter(model, folder, hub_name, **save):
    """Saves with PEFT, under the base model's name instead of this machine's path, without PEFT's model card."""
    model.peft_config["default"].base_model_name_or_path = hub_name
    model.save_pretrained(folder, **save)
    (folder / "README.md").unlink(missing_ok=True)


def adapter_tensors(model, suffix="", value=lambda weight: weight):
    """One value per LoRA tensor, under the tensor's name in PEFT's file."""
    return {
        name.replace(".default", "") + suffix: value(weight)
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


IGNORE_LABEL = -100


def random_batch(generator, vocab_size, pad, eos, lengths, n_prompt):
    """Sequences of different lengths, padded on the right, supervised after the prompt.

    Labels are not shifted (Hugging Face's convention: the model predicts label t from position t - 1). Each
    sequence ends with the end-of-sequence token, which is supervised even if it is also the padding token.
    """
    import torch

    width = max(lengths)
    input_ids = torch.full((len(lengths), width), pad)
    labels = torch.full((len(lengths), width), IGNORE_LABEL)
    attention_mask = torch.zeros((len(lengths), width), dtype=torch.int64)
    for row, (length, start) in enumerate(zip(lengths, n_prompt, strict=True)):
        ids = torch.randint(3, vocab_size, (length,), generator=generator)
        ids[-1] = eos
        input_ids[row, :length] = ids
        labels[row, start:length] = ids[start:]
        attention_mask[row, :length] = 1
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "labels": labels,
        "lengths": torch.tensor(lengths),
    }


def summed_loss(model, batch):
    """The summed cross-entropy of the supervised tokens, and their number."""
    import torch

    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    shifted = batch["labels"][:, 1:]
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), shifted.flatten(), ignore_index=IGNORE_LABEL, reduction="sum"
    )
    return loss, int((shifted != IGNORE_LABEL).sum())


def record_adapters(arch, seed, second):
    """Writes `peft-<arch>`: adapter `all-linear` with logits, loss and gradients; adapter `subset` with logits."""
    torch = calm_torch(seed)
    hub_name = f"example/tiny-{arch}"
    folder = GOLDEN / f"peft-{arch}"

    model = add_lora(load_base(arch), seed)
    save_adapter(model, folder / "all-linear", hub_name)
    config = model.config
    batch = random_batch(
        torch.Generator().manual_seed(seed + 1),
        config.vocab_size,
        config.pad_token_id,
        config.eos_token_id,
        lengths=[13, 19, 7],
        n_prompt=[5, 9, 1],
    )
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"])
    total, n_supervised = summed_loss(model, batch)
    torch.testing.assert_close(output.loss, total / n_supervised)
    output.loss.backward()
    write_tensors(
        folder / "all-linear" / "expected.safetensors",
        batch
        | {"logits": output.logits, "loss": output.loss, "n_supervised": torch.tensor(n_supervised)}
        | adapter_tensors(model, ".grad", lambda weight: weight.grad),
    )
    print(arch, "loss", output.loss.item(), "supervised", n_supervised)

    model = add_lora(load_base(arch), seed + 2, **second)
    save_adapter(model, folder / "subset", hub_name)
    save_expected_logits(model, folder / "subset", seed + 3)


def record_variant(arch, name, seed, place="peft-variants", save=None, **settings):
    """Writes `<place>/<name>`: an adapter of these settings, logits, loss and gradients for a padded batch.

    B is random, and magnitudes and fully trained modules are perturbed from their initial values, as by training.
    """
    torch = calm_torch(seed)
    folder = GOLDEN / place / name
    model = add_lora(load_base(arch), seed, **settings)
    with torch.no_grad():
        for parameter, weight in model.named_parameters():
            if "magnitude" in parameter:
                weight.mul_(1.0 + 0.2 * torch.randn(weight.shape))
            elif "modules_to_save" in parameter or "trainable_tokens" in parameter:
                weight.add_(0.05 * torch.randn(weight.shape))
            elif "lora_embedding" in parameter:
                weight.copy_(0.1 * torch.randn(weight.shape))
            elif save and ("embed_tokens" in parameter or "lm_head" in parameter):
                # As if it had been trained before the adapter.
                weight.add_(0.02 * torch.randn(weight.shape))
    save_adapter(model, folder, f"example/tiny-{arch}", **(save or {}))
    config = model.config
    batch = random_batch(
        torch.Generator().manual_seed(seed + 1),
        config.vocab_size,
        config.pad_token_id,
        config.eos_token_id,
        lengths=[11, 17, 6],
        n_prompt=[4, 8, 1],
    )
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"])
    _, n_supervised = summed_loss(model, batch)
    output.loss.backward()
    write_tensors(
        folder / "expected.safetensors",
        batch
        | {"logits": output.logits, "loss": output.loss, "n_supervised": torch.tensor(n_supervised)}
        | adapter_tensors(model, ".grad", lambda weight: weight.grad),
    )
    print(name, "loss", output.loss.item(), "gradients", len(adapter_tensors(model)))


def record_pissa(arch, seed, **settings):
    """Writes `peft-variants/pissa-<arch>`: an adapter initialized with PiSSA, converted to plain LoRA by PEFT.

    Besides its logits, the initial product of each pair is recorded, which PEFT subtracted from the weight.
    """
    import tempfile

    torch = calm_torch(seed)
    folder = GOLDEN / "peft-variants" / f"pissa-{arch}"
    model = add_lora(load_base(arch), seed, random_b=0.0, init_lora_weights="pissa", **settings)
    starts = {}
    for name, module in model.named_modules():
        if hasattr(module, "lora_A"):
            product = module.lora_B["default"].weight @ module.lora_A["default"].weight
            starts[name.removeprefix("base_model.model.") + ".start"] = module.scaling["default"] * product
    with tempfile.TemporaryDirectory() as parent:
        initial = pathlib.Path(parent) / "initial"
        model.peft_config["default"].init_lora_weights = True
        model.save_pretrained(initial)
        model.peft_config["default"].init_lora_weights = "pissa"
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_" in name:
                    weight.add_(0.05 * torch.randn(weight.shape))
        save_expected_logits(model, folder, seed + 3)
        model.peft_config["default"].base_model_name_or_path = f"example/tiny-{arch}"
        model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(initial))
    (folder / "README.md").unlink(missing_ok=True)
    write_tensors(folder / "starts.safetensors", starts)
    print(f"pissa-{arch}", len(starts), "pairs")


TRAINING = {
    "n_steps": 10,
    "gradient_accumulation_steps": 2,
    "learning_rate": 5e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 2,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.01,
}

N_MICRO_BATCHES = 6
"""The steps cycle through these, so that each window is repeated and the loss falls."""


def record_training(arch, seed, max_grad_norm):
    """Writes `training-<arch>`: the micro-batches, and for each initial adapter, the adapters and the log.

    A window's loss is the sum of its tokens' losses over the number of its supervised tokens, independent of the
    split into micro-batches. The gradients' global norm is clipped as in `torch.nn.utils.clip_grad_norm_`; the bounds
    are within the range of the norms, so that some steps are clipped and some are not. `loraplus`, if a bound is
    given for it, uses the optimizer of PEFT's LoRA+.
    """
    torch = calm_torch(seed)
    folder = GOLDEN / f"training-{arch}"
    config = load_base(arch).config
    generator = torch.Generator().manual_seed(seed)
    micro_batches = []
    for _ in range(N_MICRO_BATCHES):
        lengths = torch.randint(6, 15, (2,), generator=generator).tolist()
        n_prompt = [int(torch.randint(1, length - 1, (1,), generator=generator)) for length in lengths]
        micro_batches.append(
            random_batch(generator, config.vocab_size, config.pad_token_id, config.eos_token_id, lengths, n_prompt)
        )
    write_tensors(
        folder / "micro_batches.safetensors",
        {f"{i}.{name}": tensor for i, batch in enumerate(micro_batches) for name, tensor in batch.items()},
    )
    for start, random_b, ratio in (("zero-b", 0.0, None), ("random-b", 0.1, None), ("loraplus", 0.1, 4.0)):
        if start not in max_grad_norm:
            continue
        model = add_lora(load_base(arch), seed + 1, random_b)
        save_adapter(model, folder / start / "before", f"example/tiny-{arch}")
        steps = train(model, micro_batches, max_grad_norm[start], ratio)
        save_adapter(model, folder / start / "after", f"example/tiny-{arch}")
        settings = TRAINING | {"max_grad_norm": max_grad_norm[start]}
        if ratio is not None:
            settings["loraplus_lr_ratio"] = ratio
        write_json(folder / start / "expected.json", {"settings": settings, "steps": steps})
        n_clipped = sum(step["grad_norm"] > max_grad_norm[start] for step in steps)
        assert 3 <= n_clipped <= 7, f"{n_clipped} of the steps are clipped"
        print(arch, start, *(f"{s['loss']:.4f}/{s['grad_norm']:.3f}/{s['learning_rate']:.2e}" for s in steps))


def adamw(model, loraplus_lr_ratio):
    """The optimizer of the recorded trainings; with a ratio, that of PEFT's LoRA+."""
    import torch
    from peft.optimizers import create_loraplus_optimizer

    settings = {
        "lr": TRAINING["learning_rate"],
        "betas": (TRAINING["adam_beta1"], TRAINING["adam_beta2"]),
        "eps": TRAINING["adam_epsilon"],
    }
    if loraplus_lr_ratio is None:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        return torch.optim.AdamW(weights, weight_decay=TRAINING["weight_decay"], **settings)
    return create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        loraplus_lr_ratio=loraplus_lr_ratio,
        loraplus_weight_decay=TRAINING["weight_decay"],
        **settings,
    )


def train(model, micro_batches, max_grad_norm, loraplus_lr_ratio=None):
    """Runs ten steps of AdamW and returns their log; the loss is that before the update."""
    import torch
    from transformers import get_cosine_schedule_with_warmup

    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = adamw(model, loraplus_lr_ratio)
    schedule = get_cosine_schedule_with_warmup(optimizer, TRAINING["warmup_steps"], TRAINING["n_steps"])
    steps = []
    width = TRAINING["gradient_accumulation_steps"]
    for step in range(TRAINING["n_steps"]):
        numbers = [(step * width + i) % len(micro_batches) for i in range(width)]
        window = [micro_batches[number] for number in numbers]
        counts = [int((batch["labels"][:, 1:] != IGNORE_LABEL).sum()) for batch in window]
        loss = 0.0
        for batch in window:
            total, _ = summed_loss(model, batch)
            (total / sum(counts)).backward()
            loss += total.item() / sum(counts)
        grad_norm = torch.nn.utils.clip_grad_norm_(weights, max_grad_norm)
        steps.append(
            {
                "step": step,
                "micro_batches": numbers,
                "loss": loss,
                "grad_norm": grad_norm.item(),
                "learning_rate": schedule.get_last_lr()[0],
                "n_supervised": counts,
            }
        )
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return steps


def record_further_training(arch, adapter, max_grad_norm, loraplus_lr_ratio=None):
    """Writes `training-further/<name>`: the golden adapter `adapter`, trained for ten more steps by PEFT, and their log."""
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file

    calm_torch(97)
    model = PeftModel.from_pretrained(load_base(arch), GOLDEN / adapter, is_trainable=True)
    stored = load_file(GOLDEN / f"training-{arch}" / "micro_batches.safetensors")
    micro_batches = []
    for i in range(N_MICRO_BATCHES):
        names = ("input_ids", "attention_mask", "labels", "lengths")
        micro_batches.append({name: stored[f"{i}.{name}"] for name in names})
    steps = train(model, micro_batches, max_grad_norm, loraplus_lr_ratio)
    folder = GOLDEN / "training-further" / adapter.split("/")[-1]
    # The base model's embedding, which PEFT stores beside a pair on it, does not change.
    save_adapter(model, folder, f"example/tiny-{arch}", save_embedding_layers=False)
    settings = TRAINING | {"max_grad_norm": max_grad_norm}
    write_json(folder / "expected.json", {"settings": settings, "steps": steps})
    n_clipped = sum(step["grad_norm"] > max_grad_norm for step in steps)
    assert 0 < n_clipped < len(steps), f"{n_clipped} of the steps are clipped: {[s['grad_norm'] for s in steps]}"
    print(adapter, *(f"{s['loss']:.4f}/{s['grad_norm']:.3f}" for s in steps))
