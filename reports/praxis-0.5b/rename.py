"""Gives shards that were answered as praxis-0.5b-6c3740b5 the experiment's name, praxis-0.5b-45909ca2.

usage: rename.py WORK_FOLDER SHARD...

The two names differ in one line of the resolved recipe: the path of the training files, which was written
`recipes/../data/praxis-packages` where that folder existed and `../data/praxis-packages` where it did not. Nothing is
trained in this run, so that no answer depends on it. The script refuses shards that differ in anything else.
"""

import gzip
import json
import pathlib
import sys

HOME = pathlib.Path(__file__).parent
OLD, NEW = "praxis-0.5b-6c3740b5", "praxis-0.5b-45909ca2"
LINE = ("  - path: ../data/praxis-packages", "  - path: recipes/../data/praxis-packages")
# What differs between two shards of one run: their tasks, their times and the threads they were given.
OF_SHARD = {"name", "created", "config_sha256", "command", "recipe", "shard", "timings", "canonical_cpu_s", "threads"}


def rename(work, shard):
    source, target = work / f"{OLD}-shard-{shard}-of-14", HOME / "shards" / shard
    run = json.loads((source / "run.json").read_text())
    other = json.loads((HOME / "shards/9/run.json").read_text())
    differing = {key for key in run.keys() | other.keys() if run.get(key) != other.get(key)}
    assert differing <= OF_SHARD, differing
    lines, others = (each["recipe"].pop("yaml").split("\n") for each in (run, other))
    assert [LINE[1] if line == LINE[0] else line for line in lines] == others
    hashes = (run["config_sha256"], other["config_sha256"]), (run["recipe"]["sha256"], other["recipe"]["sha256"])
    assert {**run["recipe"], "sha256": None} == {**other["recipe"], "sha256": None}

    def renamed(text):
        for before, after in ((OLD, NEW), *hashes):
            text = text.replace(before, after)
        return text

    target.mkdir(exist_ok=True)
    text = (source / "run.json").read_text().replace(json.dumps(LINE[0] + "\n")[1:-1], json.dumps(LINE[1] + "\n")[1:-1])
    (target / "run.json").write_text(renamed(text))
    for name in ("records.jsonl", "trajectory.jsonl"):
        with gzip.GzipFile(target / f"{name}.gz", "wb", mtime=0) as file:
            file.write(renamed((source / name).read_text()).encode())
    (target / "timings.json").unlink(missing_ok=True)
    (target / "done").touch()


for shard in sys.argv[2:]:
    rename(pathlib.Path(sys.argv[1]), shard)
