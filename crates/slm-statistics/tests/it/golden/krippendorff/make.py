"""Writes the agreement of raters by the package krippendorff: `python make.py > expected.json`.

    python -m venv venv && venv/bin/pip install krippendorff==KRIPPENDORFF numpy==NUMPY

The versions are those in expected.json. A rating that is missing is left out of its unit, so that units differ in length.
"""

import json
from importlib.metadata import version

import krippendorff
import numpy as np

rng = np.random.default_rng(20261201)

# Krippendorff 2011, the data with four observers and missing values.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def drawn(raters, units, missing, noise):
    """Returns ratings 1 to 5 around a quality of each unit, some of them missing."""
    quality = rng.uniform(1, 5, units)
    ratings = np.clip(np.round(quality + rng.normal(0, noise, (raters, units))), 1, 5)
    gone = rng.random((raters, units)) < missing
    return [[None if lost else int(value) for value, lost in zip(*row)] for row in zip(ratings, gone)]


def alpha(table, level):
    data = np.array([[np.nan if value is None else value for value in row] for row in table], dtype=float)
    try:
        found = krippendorff.alpha(reliability_data=data, level_of_measurement=level)
    except ValueError:
        return None
    return None if np.isnan(found) else float(found)


def case(table):
    units = [[value for value in unit if value is not None] for unit in zip(*table)]
    return {"units": units, **{level: alpha(table, level) for level in ("ordinal", "interval")}}


def main():
    tables = [PUBLISHED, [[1, 5, 3], [5, 1, 3]], [[1, 1, 2], [1, 1, 1]], [[3, 3], [3, 3]], [[1, 2, 4.5], [2, 2, 4]]]
    for raters, units, missing, noise in [(2, 20, 0, 0.5), (3, 30, 0.2, 1), (5, 40, 0.5, 2), (2, 12, 0.1, 5), (8, 6, 0, 0.3)]:
        tables.append(drawn(raters, units, missing, noise))
    versions = {name: version(name) for name in ("krippendorff", "numpy")}
    print(json.dumps({"versions": versions, "cases": [case(table) for table in tables]}))


main()
