"""Routes by the brute-force neighbours of scikit-learn, from exported scores.

Usage: python nearest_routes.py > nearest_routes.json

Written with Python 3.11, numpy and scikit-learn as named in the output. The scores are random, and written into the
file: what is compared is the choice of neighbours and of the workflow, not the scores.
"""

import json
import platform
import random

import numpy
import sklearn
from sklearn.neighbors import NearestNeighbors

TASKS, QUERIES, NEIGHBOURS = 30, 40, 8
WORKFLOWS = ["single", "reflection", "rag", "multi_agent", "memory"]


def main() -> None:
    draw = random.Random(7)
    cells = []
    for _ in range(TASKS):
        of_task = []
        for number, workflow in enumerate(WORKFLOWS):
            # Not every workflow has answered every task.
            if draw.random() < 0.9:
                answers = draw.choice([1, 2, 4])
                passed = draw.randint(0, answers)
                tokens = round(draw.uniform(20, 60) * (number + 1), 1)
                of_task.append([workflow, answers, passed, tokens])
        cells.append(of_task or [["single", 1, 0, 20.0]])
    # Distinct scores of single precision; some are 0, as without a word in common.
    scores = [
        [0.0 if draw.random() < 0.4 else draw.randint(1, 10**6) / 2**16 for _ in range(TASKS)]
        for _ in range(QUERIES)
    ]
    chosen, near = [], []
    for row in scores:
        sharing = [at for at, score in enumerate(row) if score > 0]
        values = numpy.array([[10**3 - row[at]] for at in sharing])
        # One feature, the distance to a perfect score: the nearest are those with the highest scores.
        search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(sharing)), algorithm="brute")
        _, found = search.fit(values).kneighbors(numpy.array([[0.0]]))
        neighbours = [sharing[at] for at in found[0]]
        near.append(neighbours)
        best = None
        for order, workflow in enumerate(WORKFLOWS):
            of = [cell for at in neighbours for cell in cells[at] if cell[0] == workflow]
            if of:
                rate = sum(passed / answers for _, answers, passed, _ in of) / len(of)
                tokens = sum(tokens for *_, tokens in of) / len(of)
                key = (-rate, tokens, order, workflow)
                best = key if best is None or key < best else best
        chosen.append(best[3])
    versions = {"python": platform.python_version(), "numpy": numpy.__version__, "sklearn": sklearn.__version__}
    document = {"versions": versions, "cells": cells, "scores": scores, "near": near, "chosen": chosen}
    print(json.dumps(document))


main()
