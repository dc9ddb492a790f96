"""Writes the cognitive complexity of each function of a source tree by both tools, for a comparison run by hand.

    python tree.py FOLDER > oracle.jsonl
    COGNITIVE_ORACLE=$PWD/oracle.jsonl cargo test -p slm-metrics --test it cognitive -- --nocapture
"""

import ast
import json
import pathlib
import sys
import warnings

from cognitive_complexity.api import get_cognitive_complexity
from complexipy import code_complexity
from make import functions


def main():
    warnings.simplefilter("ignore")
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
        try:
            source = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
            found = {(name, node.lineno): get_cognitive_complexity(node) for name, node in functions(ast.parse(source))}
        except (SyntaxError, ValueError, RecursionError):
            continue
        try:
            other = {f.name.replace("::", "."): f.complexity for f in code_complexity(source).functions}
        except Exception:
            other = {}
        names = [name for name, _ in found]
        rows = [
            # complexipy gives no line that fits decorators, so only unique names are compared with it.
            [name, line, other.get(name) if names.count(name) == 1 else None, value]
            for (name, line), value in found.items()
        ]
        print(json.dumps({"path": str(path), "functions": rows}))


if __name__ == "__main__":
    main()
