"""Runs a program in the sandbox and reports on it; the last part of its runner, after link.py and peer.py.

The first frame is the job, a dict with
  search_path, preamble, program   a list of str, and two Python sources
  mode   "load": nothing more
         "serve": answer the tester's requests until the pipe closes
         "calls": call `entry_point` with each of `calls`, pairs of an expression and a limit in seconds
         "script": run the program as a script with `stdin` as its input; its stderr is dropped
         "shared": run `setup` and `tests` in the program's own namespace (a program can forge these)
Sends: ("begun",), ("loaded",) or ("fault", kind, text); then, by mode, frames of peer.Peer,
  ("output", i, cpu_s, value), ("raised", i, cpu_s, kind, text), ("timeout", i, cpu_s),
  ("test", i, kind or None, text, cpu_s); and at the end
  ("end", peak bytes of memory, CPU seconds).
"""

import _signal
import types
from errno import EFBIG
from time import process_time

SECONDS_OF_WALL = 4.0


class TimeUp(BaseException):
    """The time limit of one call is exceeded."""


def main():
    job = Decoder(receive()).get()
    prepare(job["search_path"], "candidate")
    tell("begun")
    # Freed when memory is exhausted, so that the error can be reported.
    reserve = [bytes(1 << 20)]
    try:
        run(job, reserve)
    except MemoryError:
        reserve.clear()
        send(Encoder().text(("fault", "memory", "MemoryError")))


def run(job, reserve):
    try:
        code = compile(job["program"], "<program>", "exec", dont_inherit=True)
        preamble = compile(job["preamble"], "<preamble>", "exec", dont_inherit=True)
    except MemoryError:
        return tell("fault", "unparsable", "too complex for Python's parser")
    except BaseException as error:
        return tell("fault", "unparsable", describe(error))
    # Before the program runs, which may tamper with the modules that compiling needs.
    tests = [] if job["mode"] != "shared" else [
        (compile_test(text), text) for text in [job["setup"], *job["tests"]]
    ]
    is_script = job["mode"] == "script"
    if is_script:
        feed(job["stdin"])
        drop_stderr()
    name = "__main__" if is_script else "candidate"
    module = types.ModuleType(name)
    # Otherwise exec would insert our copy.
    module.__builtins__ = builtins
    # dataclasses, pickle and typing look up a class's module by name.
    sys.modules[name] = module
    space = module.__dict__
    fault = attempt(preamble, space, reserve)
    shared = {key: value for key, value in space.items() if isinstance(value, type) and value.__module__ == name}
    if fault is None:
        fault = attempt(code, space, reserve, exit_is_fine=is_script)
    if fault is not None:
        return tell("fault", *fault)
    tell("loaded")
    if job["mode"] == "serve":
        peer.shared = shared
        peer.find_global = lambda name: space[name]
        try:
            while True:
                peer.serve(*peer.decode(receive()))
        except Gone:
            pass
    elif job["mode"] == "calls":
        if not make_calls(space, job["entry_point"], job["calls"], reserve):
            return
    for i, ((code, fault), text) in enumerate(tests):
        started = process_time()
        if code is not None:
            # The tests see what their setup defined, but not names that other tests bound.
            fault = attempt(code, space if i == 0 else dict(space), reserve, is_test=True)
        if i == 0 and fault is None:
            continue
        fault = fault or (None, "")
        tell("test", max(i - 1, 0), fault[0], fault[1], process_time() - started)
        if i == 0:
            break
    finish()


def tell(*message):
    send(Encoder().text(tuple([whole_text(part) if type(part) is str else part for part in message])))


def finish():
    # Data left in the buffers counts as output.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass
    tell("end", peak_memory(), process_time())


def peak_memory():
    """Returns the peak resident memory in bytes, 0 if unknown."""
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    except BaseException:
        return 0


def attempt(code, space, reserve, is_test=False, exit_is_fine=False):
    """Executes code; returns None if it runs to its end, else kind and text."""
    try:
        exec(code, space)
    except SystemExit as error:
        # Contest judges use what a script printed before it exited, regardless of its exit code.
        if not exit_is_fine:
            return "error", describe(error, line_of(error))
    except BaseException as error:
        return fault_of(error, reserve, is_test)
    return None


def fault_of(error, reserve, is_test):
    kind = "error"
    if isinstance(error, MemoryError):
        reserve.clear()
        kind = "memory"
    elif isinstance(error, AssertionError) and is_test:
        kind = "failed"
    elif isinstance(error, OSError) and error.errno == EFBIG:
        kind = "violation"
    return kind, describe(error, line_of(error))


def compile_test(text):
    try:
        return compile(text, "<test>", "exec", dont_inherit=True), None
    except BaseException as error:
        return None, ("error", "in the test itself: " + describe(error))


def make_calls(space, entry_point, calls, reserve):
    """Sends the result of each call; returns False if there is no function to call."""
    try:
        function = find(space, entry_point)
    except BaseException as error:
        tell("fault", "error", "the program has no `%s` (%s)" % (entry_point, describe(error)))
        return False
    for i, (expression, limit_s) in enumerate(calls):
        arguments = eval(compile(expression, "<inputs>", "eval"), dict(INPUT_NAMES))
        started = process_time()
        try:
            arm(limit_s)
            try:
                value = function(*arguments)
            finally:
                arm(0)
            # Encoding a long result is not part of the call.
            text = Encoder().text(("output", i, process_time() - started, value))
        except TimeUp:
            text = Encoder().text(("timeout", i, process_time() - started))
        except BaseException as error:
            kind, reason = fault_of(error, reserve, False)
            text = Encoder().text(("raised", i, process_time() - started, kind, whole_text(reason)))
        send(text)
    return True


# Names that expressions of inputs may use in addition to literals.
INPUT_NAMES = {"__builtins__": {}, "inf": float("inf"), "nan": float("nan"), "set": set, "frozenset": frozenset,
               "complex": complex, "range": range, "bytearray": bytearray}


def find(space, entry_point):
    """Returns `f`, or `Solution().f` of a program that defines a class."""
    if "." not in entry_point:
        return space[entry_point]
    owner, method = entry_point.split(".")
    return getattr(space[owner.rstrip("()")](), method)


def arm(seconds):
    """Limits CPU time; the wall timer only catches code that sleeps."""
    _signal.setitimer(_signal.ITIMER_PROF, seconds)
    _signal.setitimer(_signal.ITIMER_REAL, SECONDS_OF_WALL * seconds)


def time_is_up(*_):
    raise TimeUp


def feed(text):
    """Makes `text` the standard input: as a file, since it may exceed a pipe's buffer."""
    import os

    path = "stdin-%d" % os.getpid()
    with open(path, "wb") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
    source = os.open(path, os.O_RDONLY)
    os.unlink(path)
    os.dup2(source, 0)
    os.close(source)
    sys.stdin = open(0, encoding="utf-8", closefd=False)


def drop_stderr():
    """Drops stderr: both streams share one pipe, and a warning must not mix with a script's output."""
    import os

    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    os.close(sink)


for number in (_signal.SIGPROF, _signal.SIGALRM):
    _signal.signal(number, time_is_up)
peer = Peer()
try:
    main()
except (Gone, Malformed):
    pass
finally:
    # Skips threads and exit handlers that the program left behind, which could block the exit.
    leave(0)
