"""Runs bandit 1.9.4 on folders and files, without regard to `# nosec`.

Needs bandit 1.9.4 in the running Python, which should be CPython 3.13: the positions of f-strings depend on the version.

Run by hand on a source tree, whose results the test `source_trees_agree_with_bandit_where_an_oracle_is_given` compares:

    python oracle.py FOLDER > oracle.jsonl
    BANDIT_ORACLE=$PWD/oracle.jsonl cargo test -p slm-metrics --test it bandit
"""

import json
import subprocess
import sys

# Rules of bandit that this crate has no counterpart of; README.md gives the reasons.
LEFT_OUT = {"B109", "B609", "B613", "B615", "B703"}


def run(paths):
    """Returns bandit's findings and errors by file: `{file: [[rule, line, severity], ...]}` and `{file: reason}`."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", "--ignore-nosec", "-f", "json", *paths]
    done = subprocess.run(command, capture_output=True, check=False)
    print(done.stderr.count(b"Bandit internal error"), "times a rule of bandit failed", file=sys.stderr)
    report = json.loads(done.stdout)
    findings = {file: [] for file in report["metrics"] if file != "_totals"}
    for result in report["results"]:
        if result["test_id"] not in LEFT_OUT:
            place = [result["test_id"], result["line_number"], result["issue_severity"].lower()]
            findings[result["filename"]].append(place)
    for places in findings.values():
        places.sort()
    return findings, {error["filename"]: error["reason"] for error in report["errors"]}


def main():
    findings, errors = run(sys.argv[1:])
    for file in sorted(findings.keys() | errors.keys()):
        if file in errors:
            print(json.dumps({"path": file, "error": errors[file]}))
        else:
            print(json.dumps({"path": file, "findings": findings[file]}))


if __name__ == "__main__":
    main()
