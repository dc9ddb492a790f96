"""Findings of ruff, pylint and two small scripts, under the names of this project's rules."""

import ast
import io
import json
import subprocess
import sys
import tokenize
from pathlib import Path

RUFF = {
    "B006": "mutable-default",
    "E722": "bare-except",
    "PLR0124": "comparison-with-itself",
    "F841": "unused-variable",
    "F821": "undefined-name",
    "F823": "undefined-local",
    "F632": "is-literal",
    "A001": "shadowed-builtin",
    "A002": "shadowed-builtin",
    "A006": "shadowed-builtin",
    "F601": "duplicate-key",
    "F602": "duplicate-key",
    "B033": "duplicate-set-value",
    "B012": "jump-in-finally",
    "F631": "assert-on-tuple",
    "F541": "f-string-without-placeholders",
    "F811": "redefined-unused",
    "B014": "duplicate-exception",
    "B025": "duplicate-exception",
    "B023": "loop-capture",
    "F401": "unused-import",
    "PLR1702": "deep-nesting",
    "ERA001": "commented-code",
}
PYLINT = {
    "W0101": "unreachable-code",
    "R1710": "inconsistent-return",
    "E0701": "unreachable-handler",
    "R0915": "long-function",
    "R0913": "too-many-parameters",
}
MIN_REPEATED = 6


def of_ruff(folder):
    """Returns {path: [[rule, line]]} for all files below `folder`."""
    command = [Path(sys.executable).parent / "ruff", "check", "--isolated", "--no-cache", "--preview", "--exit-zero"]
    command += ["--target-version", "py313", "--select", ",".join(RUFF), "--output-format", "json"]
    command += ["--ignore-noqa", "--no-respect-gitignore", "--config", "lint.pylint.max-nested-blocks=4", "--config", "exclude=[]", str(folder)]
    found = {}
    for finding in json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout):
        if finding["code"] in RUFF:
            found.setdefault(finding["filename"], []).append([RUFF[finding["code"]], finding["location"]["row"]])
    # One for each innermost block, all at the same outermost one.
    for places in found.values():
        nests = {tuple(place) for place in places if place[0] == "deep-nesting"}
        places[:] = [place for place in places if place[0] != "deep-nesting"] + sorted(map(list, nests))
    return found


def of_pylint(paths):
    # R0912 and R0916 change how R0915 counts; they are on by default.
    command = [sys.executable, "-m", "pylint", "--disable=all", "--enable=R0912,R0916," + ",".join(PYLINT)]
    command += ["--output-format=json", "--score=n", "--persistent=n", "-j2", "--rcfile=/dev/null"]
    found = {}
    for start in range(0, len(paths), 500):
        output = subprocess.run(command + paths[start : start + 500], capture_output=True, text=True).stdout
        for finding in json.loads(output or "[]"):
            if finding["message-id"] in PYLINT:
                found.setdefault(finding["path"], []).append([PYLINT[finding["message-id"]], finding["line"]])
    return found


def duplicate_conditions(source):
    """Finds conditions of `elif` that equal an earlier one and have no call, await, yield or assignment."""
    found = []
    elifs = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and node not in elifs:
            tests = [node.test]
            rest = node.orelse
            while len(rest) == 1 and isinstance(rest[0], ast.If) and is_elif(source, rest[0]):
                elifs.add(rest[0])
                tests.append(rest[0].test)
                rest = rest[0].orelse
            for at, test in enumerate(tests):
                effects = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
                if any(isinstance(part, effects) for part in ast.walk(test)):
                    continue
                if any(ast.dump(test) == ast.dump(other) for other in tests[:at]):
                    found.append(["duplicate-condition", test.lineno])
    return found


def is_elif(source, node):
    return source.splitlines()[node.lineno - 1][node.col_offset :].startswith("elif")


def duplicated_blocks(source):
    """Finds repeated runs of logical lines by comparing every pair of lines."""
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for stmt in node.body:
                if not (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant) and isinstance(stmt.value.value, str)):
                    break
                docstrings.add((stmt.lineno, stmt.col_offset))
    lines, texts, level, place = [], [], 0, None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.INDENT:
            level += 1
        elif token.type == tokenize.DEDENT:
            level -= 1
        elif token.type == tokenize.NEWLINE or token.string == ";":
            if texts and texts[0] not in ("import", "from") and place not in docstrings:
                lines.append((texts, level, place[0]))
            texts = []
        elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER):
            place = place if texts else token.start
            texts.append(token.string)

    def length(a, b):
        n = 0
        while b + n < len(lines) and a + n < b and lines[a + n][0] == lines[b + n][0]:
            if n and lines[a + n][1] - lines[a + n - 1][1] != lines[b + n][1] - lines[b + n - 1][1]:
                break
            n += 1
        return n

    found, at = [], 0
    while at < len(lines):
        longest = next((n for n in (length(before, at) for before in range(at)) if n >= MIN_REPEATED), 0)
        if longest:
            found.append(["duplicated-block", lines[at][2]])
        at += longest or 1
    return found
