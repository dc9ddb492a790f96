"""Runs tests against a program in another process; the last part of the runner, after link.py and peer.py.

A frame is a job, a dict with search_path, preamble, setup, entry_point, tests and cpu_s. Each job runs in a fork,
so that it cannot affect the next; where forks are forbidden, in the process itself, which then exits.
Names that the tests use and do not define are fetched from the program: functions, classes and other objects
as peer.Remote, plain values as copies. Names of Python's builtins stay Python's, except the entry point.
Sends: ("test", i, kind or None, text, cpu_s) for each test and ("end",), or ("lost", signal) if
the fork died; in between, frames of peer.Peer go to the program.
"""

import _ast
import types
from errno import EFBIG
from posix import WIFSIGNALED, WTERMSIG, fork, waitpid
from time import process_time

from resource import RLIMIT_CPU, setrlimit


def main():
    while True:
        job = Decoder(receive()).get()
        try:
            child = fork()
        except PermissionError:
            return run_tests(job)
        if child == 0:
            return run_tests(job)
        _, status = waitpid(child, 0)
        if status:
            tell("lost", WTERMSIG(status) if WIFSIGNALED(status) else 0)


def run_tests(job):
    global OWN_PID
    OWN_PID = getpid()
    limit_s = int(job["cpu_s"])
    setrlimit(RLIMIT_CPU, (limit_s, limit_s + 1))
    prepare(job["search_path"], "tests")
    module = types.ModuleType("tests")
    module.__builtins__ = builtins
    sys.modules["tests"] = module
    space = module.__dict__
    exec(compile(job["preamble"], "<preamble>", "exec", dont_inherit=True), space)
    peer.shared = {key: value for key, value in space.items() if isinstance(value, type) and value.__module__ == "tests"}
    setup, fault = prepared(job["setup"], "<setup>")
    tests = [(text, *prepared(text, "<test>")) for text in job["tests"]]
    if fault is None:
        codes = [setup] + [code for _, code, _ in tests if code is not None]
        fault = fetch(space, names_needed(codes, space), job["entry_point"])
        space.update((name, __import__(name)) for name in MODULES if name != job["entry_point"])
    if fault is None:
        fault = attempt(setup, space)
    for i, (text, code, own_fault) in enumerate(tests):
        started = process_time()
        result = fault or own_fault
        if result is None:
            # Names bound by one test are not visible to the next.
            result = attempt(code, dict(space, __explain=explain))
        if result is None:
            tell("test", i, None, "", process_time() - started)
        else:
            kind, reason = result
            shown = shorten(text.strip(), 2 * VALUE_LIMIT) + "\n" + reason
            tell("test", i, kind, shown, process_time() - started)
    tell("end")


def tell(*message):
    send(Encoder().text(tuple([whole_text(part) if type(part) is str else part for part in message])))


def attempt(code, space):
    """Executes code; returns None if it runs to its end, else kind and text."""
    try:
        exec(code, space)
    except Gone:
        raise
    except Malformed as error:
        return "violation", "sent what is no answer: %s" % shorten(str(error), VALUE_LIMIT)
    except BaseException as error:
        line = getattr(error, "program_line", None)
        kind = "error"
        if isinstance(error, MemoryError):
            kind = "memory"
        elif isinstance(error, AssertionError) and line is None:
            # An assertion that the program raised is an error like any other.
            kind = "failed"
        elif isinstance(error, OSError) and error.errno == EFBIG:
            kind = "violation"
        return kind, describe(error, line or 0)
    return None


def fetch(space, names, entry_point):
    """Binds the names that the program defines."""
    for name in names:
        if hasattr(builtins, name) and name != entry_point:
            continue
        try:
            space[name] = peer.ask("global", name)
        except KeyError:
            pass
        except Malformed as error:
            return "violation", "sent what is no answer: %s" % shorten(str(error), VALUE_LIMIT)
        except BaseException as error:
            return "error", describe(error)
    return None


def names_needed(codes, space):
    """Returns the global names that the codes use and that are not yet bound, in order."""
    used, bound = {}, set(space)

    def walk(code, is_module):
        for name in code.co_names:
            used[name] = True
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                walk(constant, False)

    for code in codes:
        walk(code, True)
    return [name for name in used if name not in bound]


def prepared(text, file_name):
    """Returns the code of a test and None, or None and its fault."""
    try:
        tree = compile(text, file_name, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
        note_modules(tree)
        explain_equalities(tree)
        return compile(tree, file_name, "exec", dont_inherit=True), None
    except BaseException as error:
        return None, ("error", "in the test itself: " + describe(error))


# Standard modules that tests use without importing them: never the program's, since a test may judge
# with them.
MODULES = set()
STANDARD = getattr(sys, "stdlib_module_names", frozenset(("math", "re", "json", "itertools", "collections")))


def note_modules(node):
    if type(node) is _ast.Attribute and type(node.value) is _ast.Name and node.value.id in STANDARD:
        MODULES.add(node.value.id)
    for field in node._fields:
        part = getattr(node, field, None)
        for child in part if type(part) is list else (part,):
            if isinstance(child, _ast.AST):
                note_modules(child)


def explain_equalities(tree):
    """Makes a failed `assert a == b` report the two values, each still evaluated once."""
    for statement in tree.body:
        if not (type(statement) is _ast.Assert and statement.msg is None):
            continue
        test = statement.test
        if not (type(test) is _ast.Compare and [type(op) for op in test.ops] == [_ast.Eq]):
            continue
        place = {name: getattr(statement, name) for name in statement._attributes}
        name = lambda text, context: _ast.Name(text, context, **place)
        values = []
        for text, value in (("__got", test.left), ("__expected", test.comparators[0])):
            values.append(_ast.NamedExpr(name(text, _ast.Store()), value, **place))
        test.left, test.comparators[0] = values
        arguments = [name(text, _ast.Load()) for text in ("__got", "__expected")]
        statement.msg = _ast.Call(name("__explain", _ast.Load()), arguments, [], **place)


def explain(got, expected):
    return "got %s, expected %s" % (show(got), show(expected))


peer = Peer(is_guarded=True)
try:
    main()
except Gone:
    pass
finally:
    leave(0)
