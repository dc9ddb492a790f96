# Tasks about text. README.md beside this file explains the format.

# task
def shout(text):
    """Write the text in capital letters and put an exclamation mark at its end.

    >>> shout("stop")
    'STOP!'
    """
    return text.upper() + "!"

# tests
assert shout("hello there") == "HELLO THERE!"
assert shout("") == "!"
assert shout("Now!") == "NOW!!"
assert shout("abc123") == "ABC123!"
assert shout("ÉTÉ été") == "ÉTÉ ÉTÉ!"

# task
def count_spaces(text):
    """Number of space characters in the text.

    >>> count_spaces("a b c")
    2
    """
    return text.count(" ")

# tests
assert count_spaces("") == 0
assert count_spaces("word") == 0
assert count_spaces("   ") == 3
assert count_spaces(" a  b ") == 4
assert count_spaces("tab\tand newline\n") == 1

# task
def last_word(sentence):
    """The last word of a sentence whose words are separated by spaces, or "" if it has none.

    >>> last_word("the quick fox")
    'fox'
    """
    words = sentence.split()
    return words[-1] if words else ""

# tests
assert last_word("fox") == "fox"
assert last_word("") == ""
assert last_word("   ") == ""
assert last_word("trailing space ") == "space"
assert last_word("two  gaps") == "gaps"

# task
def mirror_word(word):
    """Append to a word its own letters in reverse order.

    >>> mirror_word("abc")
    'abccba'
    """
    return word + word[::-1]

# tests
assert mirror_word("") == ""
assert mirror_word("x") == "xx"
assert mirror_word("no") == "noon"
assert mirror_word("aba") == "abaaba"
assert mirror_word("1 2") == "1 22 1"

# task
def stretch_letters(word, times):
    """Repeat each letter of the word the given number of times.

    >>> stretch_letters("hey", 2)
    'hheeyy'
    """
    return "".join(letter * times for letter in word)

# tests
assert stretch_letters("hey", 1) == "hey"
assert stretch_letters("hey", 0) == ""
assert stretch_letters("", 5) == ""
assert stretch_letters("ab", 3) == "aaabbb"
assert stretch_letters("a-b", 2) == "aa--bb"

# task
def bullet_lines(items):
    """Put a dash and a space in front of each item.

    >>> bullet_lines(["milk", "eggs"])
    ['- milk', '- eggs']
    """
    return ["- " + item for item in items]

# tests
assert bullet_lines([]) == []
assert bullet_lines(["one"]) == ["- one"]
assert bullet_lines(["a", "b", "c"]) == ["- a", "- b", "- c"]
assert bullet_lines(["", "x"]) == ["- ", "- x"]
assert bullet_lines(["- nested"]) == ["- - nested"]

# task
def initials(full_name):
    """The capital first letter of each part of a name, with a dot after each.

    >>> initials("ada lovelace")
    'A.L.'
    """
    return "".join(part[0].upper() + "." for part in full_name.split())

# tests
assert initials("Grace Brewster Hopper") == "G.B.H."
assert initials("plato") == "P."
assert initials("") == ""
assert initials("  alan   turing ") == "A.T."
assert initials("Edsger W. Dijkstra") == "E.W.D."

# task
def hide_middle(word):
    """Replace every letter of a word by a star, except its first and its last letter.

    >>> hide_middle("secret")
    's****t'
    >>> hide_middle("hi")
    'hi'
    """
    if len(word) <= 2:
        return word
    return word[0] + "*" * (len(word) - 2) + word[-1]

# tests
assert hide_middle("") == ""
assert hide_middle("a") == "a"
assert hide_middle("abc") == "a*c"
assert hide_middle("ab") == "ab"
assert hide_middle("*x*x*") == "*****"
assert hide_middle("password") == "p******d"

# task
def letter_runs(text):
    """Describe a text as runs of equal characters, each as a pair of character and length.

    >>> letter_runs("aaab")
    [('a', 3), ('b', 1)]
    """
    runs = []
    for character in text:
        if runs and runs[-1][0] == character:
            runs[-1] = (character, runs[-1][1] + 1)
        else:
            runs.append((character, 1))
    return runs

# tests
assert letter_runs("") == []
assert letter_runs("z") == [("z", 1)]
assert letter_runs("abab") == [("a", 1), ("b", 1), ("a", 1), ("b", 1)]
assert letter_runs("  x") == [(" ", 2), ("x", 1)]
assert letter_runs("aAa") == [("a", 1), ("A", 1), ("a", 1)]
assert letter_runs("m" * 50) == [("m", 50)]

# task
def make_slug(title):
    """Turn a title into the last part of a web address.

    Letters become small; letters and digits stay. Every run of other characters between them
    becomes a single hyphen, and none is left at either end.

    >>> make_slug("Hello, World!")
    'hello-world'
    >>> make_slug("  10 Tips  ")
    '10-tips'
    """
    words = []
    word = ""
    for character in title.lower():
        if character.isalnum():
            word += character
        elif word:
            words.append(word)
            word = ""
    if word:
        words.append(word)
    return "-".join(words)

# tests
assert make_slug("") == ""
assert make_slug("!!!") == ""
assert make_slug("One") == "one"
assert make_slug("a--b__c") == "a-b-c"
assert make_slug("Rock & Roll (1955)") == "rock-roll-1955"
assert make_slug("-edge-") == "edge"

# task
def fold_words(text, width):
    """Break a text into lines of at most `width` characters, only at spaces.

    Each line takes as many words as fit, with one space between them. A word longer than a line
    stands alone on a line, uncut.

    >>> fold_words("the sun is up", 7)
    ['the sun', 'is up']
    """
    lines = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines

# tests
assert fold_words("", 10) == []
assert fold_words("one", 10) == ["one"]
assert fold_words("a b c d", 3) == ["a b", "c d"]
assert fold_words("a b c d", 1) == ["a", "b", "c", "d"]
assert fold_words("an extraordinary day", 5) == ["an", "extraordinary", "day"]
assert fold_words("  spaced   out  text ", 10) == ["spaced out", "text"]
assert fold_words("exactly ten", 11) == ["exactly ten"]

# task
def align_columns(rows):
    """Write rows of texts as lines of a table.

    Each cell but the last of a row is padded with spaces on its right to the width of the widest
    cell in its column, and cells are joined by one space. All rows have equally many cells.

    >>> align_columns([["id", "name"], ["7", "Ann"]])
    ['id name', '7  Ann']
    """
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths)]
        lines.append(" ".join(cells + row[-1:]))
    return lines

# tests
assert align_columns([]) == []
assert align_columns([["only"]]) == ["only"]
assert align_columns([["a", "b"], ["ccc", "d"]]) == ["a   b", "ccc d"]
assert align_columns([["", "x"], ["yy", ""]]) == ["   x", "yy "]
assert align_columns([["a"], ["bbbb"]]) == ["a", "bbbb"]
assert align_columns([["1", "22", "3"], ["44", "5", "6"]]) == ["1  22 3", "44 5  6"]
