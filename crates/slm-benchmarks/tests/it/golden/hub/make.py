"""Writes parquet files in the form of the hub's data sets, with tasks of our own, and checks the tests in Python.

The columns and the templates of the test programs are those of evalplus/humanevalplus, evalplus/mbppplus,
openai/openai_humaneval and google-research-datasets/mbpp.

Written with Python 3.11.7, pyarrow 26.0.1 and numpy 2.4.6: python make.py
"""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent

COMPARE = """\
import numpy as np

def assertion(out, exp, atol):
    parts = exp if isinstance(exp, (list, tuple)) else [exp]
    tolerance = atol or 1e-6 * all(type(part) is float for part in parts)
    assert out == exp or (tolerance and np.allclose(out, exp, rtol=1e-07, atol=tolerance))
"""

SETS = COMPARE.replace("    parts", "    out, exp = set(out), set(exp)\n    parts", 1)


def loop(indent, call, inputs, results, atol):
    """The end of a test program: `results` is None if a reference computes them."""
    lines = [f"inputs = {inputs!r}"]
    if results is None:
        lines += ["for i, inp in enumerate(inputs):", f"    assertion({call}(*inp), ref_func(*inp), {atol})"]
    else:
        lines += [
            f"results = {results!r}",
            "for i, (inp, exp) in enumerate(zip(inputs, results)):",
            f"    assertion({call}(*inp), exp, {atol})",
        ]
    return "".join(f"{indent}{line}\n" for line in lines)


def results(program, name, inputs):
    space = {}
    exec(program, space)
    return [space[name](*input) for input in inputs]


def check_form(number, prompt, solution, name, inputs, atol, with_results=True):
    """A row of humanevalplus."""
    program = prompt + solution
    found = results(program, name, inputs) if with_results else None
    reference = "" if with_results else "\n" + program.replace(f" {name}(", " ref_func(") + "\n"
    test = f"{COMPARE}{reference}\ndef check(candidate):\n{loop('    ', 'candidate', inputs, found, atol)}"
    return {
        "task_id": f"HumanEval/{number}",
        "prompt": prompt,
        "canonical_solution": solution,
        "entry_point": name,
        "test": test,
    }


def program_form(number, text, code, name, inputs, atol, definitions=COMPARE, imports=()):
    """A row of mbppplus."""
    test = f"from math import inf\n{definitions}\n{loop('', name, inputs, results(code, name, inputs), atol)}"
    return {
        "task_id": number,
        "code": code,
        "prompt": text,
        "source_file": "ours",
        "test_imports": list(imports),
        "test_list": [f"assert {name}(*{inputs[0]!r}) == {results(code, name, inputs[:1])[0]!r}"],
        "test": test,
    }


HALF = 'def half(x: float) -> float:\n    """Half of x.\n    >>> half(3.0)\n    1.5\n    """\n'
TEXT = 'def repeat(text: str, n: int) -> str:\n    """The text n times."""\n'
FIRST = 'def first(items):\n    """The first item."""\n'

humanevalplus = [
    check_form(9000, HALF, "    return x / 2\n", "half", [[3.0], [-1e-3], [7]], 1e-6),
    check_form(9001, TEXT, "    return text * n\n", "repeat", [["a, ]'", 2], ["\n", 0]], 0, with_results=False),
    # Another form, which runs as one test.
    {
        "task_id": "HumanEval/9002",
        "prompt": FIRST,
        "canonical_solution": "    return items[0]\n",
        "entry_point": "first",
        "test": "def check(candidate):\n    assert candidate([4, 5]) == 4\n    assert candidate('ab') == 'a'\n",
    },
]
PAIRS = "def pairs(items):\n    return [(k, v) for k, v in items]\n"
DIFF = "def Diff(a, b):\n    return list(set(a) ^ set(b))\n"
mbppplus = [
    program_form(9000, "Write a function to list the pairs.", PAIRS, "pairs", [[((1, 2), (3, 4))], [[]]], 0),
    # The publisher compares the sets of this function's results.
    program_form(9001, "Write a function to find the difference.", DIFF, "Diff", [[[1, 2], [2, 3]], [[], [1]]], 0, SETS),
    # Another form, whose package is missing everywhere.
    {
        **program_form(9002, "Write a function to negate.", "def negate(x):\r\n    return -x\r\n", "negate", [[1]], 0),
        "test": "import no_such_package\nassert negate(1) == no_such_package.minus(1)\n",
    },
]
humaneval = [
    {
        **humanevalplus[2],
        "task_id": "HumanEval/9003",
    },
]


def mbpp(number, name, full):
    row = {
        "task_id": number,
        "code": f"def {name}(x):\r\n  return x + {number}",
        "test_list": [f"assert {name}(1) == {number + 1}", f"assert {name}(0) == {number}"],
    }
    if full:
        text = {"text": f"Write a function to add {number}.", "test_setup_code": "", "challenge_test_list": []}
    else:
        text = {"source_file": "ours", "prompt": f"Write a function to add {number}.", "test_imports": ["import math"]}
    return row | text


TEXTS = pa.list_(pa.string())
KINDS = {"test_list": TEXTS, "test_imports": TEXTS, "challenge_test_list": TEXTS}


def write(path, rows, id_type):
    fields = [(name, KINDS.get(name, id_type if name == "task_id" else pa.string())) for name in rows[0]]
    target = HERE / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), target)


# The programs pass their own tests, and a wrong one does not.
for row in humanevalplus:
    space = {}
    exec(row["prompt"] + row["canonical_solution"] + row["test"], space)
    space["check"](space[row["entry_point"]])
for row in mbppplus[:2]:
    exec(row["code"] + row["test"], {})
    name = row["test_list"][0].split()[1].split("(")[0]
    try:
        exec(f"def {name}(*_): return 0\n" + row["test"], {})
    except (AssertionError, TypeError):
        continue
    raise RuntimeError(f"{name}: the test accepts everything")

write("humanevalplus/data/test-00000-of-00001.parquet", humanevalplus, pa.string())
write("mbppplus/data/test-00000-of-00001.parquet", mbppplus, pa.int64())
write("openai_humaneval/openai_humaneval/test-00000-of-00001.parquet", humaneval, pa.string())
for part, numbers in {"prompt": [2, 3, 4], "test": [11, 12], "train": [601], "validation": [511]}.items():
    write(f"mbpp/full/{part}-00000-of-00001.parquet", [mbpp(n, f"f{n}", True) for n in numbers], pa.int32())
for part, numbers in {"test": [11], "train": [602]}.items():
    write(f"mbpp/sanitized/{part}-00000-of-00001.parquet", [mbpp(n, f"f{n}", False) for n in numbers], pa.int32())
