//! Honest classes under test: the proxies of their instances behave as in plain Python.

use super::values::agrees;

#[test]
fn a_class_under_test() {
    agrees(
        "class Stack:
    made = 0
    def __init__(self, *items):
        self.items = list(items)
        Stack.made += 1
    def push(self, item):
        self.items.append(item)
        return self
    def __len__(self):
        return len(self.items)
    def __iter__(self):
        return iter(self.items)
    def __contains__(self, item):
        return item in self.items
    def __getitem__(self, i):
        return self.items[i]
    def __setitem__(self, i, item):
        self.items[i] = item
    def __delitem__(self, i):
        del self.items[i]
    def __eq__(self, other):
        return isinstance(other, Stack) and self.items == other.items
    def __bool__(self):
        return bool(self.items)
    def __repr__(self):
        return 'Stack(%s)' % ', '.join(map(repr, self.items))
    def __enter__(self):
        self.push('entered')
        return self
    def __exit__(self, *error):
        self.push('left')
        return error[0] is KeyError
    def __call__(self, x):
        return x + 1
    @property
    def top(self):
        return self.items[-1]
    @top.setter
    def top(self, item):
        self.items[-1] = item
    @classmethod
    def of(cls, items):
        return cls(*items)
    @staticmethod
    def name():
        return 'stack'
class Account(Stack):
    pass",
        &[
            "s = Stack(1)\ns.push(2).push(3)\nassert len(s) == 3 and s.top == 3 and s.items == [1, 2, 3]",
            "s = Stack(1)\ns.top = 5\nassert s[0] == 5 and s.items == [5]",
            "s = Stack(1, 2)\ns[0] = 9\ndel s[1]\nassert list(s) == [9]",
            "assert 2 in Stack(1, 2) and 3 not in Stack(1, 2)",
            "assert Stack(1) == Stack(1) and Stack(1) != Stack(2)",
            "assert Stack(1) == Stack(2)",
            "assert not Stack() and Stack(1)",
            "assert repr(Stack(1, 'a')) == \"Stack(1, 'a')\" and str(Stack()) == 'Stack()' and f'{Stack(1)}' == 'Stack(1)'",
            "with Stack() as s:\n    assert s.top == 'entered'\nassert s.top == 'left'",
            "s = Stack()\nwith s:\n    raise ValueError",
            "assert Stack()(1) == 2",
            "assert Stack.of([1, 2]).items == [1, 2] and Stack.name() == 'stack' and Stack.made > 0",
            "assert isinstance(Stack(), Stack) and not isinstance(5, Stack) and isinstance(Account(), Stack)",
            "assert issubclass(Account, Stack) and not issubclass(Stack, Account)",
            "s = Stack()\ns.extra = 5\nassert s.extra == 5",
            "s = Stack(1)\nt = s\nassert s is t and s == t",
            "assert Stack().pop()",
        ],
    );
}

#[test]
fn operators_and_bases_of_a_class_under_test() {
    agrees(
        "class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)
    def __mul__(self, n):
        return Vector(self.x * n, self.y * n)
    __rmul__ = __mul__
    def __neg__(self):
        return Vector(-self.x, -self.y)
    def __abs__(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5
    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
    def __lt__(self, other):
        return abs(self) < abs(other)
    def __hash__(self):
        return hash((self.x, self.y))
    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y
class Bag(list):
    def total(self):
        return sum(self)",
        &[
            "assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6) and -Vector(1, 2) == Vector(-1, -2)",
            "assert (Vector(1, 2) * 3).x == 3 and (3 * Vector(1, 2)).y == 6 and Vector(1, 2) * 3 == Vector(3, 6)",
            "assert abs(Vector(3, 4)) == 5.0 and Vector(1, 2) @ Vector(3, 4) == 11",
            "assert Vector(1, 1) < Vector(2, 2) and sorted([Vector(2, 2), Vector(1, 1)])[0].x == 1",
            "assert hasattr(Vector(1, 2), 'x') and not hasattr(Vector(1, 2), 'z')",
            "assert Vector(1, 2).z",
            "b = Bag([1])\nb.append(2)\nassert b.total() == 3 and len(b) == 2 and list(b) == [1, 2]",
            "b = Bag([1])\nb.append(2)\nassert b == [1, 2]",
            "b = Bag([1])\nb.append(2)\nassert b[1] == 2 and 2 in b",
            "assert Vector(1, 2) == Vector(2, 1)",
        ],
    );
}
