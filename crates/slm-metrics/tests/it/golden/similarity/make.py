"""Writes pairs.jsonl: similarity of pairs of functions by `tokenize` and the table of the longest common subsequence.

    python3 make.py

Written with Python 3.11; no pair has an f-string, which later versions split into several tokens.
"""

import ast
import io
import json
import random
import tokenize
from pathlib import Path

FUNCTIONS = [
    "def f(x):\n    '''Adds one.'''\n    return x + 1\n",
    "def f(x):\n    return x + 1  # one\n",
    "def f(x):\n    return (x +\n        1)\n",
    "def f(x):\n    return 1 + x\n",
    "def g(y):\n    result = y\n    result += 1\n    return result\n",
    "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n",
    "def f(xs):\n    return sum(xs)\n",
    "def f(xs):\n    total = 0\n    i = 0\n    while i < len(xs):\n        total = total + xs[i]\n        i += 1\n    return total\n",
    "async def f(x: int = 3, *, y='a') -> str:\n    return await y[x:-1]\n",
    "def f(x):\n    '''Only a docstring.'''\n",
    "import os\n\ndef f(x):\n    return os.path.join(x, 'a')\n",
    "class A:\n    '''Doc.'''\n\n    def f(self):\n        '''Doc.'''\n        return self.x\n",
    "def f(x):\n    if x:\n        return 1\n    elif not x:\n        return 2\n    else:\n        return 3\n",
    "x = 1; y = 2\n",
    "def f(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
    "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\n",
]
N_PAIRS = 40


def docstrings(body):
    for stmt in body:
        if not (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant) and isinstance(stmt.value.value, str)):
            return
        yield stmt


def tokens(source):
    tree = ast.parse(source)
    skipped = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            skipped += docstrings(node.body)
    rest = tree.body[len(list(docstrings(tree.body))) :]
    first = last = None
    if len(rest) == 1 and isinstance(rest[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        body = rest[0].body[len(list(docstrings(rest[0].body))) :]
        if not body:
            return []
        first, last = (body[0].lineno, body[0].col_offset), (body[-1].end_lineno, body[-1].end_col_offset)
    texts = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        if any((doc.lineno, doc.col_offset) <= token.start and token.end <= (doc.end_lineno, doc.end_col_offset) for doc in skipped):
            continue
        if first and not (first <= token.start and token.end <= last):
            continue
        texts.append(token.string)
    return texts


def lcs(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def main():
    pairs = [(a, b) for a in FUNCTIONS for b in FUNCTIONS]
    pairs = random.Random(1).sample(pairs, N_PAIRS)
    with open(Path(__file__).parent / "pairs.jsonl", "w") as output:
        for a, b in pairs:
            left, right = tokens(a), tokens(b)
            total = len(left) + len(right)
            similarity = 2 * lcs(left, right) / total if total else 1
            print(json.dumps({"a": a, "b": b, "similarity": similarity}), file=output)


main()
