"""Writes radon's metrics of all files below the folders: `python tree.py FOLDER... > ORACLE`.

The parity test compares them with `METRICS_ORACLE=ORACLE cargo test -p slm-metrics trees` (and `METRICS_LEGACY=1` if the
Python that ran this is older than 3.12). Files that are not UTF-8, exceed Python's recursion limit, or take radon more
than `LIMIT_S` (long tables: it tokenizes them again for every line) are skipped.
"""

import json
import pathlib
import signal
import sys
import warnings

import oracle

LIMIT_S = 20


def on_alarm(signum, frame):
    raise TimeoutError


def main(folders):
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(20_000)
    signal.signal(signal.SIGALRM, on_alarm)
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.py")):
            try:
                source = path.read_bytes().decode("utf-8")
                signal.alarm(LIMIT_S)
                metrics = oracle.document(source)
            except (UnicodeDecodeError, RecursionError, TimeoutError):
                continue
            except (SyntaxError, ValueError):
                metrics = {"error": True}
            finally:
                signal.alarm(0)
            print(json.dumps({"path": str(path.resolve()), "metrics": metrics}))


if __name__ == "__main__":
    main(sys.argv[1:])
