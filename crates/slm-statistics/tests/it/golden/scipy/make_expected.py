"""Computes expected.json: the results of scipy, statsmodels and numpy for the functions of this crate.

    python -m venv venv && venv/bin/pip install numpy==NUMPY scipy==SCIPY statsmodels==STATSMODELS
    venv/bin/python make_expected.py > expected.json

The versions are those in expected.json under "versions". Resample indices and sign patterns are drawn here and stored,
so that both sides use the same resamples. New values are drawn after the older ones, which therefore do not change.
"""

import json
import sys

import numpy as np
import scipy
import statsmodels
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_power, normal_power_het
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(20261122)


def differences(n, zeros, shift=1.0, step=0.25):
    """Returns differences with ties and zeros, multiples of a power of two so that their sums are exact."""
    values = np.round(rng.normal(shift, 6, n) / step) * step
    values[rng.choice(n, zeros, replace=False)] = 0.0
    return values


def normal():
    zs = np.concatenate([np.linspace(-6, 6, 25), [0.1234567, -1.96]])
    ps = np.concatenate([np.linspace(0.001, 0.999, 25), [1e-6, 1 - 1e-6]])
    return [
        {"z": float(z), "cdf": float(stats.norm.cdf(z)), "p": float(p), "quantile": float(stats.norm.ppf(p))}
        for z, p in zip(zs, ps)
    ]


def intervals(values, distribution):
    """Returns scipy's intervals of the mean from a given bootstrap distribution."""
    drawn = stats._resampling.BootstrapResult(
        confidence_interval=None, bootstrap_distribution=distribution, standard_error=None
    )
    return {
        name: list(
            map(
                float,
                stats.bootstrap(
                    (values,), np.mean, n_resamples=0, bootstrap_result=drawn, method=method
                ).confidence_interval,
            )
        )
        for name, method in [("bca", "BCa"), ("percentile", "percentile")]
    }


def bootstrap():
    cases = []
    for n, zeros, draws in [(12, 3, 120), (25, 9, 80), (5, 0, 150)]:
        values = differences(n, zeros)
        indices = rng.integers(0, n, (draws, n))
        distribution = values[indices].mean(axis=1)
        cases.append({"values": values.tolist(), "indices": indices.tolist(), **intervals(values, distribution)})
    skewed = np.round(rng.exponential(8, 20) * 4) / 4
    indices = rng.integers(0, 20, (100, 20))
    cases.append(
        {"values": skewed.tolist(), "indices": indices.tolist(), **intervals(skewed, skewed[indices].mean(axis=1))}
    )
    return cases


def bootstrap_large():
    values = differences(40, 14, shift=3.0)
    found = stats.bootstrap((values,), np.mean, n_resamples=200_000, method="BCa", rng=7).confidence_interval
    return {"values": values.tolist(), "bca": [float(found.low), float(found.high)]}


def exact_sign_flip(values):
    return float(
        stats.permutation_test(
            (values,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        ).pvalue
    )


def sign_flip_exact():
    cases = [differences(n, zeros, shift) for n, zeros, shift in [(6, 0, 4), (10, 3, 1), (14, 5, 3), (16, 2, -2)]]
    cases += [np.array([1.5, 1.5, -1.5, 1.5]), np.array([0.0, 0.0, 2.0])]
    # Not multiples of a power of two: equal sums differ by rounding.
    cases += [np.array([0.1, 0.2, 0.3, -0.3, 0.6, 0.1, 0.2])]
    return [{"differences": values.tolist(), "p": exact_sign_flip(values)} for values in cases]


def sign_flip_sampled():
    cases = []
    for n, shift in [(24, 2.0), (30, 0.0)]:
        values = differences(n, 0, shift)
        values[values == 0] = 0.25
        signs = rng.integers(0, 2, (150, n)) * 2 - 1
        extreme = int((np.abs(signs @ values) >= abs(values.sum())).sum())
        cases.append(
            {
                "differences": values.tolist(),
                "signs": ["".join("+" if sign > 0 else "-" for sign in row) for row in signs],
                "p": (extreme + 1) / 151,
            }
        )
    return cases


def sign_flip_large():
    """More nonzero differences than the exact test counts; all of equal size, so the sum is binomial."""
    values = np.array([2.0] * 24 + [-2.0] * 16)
    return {"differences": values.tolist(), "p": float(stats.binomtest(24, 40).pvalue)}


def signed_rank():
    cases = []
    for n, zeros in [(12, 0), (40, 16), (164, 60), (20, 19)]:
        values = differences(n, zeros, step=0.5)
        result = stats.wilcoxon(values, zero_method="pratt", method="asymptotic", correction=False)
        ranks = stats.rankdata(np.abs(values))
        positive, negative = ranks[values > 0].sum(), ranks[values < 0].sum()
        cases.append(
            {
                "differences": values.tolist(),
                "p": float(result.pvalue),
                "rank_biserial": float((positive - negative) / (positive + negative)),
            }
        )
    return cases


def cliffs_delta():
    cases = []
    for n, m in [(8, 8), (30, 25)]:
        base, adapter = rng.integers(0, 12, n) / 2, rng.integers(2, 14, m) / 2
        u = stats.mannwhitneyu(adapter, base).statistic
        cases.append({"base": base.tolist(), "adapter": adapter.tolist(), "delta": float(2 * u / (n * m) - 1)})
    return cases


def mcnemar_exact():
    pairs = [(0, 1), (2, 2), (3, 9), (1, 14), (40, 62), (250, 180), (700, 900)]
    return [
        {"discordant": [b, c], "p": float(mcnemar([[5, b], [c, 5]], exact=True).pvalue)} for b, c in pairs
    ]


def wilson():
    counts = [(0, 40), (40, 40), (1, 3), (13, 40), (72, 164), (541, 542)]
    return [
        {"counts": [k, n], "interval": list(map(float, proportion_confint(k, n, alpha=0.05, method="wilson")))}
        for k, n in counts
    ]


def holm():
    families = [[0.04], [0.01, 0.04, 0.03], [0.6, 0.7, 0.001, 0.02, 0.02], [1.0, 1.0]]
    return [{"p": family, "adjusted": multipletests(family, method="holm")[1].tolist()} for family in families]


def minimal_detectable_effect():
    score = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    return [{"sd": sd, "n": n, "effect": float(score * sd / np.sqrt(n))} for sd, n in [(14.3, 164), (14.3, 542), (0.5, 7)]]


def intercept():
    cases = []
    for n in (5, 40):
        x, y = rng.normal(0.2, 0.5, n), rng.normal(2, 9, n)
        cases.append({"x": x.tolist(), "y": y.tolist(), "intercept": float(stats.linregress(x, y).intercept)})
    return cases


def chi_squared():
    points = [(1e-9, 1), (0.3, 1), (3.841458820694124, 1), (30.0, 1), (0.5, 2), (7.0, 5), (11.0, 11), (40.0, 11), (200.0, 24)]
    return [{"x": x, "degrees": df, "tail": float(stats.chi2.sf(x, df))} for x, df in points]


def student():
    points = [(0.975, 1), (0.975, 2), (0.975, 3), (0.975, 19), (0.975, 163), (0.975, 541), (0.6, 4), (0.999, 7)]
    return [{"p": p, "degrees": df, "quantile": float(stats.t.ppf(p, df))} for p, df in points]


def beta():
    points = [(0.01, 1, 1), (0.01, 83, 1918), (0.5, 3, 4), (0.99, 2, 40), (0.05, 2000, 1), (0.01, 1, 2000)]
    return [{"p": p, "a": a, "b": b, "quantile": float(stats.beta.ppf(p, a, b))} for p, a, b in points]


def settings(n, k, effect):
    """Returns integers with many ties, like complexities; some tasks have equal values in all settings."""
    values = rng.integers(1, 9, (n, 1)) + np.round(rng.normal(0, 1, (n, k)) + effect * np.arange(k)).astype(int)
    values[rng.choice(n, n // 6, replace=False)] = 3
    return values


def friedman():
    cases = [settings(n, k, effect) for n, k, effect in [(8, 3, 0.0), (30, 4, 0.3), (60, 9, 0.05), (164, 12, 0.0)]]
    cases.append(rng.normal(0, 1, (12, 5)))
    found = []
    for tasks in cases:
        n, k = tasks.shape
        result = stats.friedmanchisquare(*tasks.T)
        found.append(
            {
                "tasks": tasks.tolist(),
                "chi_squared": float(result.statistic),
                "p": float(result.pvalue),
                "kendalls_w": float(result.statistic / (n * (k - 1))),
            }
        )
    return found


def friedman_permuted():
    """p-values over stored permutations: for each task one digit a setting, the place from which its value is taken."""
    cases = []
    for n, k, effect in [(6, 3, 0.4), (9, 4, 0.2)]:
        # The order of a task whose settings all tie is irrelevant.
        tasks = np.array([row for row in settings(n, k, effect) if len(set(row)) > 1])
        orders = np.array([[rng.permutation(k) for _ in tasks] for _ in range(99)])
        observed = stats.friedmanchisquare(*tasks.T).statistic
        drawn = [stats.friedmanchisquare(*np.take_along_axis(tasks, order, axis=1).T).statistic for order in orders]
        extreme = int((np.array(drawn) >= observed - 1e-9).sum())
        cases.append(
            {
                "tasks": tasks.tolist(),
                "permutations": [" ".join("".join(map(str, row)) for row in order) for order in orders],
                "p": (extreme + 1) / 100,
            }
        )
    return cases


def clustered():
    cases = []
    for sizes in [[1, 1, 2], [3] * 8, [1, 1, 2, 5, 1, 4, 9, 2], [1] * 20]:
        clusters = np.repeat(np.arange(len(sizes)), sizes)
        values = rng.normal(2, 6, len(clusters)) + rng.normal(0, 8, len(sizes))[clusters]

        def fit(correction):
            return OLS(values, np.ones(len(values))).fit(
                cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": correction}, use_t=True
            )

        cases.append(
            {
                "values": values.tolist(),
                "clusters": clusters.tolist(),
                "mean": float(fit(True).params[0]),
                "cr0": float(fit(False).bse[0]),
                "cr1": float(fit(True).bse[0]),
                "interval": fit(True).conf_int()[0].tolist(),
            }
        )
    return cases


def power():
    points = [(3.0, 14.3, 164), (3.0, 14.3, 542), (-1.5, 14.3, 542), (0.0, 1.0, 10), (0.5, 2.0, 2), (40.0, 14.3, 164)]
    return [
        {"effect": effect, "sd": sd, "n": n, "power": float(normal_power(effect / sd, n, 0.05))}
        for effect, sd, n in points
    ]


def rates_power():
    points = [(0.05, 0.2, 164), (-0.05, 0.2, 542), (0.05, 0.05, 164), (0.3, 0.9, 40), (0.0, 0.1, 164)]
    return [
        {
            "difference": d,
            "discordant": share,
            "n": n,
            "power": float(normal_power_het(d, n, 0.05, std_null=np.sqrt(share), std_alternative=np.sqrt(share - d * d))),
        }
        for d, share, n in points
    ]


def minimal_detectable_rate_difference():
    """Returns the root of the power in the effect's direction, as for means."""
    cases = []
    for share, n in [(0.2, 164), (0.2, 542), (0.05, 542), (0.9, 40), (1.0, 164)]:

        def missing(d):
            spread = np.sqrt(share - d * d)
            return normal_power_het(d, n, 0.025, np.sqrt(share), spread, alternative="larger") - 0.8

        root = optimize.brentq(missing, 0.0, share * 0.999999, xtol=1e-14, rtol=1e-14)
        cases.append({"discordant": share, "n": n, "difference": float(root)})
    return cases


def exact_lower_limit():
    points = [(1, 1, 0.99), (1, 2000, 0.99), (83, 2000, 0.99), (125, 2000, 0.99), (40, 40, 0.95), (3, 7, 0.975)]
    return [
        {
            "counts": [k, n],
            "confidence": confidence,
            "limit": float(stats.binomtest(k, n, alternative="greater").proportion_ci(confidence, "exact").low),
        }
        for k, n, confidence in points
    ]


expected = {
    "versions": {
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "statsmodels": statsmodels.__version__,
    },
    "normal": normal(),
    "bootstrap": bootstrap(),
    "bootstrap_large": bootstrap_large(),
    "sign_flip_exact": sign_flip_exact(),
    "sign_flip_sampled": sign_flip_sampled(),
    "sign_flip_large": sign_flip_large(),
    "signed_rank": signed_rank(),
    "cliffs_delta": cliffs_delta(),
    "mcnemar": mcnemar_exact(),
    "wilson": wilson(),
    "holm": holm(),
    "minimal_detectable_effect": minimal_detectable_effect(),
    "intercept": intercept(),
    "chi_squared": chi_squared(),
    "student": student(),
    "beta": beta(),
    "friedman": friedman(),
    "friedman_permuted": friedman_permuted(),
    "clustered": clustered(),
    "power": power(),
    "rates_power": rates_power(),
    "minimal_detectable_rate_difference": minimal_detectable_rate_difference(),
    "exact_lower_limit": exact_lower_limit(),
}
# One line for each key: small diffs without a line for every index.
lines = (f" {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in expected.items())
print("{\n" + ",\n".join(lines) + "\n}")
