"""Computes the comment bonus of the golden run with radon 6.0.1 on Python 3.11: `python bonus.py`.

Prints for each arm, over the tasks that parse in both (workflow `single`), the means of MI, of mi_code, of their difference,
and of its parts: the comment curve and the docstrings as logical lines.
"""

import ast
import json
import math
import pathlib

from radon.metrics import mi_parameters, mi_visit
from radon.raw import analyze

SUITES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def is_string(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def code_alone(program):
    tree = ast.parse(program)
    for node in ast.walk(tree):
        if isinstance(node, SUITES):
            while node.body and is_string(node.body[0]):
                node.body = node.body[1:]
            if not node.body and not isinstance(node, ast.Module):
                node.body = [ast.Pass()]
    return ast.unparse(tree)


def parts(program):
    volume, _, lloc, percent = mi_parameters(program)
    code = code_alone(program)
    mi, mi_code = mi_visit(program, True), mi_visit(code, True)
    if volume <= 0 or lloc <= 0:
        return mi, mi_code, mi - mi_code, 0.0, 0.0
    curve = 50 * math.sin(math.sqrt(2.46 * math.radians(percent))) * 100 / 171
    docstrings = -16.2 * math.log(lloc / analyze(code).lloc) * 100 / 171
    return mi, mi_code, mi - mi_code, curve, docstrings


def main():
    records = pathlib.Path(__file__).with_name("scripted-a7a42c6a") / "records.jsonl"
    arms = {}
    for line in records.read_text().splitlines():
        record = json.loads(line)
        if record["workflow"] == "single" and record["metrics"]:
            arms.setdefault(record["arm"], {})[record["task_id"]] = record["program"]
    both = sorted(set.intersection(*(set(programs) for programs in arms.values())))
    for arm, programs in sorted(arms.items()):
        rows = [parts(programs[task]) for task in both]
        print(arm, len(rows), [sum(column) / len(rows) for column in zip(*rows)])


main()
