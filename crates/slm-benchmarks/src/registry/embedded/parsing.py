# Tasks about reading small notations. README.md beside this file explains the format.

# task
def parse_settings(text):
    """Read settings such as "color=red; size=10" into a dictionary of texts.

    Settings are separated by semicolons, with optional spaces around names and values. Empty parts
    are left out, and a later setting of the same name wins.

    >>> parse_settings("color=red; size=10")
    {'color': 'red', 'size': '10'}
    """
    settings = {}
    for part in text.split(";"):
        if part.strip():
            name, value = part.split("=", 1)
            settings[name.strip()] = value.strip()
    return settings

# tests
assert parse_settings("") == {}
assert parse_settings(" ; ;") == {}
assert parse_settings("a=1") == {"a": "1"}
assert parse_settings("a=1;a=2") == {"a": "2"}
assert parse_settings(" x = y ; empty= ;") == {"x": "y", "empty": ""}
assert parse_settings("formula=a=b") == {"formula": "a=b"}

# task
def expand_pages(text):
    """List the page numbers that a print dialog understands by a text such as "1-3,7".

    >>> expand_pages("1-3,7")
    [1, 2, 3, 7]
    >>> expand_pages("")
    []
    """
    pages = []
    if not text:
        return pages
    for part in text.split(","):
        if "-" in part:
            first, last = part.split("-")
            pages.extend(range(int(first), int(last) + 1))
        else:
            pages.append(int(part))
    return pages

# tests
assert expand_pages("5") == [5]
assert expand_pages("2-2") == [2]
assert expand_pages("9,1-2") == [9, 1, 2]
assert expand_pages("1-2,2-3") == [1, 2, 2, 3]
assert expand_pages("10-12,20,30-31") == [10, 11, 12, 20, 30, 31]
assert expand_pages("3, 5 - 6") == [3, 5, 6]

# task
def parse_duration(text):
    """Seconds in a duration such as "1h30m" or "45s".

    A number is followed by its unit: h for hours, m for minutes, s for seconds. Each unit may occur
    any number of times. A text with anything else, or a number without a unit, gives None.

    >>> parse_duration("1h30m")
    5400
    >>> parse_duration("90") is None
    True
    """
    units = {"h": 3600, "m": 60, "s": 1}
    seconds = 0
    digits = ""
    for character in text:
        if character.isdigit():
            digits += character
        elif character in units and digits:
            seconds += int(digits) * units[character]
            digits = ""
        else:
            return None
    return None if digits else seconds

# tests
assert parse_duration("45s") == 45
assert parse_duration("2h") == 7200
assert parse_duration("1h1m1s") == 3661
assert parse_duration("10m10m") == 1200
assert parse_duration("90") is None
assert parse_duration("h") is None
assert parse_duration("1d") is None
assert parse_duration("1h 30m") is None
assert parse_duration("") == 0

# task
def compare_versions(left, right):
    """Compare two version numbers such as "1.10" and "1.9" part by part, as numbers.

    Gives -1 if the left version is older, 1 if it is newer, and 0 if they are the same. Parts that
    are missing at the end count as zero.

    >>> compare_versions("1.10", "1.9")
    1
    >>> compare_versions("2", "2.0")
    0
    """
    a = [int(part) for part in left.split(".")]
    b = [int(part) for part in right.split(".")]
    length = max(len(a), len(b))
    a += [0] * (length - len(a))
    b += [0] * (length - len(b))
    if a < b:
        return -1
    if a > b:
        return 1
    return 0

# tests
assert compare_versions("1.0", "1.0") == 0
assert compare_versions("1.2.3", "1.2.4") == -1
assert compare_versions("3", "2.9.9") == 1
assert compare_versions("1.0.0", "1") == 0
assert compare_versions("1", "1.0.1") == -1
assert compare_versions("0.10", "0.9.99") == 1

# task
def split_quoted(line):
    """Split a line at its commas, but not at those between double quotes.

    The quotes themselves are dropped.

    >>> split_quoted('one,"two, three",four')
    ['one', 'two, three', 'four']
    """
    fields = [""]
    quoted = False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            fields.append("")
        else:
            fields[-1] += character
    return fields

# tests
assert split_quoted("a,b") == ["a", "b"]
assert split_quoted("") == [""]
assert split_quoted(",") == ["", ""]
assert split_quoted('"a,b"') == ["a,b"]
assert split_quoted('x,"",y') == ["x", "", "y"]
assert split_quoted('a"b,c"d,e') == ["ab,cd", "e"]
assert split_quoted(" a , b ") == [" a ", " b "]

# task
def run_stack_program(text):
    """Run a program for a calculator that keeps its numbers on a stack.

    The words of the program are separated by spaces. A whole number is put on top of the stack.
    The words add, sub and mul take the two topmost numbers away and put the result of adding,
    subtracting (the topmost from the one below) or multiplying them back. The word dup puts a copy
    of the topmost number on top. The result is the stack at the end, topmost number last.

    >>> run_stack_program("2 3 add")
    [5]
    >>> run_stack_program("1 7 dup mul")
    [1, 49]
    """
    stack = []
    for word in text.split():
        if word == "dup":
            stack.append(stack[-1])
        elif word in ("add", "sub", "mul"):
            top = stack.pop()
            below = stack.pop()
            if word == "add":
                stack.append(below + top)
            elif word == "sub":
                stack.append(below - top)
            else:
                stack.append(below * top)
        else:
            stack.append(int(word))
    return stack

# tests
assert run_stack_program("") == []
assert run_stack_program("42") == [42]
assert run_stack_program("10 4 sub") == [6]
assert run_stack_program("1 2 3") == [1, 2, 3]
assert run_stack_program("2 dup dup mul mul") == [8]
assert run_stack_program("-5 3 mul 1 sub") == [-16]
assert run_stack_program("1 2 3 add add 4 5 mul sub") == [-14]

# task
def read_outline(lines):
    """Read the lines of an outline into a list of pairs of level and title.

    Each line that is not blank is an entry. Its level is the number of pairs of spaces before it,
    and its title is the rest of the line without spaces at its end.

    >>> read_outline(["Fruit", "  Apple", "  Pear"])
    [(0, 'Fruit'), (1, 'Apple'), (1, 'Pear')]
    """
    entries = []
    for line in lines:
        title = line.strip()
        if title:
            indent = len(line) - len(line.lstrip(" "))
            entries.append((indent // 2, title))
    return entries

# tests
assert read_outline([]) == []
assert read_outline(["", "   "]) == []
assert read_outline(["One"]) == [(0, "One")]
assert read_outline(["a", "  b", "    c", "d  "]) == [(0, "a"), (1, "b"), (2, "c"), (0, "d")]
assert read_outline(["    Deep title"]) == [(2, "Deep title")]
assert read_outline(["x", "", "  y"]) == [(0, "x"), (1, "y")]

# task
def evaluate_sum(expression):
    """Value of an expression of whole numbers, plus and minus signs, and parentheses.

    Spaces mean nothing. The whole expression, or the part inside parentheses, may begin with a
    minus sign.

    >>> evaluate_sum("10 - (3 + 2)")
    5
    >>> evaluate_sum("-4 + 1")
    -3
    """
    total, sign, number = 0, 1, 0
    # The total and the sign before each open parenthesis.
    outer = []
    for character in expression:
        if character.isdigit():
            number = 10 * number + int(character)
        elif character in "+-":
            total += sign * number
            sign = 1 if character == "+" else -1
            number = 0
        elif character == "(":
            outer.append((total, sign))
            total, sign = 0, 1
        elif character == ")":
            number = total + sign * number
            total, sign = outer.pop()
    return total + sign * number

# tests
assert evaluate_sum("7") == 7
assert evaluate_sum("1 + 2 + 3") == 6
assert evaluate_sum("1-2-3") == -4
assert evaluate_sum("(((9)))") == 9
assert evaluate_sum("100 - (20 - (3 - 1))") == 82
assert evaluate_sum("-(2 + 3) + 10") == 5
assert evaluate_sum("(1 + 2) - (-3 - 4)") == 10
