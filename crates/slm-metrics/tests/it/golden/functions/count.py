"""Counts the documented functions of a tree of Python files by where they are defined, with CPython's own parser.

Usage: python3 count.py FOLDER. Prints one JSON object.
"""

import ast
import json
import pathlib
import sys

counts = {"functions": 0, "methods": 0, "nested": 0}


def count(node: ast.AST, inside: str) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(child) is not None:
                counts[inside] += 1
            count(child, "nested")
        else:
            count(child, "methods" if isinstance(child, ast.ClassDef) else inside)


for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    count(ast.parse(path.read_bytes()), "functions")
print(json.dumps(counts))
