"""Makes data.parquet with pandas and pyarrow, and data.jsonl with the expected values.

Run in this folder: python make.py; last with Python 3.11.7, pandas 3.1.1, pyarrow 26.0.1.
"""

import json

import numpy
import pandas
import pyarrow

frame = pandas.DataFrame({
    "text": ["one", None, "dr\u00e9i\n"],
    "int8": numpy.array([1, -2, 3], dtype=numpy.int8),
    "uint64": numpy.array([1, 2**63, 3], dtype=numpy.uint64),
    "float": [0.5, float("nan"), float("inf")],
    "flag": [True, False, True],
    "maybe": pandas.array([1, None, 3], dtype="Int64"),
    "list": [["a", "b"], [], None],
    "struct": [{"x": 1, "y": ["p"]}, {"x": 2, "y": []}, None],
    "category": pandas.Categorical(["red", "blue", "red"]),
    "time": pandas.to_datetime(["2024-01-02T03:04:05", None, "2024-01-02T00:00:00"]),
})
# Two row groups, and a compression that is not the writer's default.
frame.to_parquet("data.parquet", index=False, row_group_size=2, compression="zstd")

rows = [
    {"text": "one", "int8": 1, "uint64": 1, "float": 0.5, "flag": True, "maybe": 1, "list": ["a", "b"],
     "struct": {"x": 1, "y": ["p"]}, "category": "red", "time": "2024-01-02T03:04:05"},
    {"text": None, "int8": -2, "uint64": 2**63, "float": None, "flag": False, "maybe": None, "list": [],
     "struct": {"x": 2, "y": []}, "category": "blue", "time": None},
    {"text": "dr\u00e9i\n", "int8": 3, "uint64": 3, "float": None, "flag": True, "maybe": 3, "list": None,
     "struct": None, "category": "red", "time": "2024-01-02T00:00:00"},
]
with open("data.jsonl", "w") as file:
    for row in rows:
        file.write(json.dumps(row) + "\n")
print(pandas.__version__, pyarrow.__version__)
