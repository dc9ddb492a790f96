"""Writes programs.jsonl: small programs with the findings of ruff, pylint and tools.py.

    python3 -m venv venv && venv/bin/pip install ruff==0.17.6 pylint==4.1.4
    venv/bin/python make.py
"""

import json
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import tools

HERE = Path(__file__).parent
N_GENERATED = 180
SEED = 20260101
NAMES = ["a", "b", "c", "total", "list", "_x", "item"]
FIRST = "a = b = c = total = item = _x = 1\n"


class Generator:
    """Writes random programs that compile; most of their names are bound somewhere."""

    def __init__(self, random):
        self.random = random

    def name(self):
        return self.random.choice(NAMES)

    def expr(self, depth=0):
        pick = self.random.randrange(12 if depth < 2 else 3)
        e = lambda: self.expr(depth + 1)
        return [
            lambda: self.name(),
            lambda: self.name(),
            lambda: str(self.random.randrange(3)),
            lambda: f"{self.name()} == {self.name()}",
            lambda: f"({e()} + {e()})",
            lambda: f"len({self.name()})",
            lambda: f"{{{self.random.randrange(3)}: {e()}, {self.random.randrange(3)}: {e()}}}",
            lambda: f"{{{self.random.randrange(3)}, {self.random.randrange(3)}, {self.name()}}}",
            lambda: f"[{self.name()} for {self.name()} in {self.name()}]",
            lambda: f"{self.name()} is {self.random.choice(['None', '1', self.name(), repr('s')])}",
            lambda: self.random.choice(["f'text'", "f'{a}'", "'text'"]),
            lambda: f"(lambda {self.name()}={self.random.choice(['1', '2'])}: {e()})",
        ][pick]()

    def block(self, depth, kind):
        body = [line for _ in range(self.random.randrange(1, 3)) for line in self.stmt(depth, kind)]
        return ["    " + line for line in body]

    def stmt(self, depth, kind):
        n = self.name
        simple = [
            lambda: [f"{n()} = {self.expr()}"],
            lambda: [f"{n()} = {self.expr()}"],
            lambda: [f"print({self.expr()})"],
            lambda: [f"{n()} += 1"],
            lambda: [f"import {self.random.choice(['os', 're', 'os.path'])}"],
            lambda: [f"from m import {n()}"],
            lambda: [f"assert {self.random.choice([n(), '(' + n() + ', 1)'])}"],
            lambda: [f"{n()}, {n()}1 = {self.random.choice(['1, 2', n()])}"],
        ]
        if "function" in kind:
            simple += [
                lambda: [f"return {self.expr()}"],
                lambda: ["return"],
                lambda: ["raise ValueError(1)"],
            ]
        if "loop" in kind:
            simple += [lambda: ["break"], lambda: ["continue"]]
        if depth >= 3 or self.random.random() < 0.55:
            return self.random.choice(simple)()
        inner = lambda more="": self.block(depth + 1, kind + more)
        caught = lambda: self.random.choice(["ValueError", "Exception", "(KeyError, KeyError)", "LookupError", "KeyError"])
        compound = [
            lambda: [f"if {self.expr()}:", *inner()],
            lambda: [f"if {n()}:", *inner(), f"elif {n()}:", *inner(), f"elif {n()}:", *inner(), "else:", *inner()],
            lambda: [f"if {self.expr()}:", *inner(), "else:", *inner()],
            lambda: [f"for {n()} in {n()}:", *inner("loop")],
            lambda: [f"while {self.random.choice([n(), 'True'])}:", *inner("loop")],
            lambda: ["try:", *inner(), f"except {caught()}{self.random.choice(['', f' as {n()}'])}:", *inner()],
            lambda: ["try:", *inner(), f"except {caught()}:", *inner(), f"except {caught()}:", *inner()],
            lambda: ["try:", *inner(), "except:", *inner()],
            lambda: [f"with open('f') as {n()}:", *inner()],
            lambda: [f"def {n()}({self.parameters()}):", *self.block(depth + 1, "function")],
            lambda: [f"def {n()}({self.parameters()}):", *self.block(depth + 1, "function")],
            lambda: [f"class {n()}:", *self.block(depth + 1, "")],
        ]
        return self.random.choice(compound)()

    def parameters(self):
        names = self.random.sample(NAMES + ["d", "e"], self.random.choice([0, 1, 2, 7]))
        n_defaults = self.random.randrange(len(names) + 1)
        defaults = [self.random.choice(["=1", "=[]", "={}", "=None"]) for _ in range(n_defaults)]
        return ", ".join(map("".join, zip(names, [""] * (len(names) - n_defaults) + defaults)))

    def program(self):
        return FIRST + "\n".join(line for _ in range(self.random.randrange(2, 5)) for line in self.stmt(0, "")) + "\n"


def programs():
    for part in (HERE / "cases.txt").read_text().split("=== ")[1:]:
        name, source = part.split("\n", 1)
        yield name, source
    repeated = [f"def f{at}(x):\n    a = x\n    b = a\n    c = b\n    d = c\n    e = d\n    return e + {at}\n" for at in (1, 1, 2)]
    yield "repeated functions", "\n".join(repeated)
    five = "    a = x\n    b = a\n    c = b\n    d = c\n    e = d\n"
    yield "five repeated lines", f"def f(x):\n{five}\ndef g(x):\n{five}"
    six = "    if x:\n        a = x  # A comment.\n        b = (a,\n            1)\n    c = b; d = c\n    e = d\n"
    yield "six repeated lines", f"def f(x):\n{six}\nclass A:\n    def g(x):\n" + "".join("    " + line + "\n" for line in six.replace("A comment", "Another").split("\n")[:-1])
    yield "a long run", "print(1)\n" * 20
    for n in (48, 49, 50, 60):
        yield f"{n} statements", "def f(x):\n    'Doc.'\n" + "    print(x)\n" * n
    parts = "    for i in x:\n        if i:\n            print(1)\n        elif x:\n            print(2)\n        else:\n            print(3)\n    try:\n        print(1)\n    except ValueError:\n        print(2)\n    else:\n        print(3)\n    finally:\n        print(4)\n    with x:\n        print(5)\n    while x:\n        print(6)\n    else:\n        print(7)\n    match x:\n        case 1: print(8)\n        case _: print(9)\n"
    for n in (2, 3):
        yield f"{n} long parts", "def f(x):\n" + parts * n
    yield "nested long functions", "def f(x):\n    def g(y):\n" + "        print(y)\n" * 49 + "    class A:\n        b = 1\n    return g, x, A\n"
    generator = Generator(random.Random(SEED))
    at = 0
    while at < N_GENERATED:
        source = generator.program()
        try:
            compile(source, "", "exec")
        except SyntaxError:
            continue
        at += 1
        yield f"generated {at}", source


def main():
    warnings.simplefilter("ignore")
    cases = dict(programs())
    differences = json.loads((HERE / "differences.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for at, (name, source) in enumerate(cases.items()):
            paths[name] = f"{folder}/program_{at}.py"
            Path(paths[name]).write_text(source)
        ruff = tools.of_ruff(folder)
        pylint = tools.of_pylint(list(paths.values()))
    with open(HERE / "programs.jsonl", "w") as output:
        for name, source in cases.items():
            found = ruff.get(paths[name], []) + pylint.get(paths[name], [])
            found = [place for place in found if place[0] != "commented-code"]
            found += tools.duplicate_conditions(source) + tools.duplicated_blocks(source)
            print(json.dumps({"name": name, "source": source, "findings": sorted(found), **differences.get(name, {})}), file=output)
    versions = {"python": sys.version.split()[0]}
    for tool in ("ruff", "pylint"):
        command = [sys.executable, "-m", tool, "--version"]
        versions[tool] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
