"""Prints the tables of docs/guide/workflows.md from the run of judge.yaml.

    python3 benches/workflows/table.py reports/workflows/judge-HASH
"""
import collections
import json
import pathlib
import sys


PHASES = ["specify", "code", "complete", "review", "test"]


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def mean(records, key):
    return sum(record.get(key, 0) for record in records) / len(records)


def main(run):
    records = lines(run / "records.jsonl")
    order = []
    for cell in json.loads((run / "run.json").read_text())["plan"]["cells"]:
        if cell["workflow"] not in order:
            order.append(cell["workflow"])
    of = collections.defaultdict(list)
    for record in records:
        of[record["workflow"]].append(record)
    print("| workflow | solved | calls | prompt tokens | completion tokens | executions | lookups | format failures | stopped |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for workflow in order:
        own = of[workflow]
        stops = collections.Counter(record["stop"].replace("_", " ") for record in own)
        ended = ", ".join(f"{stop} {n}" for stop, n in stops.most_common())
        solved = sum(record["verdict"] == "passed" for record in own)
        means = [
            f"{mean(own, key):.{digits}f}"
            for key, digits in [
                ("calls", 1),
                ("prompt_tokens", 0),
                ("completion_tokens", 0),
                ("executions", 1),
                ("lookups", 1),
                ("format_failures", 2),
            ]
        ]
        print(f"| `{workflow}` | {solved} of {len(own)} | {' | '.join(means)} | {ended} |")
    print()
    for workflow in order:
        phases = collections.Counter(phase for record in of[workflow] for phase in record.get("phases", []))
        if phases:
            shares = [(phase, phases[phase] / len(of[workflow])) for phase in PHASES]
            texts = [f"{phase} {share:.0%}" + (" (below 5 %)" if share < 0.05 else "") for phase, share in shares]
            print(f"`{workflow}`: " + ", ".join(texts))
        routed = collections.Counter(record["routed_to"] for record in of[workflow] if record.get("routed_to"))
        if routed:
            print(f"`{workflow}`: " + ", ".join(f"{name} {n}" for name, n in routed.most_common()))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
