"""Writes ranks.json: memory entries ranked for a query, by a reference that shares no code with the evaluator.

Python 3.11, standard library only. Run as: python3 rank.py > ranks.json
"""

import json
import math
import random
import re


def tokens(text):
    """Words in lower case, preceded by their parts at `_` and at changes of case."""
    terms = []
    for word in re.findall(r"\w+", text):
        parts = [p for q in word.split("_") for p in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", q)]
        parts = [part.lower() for part in parts]
        terms += parts + ([word.lower()] if parts and parts != [word.lower()] else [])
    return terms


def ranked(entries, hidden, query):
    """Places and scores of the entries that are not hidden, the best first."""
    texts = [tokens(entry["words"]) for entry in entries]
    mean = sum(map(len, texts)) / len(texts)

    def relevance(text):
        score = 0.0
        for term in tokens(query):
            n = sum(term in other for other in texts)
            f = text.count(term)
            idf = math.log(1 + (len(texts) - n + 0.5) / (n + 0.5))
            score += idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * len(text) / mean))
        return score

    kept = [(i, relevance(texts[i]), e["importance"]) for i, e in enumerate(entries) if i not in hidden]
    most = [max((row[k] for row in kept), default=0.0) or 1.0 for k in (1, 2)]
    scores = [(i, 3 * r / most[0] + 2 * m / most[1]) for i, r, m in kept]
    return sorted(scores, key=lambda of: -of[1])


WORDS = "sort list numbers parse HTTPReply merge_intervals count vowels text tree depth fib word matrix sum".split()


def case(rng):
    n = rng.randint(1, 12)
    entries = [
        {"words": " ".join(rng.choices(WORDS, k=rng.randint(1, 14))), "importance": rng.choice([0.0, 0.25, 0.5, 0.875, 1.0])}
        for _ in range(n)
    ]
    hidden = [i for i in range(n) if rng.random() < 0.2]
    query = " ".join(rng.sample(WORDS + ["unknown"], k=rng.randint(1, 6)))
    return {"entries": entries, "hidden": hidden, "query": query, "ranked": ranked(entries, hidden, query)}


rng = random.Random(26)
cases = [case(rng) for _ in range(40)]
nothing = [{"words": "sort list", "importance": 0.0}, {"words": "sum list", "importance": 0.0}]
for hidden, query in [([], "sort"), ([], "unknown"), ([0, 1], "sort"), ([], "")]:
    cases.append({"entries": nothing, "hidden": hidden, "query": query, "ranked": ranked(nothing, hidden, query)})
print(json.dumps(cases, indent=None, separators=(",", ":")).replace('{"entries"', '\n{"entries"'))
