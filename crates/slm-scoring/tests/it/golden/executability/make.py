"""Writes PassRatio and Executability of small programs: `python make.py > expected.json`. Made with Python 3.11.7.

Both follow the definitions of CodeScore (Dong et al. 2023, arXiv:2301.09043): PassRatio is the share of inputs on which
the program returns what the reference returns; a program is executable if it runs on every input without a syntax
error, an exception or a time-out, whatever it returns. Each program is run here by exec, without this project's code.
"""

import json
import platform
import signal

SECONDS = 2
BASE, EXTRA = [[1], [2], [-3]], [[4], [0]]


def reference(x):
    return x * x


PROGRAMS = {
    "right everywhere": "def f(x):\n    return x * x\n",
    "wrong on some inputs": "def f(x):\n    return abs(x) * 2 if x < 3 else 0\n",
    "wrong everywhere": "def f(x):\n    return 'none'\n",
    "right, and an exception on one extra input": "def f(x):\n    return x * x if x else 1 // x\n",
    "wrong first, an exception later": "def f(x):\n    if x < 0:\n        raise ValueError(x)\n    return x * x if x > 1 else 7\n",
    "an exception on every input": "def f(x):\n    return x.y\n",
    "its own assertion": "def f(x):\n    assert x > 0\n    return x * x\n",
    "an exit": "def f(x):\n    if x == 4:\n        raise SystemExit(0)\n    return x * x\n",
    "endless on one input": "def f(x):\n    while x == 4:\n        pass\n    return x * x\n",
    "an exception outside of the function": "def f(x):\n    return x * x\n\n\nraise KeyError('x')\n",
    "no such function": "def g(x):\n    return x * x\n",
    "a syntax error": "def f(x) return x * x\n",
    "an exception that it catches itself": "def f(x):\n    try:\n        return x // 0\n    except ZeroDivisionError:\n        return x * x\n",
}


class TimeUp(BaseException):
    pass


def stop(*_):
    raise TimeUp


def run(program, argument):
    """Returns whether the program ran to its end, and what it returned."""
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        space = {}
        exec(compile(program, "program", "exec"), space)
        return True, space["f"](argument)
    except BaseException:
        return False, None
    finally:
        signal.alarm(0)


def judged(program):
    runs = [(x, *run(program, x)) for [x] in BASE + EXTRA]
    right = [ran and returned == reference(x) for x, ran, returned in runs]
    return {"pass_ratio": sum(right) / len(right), "executable": all(ran for _, ran, _ in runs)}


def main():
    cases = [{"name": name, "program": program, **judged(program)} for name, program in PROGRAMS.items()]
    golden = {"python": platform.python_version(), "base_input": BASE, "plus_input": EXTRA, "cases": cases}
    print(json.dumps(golden, indent=1))


main()
