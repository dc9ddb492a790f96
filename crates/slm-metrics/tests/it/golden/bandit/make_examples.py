"""Writes `examples.jsonl`: bandit's findings in the examples of bandit's source distribution.

The examples themselves are not stored. Needs bandit 1.9.4 in the running Python (CPython 3.13) and the examples:

    pip download --no-deps --no-binary :all: bandit==1.9.4
    tar xf bandit-1.9.4.tar.gz
    python make_examples.py bandit-1.9.4/examples > examples.jsonl
"""

import json
import os
import sys

import oracle


def main():
    folder = sys.argv[1]
    findings, errors = oracle.run([folder])
    for file in sorted(findings.keys() | errors.keys()):
        line = {"file": os.path.relpath(file, folder)}
        if file in errors:
            line["error"] = errors[file]
        else:
            line["findings"] = findings[file]
        print(json.dumps(line))


if __name__ == "__main__":
    main()
