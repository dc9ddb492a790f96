"""Losses and gradients of one batch for each preference objective, computed by TRL's own trainers.

Model and adapter are those of crates/slm-model/tests/it/golden: tiny-qwen2 with peft-qwen2/all-linear, whose B is not
zero. Each trainer is constructed as a user would, with a new adapter, so that its reference is the base model; then the
adapter's values are loaded, and the trainer's own loss method computes the loss of a batch of random tokens. Weights are
those of the files in double precision, so that the values have no rounding error of their own; `odds_ratio_loss` alone
rounds the two log-probabilities to single precision.

ORPO's prompts have one token: TRL takes the negative log-likelihood of prompt and answer, this project that of the answer,
and the first token of a sequence has no loss.

    python3.11 -m venv venv && venv/bin/pip install -r requirements.txt
    PYTHONHASHSEED=0 venv/bin/python make.py
"""

import json
import os
import pathlib
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import Dataset
from peft import LoraConfig, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parents[4] / "crates" / "slm-model" / "tests" / "it" / "golden"
BASE, ADAPTER = GOLDEN / "tiny-qwen2", GOLDEN / "peft-qwen2" / "all-linear"
PAD, END, VOCABULARY = 342, 344, 342

PROMPTS, ONE_TOKEN = [5, 2, 9], [1, 1, 1]
CHOSEN, REJECTED = [7, 12, 4], [10, 3, 6]
LABELS = [True, False, True, True, False]
WANTED, MISMATCHED_SHIFT = [7, 12, 4, 9, 5], 1


def draw(seed, lengths):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]


def answers(seed, lengths):
    return [tokens[:-1] + [END] for tokens in draw(seed, lengths)]


def padded(prompts, completions):
    """Ids, attention mask and completion mask, padded on the right."""
    rows = [prompt + completion for prompt, completion in zip(prompts, completions)]
    width = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (width - len(row)) for row in rows])
    attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    mask = torch.zeros_like(ids)
    for index, (prompt, row) in enumerate(zip(prompts, rows)):
        mask[index, len(prompt) : len(row)] = 1
    return ids, attention, mask


def trainer(kind, config, rows, **settings):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float64, attn_implementation="eager")
    lora = LoraConfig.from_pretrained(ADAPTER)
    lora.inference_mode = False
    arguments = config(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=len(LABELS),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        **settings,
    )
    made = kind(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(BASE),
        peft_config=lora,
    )
    made.model.double()
    values = load_file(ADAPTER / "adapter_model.safetensors")
    found = set_peft_model_state_dict(made.model, {name: value.double() for name, value in values.items()})
    assert not found.unexpected_keys, found.unexpected_keys
    made.model.train()
    return made


def log_p(model, ids, attention, mask):
    """Sum over the completion's tokens of each sequence, by full logits."""
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=attention).logits[:, :-1].double()
    of_token = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    return (of_token * mask[:, 1:]).sum(1)


def record(name, made, loss, inputs):
    loss.backward()
    tensors = dict(inputs)
    batch = [inputs[key] for key in ("input_ids", "attention_mask", "completion_mask")]
    tensors["log_p"] = log_p(made.model, *batch)
    with made.model.disable_adapter():
        tensors["reference_log_p"] = log_p(made.model, *batch)
    for key, weight in made.model.named_parameters():
        if weight.requires_grad:
            tensors[key.replace(".default", "") + ".grad"] = weight.grad.float()
    tensors["loss"] = loss.detach().double().reshape(1)
    for metric, found in made._metrics["train"].items() if hasattr(made, "_metrics") else ():
        if metric.split("/")[0] in ("rewards", "logps", "kl"):
            tensors[metric] = torch.tensor([found[-1]], dtype=torch.float64)
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(tensors, HERE / f"{name}.safetensors", {"format": "pt"})
    print(name, float(loss))


def pairs(prompts, seed):
    prompts = draw(seed, prompts)
    return prompts, answers(seed + 1, CHOSEN), answers(seed + 2, REJECTED)


ROWS = [{"prompt": "a", "chosen": "b", "rejected": "c"}] * 6


def dpo(name, **settings):
    made = trainer(DPOTrainer, DPOConfig, ROWS, **settings)
    prompts, chosen, rejected = pairs(PROMPTS, 1)
    ids, attention, mask = padded(prompts * 2, chosen + rejected)
    inputs = {"input_ids": ids, "attention_mask": attention, "completion_mask": mask}
    loss = made._compute_loss(made.model, inputs, False)
    record(name, made, loss, inputs)


def without_reference(name, kind, config, prompts, **settings):
    made = trainer(kind, config, ROWS, max_length=64, **settings)
    prompts, chosen, rejected = pairs(prompts, 1)
    batch, inputs = {}, {}
    for side, completions in (("chosen", chosen), ("rejected", rejected)):
        ids, attention, mask = padded(prompts, completions)
        batch |= {f"{side}_input_ids": ids, f"{side}_attention_mask": attention}
        batch[f"{side}_labels"] = ids.masked_fill(mask == 0, -100)
    ids, attention, mask = padded(prompts * 2, chosen + rejected)
    inputs = {"input_ids": ids, "attention_mask": attention, "completion_mask": mask}
    loss, metrics = made.get_batch_loss_metrics(made.model, batch, "train")
    made._metrics = {"train": {key: [float(value)] for key, value in metrics.items()}}
    record(name, made, loss, inputs)


def kto(name, **settings):
    rows = [{"prompt": "a", "completion": "b", "label": label} for label in LABELS]
    made = trainer(KTOTrainer, KTOConfig, rows, **settings)
    prompts, completions = draw(4, [5, 2, 9, 3, 4]), answers(5, WANTED)
    # This project's order: a row's prompt with the next row's completion.
    mismatched = completions[MISMATCHED_SHIFT:] + completions[:MISMATCHED_SHIFT]
    ids, attention, mask = padded(prompts, completions)
    inputs = {"input_ids": ids, "attention_mask": attention, "completion_mask": mask}
    ids, attention, mask = padded(prompts, mismatched)
    inputs |= {"KL_input_ids": ids, "KL_attention_mask": attention, "KL_completion_mask": mask}
    inputs["label"] = torch.tensor(LABELS)
    loss = made._compute_loss(made.model, inputs, False)
    inputs["label"] = inputs["label"].long()
    record(name, made, loss, inputs)


def main():
    assert sys.flags.hash_randomization == 0, "set PYTHONHASHSEED=0"
    dpo("dpo", beta=0.1)
    dpo("dpo-sft", beta=0.1, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.2])
    without_reference("orpo", ORPOTrainer, ORPOConfig, ONE_TOKEN, beta=0.1)
    without_reference("simpo", CPOTrainer, CPOConfig, PROMPTS, beta=2.0, loss_type="simpo", simpo_gamma=0.5, cpo_alpha=0.0)
    kto("kto", beta=0.1, desirable_weight=1.0, undesirable_weight=1.5)
    names = ["torch", "trl", "transformers", "peft", "datasets"]
    versions = {name: sys.modules[name].__version__.split("+")[0] for name in names}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
