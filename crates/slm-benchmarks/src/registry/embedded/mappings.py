# Tasks about dictionaries. README.md beside this file explains the format.

# task
def basket_total(prices, basket):
    """Add up what the items in a basket cost. Prices is a dictionary from item to price.

    >>> basket_total({"tea": 3, "cake": 4}, ["tea", "cake", "tea"])
    10
    """
    return sum(prices[item] for item in basket)

# tests
assert basket_total({}, []) == 0
assert basket_total({"tea": 3}, []) == 0
assert basket_total({"tea": 3}, ["tea"]) == 3
assert basket_total({"a": 1, "b": 0}, ["b", "b", "a"]) == 1
assert basket_total({"a": 0.5}, ["a", "a", "a"]) == 1.5

# task
def missing_fields(record, required):
    """The required names that are not keys of the record, in the order given.

    >>> missing_fields({"name": "Bo"}, ["name", "age"])
    ['age']
    """
    return [name for name in required if name not in record]

# tests
assert missing_fields({}, []) == []
assert missing_fields({}, ["a", "b"]) == ["a", "b"]
assert missing_fields({"a": None}, ["a"]) == []
assert missing_fields({"b": 1}, ["c", "b", "a"]) == ["c", "a"]
assert missing_fields({"x": 1, "y": 2}, []) == []

# task
def tally_items(items):
    """Build a dictionary that tells how often each item occurs.

    >>> tally_items(["pen", "cup", "pen"])
    {'pen': 2, 'cup': 1}
    """
    tally = {}
    for item in items:
        tally[item] = tally.get(item, 0) + 1
    return tally

# tests
assert tally_items([]) == {}
assert tally_items([1]) == {1: 1}
assert tally_items("hello") == {"h": 1, "e": 1, "l": 2, "o": 1}
assert tally_items([None, None]) == {None: 2}
assert tally_items(["a"] * 5 + ["b"]) == {"a": 5, "b": 1}

# task
def words_by_length(words):
    """Sort words into a dictionary from length to the list of words that long.

    >>> words_by_length(["a", "to", "of"])
    {1: ['a'], 2: ['to', 'of']}
    """
    groups = {}
    for word in words:
        groups.setdefault(len(word), []).append(word)
    return groups

# tests
assert words_by_length([]) == {}
assert words_by_length(["", ""]) == {0: ["", ""]}
assert words_by_length(["one", "two"]) == {3: ["one", "two"]}
assert words_by_length(["b", "aa", "a"]) == {1: ["b", "a"], 2: ["aa"]}
assert words_by_length(["x", "x"]) == {1: ["x", "x"]}

# task
def merge_stock(first, second):
    """Stock of two shops together: dictionaries from article to quantity.

    Quantities of an article that both shops have are added. Neither argument is changed.

    >>> merge_stock({"nail": 5}, {"nail": 2, "bolt": 1})
    {'nail': 7, 'bolt': 1}
    """
    merged = dict(first)
    for article, quantity in second.items():
        merged[article] = merged.get(article, 0) + quantity
    return merged

# tests
assert merge_stock({}, {}) == {}
assert merge_stock({"a": 1}, {}) == {"a": 1}
assert merge_stock({}, {"a": 1}) == {"a": 1}
assert merge_stock({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {"a": 1, "b": 5, "c": 4}

left, right = {"a": 1}, {"a": 2}
merge_stock(left, right)
assert left == {"a": 1} and right == {"a": 2}

# task
def lookup_path(data, path):
    """Follow a path of keys, joined by dots, through nested dictionaries.

    Gives None as soon as a key is missing or there is no dictionary to look into.

    >>> lookup_path({"user": {"name": "Kim"}}, "user.name")
    'Kim'
    >>> lookup_path({"user": {}}, "user.name") is None
    True
    """
    for key in path.split("."):
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    return data

# tests
assert lookup_path({"a": 1}, "a") == 1
assert lookup_path({}, "a") is None
assert lookup_path({"a": {"b": {"c": [1]}}}, "a.b.c") == [1]
assert lookup_path({"a": {"b": 2}}, "a") == {"b": 2}
assert lookup_path({"a": 5}, "a.b") is None
assert lookup_path({"a": "text"}, "a.t") is None
assert lookup_path({"a": {"b": False}}, "a.b") is False

# task
def election_winner(votes):
    """The candidate with the most votes, from a list with one name for each vote.

    Among candidates with equally many votes, the one first in the alphabet wins. Without any votes
    there is no winner, and the answer is None.

    >>> election_winner(["Ida", "Bob", "Ida"])
    'Ida'
    >>> election_winner(["Zoe", "Amy"])
    'Amy'
    """
    counts = {}
    for name in votes:
        counts[name] = counts.get(name, 0) + 1
    winner = None
    for name in sorted(counts):
        if winner is None or counts[name] > counts[winner]:
            winner = name
    return winner

# tests
assert election_winner([]) is None
assert election_winner(["Sam"]) == "Sam"
assert election_winner(["b", "a", "b", "a"]) == "a"
assert election_winner(["c", "c", "a", "b"]) == "c"
assert election_winner(["z", "z", "a", "a", "m", "m", "m"]) == "m"
assert election_winner(["B", "a"]) == "B"
