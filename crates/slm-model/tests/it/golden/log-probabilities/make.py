"""Greedy completions of the tiny models with their log-probabilities, with an adapter and without, and the
log-probabilities of a few first tokens.

For each model and adapter: the first prompts of a seeded list that run to the limit, and the first one whose completion
ends with the end token. `sum` is over all generated tokens, the end token included, by transformers'
`compute_transition_scores` on the normalised logits.

    PYTHONHASHSEED=0 python log-probabilities/make.py

Made with torch 2.9.1, transformers 4.57.6 and PEFT 0.18.1.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, VOCAB_SIZE, calm_torch, load_base, write_json

torch = calm_torch(7)
from peft import PeftModel

NEW = 12
CHOICES = [5, 17, 101, 340]


def completion(model, prompt):
    """The tokens that transformers generates greedily, their summed log-probability, and those of the choices."""
    with torch.no_grad():
        out = model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=NEW,
            return_dict_in_generate=True,
            output_logits=True,
        )
    scores = model.compute_transition_scores(out.sequences, out.logits, normalize_logits=True)
    tokens = out.sequences[0, len(prompt) :].tolist()
    assert scores.shape == (1, len(tokens))
    first = torch.log_softmax(out.logits[0][0].double(), dim=-1)[CHOICES]
    return {
        "prompt": prompt,
        "tokens": tokens,
        "sum": scores[0].double().sum().item(),
        "first": first.tolist(),
    }


def recorded(arch, adapter):
    model = load_base(arch)
    if adapter:
        model = PeftModel.from_pretrained(model, GOLDEN / f"peft-{arch}/all-linear").eval()
    end = model.generation_config.eos_token_id
    ends = end if isinstance(end, list) else [end]
    generator = torch.Generator().manual_seed(19)
    whole, ended = [], []
    for _ in range(4000):
        length = int(torch.randint(1, 40, (1,), generator=generator))
        prompt = torch.randint(3, VOCAB_SIZE - 12, (length,), generator=generator).tolist()
        found = completion(model, prompt)
        kept = ended if found["tokens"][-1] in ends else whole
        if len(kept) < (1 if kept is ended else 3):
            kept.append(found)
        if len(whole) == 3 and len(ended) == 1:
            break
    return {"model": f"tiny-{arch}", "adapter": adapter, "ends": ends, "completions": whole + ended}


write_json(
    GOLDEN / "log-probabilities/expected.json",
    {
        "max_new_tokens": NEW,
        "choices": CHOICES,
        "models": [recorded(arch, adapter) for arch in ("llama", "qwen2") for adapter in (False, True)],
    },
)
