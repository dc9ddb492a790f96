"""Calls across a pair of pipes: requests, answers, proxies for objects, and errors.

The second part of both runners, after link.py.
"""


class Peer:
    """Sends calls to the other side, and serves its calls while waiting for an answer."""

    def __init__(self, find_global=None, is_guarded=False):
        self.find_global, self.shared, self.keep = find_global, {}, Keep()
        self.is_guarded = is_guarded

    def decode(self, text, request=()):
        try:
            decoder = Decoder(text, self.keep, self.shared, request)
            message = decoder.get()
            if type(message) is tuple and message and message[0] in ("do", "done"):
                return message, decoder.containers
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            raise Malformed(str(error)) from None
        raise Malformed("no request and no answer")

    def ask(self, operation, *operands):
        """Requests `operation` from the other side, and applies its changes to the operands."""
        encoder = Encoder(self.keep, self.shared)
        send(encoder.text(("do", operation, list(operands))), errors="surrogatepass")
        while True:
            message, containers = self.decode(receive(), encoder.order)
            if message[0] == "do":
                self.serve(message, containers)
                continue
            _, raised, value, changes = message
            for place, content in changes:
                self.restore(encoder.order[place], content)
            if raised:
                raise rebuilt(value)
            return value

    def serve(self, message, containers):
        _, operation, operands = message
        # The first two containers are the frame and its list of operands.
        given = [(place, value) for place, value in enumerate(containers) if place > 1]
        before = [self.snapshot(value) for _, value in given]
        try:
            raised, value = False, self.perform(operation, operands)
        except (Gone, Malformed):
            raise
        except BaseException as error:
            raised, value = True, error_parts(error)
        changes = [
            (place, state_of(value) if self.is_shared(value) else type(value)(value))
            for (place, value), old in zip(given, before)
            if old is not None and not same(old, self.snapshot(value))
        ]
        try:
            text = Encoder(self.keep, self.shared, given).text(("done", raised, value, changes))
        except (Gone, Malformed):
            raise
        except BaseException as error:
            text = Encoder(self.keep).text(("done", True, error_parts(error), []))
        send(text, errors="surrogatepass")

    def is_shared(self, value):
        """Returns whether both sides define its class."""
        kind = type(value)
        return self.shared.get(kind.__name__) is kind

    def snapshot(self, value):
        """Returns the members of a mutable value, None for an immutable one."""
        kind = type(value)
        if kind is list:
            return list(value)
        if kind is set:
            return sorted(value, key=id)
        if kind is bytearray:
            return [bytes(value)]
        if kind is dict or self.is_shared(value):
            entries = value if kind is dict else state_of(value)
            return [part for item in entries.items() for part in item]
        return None

    def restore(self, container, content):
        if type(container) is list or type(container) is bytearray:
            container[:] = content
        elif type(container) in (dict, set):
            container.clear()
            container.update(content)
        elif self.is_shared(container):
            for name in state_of(container):
                object.__delattr__(container, name)
            for name, part in content.items():
                object.__setattr__(container, name, part)

    def perform(self, operation, operands):
        if self.is_guarded:
            guard(operation, operands)
        if operation == "call":
            function, arguments, keywords = operands
            return function(*arguments, **keywords)
        if operation == "global" and self.find_global is not None:
            return self.find_global(*operands)
        return OPERATIONS[operation](*operands)


def guard(operation, operands):
    """Restricts a program's requests on objects of the tests to what the tests passed to it.

    Calling a function, advancing a generator and using an object of the tests' own classes are allowed.
    But any attribute for Python's introspection (`__globals__`, `gi_frame`, `__class__`) leads to the
    tests' data, and to running code beside them.
    """
    if operation not in ("getattr", "setattr", "delattr"):
        return
    value, name = operands[0], operands[1]
    kind = type(value)
    is_named = type(name) is str
    if operation == "getattr" and is_named:
        if name in NAMES_OF_FUNCTIONS or (kind is GENERATOR and name in ("send", "throw", "close")):
            return
    owner = value if operation == "getattr" and isinstance(value, type) else kind
    is_own = type.__getattribute__(owner, "__module__") == "tests"
    is_hidden = not is_named or name.startswith("_") or name in ("format", "format_map", "mro")
    if is_hidden or not is_own:
        raise AttributeError("%s: not for programs" % shorten(str(name), 50))


GENERATOR = type(_ for _ in ())
NAMES_OF_FUNCTIONS = ("__name__", "__qualname__", "__doc__")
OPERATIONS = {
    "plain": lambda value: plain_value(value, type(value)),
    "getattr": getattr, "setattr": setattr, "delattr": delattr, "dir": dir, "isinstance": isinstance, "issubclass": issubclass,
    "iter": iter, "next": next, "reversed": reversed, "len": len, "str": str, "repr": repr, "format": format, "bool": bool,
    "int": int, "float": float, "round": round, "divmod": divmod,
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value, *error: type(value).__exit__(value, *error),
}
UNARY = "neg pos invert abs index".split()
BINARY = "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift".split()
ORDER = "lt le gt ge".split()
for operation in UNARY + BINARY + ORDER + "eq getitem setitem delitem".split():
    OPERATIONS[operation] = getattr(_operator, operation)


class Remote:
    """Proxy for an object on the other side.

    All operations are forwarded except judgements: whether such an object equals, precedes or contains a
    local object is decided here by its plain value; without one it does not. Otherwise an object could
    claim to equal any value that a test compares it with.

    For the same reason a number or text computes here with its plain value. An object without one that
    computes with a local value results in another object, which converts to no number: otherwise it could
    claim that its difference to any expected value is zero.
    """

    __slots__ = ("number", "kind", "plain", "is_mixed")

    def __getattribute__(self, name):
        if name == "__class__":
            return Remote
        plain = plain_of(self)
        if type(plain) in COMPUTING and not name.startswith("__") and hasattr(plain, name):
            return getattr(plain, name)
        return peer.ask("getattr", self, name)

    def __setattr__(self, name, value):
        peer.ask("setattr", self, name, value)

    def __delattr__(self, name):
        peer.ask("delattr", self, name)

    def __call__(self, *arguments, **keywords):
        return peer.ask("call", self, list(arguments), keywords)

    def __eq__(self, other):
        if type(other) is Remote:
            return number_of(self) == number_of(other) or bool(peer.ask("eq", self, other))
        plain = current_plain(self)
        return plain is not NOTHING and plain == other

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        plain = plain_of(self)
        return hash(number_of(self) if plain is NOTHING else plain)

    def __contains__(self, item):
        plain = plain_of(self)
        if type(plain) in SEALED:
            return item in plain
        return any(item is other or item == other for other in self)

    def __iter__(self):
        plain = plain_of(self)
        return iter(plain) if type(plain) in SEALED else peer.ask("iter", self)

    def __next__(self):
        return peer.ask("next", self)

    def __exit__(self, *error):
        return peer.ask("exit", self, *(None, None, None))

    def __instancecheck__(self, value):
        return type(value) is Remote and peer.ask("isinstance", value, self)

    def __subclasscheck__(self, value):
        return type(value) is Remote and peer.ask("issubclass", value, self)


# Types that compute, and immutable ones, whose transmitted plain value stays valid.
COMPUTING = (int, float, complex, str, bytes)
SEALED = (*COMPUTING, tuple, frozenset)
number_of, plain_of, kind_of = Remote.number.__get__, Remote.plain.__get__, Remote.kind.__get__
is_mixed = Remote.is_mixed.__get__


def make_remote(number, kind, plain):
    value = object.__new__(Remote)
    for name, part in (("number", number), ("kind", kind), ("plain", plain), ("is_mixed", False)):
        object.__setattr__(value, name, part)
    return value


def current_plain(value):
    """Returns the plain value of an object that may have changed since it was sent."""
    plain = NOTHING if is_mixed(value) else plain_of(value)
    if type(plain) not in (list, dict, set):
        return plain
    now = peer.ask("plain", value)
    if type(now) is not type(plain):
        raise Malformed("another type of value")
    return now


def forwarded(operation):
    perform = OPERATIONS.get(operation)

    def ask(self, *operands):
        plain = plain_of(self)
        if type(plain) in SEALED and operation in COMPUTED:
            return perform(plain, *operands)
        if is_mixed(self) and operation in CONVERSIONS:
            raise TypeError("an object that a program made of a value of the tests gives no plain value")
        answer = peer.ask(operation, self, *operands)
        if is_mixed(self) and operation in UNARY:
            return mixed(answer)
        return answer

    return ask


def arithmetic(operation, is_reflected=False):
    perform = OPERATIONS[operation]

    def compute(self, other):
        plain = plain_of(self)
        operands = (other, self) if is_reflected else (self, other)
        if type(plain) in COMPUTING and not is_mixed(self):
            # If both are proxies, the other one then computes in the same way.
            return perform(other, plain) if is_reflected else perform(plain, other)
        answer = peer.ask(operation, *operands)
        if type(other) is not Remote or is_mixed(other) or is_mixed(self):
            return mixed(answer)
        return answer

    return compute


def mixed(answer):
    """Marks an object that a program computed from a value of the tests, and may misrepresent."""
    if type(answer) is not Remote:
        raise TypeError("an object of the program computes with a value of the tests, but gives no object")
    object.__setattr__(answer, "is_mixed", True)
    object.__setattr__(answer, "plain", NOTHING)
    return answer


def judged(operation):
    perform = OPERATIONS[operation]

    def compare(self, other):
        if type(other) is Remote:
            return peer.ask(operation, self, other)
        plain = current_plain(self)
        return NotImplemented if plain is NOTHING else perform(plain, other)

    return compare


CONVERSIONS = "int float bool round index len".split()
COMPUTED = UNARY + CONVERSIONS + ["getitem", "reversed"]
for operation in UNARY + "len str repr format bool int float round reversed dir enter getitem setitem delitem".split():
    setattr(Remote, "__%s__" % operation, forwarded(operation))
for operation in BINARY:
    name = operation.rstrip("_")
    setattr(Remote, "__%s__" % name, arithmetic(operation))
    setattr(Remote, "__r%s__" % name, arithmetic(operation, is_reflected=True))
for operation in ORDER:
    setattr(Remote, "__%s__" % operation, judged(operation))


def same(old, new):
    return len(old) == len(new) and all(
        a is b or (type(a) is bytes and a == b) for a, b in zip(old, new)
    )


def error_parts(error):
    """Returns class, arguments as far as plain, text, and line in the program of an exception."""
    try:
        arguments = [part if type(part) in (int, str, float, bool, bytes) else show(part) for part in error.args]
    except BaseException:
        arguments = []
    try:
        text = str(error)
    except BaseException:
        text = "<no text>"
    return [type(error), arguments[:8], shorten(text, MESSAGE_LIMIT), line_of(error)]


def rebuilt(parts):
    """Rebuilds the exception of the other side; `program_line` distinguishes it from a local one."""
    kind, arguments, text, line = parts
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise Malformed("an exception of no class")
    try:
        error = kind(*arguments)
    except Exception:
        error = kind.__new__(kind)
        error.args = (text,)
    error.program_line = line if type(line) is int else 0
    return error


def line_of(error):
    """Returns the last line of the program in an exception's traceback, 0 if none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def show(value):
    try:
        return shorten(repr(value), VALUE_LIMIT)
    except Exception as error:
        return "<%s in __repr__>" % type(error).__name__


def shorten(text, limit):
    return text if len(text) <= limit else text[: limit - 3] + "..."


def describe(error, line=0):
    """Returns type, text and line of an exception."""
    try:
        text = str(error)
    except BaseException:
        text = "<no text>"
    name = type(error).__name__
    message = "%s: %s" % (name, text) if text else name
    if line:
        message += " (line %d)" % line
    return shorten(message, MESSAGE_LIMIT)


def prepare(search_path, name):
    """Does what Python's `site` module would have done, as far as programs can notice."""
    sys.path[:] = search_path
    sys.argv[:] = [name]

    def leave_program(code=None):
        raise SystemExit(code)

    builtins.exit = builtins.quit = leave_program
