"""Finds and runs the tests of a repository, inside a box that may read a copy of it. Python 3.8 or newer.

stdin is one JSON object:
  nonce     begins each line that this program prints, so that no other output is read as a result
  tree      the copy of the repository, the working folder of the tests
  first     folders that precede the module path: the roots of the repository's packages
  loose     folders with single modules, which must not hide those of the standard library
  targets   lists [file, name, first line, line of the body]: whose bodies are looked for
  targets_file  a file of the copy that contains `targets` in their place, or null
  import    a file that is only imported, or null
  collect   a test file whose tests are found and run, or null
  only      lists [kind, id] of the tests to run, or null for all
  skip      lists [kind, id] of tests that are not run
  closed    ids of tests that pytest does not run: they passed, or ended a box, as another kind
  tests     lists [kind, id, text] to run if `collect` is null; `text` is the docstring of a doctest, else ""
Kinds are "unittest", "plain", "pytest" and "doctest". Ids are `FILE::NAME`.

Lines after the nonce are JSON lists:
  ["import", file, class, text]           a file that cannot be imported; a test file also if pytest collects nothing
  ["unusable", n]                         the number of tests, until now, whose ids are too long or not printable
  ["begin", kind, id]
  ["end", kind, id, verdict, class, text, needs, [targets]]
      verdict: passed, failed, error or skipped; class and text of the exception; needs: "", "network",
      "subprocess" or "files"; places in `targets` of those whose bodies were entered
  ["done"]

The tests and the repository run in this process: they can forge every line.
"""

import importlib
import json
import os
import sys
import threading

ID_CHARACTERS = 300
TEXT_CHARACTERS = 300


class Lines:
    """Writes results to the stdout that this process began with, and moves stdout elsewhere."""

    def __init__(self, nonce):
        self.nonce, self.dumps, self.write = nonce, json.dumps, os.write
        sys.stdout.flush()
        self.file = os.dup(1)
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.close(sink)

    def add(self, *parts):
        data = (self.nonce + self.dumps(parts) + "\n").encode("ascii")
        while data:
            data = data[self.write(self.file, data):]


class Tracer:
    """Notes which targets' bodies are entered, by the lines that their frames execute."""

    def __init__(self, targets, tree):
        self.by_file, self.codes, self.hits = {}, {}, set()
        for place, (file, name, first, body) in enumerate(targets):
            known = self.by_file.setdefault(os.path.join(tree, file), [])
            known.append((name, first, body, place))
        self.is_needed = bool(targets)

    def find(self, code):
        for name, first, body, place in self.by_file.get(code.co_filename, ()):
            if name == code.co_name and first <= code.co_firstlineno < body:
                return place, body
        return None

    def call(self, frame, event, argument):
        code = frame.f_code
        # By identity: equal code of two files is not the same. The entry keeps the object alive.
        entry = self.codes.get(id(code))
        if entry is None:
            entry = self.codes[id(code)] = (code, self.find(code))
        found = entry[1]
        if found is None or found[0] in self.hits:
            return None

        def line(frame, event, argument):
            if event == "line" and frame.f_lineno >= found[1]:
                self.hits.add(found[0])
                frame.f_trace_lines = False
            return line

        return line

    def start(self):
        self.hits = set()
        if self.is_needed:
            threading.settrace(self.call)
            sys.settrace(self.call)

    def stop(self):
        if self.is_needed:
            sys.settrace(None)
            threading.settrace(None)
        return sorted(self.hits)


class Run:
    """One process full of tests."""

    def __init__(self, job):
        self.job, self.tree = job, job["tree"]
        self.lines = Lines(job["nonce"])
        targets = job["targets"]
        if job["targets_file"] is not None:
            with open(os.path.join(self.tree, job["targets_file"]), encoding="utf-8") as file:
                targets = json.load(file)
        self.tracer = Tracer(targets, self.tree)
        self.skip = {(kind, name) for kind, name in job["skip"]}
        self.only = None if job["only"] is None else {(kind, name) for kind, name in job["only"]}
        self.closed = set(job["closed"])
        self.ended, self.unusable = set(), set()

    def wanted(self, tests):
        """Returns those of the tests, which begin with kind and id, that are run, and reports unusable ids."""
        usable = [test for test in tests if len(test[1]) <= ID_CHARACTERS and test[1].isprintable()]
        if len(usable) < len(tests):
            kept = {test[1] for test in usable}
            self.unusable.update(test[1] for test in tests if test[1] not in kept)
            self.lines.add("unusable", len(self.unusable))
        return [test for test in usable if self.is_wanted(*test[:2])]

    def is_wanted(self, kind, name):
        return (kind, name) not in self.skip and (self.only is None or (kind, name) in self.only)

    def begin(self, kind, name):
        self.lines.add("begin", kind, name)
        self.tracer.start()

    def end(self, kind, name, verdict, error=None):
        hits = self.tracer.stop()
        self.ended.add((kind, name))
        if verdict == "passed":
            self.closed.add(name)
        self.lines.add("end", kind, name, verdict, *describe(error), needs_of(error), hits)

    def attempt(self, kind, name, function):
        """Runs a function that returns a verdict and an exception."""
        self.begin(kind, name)
        try:
            verdict, error = function()
        except BaseException as caught:
            verdict, error = verdict_of(caught), caught
        self.end(kind, name, verdict, error)

    def load(self, file):
        """Imports a file of the repository under the name that its packages give it."""
        parts = file[: -len(".py")].split("/")
        place = len(parts) - 1
        while place > 0 and os.path.isfile(os.path.join(self.tree, *parts[:place], "__init__.py")):
            place -= 1
        names = parts[place:]
        if names[-1] == "__init__" and len(names) > 1:
            names.pop()
        root = os.path.join(self.tree, *parts[:place])
        if root not in sys.path:
            sys.path.insert(0, root)
        module = importlib.import_module(".".join(names))
        found = getattr(module, "__file__", None) or ""
        if os.path.realpath(found) != os.path.realpath(os.path.join(self.tree, file)):
            raise ImportError("another module has the name %s" % ".".join(names))
        return module

    # Each kind of test.

    def collect(self, file):
        error = None
        try:
            module = self.load(file)
        except BaseException as caught:
            error = caught
        else:
            for kind, name, function in self.wanted(tests_of(module, file)):
                self.attempt(kind, name, function)
        n_items = self.run_pytest([file], None)
        if error is not None and not n_items:
            self.lines.add("import", file, *describe(error))

    def only_import(self, file):
        try:
            self.load(file)
        except BaseException as caught:
            self.lines.add("import", file, *describe(caught))

    def run_all(self, tests):
        of_pytest, modules = [], {}
        for kind, name, text in tests:
            file, _, rest = name.partition("::")
            if kind == "pytest":
                of_pytest.append(name)
                continue
            if file not in modules:
                try:
                    module = self.load(file)
                    modules[file] = module, None, {(k, n): f for k, n, f in tests_of(module, file)}
                except BaseException as caught:
                    modules[file] = None, caught, {}
            module, error, found = modules[file]
            if error is None and kind == "doctest":
                function = examples_of(module, name, text)
            else:
                function = found.get((kind, name)) or missing(error)
            self.attempt(kind, name, function)
        if of_pytest:
            files = sorted({name.partition("::")[0] for name in of_pytest})
            self.run_pytest(files, set(of_pytest))
            for name in of_pytest:
                if ("pytest", name) not in self.ended:
                    self.attempt("pytest", name, missing(None))

    def run_pytest(self, files, names):
        """Runs what pytest collects and no other kind has closed; returns the number of collected items."""
        try:
            import pytest
        except ImportError:
            return 0
        plugin = Plugin(self, names, pytest)
        pytest.main(
            ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cov"]
            + ["-o", "addopts=", "--color=no", "--rootdir=" + self.tree, "--confcutdir=" + self.tree]
            + ["--", *files],
            plugins=[plugin],
        )
        return plugin.n_items


def Plugin(run, names, pytest):
    """Returns the plugin that selects items and reports on them."""

    class Selection:
        n_items = 0

        def __init__(self):
            self.error, self.verdict = None, None

        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items):
            Selection.n_items += len(items)
            if names is None:
                found = run.wanted([("pytest", item.nodeid, item) for item in items])
                items[:] = [item for _, name, item in found if name not in run.closed]
            else:
                items[:] = [item for item in items if item.nodeid in names]

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_protocol(self, item):
            self.error, self.verdict = None, "passed"
            run.begin("pytest", item.nodeid)
            yield
            run.end("pytest", item.nodeid, self.verdict, self.error)

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_makereport(self, item, call):
            report = (yield).get_result()
            if self.verdict != "passed":
                return
            if report.skipped or hasattr(report, "wasxfail"):
                self.verdict = "skipped"
            elif report.failed:
                self.error = call.excinfo.value if call.excinfo else None
                self.verdict = verdict_of(self.error)

    return Selection()


def tests_of(module, file):
    """Returns the unittest methods and plain functions of a module: kind, id, and a function that runs each."""
    import inspect
    import types
    import unittest

    found = []
    for name, value in sorted(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__name__ == name:
            for method in unittest.TestLoader().getTestCaseNames(value):
                found.append(("unittest", "%s::%s::%s" % (file, name, method), method_of(value, method)))
        elif isinstance(value, types.FunctionType) and name.startswith("test") and not hasattr(value, "pytestmark"):
            is_plain = not (inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value))
            if is_plain and not inspect.signature(value).parameters:
                found.append(("plain", "%s::%s" % (file, name), calling(value)))
    return found


def calling(function):
    def call():
        function()
        return "passed", None

    return call


def missing(error):
    def call():
        if error is not None:
            return "error", error
        return "error", LookupError("the test does not exist")

    return call


def method_of(case, method):
    import unittest

    class Result(unittest.TestResult):
        """Keeps the first exception."""

        verdict, error = "passed", None

        def note(self, verdict, error=None):
            if self.verdict == "passed":
                Result.verdict, Result.error = verdict, error

        def addError(self, test, error):
            self.note(verdict_of(error[1]), error[1])

        def addFailure(self, test, error):
            self.note("failed", error[1])

        def addSubTest(self, test, subtest, error):
            if error is not None:
                self.note(verdict_of(error[1]), error[1])

        def addSkip(self, test, reason):
            self.note("skipped")

        def addExpectedFailure(self, test, error):
            self.note("skipped")

        def addUnexpectedSuccess(self, test):
            self.note("failed")

    def call():
        Result.verdict, Result.error = "passed", None
        unittest.TestSuite([case(method)]).run(Result())
        return Result.verdict, Result.error

    return call


def examples_of(module, name, text):
    import doctest

    class Runner(doctest.DocTestRunner):
        verdict, error = "passed", None

        def report_start(self, out, test, example):
            pass

        def report_success(self, out, test, example, got):
            pass

        def report_failure(self, out, test, example, got):
            if self.verdict == "passed":
                self.verdict, self.error = "failed", AssertionError("line %d of the examples" % (example.lineno + 1))

        def report_unexpected_exception(self, out, test, example, exc_info):
            if self.verdict == "passed":
                self.verdict, self.error = verdict_of(exc_info[1]), exc_info[1]

    def call():
        test = doctest.DocTestParser().get_doctest(text, dict(vars(module)), name, None, 0)
        if not test.examples:
            return "error", LookupError("no examples")
        runner = Runner(verbose=False)
        runner.run(test, out=lambda text: None)
        return runner.verdict, runner.error

    return call


def verdict_of(error):
    return "failed" if isinstance(error, AssertionError) else "error"


def describe(error):
    """Returns the class of an exception and the first line of its text."""
    if error is None:
        return "", ""
    try:
        text = str(error).strip().split("\n")[0][:TEXT_CHARACTERS]
        return str(type(error).__name__)[:TEXT_CHARACTERS], text
    except BaseException:
        return "Exception", ""


def needs_of(error):
    """Returns what a test needs that a box denies, judging by an OSError among the causes of an exception."""
    for _ in range(10):
        if error is None:
            break
        if isinstance(error, OSError):
            files = []
            trace = error.__traceback__
            while trace is not None:
                files.append(trace.tb_frame.f_code.co_filename.replace(os.sep, "/"))
                trace = trace.tb_next
            if any(file.endswith("/subprocess.py") or "/multiprocessing/" in file for file in files):
                return "subprocess"
            if any(file.endswith(("/socket.py", "/ssl.py", "/http/client.py")) for file in files):
                return "network"
            if isinstance(error, ConnectionError) or type(error).__name__ in ("gaierror", "herror"):
                return "network"
            return "files"
        error = error.__cause__ or error.__context__
    return ""


def main():
    job = json.load(sys.stdin)
    run = Run(job)
    sys.stdin = open(os.devnull)
    os.chdir(job["tree"])
    installed = [i for i, path in enumerate(sys.path) if "site-packages" in path or "dist-packages" in path]
    place = installed[0] if installed else len(sys.path)
    sys.path[place:place] = job["loose"]
    sys.path[:0] = job["first"]
    sys.argv[:] = [job["collect"] or "tests"]
    if job["import"] is not None:
        run.only_import(job["import"])
    elif job["collect"] is None:
        run.run_all(job["tests"])
    else:
        run.collect(job["collect"])
    run.lines.add("done")


main()
