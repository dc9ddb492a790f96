# Tasks about numbers. README.md beside this file explains the format.

# task
def double_it(number):
    """Give back two times the number.

    >>> double_it(4)
    8
    """
    return number * 2

# tests
assert double_it(1) == 2
assert double_it(0) == 0
assert double_it(-7) == -14
assert double_it(2.5) == 5.0
assert double_it(10**20) == 2 * 10**20

# task
def is_freezing(celsius):
    """Tell whether water freezes at this temperature, that is at zero degrees or below.

    >>> is_freezing(-3)
    True
    >>> is_freezing(12)
    False
    """
    return celsius <= 0

# tests
assert is_freezing(0) is True
assert is_freezing(-40) is True
assert is_freezing(1) is False
assert is_freezing(0.1) is False
assert is_freezing(-0.1) is True

# task
def total_seconds(hours, minutes):
    """Convert a duration given in hours and minutes to seconds.

    >>> total_seconds(1, 30)
    5400
    >>> total_seconds(0, 2)
    120
    """
    return hours * 3600 + minutes * 60

# tests
assert total_seconds(0, 0) == 0
assert total_seconds(2, 0) == 7200
assert total_seconds(0, 59) == 3540
assert total_seconds(24, 1) == 86460
assert total_seconds(1, 75) == 8100

# task
def clamp_percent(value):
    """Keep a percentage between 0 and 100.

    Smaller values become 0 and larger values become 100.

    >>> clamp_percent(130)
    100
    >>> clamp_percent(55)
    55
    """
    if value < 0:
        return 0
    if value > 100:
        return 100
    return value

# tests
assert clamp_percent(-1) == 0
assert clamp_percent(0) == 0
assert clamp_percent(100) == 100
assert clamp_percent(101) == 100
assert clamp_percent(99.5) == 99.5
assert clamp_percent(-1000) == 0

# task
def ticket_price(age):
    """Price of a museum ticket: free under 6, then 5 under 18, and 9 for everyone else.

    >>> ticket_price(10)
    5
    >>> ticket_price(40)
    9
    """
    if age < 6:
        return 0
    if age < 18:
        return 5
    return 9

# tests
assert ticket_price(0) == 0
assert ticket_price(5) == 0
assert ticket_price(6) == 5
assert ticket_price(17) == 5
assert ticket_price(18) == 9
assert ticket_price(99) == 9

# task
def countdown(start):
    """List the whole numbers from start down to 1.

    >>> countdown(4)
    [4, 3, 2, 1]
    """
    return list(range(start, 0, -1))

# tests
assert countdown(1) == [1]
assert countdown(0) == []
assert countdown(-5) == []
assert countdown(3) == [3, 2, 1]
assert countdown(100)[-1] == 1 and len(countdown(100)) == 100

# task
def average_or_none(values):
    """Average of the values, or None if there are no values.

    >>> average_or_none([2, 4, 9])
    5.0
    """
    if not values:
        return None
    return sum(values) / len(values)

# tests
assert average_or_none([]) is None
assert average_or_none([7]) == 7
assert average_or_none([1, 2]) == 1.5
assert average_or_none([-3, 3]) == 0
assert average_or_none([0.5, 1.5, 4.0]) == 2.0

# task
def coins_for(amount):
    """Pay an amount with as few coins as possible, from coins worth 50, 20, 10, 5, 2 and 1.

    The coins are listed from the most to the least valuable.

    >>> coins_for(73)
    [50, 20, 2, 1]
    >>> coins_for(40)
    [20, 20]
    """
    coins = []
    for coin in (50, 20, 10, 5, 2, 1):
        while amount >= coin:
            coins.append(coin)
            amount -= coin
    return coins

# tests
assert coins_for(0) == []
assert coins_for(1) == [1]
assert coins_for(4) == [2, 2]
assert coins_for(88) == [50, 20, 10, 5, 2, 1]
assert coins_for(100) == [50, 50]
assert coins_for(99) == [50, 20, 20, 5, 2, 2]
assert sum(coins_for(1234)) == 1234

# task
def digit_balance(number):
    """Add up the even digits of a non-negative number and subtract its odd digits.

    >>> digit_balance(482)
    14
    >>> digit_balance(1234)
    2
    """
    balance = 0
    for character in str(number):
        digit = int(character)
        if digit % 2 == 0:
            balance += digit
        else:
            balance -= digit
    return balance

# tests
assert digit_balance(0) == 0
assert digit_balance(7) == -7
assert digit_balance(8) == 8
assert digit_balance(1111) == -4
assert digit_balance(9081726354) == -5
assert digit_balance(2000) == 2

# task
def halvings(number):
    """How often a positive whole number can be divided by 2 until an odd number is left.

    >>> halvings(12)
    2
    >>> halvings(7)
    0
    """
    count = 0
    while number % 2 == 0:
        number //= 2
        count += 1
    return count

# tests
assert halvings(1) == 0
assert halvings(2) == 1
assert halvings(96) == 5
assert halvings(1024) == 10
assert halvings(1023) == 0
assert halvings(3 * 2**70) == 70

# task
def minutes_until_bus(minute, first, interval):
    """Waiting time for the next bus.

    The first bus leaves at minute `first`, and another one follows every `interval` minutes.
    Whoever arrives exactly when a bus leaves can still board it.

    >>> minutes_until_bus(3, 10, 15)
    7
    >>> minutes_until_bus(26, 10, 15)
    14
    """
    if minute <= first:
        return first - minute
    return (first - minute) % interval

# tests
assert minutes_until_bus(10, 10, 15) == 0
assert minutes_until_bus(25, 10, 15) == 0
assert minutes_until_bus(0, 40, 15) == 40
assert minutes_until_bus(11, 10, 15) == 14
assert minutes_until_bus(39, 10, 15) == 1
assert minutes_until_bus(100, 0, 7) == 5

# task
def grow_savings(balance, percent, years):
    """Balance of a savings account after a number of years.

    At the end of each year the account gains `percent` percent of its balance, rounded down to a
    whole number. All arguments are whole numbers.

    >>> grow_savings(1000, 5, 2)
    1102
    """
    for _ in range(years):
        balance += balance * percent // 100
    return balance

# tests
assert grow_savings(1000, 5, 0) == 1000
assert grow_savings(1000, 5, 1) == 1050
assert grow_savings(99, 1, 10) == 99
assert grow_savings(100, 1, 3) == 103
assert grow_savings(0, 50, 20) == 0
assert grow_savings(7, 100, 5) == 224
