"""Writes the definitions of a Python file that the module `ast` finds, as JSON lines (made with Python 3.11).

    python make.py input.py > golden.jsonl

Also run by a test on files of the standard library. Each line has the kind, the qualified name, and three lines of the
file: that of the first decorator or else of the keyword, that of the keyword (`lineno`), and the last (`end_lineno`).
"""

import ast
import json
import sys

KINDS = {ast.FunctionDef: "function", ast.AsyncFunctionDef: "async function", ast.ClassDef: "class"}


def walk(node, names):
    for child in ast.iter_child_nodes(node):
        kind = KINDS.get(type(child))
        inner = names
        if kind:
            inner = names + [child.name]
            first = min([child.lineno] + [of.lineno for of in child.decorator_list])
            yield [kind, ".".join(inner), first, child.lineno, child.end_lineno]
        yield from walk(child, inner)


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        tree = ast.parse(file.read())
    for found in walk(tree, []):
        print(json.dumps(found))
