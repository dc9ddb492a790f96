"""Writes verdicts of EvalPlus on pairs of an expected and a returned value: `python verdicts.py > verdicts.jsonl`.

Made with Python 3.11, evalplus 0.3.1 and numpy 2.4.6. Each pair is judged by evalplus.eval.untrusted_check itself, in
the process that it starts for a program. The expected value is pickled first, as in EvalPlus's file of expected
results, so that a NaN in both is not the same object. Values are encoded as in crates/slm-sandbox/src/python/link.py.
"""

import json
import pathlib
import pickle
import sys

PRELUDE = """
import collections, math, types
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
import numpy as np
nan, inf = float('nan'), float('inf')
Point = namedtuple('Point', 'x y')
class Liar:
    def __eq__(self, other):
        return True
def nested(n, value):
    for _ in range(n):
        value = [value]
    return value
"""

# Expected value, returned value, and absolute tolerances if not those of TOLERANCES.
TOLERANCES = (0, 1e-4)
PAIRS = """
3 | 3
3 | 4
3 | 3.0
3 | True
1.0 | True
0 | -0.0
3 | Fraction(3)
3 | Fraction(7, 2)
0.5 | Fraction(1, 2)
1/3 | Fraction(1, 3)
3 | Decimal(3)
3 | Decimal('3.00')
0.5 | Decimal('0.5')
0.1 | Decimal('0.1')
0.1 | Decimal(0.1)
[3] | [Fraction(3)]
[3] | [Decimal(3)]
[1/3] | [Fraction(1, 3)]
[0.1] | [Decimal('0.1')]
(1, [2, {'a': 3}]) | (Fraction(1), [Decimal(2), {'a': Fraction(3)}])
{1, 2} | {Fraction(1), Decimal(2)}
{1: 2} | {Decimal(1): 2}
Fraction(1, 3) | Fraction(1, 3)
Fraction(1, 3) | 1/3
Decimal('0.1') | Decimal('0.10')
Decimal('0.1') | 0.1
Decimal('0.5') | Fraction(1, 2)
inf | Decimal('Infinity')
3 | 3+0j
3+1j | 3+1j
0.5 | Fraction(1, 2) + 0j
10**400 | Fraction(10**400)
10**400 | Decimal(10**400)
10**400 | 10**400 + 1
2**63 | float(2**63)
2**64 | float(2**64)
2**64 + 1 | float(2**64)
-2**63 | float(-2**63)
1e300 | int(1e300)
5e-324 | Fraction(5e-324)
{'a': 2, 'b': 1} | Counter('aab')
{'a': 2} | Counter('aab')
{'a': 2, 'b': 0} | Counter('aa')
Counter('aab') | {'a': 2, 'b': 1}
Counter('aab') | Counter({'b': 1, 'a': 2, 'c': 0})
Counter('aab') | Counter('aaab')
{'a': 1, 'b': 2} | OrderedDict(b=2, a=1)
OrderedDict(a=1, b=2) | OrderedDict(a=1, b=2)
OrderedDict(a=1, b=2) | OrderedDict(b=2, a=1)
OrderedDict(a=1, b=2) | {'b': 2, 'a': 1}
OrderedDict(a=1) | Counter('a')
{'a': [1]} | defaultdict(list, a=[1])
[{'a': 1}] | [defaultdict(int, a=1)]
[Counter('a'), 2] | [{'a': 1}, 2]
[1, 2] | deque([1, 2])
deque([1, 2]) | deque([1, 2], maxlen=5)
deque([1, 2]) | deque([2, 1])
[1, 2] | UserList([1, 2])
{'a': 1} | UserDict(a=1)
'ab' | UserString('ab')
{'a': 1, 'b': 2} | ChainMap({'a': 1}, {'b': 2})
{'a': 1} | types.MappingProxyType({'a': 1})
{'a', 'b'} | {'a': 1, 'b': 2}.keys()
{'a'} | OrderedDict(a=1).keys()
{('a', 1)} | {'a': 1}.items()
[1] | {'a': 1}.values()
(1, 2) | Point(1, 2)
[1, 2] | (1, 2)
{1, 2} | frozenset([1, 2])
b'a' | bytearray(b'a')
'a' | b'a'
range(3) | range(0, 3, 1)
range(0) | range(5, 1)
[0, 1, 2] | range(3)
nan | nan
[nan] | [nan]
[1.0, nan] | [1.0, nan]
[1, nan] | [1, nan]
(nan,) | (nan,)
[[nan]] | [[nan]]
{'a': nan} | {'a': nan}
{nan} | {nan}
nan | Decimal('NaN')
nan | 1.0
[nan, 1] | [nan, 2]
complex(nan, 0) | complex(nan, 0)
nan | np.float64(nan)
inf | inf
inf | -inf
[inf] | [inf]
[inf, 1.0] | [inf, 1.0000001]
inf | 1e308
1.0 | 1.0000001
1.0 | 1.00001
1.0 | 1.01
1e10 | 1e10 + 100
[1.0, 2.0] | [1.0, 2.0000001]
(1.0, 2.0) | (1.0, 2.0000001)
[1.0, 2.0] | (1.0, 2.0)
[1.0, 2.0] | [1.0]
[1.0] | [1.0, 2.0]
[1, 2.0] | [1, 2.0000001]
[1, 2.0] | [1, 2.00001]
[[1.0, 2.0]] | [[1.0, 2.00001]]
[[1.0, 2.0]] | [(1.0, 2.00001)]
[[1.0, 1.0]] | [[1.00001]]
[[1.00001]] | [[1.0, 1.0]]
[[1.0]] | [[]]
[[]] | [[1.0]]
[1.0, [2.0]] | [1.0, [2.00001]]
[1.0, 'a'] | [1.00001, 'a']
[1.0, None] | [1.00001, None]
{'a': 1.0} | {'a': 1.0000001}
{1.0} | {1.0000001}
1.0 | 1
1.0000001 | 1
True | 1
True | 0.99999
1+1j | 1.00001+1j
[1j] | [1.00001j]
[2**63, -1] | [2.0**63, -1.00001]
[2.0**70] | [2**70 + 1]
[2**70] | [2.0**70 + 2**20]
[10**400] | [1.0]
[1.0] | [10**400]
[1.00001] | [Fraction(1)]
[Fraction(1)] | [1.00001]
[1.00001] | [Decimal(1)]
deque([1.0]) | deque([1.00001])
[[1.0]] | [deque([1.00001])]
None | None
None | 0
... | ...
'' | None
[] | ()
[] | []
1.0 | Liar()
[1.0] | [Liar()]
3 | np.int64(3)
3 | np.int64(4)
300 | np.int8(44)
0.5 | np.float64(0.5)
1.0 | np.float64(1.0000001)
np.float64(1.0) | 1.0000001
np.float64(1.0) | np.float64(1.0000001)
0.1 | np.float32(0.1)
[0.1] | [np.float32(0.1)]
0.1 | np.float32(0.2)
True | np.bool_(True)
1 | np.bool_(True)
'a' | np.str_('a')
1+1j | np.complex128(1+1j)
[1, 2] | [np.int64(1), np.int64(2)]
[1.0, 2.0] | [np.float64(1.0), np.float64(2.0000001)]
{1: 2} | {np.int64(1): np.int64(2)}
{1, 2} | {np.int64(1), np.int64(2)}
[1, 2] | np.array([1, 2])
[3] | np.array([3])
3 | np.array([3])
3 | np.array(3)
[3] | np.array([4])
[1.0] | np.array([1.0000001])
[[1, 2]] | [np.array([1, 2])]
[[1]] | [np.array([1])]
[[1.0]] | [np.array([1.00001])]
[] | np.array([])
'a' | np.array(['a', 'b'])
nested(50, 0.5) | nested(50, 0.5)
nested(50, 0.5) | nested(50, 0.50001)
nested(70, 0.5) | nested(70, 0.50001)
nested(300, 1) | nested(300, 1)
[] | (lambda l: (l.append(l), l)[1])([])
(lambda l: (l.append(l), l)[1])([]) | (lambda l: (l.append(l), l)[1])([])
[1, 2] | (lambda l: (l.append(l), l)[1])([1])
"""


def encoder():
    """Returns the runner's `Encoder` for return values, without starting its process."""
    folder = pathlib.Path(__file__).resolve().parents[5] / "crates/slm-sandbox/src/python"
    space = {"__name__": "link"}
    for part in ("link.py", "peer.py"):
        exec(compile((folder / part).read_text(), part, "exec"), space)
    return space["Encoder"]


def main():
    from evalplus.eval import untrusted_check

    space = {}
    exec(PRELUDE, space)
    Encoder = encoder()
    for line in PAIRS.strip().splitlines():
        expected, got = (part.strip() for part in line.split(" | "))
        values = [eval(text, space) for text in (expected, got)]
        for atol in TOLERANCES:
            stored = pickle.loads(pickle.dumps([values[0]]))
            program = "%s\ndef f():\n    return %s\n" % (PRELUDE, got)
            verdict, _ = untrusted_check("humaneval", program, [[]], "f", stored, atol, [0.1])
            row = {"expected": expected, "got": got, "atol": atol, "passes": verdict == "pass",
                   "texts": [Encoder().text(value) for value in values]}
            print(json.dumps(row))
            print(verdict, line, file=sys.stderr)


main()
