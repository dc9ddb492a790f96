"""Runs a program and its tests inside the sandboxed process.

Arguments: the file descriptor of the job (JSON with nonce, program, tests) and that of the results.
Each result is one line, the nonce and a JSON object, in this order:
  {"program": null or FAULT}   once, after the program has run; the last line if it is a FAULT
  {"test": i, "fault": null or FAULT}   for each test
  {"done": bytes}   the peak of resident memory; without this line the run does not count
A FAULT is [kind, message], kind being one of failed, error, memory, violation, unparsable.
"""

import ast
import builtins
import errno
import json
import os
import sys
import types

# A program may rebind builtins; functions defined from here on keep the present ones.
__builtins__ = dict(vars(builtins))

MESSAGE_LIMIT = 500
VALUE_LIMIT = 120


def main(job_fd, result_fd):
    with os.fdopen(job_fd, "rb") as job_file:
        job = json.load(job_file)
    # The empty entry would let the program import what it wrote into its working folder.
    sys.path[:] = [entry for entry in sys.path if entry]
    sys.argv[:] = ["candidate"]
    reporter = Reporter(result_fd, job["nonce"])
    # Given back when memory runs out, so that there is some to report with.
    reserve = [bytes(1 << 20)]
    try:
        run(job["program"], job["tests"], reporter, reserve)
    except MemoryError:
        reporter.out_of_memory()


def run(program, tests, reporter, reserve):
    try:
        code = compile(program, "<program>", "exec")
    except MemoryError:
        return reporter.program(["unparsable", "too complex for Python's parser"])
    except BaseException as error:
        return reporter.program(["unparsable", describe(error)])
    # Before the program runs, as it may tamper with the modules that this needs.
    tests = [(test, compile_test(test)) for test in tests]

    module = types.ModuleType("candidate")
    # exec would give it our copy.
    module.__builtins__ = builtins
    # dataclasses, pickle and typing look a class's module up by its name.
    sys.modules["candidate"] = module
    fault = attempt(code, module.__dict__, reserve)
    reporter.program(fault)
    if fault is not None:
        return
    for i, (source, (code, fault)) in enumerate(tests):
        if code is not None:
            namespace = dict(module.__dict__)
            namespace["__explain"] = explain
            fault = attempt(code, namespace, reserve, source)
        reporter.test(i, fault)
    reporter.done()


def compile_test(source):
    """The test's code and None, or None and its fault."""
    try:
        tree = ast.parse(source, "<test>")
        explain_equalities(tree)
        return compile(tree, "<test>", "exec"), None
    except BaseException as error:
        return None, ["error", "in the test itself: " + describe(error)]


def attempt(code, namespace, reserve, source=None):
    """Executes code; None if it comes to its end, else its fault. source is the text of a test."""
    try:
        exec(code, namespace)
    except MemoryError as error:
        reserve.clear()
        return ["memory", describe(error, source)]
    except AssertionError as error:
        # One raised by the program as it is loaded is an error like any other.
        return ["failed" if source is not None else "error", describe(error, source)]
    except OSError as error:
        kind = "violation" if error.errno == errno.EFBIG else "error"
        return [kind, describe(error, source)]
    except BaseException as error:
        return ["error", describe(error, source)]
    return None


def explain_equalities(tree):
    """Lets `assert a == b` tell the two values, each still evaluated once."""
    for statement in tree.body:
        if not (isinstance(statement, ast.Assert) and statement.msg is None):
            continue
        test = statement.test
        if not (isinstance(test, ast.Compare) and [type(op) for op in test.ops] == [ast.Eq]):
            continue
        name = lambda text, context: ast.Name(text, context)
        values = []
        for text, value in (("__got", test.left), ("__expected", test.comparators[0])):
            values.append(ast.NamedExpr(name(text, ast.Store()), value))
        test.left, test.comparators[0] = values
        arguments = [name(text, ast.Load()) for text in ("__got", "__expected")]
        statement.msg = ast.Call(name("__explain", ast.Load()), arguments, [])
        ast.fix_missing_locations(statement)


def explain(got, expected):
    return "got %s, expected %s" % (show(got), show(expected))


def show(value):
    try:
        return shorten(repr(value), VALUE_LIMIT)
    except Exception as error:
        return "<%s in __repr__>" % type(error).__name__


def describe(error, source=None):
    """Type, text and line of an exception; source is the test's text, if it was raised by one."""
    try:
        text = str(error)
    except BaseException:
        text = "<no text>"
    name = type(error).__name__
    message = "%s: %s" % (name, text) if text else name
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    if line is not None:
        message += " (line %d)" % line
    if source is not None:
        message = shorten(source.strip(), 2 * VALUE_LIMIT) + "\n" + message
    return message


def shorten(text, limit):
    return text if len(text) <= limit else text[: limit - 3] + "..."


def peak_memory():
    """Peak of resident memory in bytes, 0 if unknown.

    Not from getrusage: its value includes the process that forked us.
    """
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except Exception:
        pass
    return 0


class Reporter:
    """Writes the results. What it needs is bound early, as a program may replace it."""

    def __init__(self, result_fd, nonce):
        self.result_fd = result_fd
        self.nonce = nonce
        self.pid = os.getpid()
        self.memory_line = (nonce + ' {"memory": true}\n').encode()
        self.streams = [sys.stdout, sys.stderr]
        self.write, self.exit, self.getpid = os.write, os._exit, os.getpid
        # Written in C, so that it does without builtins.
        self.quote = json.encoder.encode_basestring

    def program(self, fault):
        self.send('{"program": %s}' % self.encode(fault))

    def test(self, i, fault):
        self.send('{"test": %d, "fault": %s}' % (i, self.encode(fault)))

    def done(self):
        # What is still in the buffers counts as output.
        for stream in self.streams:
            try:
                stream.flush()
            except Exception:
                pass
        self.send('{"done": %d}' % peak_memory())

    def out_of_memory(self):
        self.send_line(self.memory_line)

    def encode(self, fault):
        if fault is None:
            return "null"
        kind, message = fault
        # Lone surrogates are legal in a Python string, but not in UTF-8.
        message = shorten(message, MESSAGE_LIMIT).encode("utf-8", "replace").decode("utf-8")
        return '["%s", %s]' % (kind, self.quote(message))

    def send(self, result):
        self.send_line(("%s %s\n" % (self.nonce, result)).encode())

    def send_line(self, line):
        # A fork made by the program gets here too; only the first process may speak.
        if self.getpid() != self.pid:
            self.exit(0)
        try:
            while line:
                line = line[self.write(self.result_fd, line) :]
        except OSError:
            # The program closed the pipe. The missing results tell.
            self.exit(1)


# Neither threads nor exit handlers that the program left behind may hold the process up.
leave = os._exit
try:
    main(int(sys.argv[1]), int(sys.argv[2]))
finally:
    leave(0)
