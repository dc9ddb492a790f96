//! Honest programs: tests that reach them through proxies judge as plain Python does.
//!
//! The oracle is plain Python: program and tests in one process.

use std::io::Write as _;
use std::process::{Command, Stdio};

use slm_sandbox::{Limits, Verdict};

use super::{STRONGEST, asserts_of, check, strongest};

/// Reads program and tests as a JSON list, runs them in one namespace, writes verdicts.
const PLAIN: &str = "
import json, sys, types
program, *tests = json.load(sys.stdin)
module = types.ModuleType('candidate')
sys.modules['candidate'] = module
exec(program, module.__dict__)
verdicts = []
for test in tests:
    try:
        exec(test, dict(module.__dict__))
        verdicts.append('passed')
    except AssertionError:
        verdicts.append('failed')
    except BaseException:
        verdicts.append('error')
print(json.dumps(verdicts))
";

fn plain_verdicts(program: &str, tests: &[&str]) -> Vec<Verdict> {
    let python = strongest().expect("a sandbox").interpreter();
    let mut texts = vec![program];
    texts.extend(tests);
    let mut child = Command::new(&python.executable)
        .args(["-I", "-c", PLAIN])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let input = serde_json::to_vec(&texts).expect("text");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(&input)
        .expect("python3 reads");
    let output = child.wait_with_output().expect("python3 ends");
    serde_json::from_slice(&output.stdout).expect("a list of verdicts")
}

/// Checks that each test has the verdict of plain Python, and that at least one passes and one does not.
pub(super) fn agrees(program: &str, tests: &[&str]) {
    if strongest().is_none() {
        return;
    }
    let expected = plain_verdicts(program, tests);
    assert!(expected.contains(&Verdict::Passed), "{expected:?}");
    assert!(
        expected.iter().any(|&verdict| verdict != Verdict::Passed),
        "{expected:?}"
    );
    check(
        STRONGEST,
        &asserts_of(program, tests),
        &Limits::default(),
        |outcome| {
            for (test, (found, expected)) in tests.iter().zip(outcome.tests.iter().zip(&expected)) {
                assert_eq!(
                    found.verdict,
                    Some(*expected),
                    "{test}\n{found:#?}\n{}",
                    outcome.detail
                );
            }
        },
    );
}

#[test]
fn plain_values_of_every_builtin_type() {
    agrees(
        "def same(x):
    return x
def pair(x):
    return [x, (x, {'key': x})]",
        &[
            "for x in (None, True, False, 0, -1, 10**30, 1.5, -0.0, 'text', b'bytes', 2j, ..., range(3)):
    got = same(x)
    assert got == x and type(got) is type(x), x",
            "assert same(10**5000) == 10**5000 and same(-10**5000) == -10**5000",
            "assert same(2**64) != 2**64 + 1 and same(0.1 + 0.2) == 0.1 + 0.2",
            "assert same([]) == [] and same(()) == () and same({}) == {} and same(set()) == set()",
            "assert same(bytearray(b'x')) == bytearray(b'x') == b'x'",
            "assert same(frozenset([1])) == {1} and type(same(frozenset())) is frozenset",
            "assert pair([1]) == [[1], ([1], {'key': [1]})]",
            "assert same({(1, 2): {3: [4]}}) == {(1, 2): {3: [4]}}",
            "assert same('a\\0b') == 'a\\0b' and len(same('\\0')) == 1",
            "assert same('\\ud800') == '\\ud800' and same('😀é') == '😀é'",
            "assert same(True) is True and same(None) is None and same(...) is ...",
            "assert same(1) is True",
            "assert same([1, 2]) == [2, 1]",
            "assert same((1,)) == [1]",
            "assert same('1') == 1",
            "assert same(list(range(1000))) == list(range(999))",
            "assert list(same({'b': 1, 'a': 2})) == ['b', 'a']",
            "assert same(int) is int and same(len)('abc') == 3",
            "assert same(slice(1, 2)) == slice(1, 2)",
        ],
    );
}

#[test]
fn floats_and_their_tolerance() {
    agrees(
        "def same(x):
    return x
def nan():
    return float('nan')
def inf():
    return float('-inf')
def third():
    return 1 / 3",
        &[
            "import math\nassert math.isnan(nan()) and nan() != nan()",
            "assert nan() == nan()",
            "assert inf() == float('-inf') and -inf() > 1e308",
            "import math\nassert math.copysign(1, same(-0.0)) == -1.0",
            "assert abs(third() - 0.3333) < 1e-3",
            "assert abs(third() - 0.3333) < 1e-9",
            "import math\nassert math.isclose(third(), 0.333333333, rel_tol=1e-6)",
            "import math\nassert math.isclose(third(), 0.4)",
            "assert round(third(), 2) == 0.33",
            "assert third() == 1 / 3",
            "assert complex(same(1 + 2j)) == 1 + 2j",
            "x = nan()\nassert [x] == [x]",
            "assert 5e-324 == same(5e-324) and 1.7976931348623157e308 == same(1.7976931348623157e308)",
        ],
    );
}

#[test]
fn large_values() {
    agrees(
        "def numbers(n):
    return list(range(n))
def text(n):
    return 'é' * n
def size(items):
    return len(items)",
        &[
            "got = numbers(10**6)\nassert len(got) == 10**6 and got[-1] == 10**6 - 1",
            "assert size(list(range(10**6))) == 10**6",
            "assert len(text(10**6)) == 10**6",
            "assert numbers(10**5) == list(range(10**5 - 1))",
        ],
    );
}

#[test]
fn recursive_and_shared_containers() {
    agrees(
        "def loop():
    items = [1]
    items.append(items)
    return items
def mutual():
    a, b = {}, []
    a['b'], _ = b, b.append(a)
    return a
def shared():
    part = []
    return [part, part]
def same(x):
    return x",
        &[
            "x = loop()\nassert x[0] == 1 and x[1] is x and x[1][1] is x",
            "a = mutual()\nassert a['b'][0] is a",
            "first, second = shared()\nassert first is second",
            "first, second = shared()\nfirst.append(1)\nassert second == [1]",
            "x = []\nx.append(x)\ny = same(x)\nassert y[0] is y",
            "t = ([],)\nt[0].append(t)\ny = same(t)\nassert y[0][0] is y",
            "x = deep = []\nfor _ in range(100):\n    deep.append([])\n    deep = deep[0]\nassert same(x) == x",
            "assert loop() == [1, 2]",
        ],
    );
}

#[test]
fn changes_of_arguments_and_their_identity() {
    agrees(
        "def same(x):
    return x
def sort(items):
    items.sort()
def fill(table):
    table['new'] = 1
    table.pop('old', None)
def extend(items, other):
    items.update(other)
def shorten(data):
    del data[1:]
def nest(items):
    items[0].append(items)
def swap(a, b):
    a[:], b[:] = b[:], a[:]
def keyword(*, out):
    out.append(1)
    return out
def copied(x):
    return list(x)
def fails(items):
    items.append(1)
    raise ValueError('after a change')",
        &[
            "x = [3, 1]\nassert same(x) is x",
            "x = {}\nassert same(x) is x",
            "x = [1]\nassert copied(x) is x",
            "x = [1]\nassert copied(x) == x and copied(x) is not x",
            "x = [3, 1, 2]\nassert sort(x) is None and x == [1, 2, 3]",
            "x = {'old': 0, 'kept': 2}\nfill(x)\nassert x == {'kept': 2, 'new': 1} and list(x) == ['kept', 'new']",
            "x = {1}\nextend(x, [2, 3])\nassert x == {1, 2, 3}",
            "x = bytearray(b'abc')\nshorten(x)\nassert x == b'a'",
            "x = [[]]\nnest(x)\nassert x[0][0] is x",
            "a, b = [1], [2]\nswap(a, b)\nassert (a, b) == ([2], [1])",
            "x = []\nassert keyword(out=x) is x and x == [1]",
            "x = [3, 1]\nsort(x)\nassert x == [3, 1]",
            "x = (1, [2])\nassert same(x) == x",
            "inner = [1]\nouter = [inner, inner]\nsort(inner)\nassert same(outer)[0] is inner",
            "x = []\ntry:\n    fails(x)\nexcept ValueError:\n    pass\nassert x == [1]",
        ],
    );
}

#[test]
fn generators_and_iterators() {
    agrees(
        "def count(n):
    yield from range(n)
def endless():
    i = 0
    while True:
        yield i
        i += 1
def fails():
    yield 1
    raise KeyError('later')
def echo():
    got = yield 'first'
    while True:
        got = yield got
def total(numbers):
    return sum(numbers)
def iterator():
    return iter([1, 2])
def mapped(f, items):
    return map(f, items)
def enumerated():
    return enumerate('ab')
def keys():
    return {'a': 1}.keys()",
        &[
            "assert list(count(3)) == [0, 1, 2]",
            "import itertools\nassert list(itertools.islice(endless(), 3)) == [0, 1, 2]",
            "g = count(2)\nassert next(g) == 0 and next(g) == 1 and next(g, 'end') == 'end'",
            "g = count(0)\nnext(g)",
            "g = fails()\nassert next(g) == 1\ntry:\n    next(g)\n    assert False\nexcept KeyError as error:\n    assert error.args == ('later',)",
            "g = echo()\nassert next(g) == 'first' and g.send(5) == 5 and g.send(6) == 6\ng.close()",
            "assert total(x * x for x in range(4)) == 14",
            "assert total(iter([1, 2])) == 3",
            "assert total(count(4)) == 6",
            "assert list(iterator()) == [1, 2]",
            "assert list(mapped(lambda x: x + 1, [1, 2])) == [2, 3]",
            "assert list(enumerated()) == [(0, 'a'), (1, 'b')]",
            "assert list(keys()) == ['a'] and set(keys()) == {'a'}",
            "g = count(3)\nassert iter(g) is g or iter(g) == g",
            "assert count(3) == [0, 1, 2]",
            "a, *b = count(3)\nassert (a, b) == (0, [1, 2])",
            "assert 2 in count(5) and 9 not in count(5)",
        ],
    );
}

#[test]
fn exceptions_keep_class_text_and_arguments() {
    agrees(
        "class Own(Exception):
    pass
class Coded(ValueError):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
def builtin():
    raise ValueError('wrong', 5)
def own():
    raise Own('mine')
def coded():
    raise Coded(7, 'seven')
def missing(d):
    return d['key']
def divide():
    return 1 / 0
def asserted():
    assert False, 'inside'
def chained():
    try:
        divide()
    except ZeroDivisionError as error:
        raise RuntimeError('outer') from error
def stops():
    raise StopIteration(3)
def system():
    raise OSError(2, 'No such file')
def returned():
    return ValueError('not raised')",
        &[
            "try:\n    builtin()\nexcept ValueError as error:\n    assert error.args == ('wrong', 5)\nelse:\n    assert False",
            "try:\n    own()\nexcept Own as error:\n    assert str(error) == 'mine'\nelse:\n    assert False",
            "try:\n    own()\nexcept Exception as error:\n    assert type(error).__name__ == 'Own'",
            "try:\n    coded()\nexcept ValueError as error:\n    assert str(error) == 'seven'",
            "try:\n    missing({})\nexcept KeyError as error:\n    assert error.args == ('key',) and str(error) == \"'key'\"",
            "try:\n    divide()\nexcept ArithmeticError:\n    pass\nelse:\n    assert False",
            "try:\n    chained()\nexcept RuntimeError as error:\n    assert str(error) == 'outer'",
            "try:\n    stops()\nexcept StopIteration as error:\n    assert error.value == 3",
            "try:\n    system()\nexcept FileNotFoundError as error:\n    assert error.errno == 2",
            "try:\n    divide()\n    assert False\nexcept ValueError:\n    pass",
            "divide()",
            "own()",
            "import unittest\nwith unittest.TestCase().assertRaises(ZeroDivisionError):\n    divide()",
            "import unittest\nwith unittest.TestCase().assertRaisesRegex(ValueError, 'wrong'):\n    builtin()",
            "import contextlib\nwith contextlib.suppress(ValueError):\n    builtin()",
        ],
    );
}

#[test]
fn types_of_the_standard_library() {
    agrees(
        "from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
Point = namedtuple('Point', 'x y')
class Color(Enum):
    RED = 1
class Size(IntEnum):
    SMALL = 1
@dataclass(order=True)
class Item:
    name: str
    tags: list = field(default_factory=list)
def decimal():
    return Decimal('1.10')
def fraction():
    return Fraction(1, 3)
def day():
    return date(2024, 2, 29)
def moment():
    return datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
def span():
    return timedelta(days=1, microseconds=5)
def queue():
    return deque([1, 2], maxlen=2)
def counter():
    return Counter('aab')
def ordered():
    return OrderedDict(b=1, a=2)
def default():
    d = defaultdict(list)
    d['a'].append(1)
    return d
def point():
    return Point(1, 2)
def color():
    return Color.RED
def size():
    return Size.SMALL
def item():
    return Item('a', ['b'])
def same(x):
    return x",
        &[
            "from decimal import Decimal\nassert decimal() == Decimal('1.1') and decimal() + 1 == Decimal('2.1')",
            "from decimal import Decimal\nassert decimal() == Decimal('1.2')",
            "from fractions import Fraction\nassert fraction() == Fraction(1, 3) and fraction() * 3 == 1",
            "from datetime import date\nassert day() == date(2024, 2, 29) and day().year == 2024",
            "from datetime import datetime, timezone\nassert moment() == datetime(2024, 2, 29, 12, tzinfo=timezone.utc)",
            "from datetime import timedelta\nassert span() == timedelta(days=1, microseconds=5) and span() > timedelta(1)",
            "from collections import deque\nassert queue() == deque([1, 2]) and list(queue()) == [1, 2] and queue().maxlen == 2",
            "assert counter() == {'a': 2, 'b': 1} and counter()['a'] == 2 and counter().most_common(1) == [('a', 2)]",
            "assert ordered() == {'a': 2, 'b': 1} and list(ordered()) == ['b', 'a']",
            "assert default() == {'a': [1]}",
            "p = point()\nassert p == (1, 2) and p.x == 1 and p[1] == 2",
            "x, y = point()\nassert (x, y) == (1, 2)",
            "assert point() == (2, 1)",
            "assert color() == Color.RED and color() is not None and color().value == 1 and color().name == 'RED'",
            "assert color() == 1",
            "assert size() == 1 and size() == Size.SMALL and size() + 1 == 2 and size() < 2",
            "assert item() == Item('a', ['b']) and item().name == 'a' and item() != Item('b')",
            "assert item() < Item('b') and repr(item()) == \"Item(name='a', tags=['b'])\"",
            "assert item() == Item('z')",
            "from decimal import Decimal\nassert same(Decimal('NaN')).is_nan()",
        ],
    );
}

#[test]
fn functions_as_arguments_and_results() {
    agrees(
        "import functools
def apply(f, *args, **kwargs):
    return f(*args, **kwargs)
def twice(f):
    return lambda x: f(f(x))
def adder(n):
    def add(x):
        return x + n
    return add
def counter():
    n = 0
    def count():
        nonlocal n
        n += 1
        return n
    return count
def sort_by(items, key):
    return sorted(items, key=key)
@functools.lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def guard(f):
    try:
        return f()
    except ZeroDivisionError:
        return 'caught'
def documented():
    'Text.'",
        &[
            "assert apply(lambda x, y=2: x * y, 3) == 6 and apply(max, 1, 5) == 5 and apply(sorted, [2, 1]) == [1, 2]",
            "assert twice(lambda x: x + 1)(1) == 3",
            "add = adder(2)\nassert add(1) == 3 and adder(5)(1) == 6",
            "assert adder(2)(1) == 4",
            "c = counter()\nassert (c(), c(), c()) == (1, 2, 3)",
            "assert sort_by(['bb', 'a'], len) == ['a', 'bb'] and sort_by([1, 2], lambda x: -x) == [2, 1]",
            "assert fib(50) == 12586269025",
            "assert guard(lambda: 1 / 0) == 'caught'",
            "guard(lambda: {}['x'])",
            "def raises():\n    raise KeyError('mine')\ntry:\n    guard(raises)\nexcept KeyError as error:\n    assert error.args == ('mine',)",
            "assert callable(apply) and apply.__name__ == 'apply' and documented.__doc__ == 'Text.'",
            "class Listener:\n    def __init__(self):\n        self.heard = []\n    def hear(self, x):\n        self.heard.append(x)\nl = Listener()\napply(l.hear, 5)\nassert l.heard == [5]",
            "import functools\nassert apply(functools.partial(lambda x, y: x - y, 5), 3) == 2",
            "assert apply(print) is None",
        ],
    );
}

#[test]
fn coroutines_run_on_a_loop_of_the_tests() {
    // Awaiting proceeds step by step through `send`, which the proxy of a coroutine has.
    agrees(
        "import asyncio
async def double(x):
    return 2 * x
def run(x):
    return asyncio.run(double(x))",
        &["assert run(2) == 4", "assert run(2) == 5"],
    );
}

#[test]
fn what_tests_cannot_ask_of_a_stand_in_is_told_as_an_error() {
    // The documented difference from plain Python: the tests, in another process, cannot await a coroutine of
    // the program.
    let program = "async def double(x):\n    return 2 * x";
    let test = "import asyncio\nassert asyncio.run(double(2)) == 4";
    check(
        STRONGEST,
        &asserts_of(program, &[test]),
        &Limits::default(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Error, "{outcome:#?}");
        },
    );
}
