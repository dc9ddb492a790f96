"""Recomputes from the files of a run which answers become rows, with Python's own `ast` alone.

Usage: recompute.py RECORDS TASKS KIND PER_TASK PREFER

KIND is sft, kto, correctness or maintainability. TASKS has a line for each task: `task_id`, `prompt`, `entry_point`,
and perhaps `public_examples`, `name` (its name in the records) and `test_split`. Prints a JSON list with
[row, side, task, arm, workflow, sample] for each side of each row.
"""

import ast
import json
import sys
from fractions import Fraction


def is_string(statement):
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def without_strings(body):
    while body and is_string(body[0]):
        body = body[1:]
    return body


def tree(text):
    """The dump of the tree without docstrings, or None."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(module):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.body = without_strings(node.body)
    return ast.dump(module)


def without_blank_lines(text):
    lines = text.rstrip().split("\n")
    while len(lines) > 1 and not lines[0].strip():
        lines = lines[1:]
    return "\n".join(lines)


def joined(prompt, body):
    return prompt.rstrip() + "\n" + body + "\n"


def is_same(prompt, body, program):
    found = tree(joined(prompt, body))
    return bool(body.strip()) and found is not None and found == tree(program)


def function_body(program, name):
    found = None
    for node in ast.parse(program).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            found = node
    if found is None or not without_strings(found.body):
        return None
    rest = without_strings(found.body)
    lines = program.split("\n")
    first = rest[0].lineno
    if getattr(rest[0], "decorator_list", None):
        first = rest[0].decorator_list[0].lineno
    before = lines[first - 1].encode()[: rest[0].col_offset].decode()
    if before.strip():
        text = "    " + "\n".join(lines[first - 1 : found.end_lineno])[len(before) :]
    else:
        strings = found.body[: len(found.body) - len(rest)]
        start = min(strings[-1].end_lineno + 1, first) if strings else first
        text = "\n".join(lines[start - 1 : found.end_lineno])
    return text.rstrip()


def continuation(prompt, program, entry_point):
    given = prompt.rstrip()
    if program.startswith(given):
        rest = program[len(given) :].lstrip(" \t\r")
        if rest.startswith("\n"):
            body = without_blank_lines(rest[1:])
            if is_same(given, body, program):
                return body
    try:
        module = ast.parse(given)
    except SyntaxError:
        module = None
    if module is not None and all(
        isinstance(of, (ast.Import, ast.ImportFrom)) for of in without_strings(module.body)
    ):
        body = without_blank_lines(program)
        return body if tree(joined(given, body)) is not None else None
    body = function_body(program, entry_point)
    return body if body is not None and is_same(given, body, program) else None


def is_literal(node):
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = getattr(node.operand, "value", None)
        return isinstance(value, (int, float, complex)) and not isinstance(value, bool)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(is_literal(of) for of in node.elts)
    if isinstance(node, ast.Dict):
        return all(of is not None and is_literal(of) for of in node.keys) and all(
            is_literal(of) for of in node.values
        )
    return False


class Comparisons:
    def __init__(self, program):
        self.longest, self.literals, self.run = 0, set(), 0
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                of = node.args
                self.names = {arg.arg for arg in of.posonlyargs + of.args + of.kwonlyargs}
                self.suite(node.body)

    def suite(self, body):
        self.run = 0
        for node in body:
            if isinstance(node, ast.If):
                self.chain(node)
                continue
            self.run = 0
            for name in ("body", "orelse", "finalbody"):
                inside = isinstance(
                    node, (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try)
                )
                if inside and getattr(node, name, None):
                    self.suite(getattr(node, name))
            self.run = 0

    def chain(self, node):
        found = []
        if self.compares(node.test, found):
            self.run += 1
            self.longest = max(self.longest, self.run)
            self.literals.update(found)
        else:
            self.run = 0
        self.inner(node.body)
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            self.chain(node.orelse[0])
        elif node.orelse:
            self.inner(node.orelse)

    def inner(self, body):
        run = self.run
        self.suite(body)
        self.run = run

    def compares(self, node, found):
        if isinstance(node, ast.BoolOp):
            return all([self.compares(of, found) for of in node.values])
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)):
            return False
        left, right = node.left, node.comparators[0]
        for argument, value in ((left, right), (right, left)):
            if self.is_argument(argument) and is_literal(value):
                several = isinstance(argument, (ast.Tuple, ast.List))
                several = several and isinstance(value, (ast.Tuple, ast.List))
                found.extend(ast.dump(of) for of in (value.elts if several else [value]))
                return True
        return False

    def is_argument(self, node):
        if isinstance(node, ast.Name):
            return node.id in self.names
        return (
            isinstance(node, (ast.Tuple, ast.List))
            and len(node.elts) > 0
            and all(isinstance(of, ast.Name) and of.id in self.names for of in node.elts)
        )


def literal_arguments(example, name):
    try:
        module = ast.parse(example)
    except SyntaxError:
        return set()
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called == name:
                found.update(ast.dump(of) for of in node.args if is_literal(of))
    return found


def is_test_table(program, entry_point, examples):
    found = Comparisons(program)
    if found.longest > 5:
        return True
    given = [literal_arguments(example, entry_point) for example in examples]
    return len(given) >= 2 and all(of & found.literals for of in given)


def order(record):
    decoding = record["decoding"]
    return (
        record["task_id"],
        record["arm"],
        record["workflow"],
        decoding["temperature"],
        decoding["top_p"],
        record["sample"],
    )


def distinct(candidates):
    seen, kept = set(), []
    for of in candidates:
        if of["tree"] not in seen:
            seen.add(of["tree"])
            kept.append(of)
    return kept


def choose(group, candidates, per_task, prefer):
    def key(of):
        metrics = of["record"]["metrics"]
        quality = -metrics["mi_code"] if prefer == "mi_code" else 0
        return (quality, metrics["lloc_code"], len(of["body"]), order(of["record"]))

    kept = distinct(sorted(candidates, key=key))
    if Fraction(group["passed"], max(group["tested"], 1)) > Fraction(9, 10):
        kept = kept[:1]
    return kept[:per_task]


def by_tests(chosen, rejected):
    of, other = chosen["record"], rejected["record"]
    better = Fraction(of["tests_passed"], of["tests_total"])
    worse = Fraction(other["tests_passed"], other["tests_total"])
    if better > Fraction(4, 5) and better > worse + Fraction(2, 5) and worse > 0:
        return float(better) - float(worse)
    return None


def by_maintainability(chosen, rejected):
    of, other = chosen["record"]["metrics"], rejected["record"]["metrics"]
    difference = of["mi_code"] - other["mi_code"]
    if (
        difference >= 5
        and of["cyclomatic_complexity"] <= other["cyclomatic_complexity"]
        and 0.5 <= of["lloc_code"] / other["lloc_code"] <= 1.5
    ):
        return difference
    return None


def pairs(group, rule, per_task):
    candidates = distinct(group["candidates"])
    possible = []
    for at, chosen in enumerate(candidates):
        for other, rejected in enumerate(candidates):
            difference = rule(chosen, rejected)
            if difference is not None and chosen["body"] != rejected["body"]:
                possible.append((-difference, at, other))
    rows = []
    for _, at, other in sorted(possible):
        if len(rows) < per_task:
            rows.append([("chosen", candidates[at]), ("rejected", candidates[other])])
    return rows


def main(records_path, tasks_path, kind, per_task, prefer):
    per_task = int(per_task)
    with open(tasks_path) as file:
        tasks = [json.loads(line) for line in file if line.strip()]
    tasks = {task.get("name", task["task_id"]): task for task in tasks}
    with open(records_path) as file:
        records = sorted((json.loads(line) for line in file), key=order)
    groups = {}
    for record in records:
        task = tasks[record["task_id"]]
        key = (str(task["task_id"]), task["prompt"])
        group = groups.setdefault(key, {"tested": 0, "passed": 0, "candidates": []})
        passes = record["tests_total"] > 0 and record["verdict"] == "passed"
        group["tested"] += record["tests_total"] > 0
        group["passed"] += passes
        if task.get("test_split") or record["tests_total"] == 0:
            continue
        if record["finish_reason"] != "stop" or not record["parsable"] or not record["metrics"]:
            continue
        if kind in ("sft", "maintainability") and not passes:
            continue
        if kind == "correctness" and record["tests_passed"] == 0:
            continue
        if kind in ("kto", "correctness") and record["verdict"] not in ("passed", "failed", "error"):
            continue
        program = record["program"]
        if is_test_table(program, task["entry_point"], task.get("public_examples", [])):
            continue
        body = continuation(task["prompt"], program, task["entry_point"])
        if body is None or "```" in body:
            continue
        group["candidates"].append({"record": record, "body": body, "tree": tree(program)})
    rows = []
    for group in groups.values():
        passing = [of for of in group["candidates"] if of["record"]["verdict"] == "passed"]
        if kind == "sft":
            kept = choose(group, passing, per_task, prefer)
            rows += [[("completion", of)] for of in kept]
        elif kind == "kto":
            good = {of["tree"] for of in passing}
            failing = [
                of
                for of in group["candidates"]
                if of["record"]["verdict"] != "passed" and of["tree"] not in good
            ]
            everyone = {"tested": 1, "passed": 0}
            kept = choose(group, passing, per_task, prefer)
            kept += choose(everyone, failing, per_task, prefer)
            rows += [[("completion", of)] for of in kept]
        else:
            rule = by_tests if kind == "correctness" else by_maintainability
            rows += pairs(group, rule, per_task)
    rows.sort(key=lambda sides: [order(of["record"]) for _, of in sides])
    sides = [
        [number, side, of["record"]["task_id"], of["record"]["arm"], of["record"]["workflow"], of["record"]["sample"]]
        for number, row in enumerate(rows)
        for side, of in row
    ]
    print(json.dumps(sides))


if __name__ == "__main__":
    main(*sys.argv[1:])
