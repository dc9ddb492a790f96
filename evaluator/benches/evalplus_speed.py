"""Programs per second of `evaluator score` and of EvalPlus's own evaluator, on the same samples in one run.

    pip install evalplus==0.3.1
    python evaluator/benches/evalplus_speed.py target/release/evaluator humaneval+ HumanEvalPlus-NoExtreme.jsonl samples.jsonl

The data file and the samples are plain jsonl, the samples in EvalPlus's format. Both use the same number of processes. Each runs
once before the timing, so that both have the outputs of the reference programs; then they run in turn, ROUNDS times, without
cached scores. Both score every test (EvalPlus with --test_details), so that they do the same work.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 3
DATASETS = {"humaneval+": ("humaneval", "HUMANEVAL_OVERRIDE_PATH"), "mbpp+": ("mbpp", "MBPP_OVERRIDE_PATH")}


def main():
    evaluator, benchmark, data, samples = sys.argv[1:5]
    dataset, variable = DATASETS[benchmark]
    workers = len(os.sched_getaffinity(0))
    with open(samples) as file:
        count = sum(1 for line in file if line.strip())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        copy = folder / "samples.jsonl"
        shutil.copy(samples, copy)
        cache = folder / "cache"

        def ours():
            shutil.rmtree(cache / "scores", ignore_errors=True)
            command = [evaluator, "score", "--benchmark", benchmark, "--data", data, "--json", str(copy)]
            answer = subprocess.run(command, env={**os.environ, "SLM_CACHE": str(cache)}, check=True, capture_output=True, text=True)
            scored = json.loads(answer.stdout)["samples"]
            return sum(sample["plus"] == "passed" for sample in scored)

        def theirs():
            results = folder / "samples_eval_results.json"
            results.unlink(missing_ok=True)
            command = [sys.executable, "-m", "evalplus.evaluate", "--dataset", dataset, "--samples", str(copy), "--test_details",
                       "--parallel", str(workers)]
            subprocess.run(command, env={**os.environ, variable: data}, check=True, capture_output=True)
            scored = json.loads(results.read_text())["eval"]
            return sum(sample["plus_status"] == "pass" for task in scored.values() for sample in task)

        seconds = {}
        for name, run in (("evaluator", ours), ("evalplus", theirs)):
            print(f"{name:10} warm-up: {run()} passed of {count}", flush=True)
            seconds[name] = []
        for _ in range(ROUNDS):
            for name, run in (("evaluator", ours), ("evalplus", theirs)):
                started = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - started)
                print(f"{name:10} {seconds[name][-1]:.1f} s, {count / seconds[name][-1]:.1f} programs/s", flush=True)
        ours_s, theirs_s = (statistics.median(seconds[name]) for name in ("evaluator", "evalplus"))
        print(f"ratio      {theirs_s / ours_s:.2f} ({workers} processes, load {os.getloadavg()[0]:.1f})")


main()
