"""Measures how fast the page of a large run opens in headless Chromium, and how large it is.

    python benches/view.py --evaluator target/release/evaluator --records 10000

Makes a run of this many answers out of those of reports/example, each with a program of its own and two steps, writes its
page, and opens it several times in a new browser. Needs chromedriver. Prints the size of the page and, for each start, the
milliseconds from the beginning of the navigation until charts and table are shown.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def make_run(folder: pathlib.Path, n: int) -> None:
    """Writes run.json, records.jsonl and trajectory.jsonl with n answers."""
    example = pathlib.Path(__file__).parent.parent / "reports" / "example"
    lines = [json.loads(line) for line in (example / "records.jsonl").read_text().splitlines()]
    info = json.loads((example / "run.json").read_text())
    tasks, written = set(), 0
    with open(folder / "records.jsonl", "w") as records, open(folder / "trajectory.jsonl", "w") as log:
        copy = 0
        while written < n:
            for record in lines[: n - written]:
                record = dict(record, task_id=f"{record['task_id']}/{copy}")
                record["program"] = f"# {record['task_id']} {record['seed']}\n{record['program']}"
                tasks.add(record["task_id"])
                records.write(json.dumps(record) + "\n")
                for event in steps(record):
                    log.write(json.dumps(event) + "\n")
                written += 1
            copy += 1
    info["benchmarks"][0]["tasks"] = len(tasks)
    (folder / "run.json").write_text(json.dumps(info))


def steps(record: dict) -> list:
    """A call with its answer, and a run of the program."""
    key = {name: record[name] for name in ("arm", "workflow", "task_id", "sample", "decoding")}
    call = {"role": "coder", "expects": "program",
            "messages": [{"role": "user", "content": "Complete the function.\n\n" + record["program"]}],
            "begun": "", "messages_sha256": "m", "temperature": 0.0, "top_p": 1.0, "top_k": None, "max_new_tokens": 64,
            "seed": 1, "model_sha256": "b", "adapter_sha256": None, "prompt_tokens": 9, "completion_tokens": 5,
            "finish_reason": "stop", "text": record["program"], "code_sha256": "p", "format_failure": None,
            "measured": {"wall_s": 0.25}}
    run = {"code_sha256": "p", "public": 1, "verdict": "failed", "detail": "", "sandbox": "A",
           "tests": [{"test": "assert f(1) == 2", "passed": False, "message": "AssertionError"}],
           "measured": {"cpu_s": 0.05, "wall_s": 0.06, "peak_memory_bytes": 1}}
    head = {"version": 2, "run": "r", "config_sha256": "c", "trajectory": key, "round": 0}
    return [dict(head, step=0, parent=None, what={"call": call}), dict(head, step=1, parent=0, what={"execution": run})]


class Browser:
    """A session of chromedriver."""

    def __init__(self, port: int):
        self.address = f"http://127.0.0.1:{port}"
        options = {"args": FLAGS}
        capabilities = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.session = "/session/" + self.ask("POST", "/session", capabilities)["sessionId"]

    def ask(self, method: str, path: str, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        return json.load(urllib.request.urlopen(request, timeout=120))["value"]

    def value(self, expression: str):
        return self.ask("POST", self.session + "/execute/sync", {"script": f"return {expression}", "args": []})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--evaluator", default="target/release/evaluator")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make_run(folder, arguments.records)
        page = folder / "page.html"
        began = time.monotonic()
        subprocess.run([arguments.evaluator, "view", folder, "-o", page], check=True, stdout=subprocess.DEVNULL)
        print(f"written in {time.monotonic() - began:.1f} s, {page.stat().st_size / 1e6:.2f} MB")
        driver = subprocess.Popen(["chromedriver", "--port=9515"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            for _ in range(arguments.starts):
                browser = Browser(9515)
                browser.ask("POST", browser.session + "/url", {"url": page.as_uri()})
                while (ready := browser.value("document.documentElement.dataset.ready ?? null")) is None:
                    time.sleep(0.02)
                shown = browser.value("document.getElementById('count').textContent")
                print(f"{ready} ms: {shown}")
                browser.ask("DELETE", browser.session)
        finally:
            driver.kill()


if __name__ == "__main__":
    main()
