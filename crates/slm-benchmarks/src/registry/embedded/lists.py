# Tasks about lists. README.md beside this file explains the format.

# task
def last_or_default(items, default):
    """The last item of a list, or the default if the list is empty.

    >>> last_or_default([3, 5, 8], 0)
    8
    >>> last_or_default([], 0)
    0
    """
    if items:
        return items[-1]
    return default

# tests
assert last_or_default([1], 9) == 1
assert last_or_default([], "none") == "none"
assert last_or_default([None], 4) is None
assert last_or_default(["a", "b"], "c") == "b"
assert last_or_default([0, False], 1) is False

# task
def every_other(items):
    """Take the first item of a list, skip the next, take the one after that, and so on.

    >>> every_other([10, 20, 30, 40, 50])
    [10, 30, 50]
    """
    return items[::2]

# tests
assert every_other([]) == []
assert every_other([1]) == [1]
assert every_other([1, 2]) == [1]
assert every_other(["a", "b", "c"]) == ["a", "c"]
assert every_other(list(range(10))) == [0, 2, 4, 6, 8]

# task
def keep_positive(numbers):
    """Only the numbers greater than zero, in their order.

    >>> keep_positive([3, -1, 0, 5])
    [3, 5]
    """
    return [number for number in numbers if number > 0]

# tests
assert keep_positive([]) == []
assert keep_positive([-1, -2]) == []
assert keep_positive([0, 0]) == []
assert keep_positive([2, 1, 2]) == [2, 1, 2]
assert keep_positive([0.5, -0.5]) == [0.5]

# task
def total_length(words):
    """How many characters all the words have together.

    >>> total_length(["red", "blue"])
    7
    """
    return sum(len(word) for word in words)

# tests
assert total_length([]) == 0
assert total_length([""]) == 0
assert total_length(["a"]) == 1
assert total_length(["a", "", "bc"]) == 3
assert total_length(["two words", "x"]) == 10

# task
def add_pairs(left, right):
    """Add two lists of equal length item by item.

    >>> add_pairs([1, 2], [10, 20])
    [11, 22]
    """
    return [a + b for a, b in zip(left, right)]

# tests
assert add_pairs([], []) == []
assert add_pairs([1], [2]) == [3]
assert add_pairs([1, -1], [-1, 1]) == [0, 0]
assert add_pairs(["a", "b"], ["x", "y"]) == ["ax", "by"]
assert add_pairs([0.5, 1, 2], [0.5, 1, 2]) == [1.0, 2, 4]

# task
def contains_any(items, wanted):
    """Tell whether at least one of the wanted values is in the list.

    >>> contains_any([1, 2, 3], [7, 3])
    True
    >>> contains_any([1, 2, 3], [8])
    False
    """
    for value in wanted:
        if value in items:
            return True
    return False

# tests
assert contains_any([], []) is False
assert contains_any([1], []) is False
assert contains_any([], [1]) is False
assert contains_any(["a", "b"], ["b", "c"]) is True
assert contains_any([1, 2, 3], [4, 5, 6]) is False
assert contains_any([None], [None]) is True

# task
def turn_left(items, steps):
    """Move the first `steps` items of a list to its end, starting over when steps is large.

    >>> turn_left([1, 2, 3, 4], 1)
    [2, 3, 4, 1]
    >>> turn_left([1, 2, 3], 4)
    [2, 3, 1]
    """
    if not items:
        return []
    start = steps % len(items)
    return items[start:] + items[:start]

# tests
assert turn_left([], 3) == []
assert turn_left([1], 100) == [1]
assert turn_left([1, 2, 3], 0) == [1, 2, 3]
assert turn_left([1, 2, 3], 3) == [1, 2, 3]
assert turn_left(["a", "b", "c", "d"], 6) == ["c", "d", "a", "b"]
assert turn_left([1, 2, 3], 2) == [3, 1, 2]

# task
def running_balance(opening, changes):
    """The balance of an account after each of the changes, in order.

    >>> running_balance(100, [-30, 5])
    [70, 75]
    """
    balances = []
    for change in changes:
        opening += change
        balances.append(opening)
    return balances

# tests
assert running_balance(100, []) == []
assert running_balance(0, [1, 1, 1]) == [1, 2, 3]
assert running_balance(50, [-50]) == [0]
assert running_balance(-5, [5, -5]) == [0, -5]
assert running_balance(10, [0, 0]) == [10, 10]

# task
def first_repeat(items):
    """The first item that equals an earlier one, or None if all are different.

    >>> first_repeat([4, 7, 1, 7, 4])
    7
    """
    seen = []
    for item in items:
        if item in seen:
            return item
        seen.append(item)
    return None

# tests
assert first_repeat([]) is None
assert first_repeat([1]) is None
assert first_repeat([1, 2, 3]) is None
assert first_repeat([1, 1]) == 1
assert first_repeat(["b", "a", "a", "b"]) == "a"
assert first_repeat([[1], [2], [1]]) == [1]

# task
def weave(left, right):
    """Take items from two lists in turn, beginning with the left one.

    When one list has run out, the rest of the other follows.

    >>> weave([1, 2, 3], [10, 20])
    [1, 10, 2, 20, 3]
    """
    woven = []
    for i in range(max(len(left), len(right))):
        if i < len(left):
            woven.append(left[i])
        if i < len(right):
            woven.append(right[i])
    return woven

# tests
assert weave([], []) == []
assert weave([1, 2], []) == [1, 2]
assert weave([], ["x", "y"]) == ["x", "y"]
assert weave([1], [2, 3, 4]) == [1, 2, 3, 4]
assert weave(["a", "b"], ["c", "d"]) == ["a", "c", "b", "d"]
assert weave([None], [None]) == [None, None]

# task
def count_peaks(heights):
    """Count the inner points of a hike that are higher than both of their neighbours.

    >>> count_peaks([1, 3, 2, 5, 4])
    2
    >>> count_peaks([5, 1])
    0
    """
    peaks = 0
    for i in range(1, len(heights) - 1):
        if heights[i - 1] < heights[i] > heights[i + 1]:
            peaks += 1
    return peaks

# tests
assert count_peaks([]) == 0
assert count_peaks([7]) == 0
assert count_peaks([1, 2, 3]) == 0
assert count_peaks([1, 2, 2, 1]) == 0
assert count_peaks([0, 9, 0, 9, 0, 9, 0]) == 3
assert count_peaks([3, 1, 3]) == 0

# task
def merge_bookings(bookings):
    """Combine the bookings of a room into the periods in which it is taken.

    A booking is a pair of start and end. Bookings that overlap, or where one begins just when
    another ends, form one period. The periods come back in order of time.

    >>> merge_bookings([(9, 11), (14, 15), (10, 12)])
    [(9, 12), (14, 15)]
    >>> merge_bookings([(1, 2), (2, 3)])
    [(1, 3)]
    """
    periods = []
    for start, end in sorted(bookings):
        if periods and start <= periods[-1][1]:
            periods[-1] = (periods[-1][0], max(periods[-1][1], end))
        else:
            periods.append((start, end))
    return periods

# tests
assert merge_bookings([]) == []
assert merge_bookings([(5, 6)]) == [(5, 6)]
assert merge_bookings([(1, 10), (2, 3)]) == [(1, 10)]
assert merge_bookings([(8, 9), (1, 2)]) == [(1, 2), (8, 9)]
assert merge_bookings([(1, 4), (3, 6), (5, 8), (9, 10)]) == [(1, 8), (9, 10)]
assert merge_bookings([(2, 3), (2, 3)]) == [(2, 3)]

# task
def flatten_deep(nested):
    """Collect the values of a list whose items may be lists themselves, to any depth.

    >>> flatten_deep([1, [2, [3, 4]], 5])
    [1, 2, 3, 4, 5]
    """
    values = []
    for item in nested:
        if isinstance(item, list):
            values.extend(flatten_deep(item))
        else:
            values.append(item)
    return values

# tests
assert flatten_deep([]) == []
assert flatten_deep([[], [[]]]) == []
assert flatten_deep([1, 2]) == [1, 2]
assert flatten_deep([[[["deep"]]]]) == ["deep"]
assert flatten_deep([(1, 2), [3]]) == [(1, 2), 3]
assert flatten_deep([["ab"], "cd"]) == ["ab", "cd"]

# task
def consecutive_groups(numbers):
    """Cut a sorted list of whole numbers into groups that count up without a gap.

    >>> consecutive_groups([1, 2, 5, 6, 7, 9])
    [[1, 2], [5, 6, 7], [9]]
    """
    groups = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups

# tests
assert consecutive_groups([]) == []
assert consecutive_groups([4]) == [[4]]
assert consecutive_groups([1, 2, 3]) == [[1, 2, 3]]
assert consecutive_groups([1, 3, 5]) == [[1], [3], [5]]
assert consecutive_groups([-2, -1, 0, 2]) == [[-2, -1, 0], [2]]
assert consecutive_groups([10, 20, 21]) == [[10], [20, 21]]
