"""Writes `cognitive.jsonl`: the cognitive complexity of the programs by complexipy 8.3.0 and cognitive_complexity 1.3.0.

Needs both in the running Python (CPython 3.13): `python make.py > cognitive.jsonl`. Only complexipy also counts code
outside functions; the number of cognitive_complexity is the sum over the functions that are in no other.
"""

import ast
import json
from importlib.metadata import version

from cognitive_complexity.api import get_cognitive_complexity
from complexipy import code_complexity
from programs import PROGRAMS, PUBLISHED


def functions(node, prefix=""):
    """Yields the functions that are in no other, with qualified names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, f"{prefix}{child.name}.")
        else:
            yield from functions(child, prefix)


def main():
    assert (version("complexipy"), version("cognitive_complexity")) == ("8.3.0", "1.3.0")
    published = {name: source for name, (_, source) in PUBLISHED.items()}
    for name, source in {**published, **PROGRAMS}.items():
        line = {
            "name": name,
            "source": source,
            "complexipy": code_complexity(source).complexity,
            "cognitive_complexity": sum(
                get_cognitive_complexity(function) for _, function in functions(ast.parse(source))
            ),
        }
        if name in PUBLISHED:
            line["published"] = PUBLISHED[name][0]
        print(json.dumps(line))


if __name__ == "__main__":
    main()
