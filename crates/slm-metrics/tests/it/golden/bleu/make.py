"""Writes corpora.jsonl: BLEU of corpora of Python tokens by sacrebleu, on text that is already in tokens.

    pip install sacrebleu==2.6.0
    python3 make.py

Written with Python 3.11 and sacrebleu 2.6.0. No token has white space, at which sacrebleu divides the text.
"""

import io
import json
import random
import tokenize
from pathlib import Path

from sacrebleu.metrics import BLEU

BODIES = [
    "total = 0\nfor x in xs:\n    total += x\nreturn total\n",
    "return sum(xs)\n",
    "result = []\nfor x in xs:\n    if x > 0:\n        result.append(x * x)\nreturn result\n",
    "return [x * x for x in xs if x > 0]\n",
    "a, b = 0, 1\nfor _ in range(n):\n    a, b = b, a + b\nreturn a\n",
    "if n < 2:\n    return n\nreturn f(n - 1) + f(n - 2)\n",
    "while b:\n    a, b = b, a % b\nreturn a\n",
    "counts = {}\nfor word in text.split():\n    counts[word] = counts.get(word, 0) + 1\nreturn counts\n",
    "return x\n",
    "pass\n",
]


def tokens(source):
    kept = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
    return [t.string for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type in kept]


def bleu(pairs):
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    texts, references = ([" ".join(side) for side in sides] for sides in zip(*pairs))
    return metric.corpus_score(texts, [references]).score


def main():
    draw = random.Random(1)
    all_tokens = [tokens(body) for body in BODIES]
    long, short = all_tokens[2], all_tokens[1]
    corpora = [
        [(long, long)],
        [([], long)],  # an empty text
        [([], long), (long, long)],
        [(short[:3], short[:3])],  # shorter than four tokens: no 4-gram exists
        [(short[:3], short[:3]), (long, long)],
        [(long[:6], long)],  # shorter than its reference
        [(long + short, long)],  # longer than its reference
        [(["x"] * 9, ["x"] * 5 + long)],  # more often than in the reference
        [(all_tokens[4], all_tokens[7])],  # no common 4-gram
        [(["a", "b"], ["c", "d"])],
    ]
    for n in (2, 3, 5, 8, 20):
        for _ in range(3):
            pairs = []
            for _ in range(n):
                reference = draw.choice(all_tokens)
                text = [t for t in (reference if draw.random() < 0.7 else draw.choice(all_tokens)) if draw.random() < 0.9]
                pairs.append((text, reference))
            corpora.append(pairs)
    with open(Path(__file__).with_name("corpora.jsonl"), "w", encoding="utf-8") as out:
        for pairs in corpora:
            out.write(json.dumps({"bleu": bleu(pairs), "pairs": pairs}) + "\n")


main()
