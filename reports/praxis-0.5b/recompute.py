"""Recomputes the headlines of a run from its samples.parquet, and compares them with summary.json.

    pip install pandas==3.1.1 pyarrow==26.0.1 scipy==1.17.1
    python3 reports/praxis-0.5b/recompute.py reports/praxis-0.5b

Means, differences, intervals, p-values and Holm's correction of every claim, and the pass rate of every cell, are computed
here by pandas and scipy; only the random draws, which decide resamples, permutations and the halves of H2, repeat those of
the evaluator (ChaCha8, RFC 8439 with eight rounds, seeded and used as by the crates rand and rand_chacha 0.10). Exits with 1
if a number differs by more than 1e-9.
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 10_000
MASK = 2**32 - 1


def chacha8(seed, n):
    """Returns n words of ChaCha8 after `seed_from_u64(seed)`."""
    key, state = [], seed
    for _ in range(8):  # PCG32 spreads the seed over the key.
        state = (state * 6364136223846793005 + 11634580027462260723) % 2**64
        x, turn = ((state >> 18) ^ state) >> 27 & MASK, state >> 59
        key.append((x >> turn | x << (-turn % 32)) & MASK)
    blocks = -(-n // 16)
    counter = np.arange(blocks, dtype=np.uint64)
    words = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key]
    first = [np.full(blocks, word, np.uint32) for word in words]
    first += [(counter & np.uint64(MASK)).astype(np.uint32), (counter >> np.uint64(32)).astype(np.uint32)]
    first += [np.zeros(blocks, np.uint32)] * 2
    x = [word.copy() for word in first]

    def quarter(a, b, c, d):
        for at, other, into, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[at] = x[at] + x[other]
            mixed = x[into] ^ x[at]
            x[into] = mixed << np.uint32(turn) | mixed >> np.uint32(32 - turn)

    for _ in range(4):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    out = np.stack([a + b for a, b in zip(x, first)], axis=1)
    return out.reshape(-1)[:n]


class Draws:
    """Numbers below a bound, as `random_range` draws them from 32 bits each (Canon's method)."""

    def __init__(self, seed, n):
        self.words = chacha8(seed, n + 64)
        self.at = 0

    def below(self, bound):
        product = int(self.words[self.at]) * bound
        self.at += 1
        result, low = product >> 32, product & MASK
        if low > -bound % 2**32:
            result += low + (int(self.words[self.at]) * bound >> 32) > MASK
            self.at += 1
        return result

    def many_below(self, bound, n):
        """As n calls of `below`."""
        out = []
        while n:
            words = self.words[self.at : self.at + n].astype(np.uint64)
            products = words * np.uint64(bound)
            biased = np.flatnonzero((products & np.uint64(MASK)) > np.uint64(-bound % 2**32))
            upto = int(biased[0]) if len(biased) else n
            out.append((products[:upto] >> np.uint64(32)).astype(np.int64))
            self.at += upto
            n -= upto
            if n:
                out.append(np.array([self.below(bound)]))
                n -= 1
        return np.concatenate(out)


def shuffled(items, seed):
    """Returns the items as `shuffle` orders them."""
    items, draws, chunk, left = list(items), Draws(seed, len(items)), 0, 1
    for at in range(len(items)):
        upper = at + 1
        if left == 0:
            bound, factor = upper, upper + 1
            while bound * factor <= MASK:
                bound, factor = bound * factor, factor + 1
            chunk, left = draws.below(bound), factor - upper
        left -= 1
        if left == 0:
            index = chunk
        else:
            chunk, index = divmod(chunk, upper)
        items[at], items[index] = items[index], items[at]
    return items


def interval(values, seed):
    """The BCa interval of the mean, and None without one."""
    n = len(values)
    if n < 2:
        return None
    rows = Draws(seed, RESAMPLES * n).many_below(n, RESAMPLES * n).reshape(RESAMPLES, n)
    means = np.sort(values[rows].mean(axis=1))
    estimate = values.mean()
    if not np.quantile(means, 0.975) - np.quantile(means, 0.025) > 1e-12 * np.abs(means).max():
        return None
    tie = 1e-12 * max(abs(estimate), 1)
    share = ((means < estimate - tie).sum() + (means <= estimate + tie).sum()) / (2 * RESAMPLES)
    bias = stats.norm.ppf(share)
    influence = (values - estimate) / (n - 1)
    spread = (influence**2).sum()
    acceleration = (influence**3).sum() / (6 * spread**1.5) if spread > 0 else 0
    z = bias + stats.norm.ppf([0.025, 0.975])
    levels = stats.norm.cdf(bias + z / (1 - acceleration * z))
    return [float(np.quantile(means, level)) for level in levels]


def sign_flip(values, seed):
    """The two-sided p-value of the mean if every sign may change."""
    values = values[values != 0]
    n = len(values)
    if n == 0:
        return None
    threshold = abs(values.sum()) - 1e-12 * np.abs(values).sum()
    if n <= 20:
        patterns = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float((np.abs((2 * patterns - 1) @ values) >= threshold).mean())
    longs = -(-n // 64)
    words = chacha8(seed, RESAMPLES * longs * 2)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little").reshape(RESAMPLES, longs * 64)
    sums = (2.0 * bits[:, :n] - 1.0) @ values
    return (int((np.abs(sums) >= threshold).sum()) + 1) / (RESAMPLES + 1)


def holm(values):
    order = np.argsort(values, kind="stable")
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[at]))
        adjusted[at] = highest
    return adjusted


def column(rows, metric):
    if metric == "pass_rate":
        return rows.passed.astype(float).where(rows.tests_total > 0) * 100
    if metric == "cyclomatic_complexity_of_solved":
        return rows.cyclomatic_complexity.where(rows.passed)
    return rows[metric].astype(float)


def differences(reference, arm, metric, tasks):
    """The difference of the means of each task that has a value on both sides, in the order of the tasks."""
    means = [column(rows, metric).groupby(rows.task_id).mean() for rows in (reference, arm)]
    return (means[1] - means[0]).reindex(tasks).dropna().to_numpy()


def mcnemar(found):
    """The exact p-value of differences in points; None unless each side has one answer a task."""
    up, down = int((found > 0).sum()), int((found < 0).sum())
    is_binary = set(np.abs(found)) <= {0.0, 100.0}
    return stats.binomtest(up, up + down).pvalue if is_binary and up + down else None


def in_order(rows):
    return list(dict.fromkeys(rows.task_id))


class Run:
    def __init__(self, folder):
        self.rows = pd.read_parquet(folder / "samples.parquet")
        self.summary = json.loads((folder / "summary.json").read_text())
        self.plan = json.loads((folder / "run.json").read_text())["plan"]
        self.seed = self.summary["statistics_seed"]

    def cell(self, arm, workflow, decoding=None):
        decoding = decoding or self.plan["reference"]
        rows = self.rows[(self.rows.arm == arm) & (self.rows.workflow == workflow)]
        return rows[(rows.temperature == decoding["temperature"]) & (rows.top_p == decoding["top_p"])]

    def of_h1(self, claim):
        arm, _, workflow = claim["contrast"].partition(" less base")
        workflow = workflow.removeprefix(", ") or self.plan["comparison"][0]
        reference = self.cell("base", workflow)
        others = [self.cell(a, workflow) for a in dict.fromkeys(self.rows.arm) if a != "base"]
        tasks = in_order(pd.concat([reference, *others]))
        found = differences(reference, self.cell(arm, workflow), claim["metric"], tasks)
        return found, mcnemar(found) if claim["metric"] == "pass_rate" else None

    def of_h2(self, claim):
        sweep = self.plan["sweep"]
        points = [self.cell(sweep["arm"], sweep["workflow"], point) for point in sweep["decodings"]]
        mixed = shuffled(sorted(set(pd.concat(points).task_id)), self.seed)
        choosing, testing = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
        margin = next((h["pass_rate_margin"] for h in self.plan["hypotheses"] if h["id"] == "h2"), None)
        margin = 2.0 if margin is None else margin

        def mean(metric, point):
            found = differences(points[0], point, metric, choosing)
            return found.mean() if len(found) else math.nan

        gains = [mean(claim["metric"], point) for point in points[1:]]
        losses = [mean("pass_rate", point) for point in points[1:]]
        fit = [gain if not loss < -margin else math.nan for gain, loss in zip(gains, losses)]
        best = fit if not np.all(np.isnan(fit)) else gains
        if np.all(np.isnan(best)):
            return np.array([]), None
        return differences(points[0], points[1 + int(np.nanargmin(best))], claim["metric"], testing), None

    def of_h3(self, claim):
        sides = claim["contrast"].split(" less ")
        arm, reference = (self.cell(self.plan["collaboration"]["arm"], side) for side in sides)
        tasks = sorted(set(arm.task_id) | set(reference.task_id), key=in_order(self.rows).index)
        found = differences(reference, arm, claim["metric"], tasks)
        return found, mcnemar(found)


def main(folder):
    run = Run(Path(folder))
    worst, compared = 0.0, 0

    def same(name, own, theirs):
        nonlocal worst, compared
        compared += 1
        if (own is None) != (theirs is None):
            sys.exit(f"{name}: {own} here, {theirs} in summary.json")
        if own is not None:
            worst = max(worst, abs(own - theirs))
            if not abs(own - theirs) <= 1e-9:
                sys.exit(f"{name}: {own} here, {theirs} in summary.json")

    raw = []
    for claim in run.summary["claims"]:
        found, p = getattr(run, "of_" + claim["hypothesis"])(claim)
        name = f"{claim['hypothesis']} {claim['contrast']}, {claim['metric']}"
        same(f"{name}: tasks", len(found), claim["n"])
        same(f"{name}: differ", int((np.abs(found) > 1e-9).sum()), claim["differing"])
        same(f"{name}: estimate", float(found.mean()) if len(found) else None, claim["estimate"])
        own, theirs = interval(found, run.seed), claim["interval"]
        for at, end in enumerate(("low", "high")):
            same(f"{name}: interval", own and own[at], theirs and theirs[end])
        # The exact test of H3 counts tasks, the others permute signs.
        p = p if claim["test"] == "exact McNemar" else sign_flip(found, run.seed)
        same(f"{name}: p", p, claim["p"])
        raw.append(p)
        mean = f"{found.mean():+.3f}" if len(found) else "no comparison"
        print(f"{name}: {mean}, 95 % interval {own}, p {p}, {len(found)} tasks")
    tested = [at for at, p in enumerate(raw) if p is not None]
    for at, p in zip(tested, holm([raw[at] for at in tested])):
        same("Holm", p, run.summary["claims"][at]["holm_p"])
    for cell in run.summary["cells"]:
        rows = run.cell(cell["arm"], cell["workflow"], cell["decoding"])
        same(f"{cell['arm']} {cell['workflow']}: passed", int(rows.passed.sum()), cell["passed"])
        same(f"{cell['arm']} {cell['workflow']}: samples", len(rows), cell["samples"])
    print(f"{compared} numbers agree; the largest difference is {worst:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
