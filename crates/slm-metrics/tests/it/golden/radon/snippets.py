"""The programs with stored metrics: hand-written ones by theme, then random ones from a seeded grammar."""

import random
import textwrap

# Themes of small programs; within a theme they are separated by a line of dashes.
THEMES = {
    "blank and comment lines": r'''
# only a comment
---
x = 1  # after code
---
# one

# two
x = 1

# three
---
x = [  # open
    1,  # one

    2,
    # alone in brackets
]
---
if x:
    # nothing but a comment before the code
    y = 1
# trailing comment, less indented
---
#!/usr/bin/env python
# -*- coding: utf-8 -*-
x = 1
---
x = 1   
   
y = 2
---
def f():

    # comment

    return 1  # done

''',
    "docstrings": r'''
"""One line."""
---
"""One line."""  # with a comment
---
"""One line.""";
---
"""
Several

lines.
"""
---
"""
Several lines.
"""  # with a comment
---
("""
in brackets
""")
---
"a" "b"
---
"a" \
    "b"
---
"""a
b""" """c
d"""
---
r"""raw \d
string"""
---
b"""bytes
string"""
---
u"unicode"
---
Rb'raw bytes'
---
f"an f-string"
---
f"""an f-string

over lines"""
---
x = """
assigned

"""
---
f("""
argument
""")
---
def f():
    """Doc."""
---
def f():
    """
    Doc

    of lines.
    """
    return 1
---
def f():
    "doc" \
    
    pass
---
class A:
    """Doc of
    the class."""

    x = 1
    """Doc of the attribute."""

    def f(self):
        """Doc of the method."""
---
def f():
    "first"
    "second"
    "third"
---
def f():
    "doc"; return 1
---
"""doc"""
"""second string
over lines"""
x = 1
---
class A: "doc"
---
async def f():
    """Doc

    more"""
    await g()
---
x = 1
"""not a docstring
but a string alone"""
---
'single quotes \
continued'
---
"""
    indented

"""


x = 1
---
def f():
    b"""bytes are no docstring
    of a function"""
---
def f():
    f"""an f-string is none
    {either}"""
    return 2
---
def f(): """doc
of lines"""
''',
    "logical lines": r'''
x = {1: 2}
---
a[1:]
---
a[1:2, ::3]
---
x: int
---
x: int = 1
---
def f(a: int) -> int: pass
---
def f(a: int) -> int:
    pass
---
@d
def f(): ...
---
@d[1:2]
def f(): ...
---
if x: a; b
---
if x: f(a); b
---
if x: a; b; c
---
if x: y = {1: 2}; z
---
x = 1; y = 2
---
x = 1;
---
x = 1; # comment
---
x = {1: 2}; y = a[1:]; z
---
a: int; b: int
---
if x:
    pass
elif y:
    pass
else: pass
---
while x: y
else: z
---
for x in y: z
---
try: x
except: y
---
try: x
finally: y
---
with a as b: c
---
with (a as b,
      c as d): e
---
class A: x = 1
---
class A(B[1:2]): pass
---
lambda: 1
---
f = lambda x: x
---
x = [lambda: 1, lambda: 2]
---
(y := 1)
---
f(y := {1: 2})
---
print(x, end="")
---
match x:
    case 1: pass
    case _: pass
---
return_ = {
    "a": 1,
    "b": 2,
}
---
x = (1 +
     2)
---
x = 1 + \
    2
---
assert x, \
    "y"
---
if (a and
        b): c
---
if x:  # comment
    pass
---
if x: pass  # comment
---
x = """a:b;c"""
---
x = "a:b"; y = ":"
---
del a[1:2], b
---
global x
---
import a; import b
---
from a import (
    b,
    c,
)
---
x = a if b else c
---
raise X from y
---
def f(): return 1
---
def f(): x = 1; return x
---
else_ = {k: v for k, v in x}
---
print(*a[:], **{"a": 1})
---
x = a[b[1:2]:3]
''',
    "f-strings": r'''
f"{x:.2f}"
---
print(f"{x:.2f}")
---
print(f"{x}")
---
print(f"{x!r:>10}")
---
print(f"{x:{y}}")
---
print(f"{x:{y:{z}}}")
---
print(f"{x=}")
---
print(f"{x = :>{w}}")
---
print(f"a;b{x}")
---
print(f"{ {1: 2}[1] }")
---
print(f"{(lambda: 1)()}")
---
print(f"{a[1:2]}")
---
print(f"{{}} {x}")
---
print(f"""
{x}
{y:>3}
""")
---
x = f"{a + b}" f"{c - d}" "e"
---
x = f"{a if b else c} {d and e}"
---
x = f"{[i for i in y if i]}"
---
x = f"{a!s}" + f"{b}"
---
x = rf"\d{a}"
---
def f(x):
    return f"{x}"
---
def f(x):
    return (f"{x}"
            f"{y}"
            "z")
---
def f(x):
    return f"""
    {x}

    {y
     + z}

    tail
    """
---
def f(x):
    return f"""{x}
    tail"""
---
def f(x):
    return f"""{x:
    >3}"""
---
def f(x):
    return ("a"
            f"{x}"
            "b"
            "c")
---
def f(x):
    return ("a"
            f"b"
            ""
            f"")
---
def f(x):
    print("a"
          f"{x}"
          "")
---
class A:
    x = f"""

    {1}
    """
---
x = f"{a == b}" if f"{c}" == f"{c}" else -1
---
if x: print(f"{x:d}"); y
''',
    "f-strings of Python 3.12": r'''
print(f"{"nested"}")
---
print(f"{x["a"]}")
---
print(f"{"\n".join(x)}")
---
print(f"{
    x  # comment
}")
---
print(f"{f"{f"{1 + 1}"}"}")
---
f"{
    x
    + y
}"
---
x = f"{'a' 'b'
    !r:>3}"
---
print(f"""{
    x
}""")
''',
    "type parameters and later syntax": r'''
type X = int
---
type X[T] = list[T]
---
type X[T: int] = list[T]
---
def f[T](x: T) -> T:
    return x
---
class A[T: (int, str)]:
    x = 1 + 1
---
def f[*Ts, **P](*args: *Ts): pass
---
type X[T = int] = T
---
with (open("a") as a, open("b") as b,): pass
---
try:
    x
except* ValueError:
    y
except* TypeError:
    z
else:
    w
---
def f():
    try:
        x
    except* A:
        if a: b
    finally:
        c
''',
    "complexity": r'''
if a:
    pass
elif b:
    pass
elif c:
    pass
else:
    pass
---
x = a if b else c if d else e
---
for x in y:
    pass
else:
    pass
---
while x:
    pass
else:
    pass
---
async def f():
    async for x in y:
        pass
    else:
        pass
    async with a as b:
        pass
    return [x async for x in y if x if y]
---
try:
    pass
except A:
    pass
except B as b:
    pass
else:
    pass
    pass
finally:
    pass
---
try:
    pass
finally:
    pass
---
with a, b:
    if c: pass
---
x = a and b and c or d
---
x = a and (b and c)
---
x = [a for b in c if d if e for f in g]
---
x = {a: b for c in d}
---
x = {a for b in c if d}
---
x = (a for b in c)
---
match x:
    case 1:
        pass
    case 2 | 3:
        pass
    case _:
        pass
---
match x:
    case _:
        pass
---
match x:
    case y:
        pass
---
match x:
    case y if y > 1:
        pass
    case (1 as z):
        pass
---
match x:
    case [1, *rest]:
        pass
    case {"a": 1, **kw}:
        pass
    case A(b=1, c=None):
        pass
    case -1 | 1 + 2j | True:
        pass
    case a.b:
        pass
    case "x" "y":
        pass
---
assert a and b if c else d
---
assert a, (b or c)
---
f = lambda x: x if x else y
---
def f(x=lambda: a if b else c):
    return x
---
@d(a if b else c)
def f(x: (a or b) = 1 if c else 2) -> (a and b):
    return x
---
def f():
    def g():
        if a: pass
        def h():
            if b: pass
    if c: pass
---
def f():
    class A:
        def g(self):
            if a: pass
        if b: pass
    return A
---
class A:
    pass
---
class A:
    if x:
        y = 1
---
class A:
    def f(self):
        if x: pass
---
class A:
    def f(self):
        if x: pass
    def g(self):
        while x: pass
    z = a if b else c
---
class A:
    def f(self): pass
    def g(self): pass
    def h(self):
        if a or b or c or d: pass
---
class A:
    class B:
        def f(self):
            if x: pass
    def g(self):
        def h(): pass
---
class A(B if c else D, metaclass=E or F):
    @property
    def f(self):
        return a and b
---
if x:
    def f():
        if y: pass
else:
    class A:
        def g(self): pass
---
class A:
    if x:
        def f(self):
            pass
    else:
        async def f(self):
            for a in b: pass
---
def f():
    yield
    yield from x
    await_ = (yield)
---
def f():
    return (y := x if x else z)
---
def f():
    if a: pass
    if a: pass
    if a: pass
    if a: pass
    if a: pass
---
def f():
    for a in b:
        for c in d:
            if e and f or g:
                while h:
                    try: i
                    except j: k
                    except l: m
    return [n for o in p if q] or (r if s else t)
''',
    "positions": r'''
@a
@b(
    c
)
# comment
def f():
    pass
---
@a

@b
class A:
    @c
    async def f(self):
        pass
---
def f(): pass; assert x
---
def f():
    x = 1
    assert x
---
def f():
    x = 1

    def g():
        pass
---
def f():
    return g(
        a,
        b=1,
        *c,
        **d,
    )
---
def f():
    from a import (
        b,
        c as d,
    )
---
def f():
    global x
---
def f():
    return lambda a, \
        b=1, \
        *c: \
        0
---
def f():
    x = [

    ]
---
def f():
    x = (
    )
---
def f():
    try:
        x
    except (
        A
    ) as e:
        pass
    finally:
        y
---
def f():
    match x:
        case [
            1,
            *_,
        ]: pass
---
def f():
    match x:
        case {
            "a": 1,
            **rest
        }: pass
---
def f():
    match x:
        case A(
            1,
            b=(
                2
            ),
        ): pass
---
class A:
    def f(self):
        pass

    class B:
        x = 1

        y = 2
---
class A:
    x = 1
    y = (1,
         2)
---
class A:
    def f(self):
        return (
            1
        )
    assert x, (
        y
    )
---
def f():
    x = {
        "a": 1,
        **b,
    }
---
def f():
    x[
        1:
        2
    ]
---
def f():
    return """a
    b
    """
---
def f():
    return ("a"
            "b"
            "c")
---
def f():
    if a:
        pass
    else:
        if b:
            pass
        elif c:
            pass
---
def f():
    return
    # trailing comment
---
def outer():
    def inner():
        return 1


    x = 1
---
if x:
	def f():
		return 1
---
class Ä:
    def ß(self): x = "é"; return x
---
x = "é"; y = 1
def f(): return "ü" + x
''',
    "operators and operands": r'''
x = 1
---
x + 1
---
x + "x"
---
x + x
---
x.y + y
---
x.y + z.y
---
x + 1 + 1.0 + True
---
0 == 0.0 == 0j == False
---
1j + 2j + 1j
---
0x10 + 16 + 0b10000 + 0o20 + 1_6
---
10000000000000000000000 + 1e22 + 0x21e19e0c9bab2400000
---
1e100 + 1e100 + 10 ** 100
---
1e999 + 1e999 + 2e999
---
18446744073709551615 + 18446744073709551616 + 18446744073709551616.0
---
0.1 + 0.10 + 1e-1 + .1
---
9007199254740993 + 9007199254740992.0 + 9007199254740992
---
0o7777777777777777777777777 + 0x7ffffffffffffffffff
---
None + None + ...
---
b"a" + b"a" + "a" + b"a" b""
---
"a" "b" + "ab" + "\x61b"
---
"é" + "\u00e9" + "e\u0301"
---
f"a" + f"a"
---
[1] + [1]
---
f(x) + f(x)
---
x[0] + x[0]
---
-x
---
- - x
---
-1 + -1
---
+x; ~x; not x
---
a and b and a or c
---
a < b < c != d
---
a in b; a not in b; a is b; a is not b
---
a == b; a <= b; a >= b; a > b
---
a - b * c / d // e % f ** g @ h
---
a << b >> c & d | e ^ f
---
a += 1
a -= 1; a *= 2; a /= 2; a //= 2; a %= 2
a **= 2; a @= b; a &= b; a |= b; a ^= b; a <<= 1; a >>= 1
---
a.b += 1
a[0] += 1
---
def f(x):
    return x + 1

def g(x):
    return x + 1
---
x = 1 + 1
def f(): return 1 + 1
---
def f():
    x = a + b
    def g():
        return a + b
    return x + 1
---
class A:
    x = 1 + 2
    def f(self): return self.x + 2
    def g(self): return self.x + 2
---
class A:
    def f(self): return x + 1
class B:
    def f(self): return x + 1
---
class A(b + c, d=e * f):
    pass
---
@(a + b)
class A: pass
---
@(a + b)
def f(x=c + d) -> e + f: return 1
---
x: a | b = c
---
lambda x=a + b: x * 2
---
[a + b for c in d if e > f]
---
f"{a + b} {c:{d - 1}}"
---
match x:
    case -1: pass
    case 1 + 2j: pass
    case 1 - 2j: pass
    case y if y > 1: pass
---
async def f():
    return await x + await y
---
x if a > b else y * z
---
(a := b + c) + (a := b + c)
---
(yield_ := 1) and (lambda: 0) and [] and {} and ()
---
def f(a): return -a
def f(b): return b * 2 + b
---
not a == b
---
assert a + b, c - d
---
with a + b as c: d * e
---
for i in a + b: i - 1
---
while a > b: a -= 1
---
del a[b + 1]
---
raise a % b
---
return_ = a.b.c + c + b
---
x + (x) + ((x))
---
print(a, -b, *c + d, **e | f)
---
x[a + b:c - d:-1]
---
global_ = not not a
---
"x" in x and x in "x"
---
ℌ + H + ﬁ + fi
---
a.ﬁ + a.fi
---
"\N{DIGIT ONE}" + "1" + 1
---
"""a
b""" + "a\nb"
---
r"\n" + "\\n"
---
"a" * 2 % "a"
''',
    "maintainability": r'''
def add(a, b):
    return a + b
---
def add(a, b):
    """Add.

    Two numbers.
    """
    return a + b
---
def add(a, b):
    # one
    # two
    # three
    return a + b
---
x = 1 + 1  # a
y = 1 + 1  # b
---
# a
# b
# c
# d
# e
x = 1 + 1
---
"""
a
b
c
d
e
f
g
h
"""
x = 1 + 1
---
def f(n):
    if n < 2:
        return n
    return f(n - 1) + f(n - 2)
---
def f(n):
    """Doc."""
    if n < 2: return n
    else:
        if n == 3: return 2
    return f(n - 1) + f(n - 2)
---
def f(n):
    total = 0
    for i in range(n):
        if i % 3 == 0 or i % 5 == 0:
            total += i
        elif i % 7 == 0:
            total -= i
        else:
            total = total * 2 + i // 3
    while total > 100 and n > 0:
        total -= n
        n -= 1
    return total
---
def f():
    """Only a docstring."""
x = 1 + 2
---
class A:
    """Only a docstring."""

    def f(self):
        """Only a docstring."""
        "and another string"

y = not x
---
if a + b:
    pass
else:
    if c: d
    e
---
def f():
    x = 1 + 1; y = {1: 2}; return x
---
for a in b + c: d; e
else: f
---
try: a + b
except: c
else: d
finally: e
---
match a + b:
    case {1: c}: d
    case e if f[1:]: g; h
---
@a[1:]
@b
def f(x: int = 1) -> int: return x + 1
---
x: int
y: str = "a" + "b"
z = lambda: 1
w = {**a}
v = f"{x:d}" + f"{y}"
u = {}
t = {1: 1}
s = [i for i in t]
r = {i: i for i in t}
---
with a + b: c
---
class A(B, metaclass=C): x: int = 1 + 1
---
while a + b:
    "string"
    """string
    over lines"""
    c
---
from a import b
"string" + "string"
''',
    "known issues of radon": r'''
# 201: documented code is to score no worse than bare code
def add(a, b):
    """
    Adds.

    One.
    Two.
    Three.
    Four.
    Five.
    Six.
    """
    return a + b
---
def add(a, b):
    return a + b
---
# 266: no operators at all
class A:
    a = 1
    b = 2
---
class A:
    a = 1
    b = 2

    def add(self):
        return self.a + self.b


def main():
    print(A().add())


if __name__ == "__main__":
    main()
---
# 282: nested functions
def f(x):
    def g(y):
        def h(z):
            return z if z else y
        return h(y) or x
    class Inner:
        def m(self):
            return x and x
    return g(x)
---
# 235: a linear function of assertions
def check(item, batch):
    """Docstring."""
    assert item["a"] == batch.a
    assert item["b"] == batch.b
    assert item["c"] != None
    assert item["d"] == f"{batch.a}_{batch.b}"
---
# 68: lambdas
one = lambda var: var
two = lambda var: var if type(var) is str else str(var)

def f1(var):
    return one(var)

def f3(var):
    one = lambda var: var
    return one(var)

def f4(var):
    two = lambda var: var if type(var) is str else str(var)
    return two(var)
---
# 109: loc is the sum of its parts
def f():
    """Doc

    of lines."""

    # comment
    x = """a

    b"""  # comment

    return x
---
# 262: a dictionary is no second line
def sample_dict():
    a = {'user1': 'password1', 'user2': 'password2'}
    print(a)
    return a
---
# 211: several statements in the else of a try
def foo():
    try:
        pass
    except:
        pass
    else:
        pass
        pass
        pass
---
# 79: inner classes
class A:
    i = 1
    def a(self):
        pass
    class B:
        ii = 2
        def b(self):
            if ii: pass
        class C:
            def c(self):
                pass
---
# 70: a class of one method
class A:
    def f(self): pass

class B:
    def f(self): pass
    def g(self): pass
''',
    "not Python": r'''
def f(:
---
x = = 1
---
if x:
---
print "x"
---
(
---
"unterminated
---
"""unterminated
---
x = 1
  y = 2
---
f"{x"
---
0777
---
a b
---
match x:
    pass
---
class
---
x = $
---
async x
---
def f(a=1, b): pass
---
f(a=1, 2)
---
f(**a, *b)
---
1 = x
---
f() = 1
---
x + 1 += 2
---
del f()
---
(a, b): int
---
lambda: (yield) = 1
---
try: x
---
with a as 1: pass
---
for 1 in x: pass
---
import a.b as c.d
---
from a import *, b
---
"a" b"b"
---
b"é"
---
x = 0b12
---
x = 1__0
---
x = 12abc
---
else: x
---
if x: if y: z
---
[a for a in b c]
---
{1: 2, 3}
---
*a
---
print(*)
---
nonlocal
---
@
def f(): pass
---
return
---
x = (yield)
---
break
---
"\N{NO SUCH NAME}"
---
"\x1"
---
"\u12"
''',
}

# Sources that the text above cannot express: line ends, odd separators, missing final line ends.
SPECIAL = {
    "empty": "",
    "newline": "\n",
    "blank lines": "\n\n  \n\t\n",
    "no newline at the end": "x = 1",
    "comment without newline": "x = 1\n# end",
    "string without newline": '"""a\nb"""',
    "crlf": 'x = 1\r\n"""a\r\n\r\nb"""\r\nif x:\r\n    y = """a\r\nb"""\r\n',
    "cr": "x = 1\ry = 2\r\r# c\r",
    "crlf in operands": 'x = """a\r\nb""" + "a\\nb"\r\n',
    "form feed line": "x = 1\n\x0c\ny = 2\n",
    "form feed before code": "x = 1\n\x0cdef f():\n    return x + 1\n",
    "form feed in comment": "x = 1  # a\x0cb = 2\n",
    "form feed in docstring": '"""a\x0cb"""\nx = 1\n',
    "form feed in string": 'x = "a\x0cb"\n',
    "form feed between tokens": "x\x0c= 1\n",
    "vertical tab in string": 'x = """a\x0bb"""\n',
    "file separators": 'x = """a\x1cb\x1dc\x1ed"""\n# a\x1cb\n',
    "unit separator": "# a\x1fb\nx = '\x1f'\n",
    "next line": '"""a\x85b"""\n# c\x85d = 1\n',
    "line separator": '"""a\u2028b\u2029c"""\nx = 1\n',
    "line separator in string": 'x = "a\u2028b"\n',
    "no-break space": "# a\u00a0\nx = '\u00a0'\n\u0020\n",
    "string of spaces": 'x = """\n   \n\u00a0\n\u3000\n"""\n',
    "backslash before blank": "x = 1 + \\\n    2\n\\\n\ny = 3\n",
    "docstring then backslash": 'def f():\n    """a""" \\\n\n    pass\n',
    "tabs": "if x:\n\ty = 1\n\tif z:\n\t\tw = 2\n",
    "trailing spaces": "x = 1   \n\n   # comment   \n",
    "null byte": "x = 1\x00\n",
    "bom": "\ufeffx = 1 + 1\n",
    "wide string": 'x = "' + "a" * 500 + '"\n',
    "astral": 'x = "😀" + "\\U0001f600" + "a😀"\n',
    "deep brackets": "x = " + "(" * 90 + "1" + ")" * 90 + "\n",
    "too many brackets": "x = " + "(" * 201 + "1" + ")" * 201 + "\n",
    "long sum": "x = " + " + ".join(["a"] * 200) + "\n",
    "long chain": "x = " + "a" + ".b" * 150 + " + a\n",
    "long elif": "if a: b\n" + "elif c: d\n" * 60,
    "many indents": "".join(" " * i + "if x:\n" for i in range(60)) + " " * 60 + "y + 1\n",
    "too many indents": "".join(" " * i + "if x:\n" for i in range(100)) + " " * 100 + "y\n",
    "blank continuation at the end": "x = 1 + 1 \\\n\n",
    "blank continuation": "x: int \\\n\nif y: z\nw = 1  # c \\\n\nv = 2\n",
    "blank continuation of a string": '"""a\nb""" \\\n  \n# c\nx = 1\n',
    "combining marks": "\u0928\u093e\u092e = 1 + 1\n",
    "surrogates": 'x = "\\ud800" + "\\ud801" + "\\ufffd" + "\\uD800" + "\\U0000d801"\n',
    "surrogates and replacements": 'x = "\ufffd\\ud800" + "\\ud800\ufffd" + "\\N{Replacement Character}\\ud800" '
    '+ "\\\\ud800" + r"\\ud800" + r"\ufffd" "\\ud800" + "\\ud83d\\ude00" + "\\n\\ud800" + "\\\n\\ud800"\n',
    "long decimal": "x = 1 + " + "9" * 4300 + " + 1" + "0" * 4299 + "\n",
    "too long decimal": "x = " + "9" * 4301 + "\n",
    "long hexadecimal": "x = 1 + 0x" + "f" * 5000 + "\n",
}


def hand_written():
    for theme, text in THEMES.items():
        for number, source in enumerate(text.strip("\n").split("\n---\n"), 1):
            yield f"{theme} {number}", source + "\n"
    yield from SPECIAL.items()


class Grammar:
    """Generates random programs that are always valid."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *options):
        return self.random.choice(options)

    def expr(self, depth=3):
        if depth == 0 or self.random.random() < 0.2:
            return self.pick("a", "b", "c", "n", "0", "1", "2.5", "True", "None", '"a"', '"b c"', "self.x", "1j")
        e = lambda: self.expr(depth - 1)
        kind = self.random.randrange(16)
        if kind < 4:
            operator = self.pick("+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>")
            return f"({e()} {operator} {e()})"
        if kind == 4:
            return f"({e()} {self.pick('and', 'or')} {e()} {self.pick('and', 'or')} {e()})"
        if kind == 5:
            return f"({e()} {self.pick('<', '==', 'in', 'is not', '!=')} {e()} {self.pick('>=', 'not in', 'is')} {e()})"
        if kind == 6:
            return f"({self.pick('-', '+', '~', 'not ')}{e()})"
        if kind == 7:
            return f"({e()} if {e()} else {e()})"
        if kind == 8:
            return f"[{e()} for a in {e()} if {e()}]"
        if kind == 9:
            return "{" + f"{e()}: {e()}, **{e()}" + "}"
        if kind == 10:
            return f"(lambda x, y={e()}: {e()})"
        if kind == 11:
            return f"f({e()}, *{e()}, k={e()})"
        if kind == 12:
            return f"a[{e()}:{e()}]"
        if kind == 13:
            return "f'" + "{n + 1} {n:>{n - 1}} {n!r}" + "'"
        if kind == 14:
            return f"(\n    {e()},  # comment\n\n    {e()}\n)"
        return f"{self.pick('a', 'b')}.{self.pick('a', 'b', 'x')}"

    def simple(self):
        return self.pick(
            lambda: f"{self.pick('a', 'b', 'self.x')} = {self.expr()}",
            lambda: f"{self.pick('a', 'n')} {self.pick('+', '-', '<<', '@')}= {self.expr()}",
            lambda: f"a: int = {self.expr()}",
            lambda: f"f({self.expr()})  # comment",
            lambda: f"a = {self.expr()}; b = {self.expr()}",
            lambda: f"assert {self.expr()}, {self.expr()}",
            lambda: '"""A string\n\nof lines."""',
            lambda: "# a comment\npass",
            lambda: f"return {self.expr()}",
            lambda: "import a, b as c",
            lambda: "",
        )()

    def block(self, depth):
        lines = "\n".join(self.stmt(depth) for _ in range(self.random.randint(1, 3))) + "\npass"
        return textwrap.indent(lines, "    ")

    def stmt(self, depth):
        if depth == 0:
            return self.simple()
        b = lambda: self.block(depth - 1)
        return self.pick(
            self.simple,
            self.simple,
            lambda: f"if {self.expr()}:\n{b()}\nelif {self.expr()}:\n{b()}\nelse:\n{b()}",
            lambda: f"if {self.expr()}: {self.pick('a', 'f(a)')}; b",
            lambda: f"for a in {self.expr()}:\n{b()}\nelse:\n{b()}",
            lambda: f"while {self.expr()}:\n{b()}",
            lambda: f"try:\n{b()}\nexcept (A, B) as e:\n{b()}\nelse:\n{b()}\nfinally:\n{b()}",
            lambda: f"with {self.expr()} as a, b:\n{b()}",
            lambda: f"match {self.expr()}:\n    case [1, *a] if {self.expr()}:\n"
            + textwrap.indent(b(), "    ") + f"\n    case {self.pick('_', '-1', 'A(b=1)')}:\n"
            + textwrap.indent(b(), "    "),
            lambda: f"@d\ndef {self.pick('f', 'g')}(x={self.expr()}):\n    '''Doc.'''\n{b()}",
            lambda: f"async def {self.pick('f', 'h')}(*args: {self.expr()}):\n{b()}",
            lambda: f"class {self.pick('A', 'B')}(C):\n    '''Doc\n    of lines.'''\n{b()}",
        )()


def snippets():
    """Yields pairs of name and source; the names are unique."""
    yield from hand_written()
    for seed in range(40):
        grammar = Grammar(seed)
        yield f"random {seed}", "\n".join(grammar.stmt(3) for _ in range(4)) + "\n"
