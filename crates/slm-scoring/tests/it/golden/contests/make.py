"""Writes verdicts of the publishers' own scorers on program outputs to printed.jsonl.

    python make.py APPS/eval LIVECODEBENCH/lcb_runner/evaluation > printed.jsonl

The arguments are the folders of testing_util.py in github.com/hendrycks/apps (commit 362aedc) and in
github.com/LiveCodeBench/LiveCodeBench (commit 28fef95). Made with Python 3.11.7 and numpy 2.4.6. Of pyext, which APPS's
scorer imports and which needs an older Python, one function is replaced below.
"""

import contextlib
import importlib.util
import io
import json
import os
import random
import sys
import types

WORDS = ["1", "2", "3", "-1", "0", "-0", "1.0", "1.50", "1.5", "0.33333", "0.333333333", "1e3", "1000", "100001", "100000",
         "0.0625", "0.062", "0.063", "1.0004", "1.0006", "a", "b", "YES", "nan", "inf", "Infinity", "1_000", "+2"]
SEPARATORS = [" ", "\n", "\n", "  ", "\n\n", " \n", "\n \n", "\t", "\r\n"]
FIXED = [("2 1", "1 2"), ("1 2", "1 2\n"), ("", ""), ("", "1"), ("1", ""), ("1\n\n2", "1\n2"), ("1\n\n2", "1\n \n2"),
         ("3\n1 2", "2 1\n3"), ("a\na\nb", "b\na"), ("0.1 0.2", "0.10001 0.2"), ("50000000000000000", "50000000000000001"),
         ("1\x0b2", "1\n2"), ("1\x1c", "1"), ("1 2\n3", "1\n2 3"), (" 1\n2 ", "1\n2"), ("1.0\n2.5", "1\n2.5000001")]


class RuntimeModule:
    @staticmethod
    def from_string(name, _, code):
        module = types.ModuleType(name)
        exec(code, module.__dict__)
        return module


def scorer(name, folder):
    spec = importlib.util.spec_from_file_location(name, os.path.join(folder, "testing_util.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # It disables functions that this script needs, and is unnecessary here: all programs only print a text.
    module.reliability_guard = lambda *_: None
    return module


def text(chance):
    parts = []
    for _ in range(chance.randrange(1, 6)):
        parts += [chance.choice(WORDS), chance.choice(SEPARATORS)]
    return "".join(parts[: len(parts) - chance.randrange(2)])


def pairs():
    yield from FIXED
    chance = random.Random(0)
    for _ in range(200):
        expected = text(chance)
        words = expected.split()
        change = chance.randrange(5)
        if change == 0:
            chance.shuffle(words)
            yield chance.choice([" ", "\n"]).join(words), expected
        elif change == 1:
            lines = expected.split("\n")
            chance.shuffle(lines)
            yield "\n".join(lines), expected
        elif change == 2:
            words[chance.randrange(len(words))] = chance.choice(WORDS)
            yield " ".join(words), expected
        elif change == 3:
            yield expected.replace("\n", chance.choice(["\n\n", " \n", "\r\n", " "])), expected
        else:
            yield text(chance), expected


def main():
    sys.modules["pyext"] = types.SimpleNamespace(RuntimeModule=RuntimeModule)
    apps, livecodebench = scorer("apps", sys.argv[1]), scorer("livecodebench", sys.argv[2])
    for printed, expected in pairs():
        program = "import sys\nsys.stdout.write(%r)\n" % printed
        cases = {"inputs": [""], "outputs": [expected]}
        with contextlib.redirect_stdout(io.StringIO()):
            by_apps = apps.run_test(problem={"input_output": json.loads(json.dumps(cases))}, test=program)
            by_livecodebench, _ = livecodebench.run_test({"input_output": json.dumps(cases)}, test=program)
        right = [bool(results[0] is True or results[0] == 1) for results in (by_apps, by_livecodebench)]
        print(json.dumps({"printed": printed, "expected": expected, "apps": right[0], "livecodebench": right[1]}))


main()
