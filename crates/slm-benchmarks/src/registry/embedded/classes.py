# Tasks that ask for a whole class. README.md beside this file explains the format.

# task
class Tally:
    """Counts how often names were seen.

    Methods:
        add(name): count one more of the name.
        count(name): how often the name was added; 0 if never.
        total(): how often any name was added.

    >>> tally = Tally()
    >>> tally.add("cat")
    >>> tally.count("cat")
    1
    """

    def __init__(self):
        self.counts = {}

    def add(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def count(self, name):
        return self.counts.get(name, 0)

    def total(self):
        return sum(self.counts.values())

# tests
assert Tally().total() == 0
assert Tally().count("x") == 0

tally = Tally()
for name in ["a", "b", "a", "a"]:
    tally.add(name)
assert tally.count("a") == 3
assert tally.count("b") == 1
assert tally.count("c") == 0
assert tally.total() == 4

first, second = Tally(), Tally()
first.add("x")
assert second.count("x") == 0

# task
class HeatingDial:
    """A heating control that can be set from 5 to 30 degrees.

    Methods:
        __init__(degrees): start at this temperature, which is kept in the attribute degrees.
        warmer(): raise the temperature by one degree, but not above 30.
        colder(): lower the temperature by one degree, but not below 5.

    >>> dial = HeatingDial(20)
    >>> dial.warmer()
    >>> dial.degrees
    21
    """

    def __init__(self, degrees):
        self.degrees = degrees

    def warmer(self):
        self.degrees = min(self.degrees + 1, 30)

    def colder(self):
        self.degrees = max(self.degrees - 1, 5)

# tests
assert HeatingDial(18).degrees == 18

dial = HeatingDial(20)
dial.colder()
dial.colder()
assert dial.degrees == 18

dial = HeatingDial(29)
for _ in range(5):
    dial.warmer()
assert dial.degrees == 30

dial = HeatingDial(6)
for _ in range(5):
    dial.colder()
assert dial.degrees == 5

dial = HeatingDial(30)
dial.warmer()
dial.colder()
assert dial.degrees == 29

# task
class Wallet:
    """Holds an amount of money that never becomes negative.

    Methods:
        __init__(amount): the amount at the start, kept in the attribute amount.
        receive(amount): add to the money held.
        pay(amount): take the amount away and return True, or change nothing and return False if
            less than that is held.

    >>> wallet = Wallet(10)
    >>> wallet.pay(4)
    True
    >>> wallet.amount
    6
    """

    def __init__(self, amount):
        self.amount = amount

    def receive(self, amount):
        self.amount += amount

    def pay(self, amount):
        if amount > self.amount:
            return False
        self.amount -= amount
        return True

# tests
assert Wallet(3).amount == 3
assert Wallet(0).pay(1) is False

wallet = Wallet(5)
assert wallet.pay(6) is False
assert wallet.amount == 5

wallet = Wallet(5)
assert wallet.pay(5) is True
assert wallet.amount == 0

wallet = Wallet(0)
wallet.receive(7)
wallet.receive(1)
assert wallet.pay(8) is True
assert wallet.amount == 0

# task
class Playlist:
    """Plays songs in a circle.

    Methods:
        add(song): put a song at the end of the list.
        current(): the song being played, at first the first one; None without songs.
        skip(): go on to the next song, and after the last to the first; return the song now played.
        back(): go to the previous song, and from the first to the last; return the song now played.

    >>> songs = Playlist()
    >>> songs.add("intro")
    >>> songs.add("finale")
    >>> songs.skip()
    'finale'
    """

    def __init__(self):
        self.songs = []
        self.position = 0

    def add(self, song):
        self.songs.append(song)

    def current(self):
        return self.songs[self.position] if self.songs else None

    def skip(self):
        return self.move(1)

    def back(self):
        return self.move(-1)

    def move(self, steps):
        if self.songs:
            self.position = (self.position + steps) % len(self.songs)
        return self.current()

# tests
assert Playlist().current() is None
assert Playlist().skip() is None
assert Playlist().back() is None

songs = Playlist()
songs.add("a")
assert songs.current() == "a"
assert songs.skip() == "a"
assert songs.back() == "a"

songs = Playlist()
for song in "abc":
    songs.add(song)
assert songs.current() == "a"
assert songs.back() == "c"
assert songs.skip() == "a"
assert [songs.skip() for _ in range(4)] == ["b", "c", "a", "b"]

songs = Playlist()
songs.add("a")
songs.add("b")
songs.skip()
songs.add("c")
assert songs.current() == "b"
assert songs.skip() == "c"

# task
class RecentCache:
    """Remembers values for keys, but only for the keys used most recently.

    Methods:
        __init__(capacity): how many keys are remembered at most, at least 1.
        put(key, value): remember the value; if there are now too many keys, forget the one whose
            last use is longest ago.
        get(key): the value remembered for the key, or None.
        keys(): the list of keys, the one whose last use is longest ago first.
    Both put and get use a key, but looking at the keys does not.

    >>> cache = RecentCache(2)
    >>> cache.put("a", 1)
    >>> cache.put("b", 2)
    >>> cache.get("a")
    1
    >>> cache.put("c", 3)
    >>> cache.keys()
    ['a', 'c']
    """

    def __init__(self, capacity):
        self.capacity = capacity
        self.values = {}

    def put(self, key, value):
        self.values.pop(key, None)
        self.values[key] = value
        if len(self.values) > self.capacity:
            oldest = next(iter(self.values))
            del self.values[oldest]

    def get(self, key):
        if key not in self.values:
            return None
        value = self.values.pop(key)
        self.values[key] = value
        return value

    def keys(self):
        return list(self.values)

# tests
assert RecentCache(3).get("x") is None
assert RecentCache(3).keys() == []

cache = RecentCache(1)
cache.put("a", 1)
cache.put("b", 2)
assert cache.get("a") is None
assert cache.get("b") == 2

cache = RecentCache(2)
cache.put("a", 1)
cache.put("a", 5)
cache.put("b", 2)
assert cache.get("a") == 5
assert cache.keys() == ["b", "a"]

cache = RecentCache(2)
cache.put("a", 1)
cache.put("b", 2)
cache.put("a", 3)
cache.put("c", 4)
assert cache.keys() == ["a", "c"]
assert cache.get("b") is None

cache = RecentCache(3)
for i in range(10):
    cache.put(i, i * i)
assert cache.keys() == [7, 8, 9]
assert cache.get(8) == 64
cache.keys()
assert cache.keys() == [7, 9, 8]

# task
class TextEditor:
    """A line of text that can be edited, with undo.

    Methods:
        type(text): write the text at the end of the line.
        erase(count): remove the last `count` characters, or all if there are fewer.
        undo(): take back the last call of type or erase that was not taken back yet; do nothing if
            there is none.
        text(): the line as it is now.

    >>> editor = TextEditor()
    >>> editor.type("hello")
    >>> editor.erase(2)
    >>> editor.text()
    'hel'
    >>> editor.undo()
    >>> editor.text()
    'hello'
    """

    def __init__(self):
        self.line = ""
        self.earlier = []

    def type(self, text):
        self.earlier.append(self.line)
        self.line += text

    def erase(self, count):
        self.earlier.append(self.line)
        self.line = self.line[: max(len(self.line) - count, 0)]

    def undo(self):
        if self.earlier:
            self.line = self.earlier.pop()

    def text(self):
        return self.line

# tests
assert TextEditor().text() == ""

editor = TextEditor()
editor.undo()
assert editor.text() == ""
editor.type("a")
editor.type("b")
assert editor.text() == "ab"
editor.undo()
assert editor.text() == "a"

editor = TextEditor()
editor.type("abc")
editor.erase(10)
assert editor.text() == ""
editor.undo()
assert editor.text() == "abc"

editor = TextEditor()
editor.type("abc")
editor.erase(0)
assert editor.text() == "abc"

editor = TextEditor()
editor.type("x")
editor.undo()
editor.type("y")
editor.undo()
editor.undo()
assert editor.text() == ""

# task
class TodoQueue:
    """Hands out tasks, the most urgent first.

    Methods:
        add(task, urgency): put a task into the queue; a larger number is more urgent.
        take(): remove the most urgent task and return it, among equally urgent ones the one added
            first; None if the queue is empty.
        __len__(): how many tasks are waiting.

    >>> queue = TodoQueue()
    >>> queue.add("sweep", 1)
    >>> queue.add("cook", 5)
    >>> queue.take()
    'cook'
    >>> len(queue)
    1
    """

    def __init__(self):
        self.tasks = []

    def add(self, task, urgency):
        self.tasks.append((task, urgency))

    def take(self):
        if not self.tasks:
            return None
        best = 0
        for i, (_, urgency) in enumerate(self.tasks):
            if urgency > self.tasks[best][1]:
                best = i
        return self.tasks.pop(best)[0]

    def __len__(self):
        return len(self.tasks)

# tests
assert len(TodoQueue()) == 0
assert TodoQueue().take() is None

queue = TodoQueue()
for task, urgency in [("a", 2), ("b", 9), ("c", 2), ("d", -1)]:
    queue.add(task, urgency)
assert len(queue) == 4
assert [queue.take() for _ in range(5)] == ["b", "a", "c", "d", None]
assert len(queue) == 0

queue = TodoQueue()
queue.add("late", 1)
assert queue.take() == "late"
queue.add("x", 1)
queue.add("y", 2)
assert queue.take() == "y"
queue.add("z", 1)
assert queue.take() == "x"

queue = TodoQueue()
queue.add({"no": "order"}, 3)
queue.add({"not": "either"}, 3)
assert queue.take() == {"no": "order"}

# task
class Polynomial:
    """A polynomial in one variable, given by its coefficients from the constant term upwards.

    Methods:
        __init__(coefficients): a list of numbers; zeros at its end are dropped.
        degree(): the highest power with a coefficient other than zero; -1 if there is none.
        __call__(x): the value at x.
        __add__(other): the sum of two polynomials, a new Polynomial.
        __eq__(other): whether all coefficients are equal.

    >>> p = Polynomial([1, 0, 2])
    >>> p(3)
    19
    >>> (p + Polynomial([0, 1])).degree()
    2
    """

    def __init__(self, coefficients):
        self.coefficients = list(coefficients)
        while self.coefficients and self.coefficients[-1] == 0:
            self.coefficients.pop()

    def degree(self):
        return len(self.coefficients) - 1

    def __call__(self, x):
        value = 0
        for coefficient in reversed(self.coefficients):
            value = value * x + coefficient
        return value

    def __add__(self, other):
        length = max(len(self.coefficients), len(other.coefficients))
        total = [0] * length
        for coefficients in (self.coefficients, other.coefficients):
            for power, coefficient in enumerate(coefficients):
                total[power] += coefficient
        return Polynomial(total)

    def __eq__(self, other):
        return self.coefficients == other.coefficients

# tests
assert Polynomial([]).degree() == -1
assert Polynomial([0, 0]).degree() == -1
assert Polynomial([5]).degree() == 0
assert Polynomial([])(7) == 0
assert Polynomial([1, 2, 3])(2) == 17
assert Polynomial([1, 2]) == Polynomial([1, 2, 0])
assert not (Polynomial([1, 2]) == Polynomial([2, 1]))
assert Polynomial([1, 2]) + Polynomial([1, -2]) == Polynomial([2])
assert (Polynomial([0, 0, 1]) + Polynomial([0, 0, -1])).degree() == -1
assert Polynomial([1]) + Polynomial([0, 0, 4]) == Polynomial([1, 0, 4])
