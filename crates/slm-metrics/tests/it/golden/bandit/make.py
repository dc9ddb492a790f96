"""Writes `generated.jsonl`: programs put together at random from `snippets.py`, with the findings of bandit 1.9.4.

Needs bandit 1.9.4 in the running Python (CPython 3.13): `python make.py > generated.jsonl`. The seed is fixed, so the
programs are the same each time.
"""

import ast
import json
import os
import random
import re
import sys
import tempfile
import textwrap

import oracle
from snippets import CALLS, STATEMENTS

PROGRAMS = 500
ARGUMENTS = ["", "x", "x, y", "'text'", "*x, **y", "x,\n    key=y"]
WRAPPERS = [
    "{}",
    "{}",
    "def f(a):\n{}",
    "async def f(a, b=1):\n{}",
    "class C:\n    def m(self):\n{}",
    "if x:\n{}\nelse:\n    pass",
    "try:\n{}\nfinally:\n    f()",
    "with x as y:\n{}",
    "for i in x:\n{}",
    "@decorated\ndef f():\n{}",
    "match x:\n    case [1, *y] if z:\n{}",
]


def bind(name, draw, n):
    """Returns an import of a dotted name, perhaps a wrong one or none, and the text that replaces the name."""
    *module, last = name.split(".")
    dotted = ".".join(module)
    alias = f"a{n}"
    ways = [
        (f"import {dotted}", name),
        (f"import {dotted} as {alias}", f"{alias}.{last}"),
        (f"from {dotted} import {last}", last),
        (f"from {dotted} import {last} as {alias}", alias),
        ("", name),
        (f"from other import {last}", last),
        (f"import {module[0]}", name),
        (f"from .{dotted} import {last}", last),
        (f"import other, {dotted} as {alias}", f"{alias}.{last}"),
    ]
    if len(module) > 1:
        parent = ".".join(module[:-1])
        ways += [(f"from {parent} import {module[-1]}", f"{module[-1]}.{last}")] * 2
        ways += [(f"from {parent} import {module[-1]} as {alias}", f"{alias}.{last}")] * 2
    return draw.choice(ways)


def program(draw):
    """Returns the text of one program."""
    imports, late, blocks = [], [], []
    names = 0
    for _ in range(draw.randint(3, 8)):
        if draw.random() < 0.3:
            statement = f"<{draw.choice(CALLS)}>({draw.choice(ARGUMENTS)})"
        else:
            statement = draw.choice(STATEMENTS)

        def replace(match):
            nonlocal names
            names += 1
            line, text = bind(match[1], draw, names)
            (late if draw.random() < 0.1 else imports).append(line)
            return text

        statement = re.sub(r"<([\w.]+)>", replace, statement)
        wrapper = draw.choice(WRAPPERS)
        if "'''" in statement:
            wrapper = "{}"
        if wrapper != "{}":
            before = wrapper[: wrapper.index("{}")]
            depth = 1 + before.splitlines()[-1].count("    ") if before.splitlines() else 1
            statement = textwrap.indent(statement, "    " * depth)
        blocks.append(wrapper.format(statement) if wrapper == "{}" else wrapper.replace("{}", statement))
    draw.shuffle(imports)
    return "\n".join([line for line in imports if line] + blocks + [line for line in late if line]) + "\n"


def main():
    draw = random.Random(94)
    sources = []
    while len(sources) < PROGRAMS:
        source = program(draw)
        try:
            ast.parse(source)
        except SyntaxError:
            continue
        sources.append(source)
    with tempfile.TemporaryDirectory() as folder:
        for n, source in enumerate(sources):
            with open(os.path.join(folder, f"{n:03}.py"), "w", encoding="utf-8") as file:
                file.write(source)
        findings, errors = oracle.run([folder])
        assert not errors, errors
    for source, file in zip(sources, sorted(findings), strict=True):
        print(json.dumps({"source": source, "findings": findings[file]}, separators=(",", ":")))
    print(sys.version.split()[0], file=sys.stderr)


if __name__ == "__main__":
    main()
