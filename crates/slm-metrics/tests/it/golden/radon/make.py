"""Writes the golden file for the Python version that runs it: `python make.py OUTPUT`.

`pep701.jsonl` was made with CPython 3.13.2 (`make_in_pyodide.mjs`), `legacy.jsonl` with CPython 3.11.7, both with radon
6.0.1. A line has a program with its name and either radon's metrics or a flag that there is an error, without its text.
"""

import json
import sys
import warnings

import oracle
import snippets


def lines():
    warnings.simplefilter("ignore")
    for name, source in snippets.snippets():
        try:
            metrics = oracle.document(source)
        except (SyntaxError, ValueError):
            metrics = {"error": True}
        yield json.dumps({"name": name, "source": source, "metrics": metrics}, sort_keys=True)


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as output:
        output.writelines(line + "\n" for line in lines())
