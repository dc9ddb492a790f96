#!/usr/bin/env python3
"""Measures ours and the peers on the same shapes, one after the other, and prints a Markdown table with ratios.

    python benches/compare.py --trainer target/release/trainer --evaluator target/release/evaluator --device cpu
    python benches/compare.py --trainer bin/trainer --evaluator bin/evaluator --device cuda --output results

Training against PEFT; decoding against llama.cpp on the CPU and against transformers on a GPU. A peer that is not
installed, fails, or exceeds the time limit gets a line with the reason. Every result is written to OUTPUT/results.jsonl
immediately; the table goes to OUTPUT/table.md and stdout. Run it on an otherwise idle machine.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
DENSE_TFLOPS = {"H100": 989, "H200": 989, "A100": 312, "RTX 4090": 165}


@dataclasses.dataclass
class Training:
    """A training benchmark."""

    shape: str
    dtype: str
    length: int
    micro_batches: list
    steps: int
    checkpointing: bool = False

    def title(self, micro_batch):
        recompute = ", recomputed layers" if self.checkpointing else ""
        return f"train {self.shape} {self.dtype}, {micro_batch} x {self.length} tokens{recompute}"


@dataclasses.dataclass
class Decoding:
    """A decoding benchmark."""

    shape: str
    weights: str
    batches: list
    prompt: int
    new: int

    def title(self, batch):
        return f"decode {self.shape} {self.weights}, batch {batch}"


def plan(device, quick):
    """Returns the benchmarks, the most important first."""
    if device == "cpu":
        if quick:
            return [
                Training("smollm2-135m", "f32", 128, [2], 1),
                Decoding("smollm2-135m", "q4_1", [1, 8], 16, 8),
            ]
        return [
            Training("smollm2-135m", "f32", 512, [2], 3),
            Training("smollm2-135m", "bf16", 512, [2], 3),
            Training("qwen2.5-0.5b", "f32", 512, [2], 2),
            Training("qwen2.5-0.5b", "bf16", 512, [2], 2),
            Decoding("smollm2-135m", "q4_1", [1, 8, 32], 64, 32),
            Decoding("qwen2.5-0.5b", "q4_k", [1, 32], 64, 32),
        ]
    if quick:
        return [
            Training("qwen2.5-1.5b", "bf16", 2048, [1, 4], 2, checkpointing=True),
            Decoding("qwen2.5-1.5b", "bf16", [1, 32], 64, 32),
        ]
    return [
        Training("qwen2.5-1.5b", "bf16", 2048, [1, 2, 4, 8], 3, checkpointing=True),
        Training("qwen2.5-1.5b", "bf16", 2048, [1, 2, 4, 8], 3),
        Decoding("qwen2.5-1.5b", "bf16", [1, 32, 128], 64, 64),
    ]


class GpuMemory(threading.Thread):
    """Samples the peak memory in use on the whole GPU, as reported by the driver."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak_bytes = None
        self.ended = threading.Event()

    def run(self):
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not self.ended.wait(0.5):
            try:
                found = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
                used = int(found.stdout.splitlines()[0]) << 20
            except (OSError, ValueError, IndexError, subprocess.SubprocessError):
                return
            self.peak_bytes = max(self.peak_bytes or 0, used)


class Session:
    """Runs programs within the remaining time and collects their output."""

    def __init__(self, args):
        self.args = args
        self.deadline = time.monotonic() + args.budget_s
        self.rows = []
        args.output.mkdir(parents=True, exist_ok=True)
        self.file = (args.output / "results.jsonl").open("a")
        self.log = (args.output / "log.txt").open("a")

    def run(self, words, title, timeout=None):
        """Returns the records that a program prints, or one with the error."""
        left = min(timeout or self.args.timeout_s, self.deadline - time.monotonic())
        if left < 5:
            return [{"error": "no time was left"}]
        print(f"{time.strftime('%H:%M:%S')} {title}: {' '.join(map(str, words))}", file=sys.stderr, flush=True)
        memory = GpuMemory() if self.args.device == "cuda" and shutil.which("nvidia-smi") else None
        if memory:
            memory.start()
        started = time.monotonic()
        child = subprocess.Popen(
            list(map(str, words)), stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True
        )
        error = None
        try:
            output, _ = child.communicate(timeout=left)
            if child.returncode != 0:
                error = f"exit code {child.returncode}; see log.txt"
        except subprocess.TimeoutExpired:
            # The whole process group.
            os.killpg(child.pid, signal.SIGKILL)
            output, _ = child.communicate()
            error = f"no end within {left:.0f} s"
        records = parse(output)
        if memory:
            memory.ended.set()
            memory.join()
        for record in records:
            record["whole_gpu_bytes"] = memory.peak_bytes if memory else None
        if error and not (records and "error" in records[-1]):
            records.append({"error": error})
        print(f"    {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        return records

    def keep(self, title, tool, record):
        """Writes a result immediately."""
        row = {"title": title, "tool": tool, **record}
        self.rows.append(row)
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()


def parse(output):
    """Parses a single JSON document, or one per line."""
    try:
        return [json.loads(output)] if output.strip() else []
    except json.JSONDecodeError:
        pass
    records = []
    for line in output.splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def our_training(session, case, micro_batch):
    args = session.args
    words = [args.trainer, "plan", "--shape", case.shape, "--measure", case.steps, "--device", args.device, "--json"]
    words += ["--seq-length", case.length, "--micro-batch-size", micro_batch]
    words += ["--weights", "f32" if case.dtype == "f32" else "bf16"]
    if args.known["model.dtype"]:
        words += ["--set", f"model.dtype={case.dtype}"]
    if args.known["train.gradient_checkpointing"]:
        words += ["--set", f"train.gradient_checkpointing={'layer' if case.checkpointing else 'none'}"]
    for key in args.set:
        words += ["--set", key]
    if args.peak_tflops:
        words += ["--peak-tflops", args.peak_tflops]
    record = session.run(words, "ours")[-1]
    measured = record.get("measured")
    if measured:
        record = measured | {"whole_gpu_bytes": record.get("whole_gpu_bytes")}
    elif "error" not in record:
        record = {"error": "no measurement came back"}
    session.keep(case.title(micro_batch), "ours", record)


def peer_training(session, case, micro_batches):
    args = session.args
    words = [args.python, HERE / "peft_training.py", "--shape", case.shape, "--device", args.device]
    words += ["--dtype", case.dtype, "--seq-length", case.length, "--steps", case.steps]
    words += ["--micro-batch-size", ",".join(map(str, micro_batches))]
    if case.checkpointing:
        words.append("--gradient-checkpointing")
    if args.peak_tflops:
        words += ["--peak-tflops", args.peak_tflops]
    found = session.run(words, "PEFT", args.timeout_s * (1 + len(micro_batches) / 4))
    for micro_batch in micro_batches:
        mine = [r for r in found if r.get("micro_batch_size") == micro_batch]
        session.keep(case.title(micro_batch), "PEFT", (mine or found[-1:] or [{"error": "no result"}])[0])


def training(session, case):
    if session.args.device == "cuda":
        # The middle size first, so that there is one pair even if the run is cut short; one process of the peer for all
        # sizes, since most of its time is startup.
        sizes = sorted(case.micro_batches, key=lambda n: n != case.micro_batches[len(case.micro_batches) // 2])
        our_training(session, case, sizes[0])
        peer_training(session, case, case.micro_batches)
        for micro_batch in sizes[1:]:
            our_training(session, case, micro_batch)
        return
    for micro_batch in case.micro_batches:
        for _ in range(session.args.rounds):
            our_training(session, case, micro_batch)
            peer_training(session, case, [micro_batch])


def decoding(session, case, folder):
    args = session.args
    batches = ",".join(map(str, case.batches))
    common = ["--batch", batches, "--prompt-tokens", case.prompt, "--new-tokens", case.new]
    ours = [args.evaluator, "bench", "--device", args.device, "--json", *common]
    if args.device == "cpu":
        tool = "llama.cpp"
        file = folder / f"{case.shape}-{case.weights}.gguf"
        script = HERE / "llama_cpp_decode.py"
        if not file.is_file():
            words = [args.gguf_python, script, "--write", file, "--shape", case.shape, "--weights", case.weights]
            session.run(words, "writing a GGUF file")
        if file.is_file():
            ours += ["--model", file]
        else:
            ours += ["--shape", case.shape, "--weights", case.weights]
        peer = [args.llama_python, script, "--model", file, *common]
    else:
        tool = "transformers"
        ours += ["--shape", case.shape, "--weights", case.weights]
        peer = [args.python, HERE / "transformers_decode.py", "--shape", case.shape, "--device", args.device, *common]
    for _ in range(session.args.rounds):
        record = session.run(ours, "ours")[-1]
        found = record.get("batches")
        for batch in case.batches:
            mine = [r for r in found or [] if r["batch"] == batch]
            if mine:
                mine[0] |= {"peak_bytes": record.get("peak_bytes"), "whole_gpu_bytes": record.get("whole_gpu_bytes")}
            problem = {"error": record.get("error", "no measurement came back")}
            session.keep(case.title(batch), "ours", (mine or [problem])[0])
        found = session.run(peer, tool)
        for batch in case.batches:
            mine = [r for r in found if r.get("batch") == batch and "error" not in r]
            best = max(mine, key=lambda r: r["decode_tokens_per_second"], default=None)
            problem = next((r for r in found if "error" in r), {"error": "no result"})
            session.keep(case.title(batch), tool, best or {"error": problem["error"]})


def speed(row):
    return row.get("tokens_per_second") or row.get("decode_tokens_per_second")


def table(rows):
    """Formats our results beside the peer's, the best of several rounds."""
    lines = [
        "| what | ours, tokens/s | peer, tokens/s | ratio | ours, peak GiB | peer, peak GiB | ours, MFU | peer, MFU |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    titles = list(dict.fromkeys(row["title"] for row in rows))
    for title in titles:
        of_title = [row for row in rows if row["title"] == title]

        def best(is_ours):
            mine = [row for row in of_title if (row["tool"] == "ours") == is_ours]
            return max(mine, key=lambda row: speed(row) or 0, default={})

        ours, peer = best(True), best(False)
        cells = [title]
        for row in (ours, peer):
            name = "" if row.get("tool") == "ours" else f" ({row.get('tool', 'none')})"
            cells.append(f"{speed(row):.0f}{name}" if speed(row) else row.get("error", "not measured") + name)
        both = speed(ours) and speed(peer)
        cells.append(f"{speed(ours) / speed(peer):.2f}" if both else "")
        for row in (ours, peer):
            peak = row.get("peak_bytes")
            cells.append(f"{peak / 2**30:.2f}" if peak else "")
        for row in (ours, peer):
            share = row.get("model_flops_utilisation")
            cells.append(f"{100 * share:.1f} %" if share else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def peak_tflops():
    """Returns the GPU's peak throughput with dense bf16 products, by its data sheet."""
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        name = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return next((tflops for known, tflops in DENSE_TFLOPS.items() if known in name), None)


def knows(trainer, setting):
    """Returns whether this build's recipes have a key."""
    words = [trainer, "plan", "--shape", "tiny-llama", "--set", setting, "--device", "cpu", "--json"]
    try:
        return subprocess.run(list(map(str, words)), capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainer", type=Path, required=True)
    parser.add_argument("--evaluator", type=Path, required=True)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--quick", action="store_true", help="only a short check that everything runs")
    parser.add_argument("--only", choices=["training", "decoding"])
    parser.add_argument("--shape", help="only this shape")
    parser.add_argument("--type", help="only this type of weights, such as f32 or q4_1")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="for our training runs")
    parser.add_argument("--rounds", type=int, default=1, help="number of measurements of each program, in alternation")
    parser.add_argument("--timeout-s", type=float, default=600, help="time limit of one program")
    parser.add_argument("--budget-s", type=float, default=7200, help="time limit of the whole run")
    parser.add_argument("--peak-tflops", type=float, default=None)
    parser.add_argument("--python", default=sys.executable, help="Python with torch, transformers and peft")
    parser.add_argument("--llama-python", default=None, help="Python with llama-cpp-python")
    parser.add_argument("--gguf-python", default=None, help="Python with gguf")
    parser.add_argument("--output", type=Path, default=Path("bench-results"))
    args = parser.parse_args()
    args.llama_python = args.llama_python or args.python
    args.gguf_python = args.gguf_python or args.python
    return args


def main():
    args = parse_arguments()
    if args.device == "cuda" and args.peak_tflops is None:
        args.peak_tflops = peak_tflops()
    settings = ["model.dtype=f32", "train.gradient_checkpointing=none"]
    args.known = {setting.split("=")[0]: knows(args.trainer, setting) for setting in settings}
    session = Session(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory() as folder:
            for case in plan(args.device, args.quick):
                kind = "training" if isinstance(case, Training) else "decoding"
                weights = case.dtype if kind == "training" else case.weights
                wanted = [(args.only, kind), (args.shape, case.shape), (args.type, weights)]
                if any(word and word != found for word, found in wanted):
                    continue
                if kind == "training":
                    training(session, case)
                else:
                    decoding(session, case, Path(folder))
    finally:
        text = table(session.rows)
        (args.output / "table.md").write_text(text + "\n")
        print(text, flush=True)


if __name__ == "__main__":
    main()
