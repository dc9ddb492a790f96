"""Writes golden.json: BM25 scores of bm25s 0.3.16 (NumPy 2.4.6, Python 3.11), times k1 + 1.

    python -m venv venv && venv/bin/pip install bm25s==0.3.16 && venv/bin/python make.py

The documents are made of a fixed vocabulary by a fixed seed; two of them are equal, so that their scores tie. The terms
are made here by regular expressions, independently of the crate.
"""

import json
import random
import re
from pathlib import Path

import bm25s

K1, B = 1.2, 0.75
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*|[0-9]+")
WORDS = (
    "the a of list value merge_sorted parseHTTPReply2 tree Node insert key_of x1 return def self sum total count "
    "graph edge weight shortest path queue heap push pop text word split join upper LOWER _private __init__ utf8 "
    "Matrix row column transpose flatten window moving_average rate RateLimiter token bucket refill date parse format"
).split()


def terms(text):
    found = []
    for word in re.findall(r"\w+", text):
        parts = [part.lower() for piece in word.split("_") for part in PART.findall(piece)]
        found += parts
        if parts and parts != [word.lower()]:
            found.append(word.lower())
    return found


def main():
    draw = random.Random(26)
    documents = []
    for place in range(60):
        length = draw.choice([1, 4, 12, 30, 80])
        skewed = [WORDS[int(len(WORDS) * draw.random() ** 2)] for _ in range(length)]
        documents.append({"name": f"part{place % 7}", "text": " ".join(skewed)})
    documents[41] = dict(documents[17])
    queries = [
        "merge_sorted",
        "the the the value",
        "shortest path of a graph",
        "parseHTTPReply2 reply",
        "unknown words only",
        "",
        "moving average window of the total, total",
        "RateLimiter token bucket: refill rate",
        "part3",
        "Node insert key",
        " ".join(WORDS),
        documents[17]["text"],
    ]
    corpus = [terms(of["name"] + "\n" + of["text"]) for of in documents]
    ranking = bm25s.BM25(method="lucene", k1=K1, b=B)
    ranking.index(corpus, show_progress=False)
    results = []
    for query in queries:
        known = [term for term in terms(query) if term in ranking.vocab_dict]
        scores = ranking.get_scores(known) if known else [0.0] * len(corpus)
        results.append({"query": query, "scores": [round(float(s) * (K1 + 1), 9) for s in scores]})
    golden = {
        "documents": [of | {"terms": terms} for of, terms in zip(documents, corpus)],
        "results": results,
    }
    lines = json.dumps(golden, indent=None).replace('{"name"', '\n{"name"').replace('{"query"', '\n{"query"')
    Path(__file__).with_name("golden.json").write_text(lines + "\n")


main()
