"""Measures radon's seconds for each file named on standard input; prints one number a line, `skip` if it takes too long.

Each file is parsed once and analysed once, which is less work than in radon's own commands.
"""

import ast
import signal
import sys
import time
import warnings

from radon.complexity import cc_visit_ast
from radon.metrics import h_visit_ast, mi_compute
from radon.raw import analyze
from radon.visitors import ComplexityVisitor

LIMIT_S = 10


def on_alarm(signum, frame):
    raise TimeoutError


def count(source):
    tree = ast.parse(source)
    raw = analyze(source)
    volume = h_visit_ast(tree).total.volume
    cc_visit_ast(tree)
    complexity = ComplexityVisitor.from_ast(tree).total_complexity
    comments = (raw.comments + raw.multi) / raw.sloc * 100 if raw.sloc else 0
    mi_compute(volume, complexity, raw.lloc, comments)


def main():
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, on_alarm)
    for path in sys.stdin.read().splitlines():
        with open(path, encoding="utf-8") as file:
            source = file.read()
        start = time.perf_counter()
        signal.alarm(LIMIT_S)
        try:
            count(source)
        except (SyntaxError, ValueError, RecursionError, TimeoutError):
            print("skip")
        else:
            print(time.perf_counter() - start)
        finally:
            signal.alarm(0)


if __name__ == "__main__":
    main()
