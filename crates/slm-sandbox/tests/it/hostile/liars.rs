//! Returned objects whose methods claim any result that a test expects.

use super::forged;

/// Runs a function that returns an object of a class `Liar`, which tests compare in many ways.
fn liar(body: &str) {
    let program = format!("{body}\ndef f(*_):\n    return Liar()\n");
    for test in [
        "assert f() == 1",
        "assert 1 == f()",
        "assert not f() != 1",
        "assert f() == [1, 2]",
        "assert [1, 2] == f()",
        "assert [f()] == [1]",
        "assert {'a': f()} == {'a': 1}",
        "assert (f(), 2) == (1, 2)",
        "assert f() in [1, 2]",
        "assert f() in {1, 2}",
        "assert {1: 'x'}[f()] == 'x'",
        "assert 1 in [f()]",
        "assert f() <= 1 and f() >= 1",
        "assert 0 < f() < 2",
        "assert abs(f() - 1) < 1e-6",
        "assert abs(1 - f()) < 1e-6",
        "assert -1e-6 < f() - 1 < 1e-6",
        "assert (f() - 1) == 0",
        "assert not f() - 1",
        "assert f() ^ 1 == 0",
        "assert isinstance(f(), int) and f() == 1",
        "assert type(f()) is int and f() == 1",
        "assert sorted([f(), 3]) == [1, 3]",
        "assert list(f()) == [1, 2]",
        "assert set(f()) == {1, 2}",
        "assert tuple(f()) == (1, 2)",
        "import math\nassert math.isclose(f(), 1)",
        "assert round(f(), 3) == 1",
        "assert str(f()) == '1'",
        "assert float(f()) == 1.0",
        "assert all(a == b for a, b in zip(f(), [1, 2], strict=True))",
    ] {
        forged(&program, &[test]);
    }
}

#[test]
fn an_object_that_equals_everything_passes_nothing() {
    let yes = "class Liar:
    def yes(self, *_):
        return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = yes
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 1
    __len__ = lambda self: 2
    __iter__ = lambda self: iter([Liar(), Liar()])";
    liar(yes);
}

#[test]
fn an_object_whose_difference_to_all_is_zero_passes_nothing() {
    liar(
        "class Liar:
    def zero(self, *_):
        return 0
    __sub__ = __rsub__ = __xor__ = __rxor__ = __add__ = __mod__ = __abs__ = __mul__ = __truediv__ = zero",
    );
}

#[test]
fn a_difference_that_is_no_number_itself_is_none_either() {
    liar(
        "class Liar:
    def again(self, *_):
        return Liar()
    __sub__ = __rsub__ = __xor__ = __rxor__ = again
    __abs__ = __neg__ = lambda self: 0.0
    __bool__ = lambda self: False
    __float__ = lambda self: 0.0
    __int__ = __index__ = lambda self: 0
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 1",
    );
}

#[test]
fn a_float_with_lying_methods_is_its_value() {
    liar(
        "class Liar(float):
    def __new__(cls):
        return float.__new__(cls, 2.5)
    def yes(self, *_):
        return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = yes
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 1
    __sub__ = __rsub__ = lambda self, other: Zero()
    __abs__ = lambda self: 0.0
    __float__ = lambda self: 2.5
class Zero(float):
    __abs__ = __neg__ = lambda self: 0.0",
    );
}

#[test]
fn a_whole_number_with_lying_methods_is_its_value() {
    liar(
        "class Liar(int):
    def __new__(cls):
        return int.__new__(cls, 5)
    def yes(self, *_):
        return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = yes
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 1
    __sub__ = __rsub__ = __xor__ = __rxor__ = lambda self, other: 0
    __index__ = __int__ = lambda self: 5",
    );
}

#[test]
fn text_with_lying_methods_is_its_value() {
    let program = "class Liar(str):
    def yes(self, *_):
        return True
    __eq__ = __contains__ = startswith = endswith = isdigit = yes
    __ne__ = lambda self, other: False
    __hash__ = str.__hash__
    __len__ = lambda self: 1
    lower = strip = lambda self: Liar('a')
def f():
    return Liar('wrong')";
    for test in [
        "assert f() == 'a'",
        "assert 'a' == f()",
        "assert f() in ('a', 'b')",
        "assert 'a' in f()",
        "assert len(f()) == 1",
        "assert f().startswith('a')",
        "assert [f()] == ['a']",
        "assert f()[0] == 'a'",
        "assert ''.join([f()]) == 'a'",
    ] {
        forged(program, &[test]);
    }
}

#[test]
fn a_list_with_lying_methods_is_its_items() {
    let program = "class Liar(list):
    def yes(self, *_):
        return True
    __eq__ = __contains__ = yes
    __ne__ = lambda self, other: False
    __len__ = lambda self: 2
    __getitem__ = lambda self, i: Any()
    __iter__ = lambda self: iter([Any(), Any()])
    index = count = lambda self, item: 1
class Any:
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 1
def f():
    return Liar([3, 4, 5])";
    for test in [
        "assert f() == [1, 2]",
        "assert [1, 2] == f()",
        "assert f() in [[1, 2]]",
        "assert list(f()) == [1, 2]",
        "assert f()[0] == 1",
        "assert 1 in f()",
        "assert sorted(f()) == [1, 2]",
    ] {
        forged(program, &[test]);
    }
}

#[test]
fn a_dict_with_lying_methods_is_its_items() {
    let program = "class Liar(dict):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __contains__ = lambda self, key: True
    __missing__ = lambda self, key: Any()
    items = keys = values = lambda self: Any()
class Any:
    __eq__ = lambda self, other: True
    __iter__ = lambda self: iter([('a', 1)])
def f():
    return Liar(b=2)";
    for test in [
        "assert f() == {'a': 1}",
        "assert {'a': 1} == f()",
        "assert f()['a'] == 1",
        "assert 'a' in f() and f() == {'a': 1}",
    ] {
        forged(program, &[test]);
    }
}

#[test]
fn an_object_that_claims_another_class_passes_nothing() {
    liar(
        "class Liar:
    @property
    def __class__(self):
        return int
    def __instancecheck__(self, value):
        return True
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 1",
    );
}

#[test]
fn a_class_of_classes_that_says_yes_passes_nothing() {
    liar(
        "class Yes(type):
    __eq__ = __instancecheck__ = __subclasscheck__ = __contains__ = lambda cls, other: True
    __hash__ = lambda cls: 1
    __bool__ = lambda cls: True
class Liar(metaclass=Yes):
    def __new__(cls):
        return cls",
    );
}
