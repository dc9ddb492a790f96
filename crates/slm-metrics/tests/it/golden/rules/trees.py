"""Compares findings in whole source trees with those of ruff and pylint.

    trees.py list FOLDER... > sources.txt
    RULES_SOURCES=sources.txt RULES_FINDINGS=ours.jsonl cargo test -p slm-metrics --test it source_trees
    trees.py compare sources.txt ours.jsonl [--show RULE] [--no-pylint]
"""

import collections
import json
import os
import sys
import warnings

import tools


def list_sources(folders):
    warnings.simplefilter("ignore")
    for folder in folders:
        for place, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                path = os.path.join(place, name)
                if name.endswith(".py"):
                    try:
                        text = open(path, encoding="utf-8", newline="").read()
                        compile(text, path, "exec")
                    except (SyntaxError, ValueError, RecursionError, MemoryError):
                        continue
                    if not text.startswith("\ufeff"):
                        print(os.path.abspath(path))


def main():
    if sys.argv[1] == "list":
        return list_sources(sys.argv[2:])
    paths = open(sys.argv[2]).read().split("\n")[:-1]
    ours = {}
    for line in open(sys.argv[3]):
        case = json.loads(line)
        ours[case["path"]] = [place[:2] for place in case["findings"]]
    show = sys.argv[sys.argv.index("--show") + 1] if "--show" in sys.argv else None
    cache = sys.argv[2] + ".cache"
    if os.path.exists(cache):
        theirs = json.load(open(cache))
    else:
        theirs = {path: [] for path in paths}
        for path, places in tools.of_ruff(os.path.commonpath(paths)).items():
            theirs.get(path, []).extend(places)
        if "--no-pylint" not in sys.argv:
            for path, places in tools.of_pylint(paths).items():
                theirs[os.path.abspath(path)].extend(places)
        json.dump(theirs, open(cache, "w"))
    counts = collections.defaultdict(collections.Counter)
    for path in paths:
        left, right = (collections.Counter(map(tuple, found[path])) for found in (ours, theirs))
        for place in sorted(left | right):
            equal = min(left[place], right[place])
            counts[place[0]].update(equal=equal, ours=left[place] - equal, theirs=right[place] - equal)
            if place[0] == show and left[place] != right[place]:
                print("ours" if left[place] > right[place] else "theirs", f"{path}:{place[1]}")
    print("| rule | equal | only ours | only theirs |\n|---|---|---|---|")
    for rule, count in sorted(counts.items()):
        print(f"| {rule} | {count['equal']} | {count['ours']} | {count['theirs']} |")


main()
