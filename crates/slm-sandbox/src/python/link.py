"""Encoding of values across a pair of pipes; the first part of both runners.

A frame is 4 bytes of length (big-endian) and that many bytes of UTF-8, one encoded value. Values are
decoded into new objects of Python's own types, so no code of the sender is transferred:
  N T F E            None, True, False, Ellipsis
  iHEX; fREPR; cREPR,REPR;   int, float, complex
  sN:TEXT bN:LATIN1 BN:LATIN1   str, bytes, bytearray (N counts characters)
  lN; tN; SN; ZN;    list, tuple, set, frozenset and their N items
  dN;                dict and its N keys, each followed by its value
  R                  range, and its start, stop and step
  M                  a type of the standard library by name (str), and its arguments (tuple); to the harness also a
                     numpy value with its content, and `str` with the UTF-16 of a text that UTF-8 cannot represent
  I                  an instance of a class that both sides define: its name (str), its state (dict)
  X                  an exception class: its name (str), and that of its nearest builtin base (str)
  Y                  a builtin type or function by name (str), as far as SAFE lists it
  hN;                an object that stays with the sender: type name (str), plain value or Q
  HN;                an object that stays with the receiver
  rN;                the N-th container of this frame again
  aN;                the N-th container of the request that this frame answers
Containers (list, tuple, set, frozenset, dict, bytearray, instance) are counted from 0 as they begin,
so that shared and recursive ones keep their structure.
"""

import _operator
import builtins
import sys
from os import _exit as leave, getpid, read as read_bytes, write as write_bytes

# A program may rebind builtins; functions defined from here on keep the original ones.
__builtins__ = dict(vars(builtins))

COMMANDS, RESULTS = 3, 4
OWN_PID = getpid()
MESSAGE_LIMIT = 500
VALUE_LIMIT = 120
BEGIN = {list: "l", tuple: "t", set: "S", frozenset: "Z"}
EXACT_ITEMS = {list: list.__iter__, tuple: tuple.__iter__, set: set.__iter__, frozenset: frozenset.__iter__}
STDLIB = {
    "decimal.Decimal", "fractions.Fraction", "collections.deque",
    "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
    "collections.Counter", "collections.OrderedDict",
}
DICT_LIKE = {"collections.Counter", "collections.OrderedDict"}
# These compare equal to their content.
WRAPPERS = {"collections.UserDict", "collections.UserList", "collections.UserString", "collections.ChainMap",
            "builtins.mappingproxy"}
# A decimal with more digits is sent to the harness as text only, and equals only decimals.
DECIMAL_DIGITS = 10000
# Builtins without side effects, safe for any caller and arguments.
SAFE = {
    name: getattr(builtins, name)
    for name in (
        "abs all any bool bytes chr complex dict divmod enumerate filter float frozenset int len list map max min"
        " object ord pow range repr reversed round set sorted str sum tuple zip"
    ).split()
}
SAFE_NAMES = {id(value): name for name, value in SAFE.items()}


class Gone(BaseException):
    """The other side, or the harness, closed its pipe."""


class Malformed(Exception):
    """A frame that no honest runner writes."""


class Keep:
    """Objects that the other side refers to by number."""

    def __init__(self):
        self.objects, self.numbers = [], {}

    def number(self, value):
        key = id(value)
        if key not in self.numbers:
            self.numbers[key] = len(self.objects)
            self.objects.append(value)
        return self.numbers[key]


class Encoder:
    """Encodes one value. `keep` stores objects that cannot be sent; without it only their type name is sent."""

    def __init__(self, keep=None, shared=None, request=()):
        self.keep, self.shared = keep, shared or {}
        self.request = {id(container): place for place, container in request}
        self.out, self.memo, self.order = [], {}, []

    def text(self, value):
        self.put(value)
        return "".join(self.out)

    def put(self, value):
        kind, out = type(value), self.out
        if value is None:
            out.append("N")
        elif kind is bool:
            out.append("T" if value else "F")
        elif kind is int:
            out.append("i%x;" % value)
        elif kind is str:
            if self.keep is None and not value.isascii() and is_broken(value):
                return self.made("str", (value.encode("utf-16-le", "surrogatepass").hex(),))
            out.append("s%d:%s" % (len(value), value))
        elif kind is float:
            out.append("f%r;" % value)
        elif kind in BEGIN:
            self.items(value, kind)
        elif kind is dict:
            self.mapping(value)
        else:
            self.other(value, kind)

    def begin(self, value):
        """Numbers a container; returns False if it was written before."""
        for letter, places in (("r", self.memo), ("a", self.request)):
            if id(value) in places:
                self.out.append("%s%d;" % (letter, places[id(value)]))
                return False
        self.memo[id(value)] = len(self.order)
        # Kept alive, so that no other object gets its id meanwhile.
        self.order.append(value)
        return True

    def items(self, value, kind):
        if self.begin(value):
            items = list(EXACT_ITEMS[kind](value))
            self.out.append("%s%d;" % (BEGIN[kind], len(items)))
            for item in items:
                self.put(item)

    def mapping(self, value):
        if self.begin(value):
            items = list(dict.items(value))
            self.out.append("d%d;" % len(items))
            for key, item in items:
                self.put(key)
                self.put(item)

    def other(self, value, kind):
        out = self.out
        if kind is bytes or (kind is bytearray and self.begin(value)):
            out.append("%s%d:%s" % ("b" if kind is bytes else "B", len(value), value.decode("latin-1")))
        elif kind is bytearray:
            pass
        elif kind is complex:
            out.append("c%r,%r;" % (value.real, value.imag))
        elif value is Ellipsis:
            out.append("E")
        elif kind is range:
            out.append("R")
            for part in (value.start, value.stop, value.step):
                self.put(part)
        elif kind is Remote:
            out.append("H%d;" % number_of(value))
        elif id(value) in SAFE_NAMES:
            out.append("Y")
            self.put(SAFE_NAMES[id(value)])
        elif isinstance(value, type) and issubclass(value, BaseException):
            out.append("X")
            self.put(str(value.__name__))
            self.put(next(base.__name__ for base in value.__mro__ if base.__module__ == "builtins"))
        elif self.shared.get(kind.__name__) is kind:
            if self.begin(value):
                out.append("I")
                self.put(kind.__name__)
                self.put(state_of(value))
        else:
            self.foreign(value, kind)

    def foreign(self, value, kind):
        name = "%s.%s" % (kind.__module__, kind.__qualname__)
        if name in STDLIB and kind is stdlib(name):
            arguments = arguments_of(value, name)
            if self.keep is None and name == "decimal.Decimal":
                arguments += ratio_of(value)
            return self.made(name, arguments)
        if self.keep is None:
            held = numpy_value(value)
            if held is not NOTHING:
                return self.made("numpy." + kind.__name__, (held,))
            if name in WRAPPERS and (kind is MAPPING_PROXY or kind is stdlib(name)):
                return self.put(unwrapped(value))
        plain = plain_value(value, kind)
        if self.keep is None or (plain is not NOTHING and kind.__module__ != "candidate"):
            if plain is not NOTHING:
                return self.put(plain)
        number = self.keep.number(value) if self.keep is not None else 0
        self.out.append("h%d;" % number)
        self.put(str(kind.__name__))
        if plain is NOTHING:
            self.out.append("Q")
        else:
            self.put(plain)


    def made(self, name, arguments):
        self.out.append("M")
        self.put(name)
        self.put(arguments)


NOTHING = object()


def is_broken(text):
    """Returns whether a text has lone surrogates."""
    try:
        text.encode()
        return False
    except UnicodeEncodeError:
        return True


def whole_text(text):
    """Returns the text without lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def ratio_of(decimal):
    """Returns numerator and denominator, for comparison with other number types; () if not finite or too large."""
    if decimal.is_finite() and (not decimal or abs(decimal.adjusted()) + len(decimal.as_tuple()[1]) < DECIMAL_DIGITS):
        return decimal.as_integer_ratio()
    return ()


def numpy_value(value, is_array_plain=True):
    """Returns the content of a numpy number or one-element array; other arrays equal nothing a test could expect."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return NOTHING
    if is_array_plain and isinstance(value, numpy.ndarray):
        return value.tolist() if value.size == 1 and value.dtype.kind in "biufc" else NOTHING
    if not isinstance(value, numpy.generic):
        return NOTHING
    held = value.item()
    return NOTHING if isinstance(held, numpy.generic) else held


def unwrapped(value):
    """Returns the content of a wrapper of `collections`."""
    if hasattr(value, "keys"):
        return {key: value[key] for key in value}
    held = value.data
    return str(held) if isinstance(held, str) else list(held)


MAPPING_PROXY = type(type.__dict__)


def plain_value(value, kind):
    """Returns the content of an instance of a builtin type's subclass, bypassing the subclass's methods."""
    if issubclass(kind, (DICT_KEYS, DICT_ITEMS)):
        try:
            return set(value)
        except TypeError:
            return NOTHING
    if issubclass(kind, str):
        return str.__getitem__(value, slice(None))
    if issubclass(kind, int):
        return int.__pos__(value)
    if issubclass(kind, float):
        return float.__pos__(value)
    for base in (list, tuple, set, frozenset):
        if issubclass(kind, base):
            return base(EXACT_ITEMS[base](value))
    if issubclass(kind, dict):
        return dict(dict.items(value))
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(None))
    return numpy_value(value, is_array_plain=False)


DICT_KEYS, DICT_ITEMS = type({}.keys()), type({}.items())


def stdlib(name):
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module) or __import__(module), attribute)


def arguments_of(value, name):
    if name == "decimal.Decimal":
        return (str(value),)
    if name in DICT_LIKE:
        return (dict(dict.items(value)),)
    if name == "fractions.Fraction":
        return (value.numerator, value.denominator)
    if name == "collections.deque":
        return (list(value), value.maxlen)
    if name == "datetime.timedelta":
        return (value.days, value.seconds, value.microseconds)
    if name == "datetime.date":
        return (value.year, value.month, value.day)
    # A time zone is sent as its offset only, since it may be an object of any class.
    offset = value.utcoffset()
    clock = (value.hour, value.minute, value.second, value.microsecond)
    zone = None if offset is None else (offset.days, offset.seconds, offset.microseconds)
    if name == "datetime.time":
        return clock + (zone,)
    return (value.year, value.month, value.day) + clock + (zone,)


def build_stdlib(name, arguments):
    if name not in STDLIB or type(arguments) is not tuple:
        raise Malformed("type " + str(name)[:50])
    if name in ("datetime.time", "datetime.datetime"):
        *clock, zone = arguments
        datetime = __import__("datetime")
        if zone is not None:
            zone = datetime.timezone(datetime.timedelta(*zone))
        return stdlib(name)(*clock, zone)
    return stdlib(name)(*arguments)


def state_of(value):
    state = dict(getattr(value, "__dict__", {}))
    for owner in type(value).__mro__:
        slots = owner.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, slot):
                state[slot] = getattr(value, slot)
    return state


class Unfinished:
    """Placeholder for a tuple whose items are still being read."""

    def __init__(self, place):
        self.place = place


class Decoder:
    """Decodes one value. Without `keep`, objects that stay with their sender are errors."""

    def __init__(self, text, keep=None, shared=None, request=()):
        self.text, self.at, self.containers = text, 0, []
        self.keep, self.shared, self.request = keep, shared or {}, request
        self.has_unfinished = False

    def until(self, end):
        stop = self.text.index(end, self.at)
        part = self.text[self.at : stop]
        self.at = stop + 1
        return part

    def take(self, count):
        part = self.text[self.at : self.at + count]
        if len(part) != count or count < 0:
            raise Malformed("a frame that ends too early")
        self.at += count
        return part

    def get(self):
        kind = self.take(1)
        if kind == "i":
            return int(self.until(";"), 16)
        if kind == "s":
            return self.take(int(self.until(":")))
        if kind == "f":
            return float(self.until(";"))
        if kind == "N":
            return None
        if kind in "TF":
            return kind == "T"
        if kind == "l":
            count, value = int(self.until(";")), []
            self.containers.append(value)
            for _ in range(count):
                value.append(self.get())
            return value
        if kind == "d":
            count, value = int(self.until(";")), {}
            self.containers.append(value)
            for _ in range(count):
                key = self.get()
                value[key] = self.get()
            return value
        if kind in "tSZ":
            return self.sealed(kind)
        return self.rare(kind)

    def sealed(self, kind):
        count, place = int(self.until(";")), len(self.containers)
        self.containers.append(NOTHING)
        items = [self.get() for _ in range(count)]
        if any(type(item) is Unfinished for item in items):
            raise Malformed("a tuple directly inside of itself")
        value = tuple(items) if kind == "t" else set(items) if kind == "S" else frozenset(items)
        self.containers[place] = value
        if self.has_unfinished:
            self.finish(place, value)
        return value

    def finish(self, place, value):
        """Replaces the placeholder of a tuple in the lists and dicts below it that contain it."""
        for container in self.containers[place + 1 :]:
            if type(container) is list:
                for i, item in enumerate(container):
                    if type(item) is Unfinished and item.place == place:
                        container[i] = value
            elif type(container) is dict:
                for key, item in container.items():
                    if type(item) is Unfinished and item.place == place:
                        container[key] = value

    def rare(self, kind):
        if kind == "r":
            place = int(self.until(";"))
            value = self.containers[place]
            if value is NOTHING:
                self.has_unfinished = True
                value = Unfinished(place)
            return value
        if kind == "a":
            return self.request[int(self.until(";"))]
        if kind == "b":
            return self.take(int(self.until(":"))).encode("latin-1")
        if kind == "B":
            value = bytearray(self.take(int(self.until(":"))).encode("latin-1"))
            self.containers.append(value)
            return value
        if kind == "c":
            return complex(float(self.until(",")), float(self.until(";")))
        if kind == "E":
            return Ellipsis
        if kind == "R":
            return range(self.get(), self.get(), self.get())
        if kind == "M":
            return build_stdlib(self.get(), self.get())
        if kind == "I":
            return self.instance()
        if kind == "X":
            return self.exception_class()
        if kind == "Y":
            return SAFE[self.get()]
        if kind == "h" and self.keep is not None:
            number, name = int(self.until(";")), self.get()
            plain = NOTHING
            if self.text[self.at : self.at + 1] == "Q":
                self.at += 1
            else:
                plain = self.get()
            return make_remote(number, name, plain)
        if kind == "H" and self.keep is not None:
            return self.keep.objects[int(self.until(";"))]
        raise Malformed("a value that begins with %r" % kind)

    def instance(self):
        place = len(self.containers)
        self.containers.append(NOTHING)
        kind = self.shared.get(self.get())
        if kind is None:
            raise Malformed("an instance of an unknown class")
        value = self.containers[place] = object.__new__(kind)
        for name, part in self.get().items():
            object.__setattr__(value, name, part)
        return value

    def exception_class(self):
        name, base = self.get(), self.get()
        found = getattr(builtins, name, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
        found = self.shared.get(name)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
        if name not in MIRRORED:
            base = getattr(builtins, base, Exception)
            if not (isinstance(base, type) and issubclass(base, BaseException)):
                raise Malformed("an exception class of no base")
            MIRRORED[name] = type(name, (base,), {})
        return MIRRORED[name]


# Exception classes of the other side seen until now.
MIRRORED = {}


def send(text, descriptor=RESULTS, errors="replace"):
    """Sends a frame. Lone surrogates, which UTF-8 cannot represent, reach the other runner but not the harness."""
    if getpid() != OWN_PID:
        # A fork made by the program got here, too; only the first process may send.
        leave(0)
    data = text.encode("utf-8", errors)
    data = len(data).to_bytes(4, "big") + data
    try:
        while data:
            data = data[write_bytes(descriptor, data) :]
    except OSError:
        raise Gone from None


def receive(descriptor=COMMANDS):
    def exactly(count):
        parts = []
        while count:
            part = read_bytes(descriptor, min(count, 1 << 20))
            if not part:
                raise Gone
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    return exactly(int.from_bytes(exactly(4), "big")).decode("utf-8", "surrogatepass")
