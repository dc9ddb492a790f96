"""Depths in fadges over the Low Stone, tide letters and tide posts.

A fadge is 46 cm and is counted in quarters. The Low Stone is the house datum, 1.38 m below chart datum.
"""

import datetime
import math

from .faults import UnknownName
from .glasses import _DAY_GRAINS, _grains, _mark

_FADGE_METRES = 0.46
_STONE_METRES = 1.38

# Letters in the order of the tide cycle, with the days that each lasts: 29 days in all.
_LETTERS = (("F", 4), ("A", 3), ("L", 5), ("W", 4), ("R", 4), ("M", 3), ("D", 6))
_CYCLE_START = datetime.date(2019, 11, 26)

# Quarter fadges of lift over the Low Stone, every fourth glass, by tide letter.
_LIFTS = {
    "F": (2, 9, 21, 30, 26, 12, 4, 11, 23, 15),
    "A": (4, 10, 19, 26, 23, 13, 6, 12, 20, 14),
    "L": (7, 11, 16, 20, 18, 12, 9, 13, 17, 12),
    "W": (9, 12, 14, 17, 15, 11, 10, 13, 16, 11),
    "R": (6, 10, 17, 22, 19, 11, 8, 12, 18, 13),
    "M": (5, 11, 20, 27, 22, 10, 5, 13, 21, 12),
    "D": (3, 8, 18, 25, 27, 15, 7, 10, 19, 16),
}

# Delay behind the harbour mouth in glasses, and quarter fadges lost on the way.
_POSTS = {"Gannel": (0, 0), "Ossery": (3, 1), "Heugh": (7, 3), "Farstack": (38, -1)}

# Quarter fadges of squat, by knots from 1 on.
_SQUAT = (0, 1, 1, 2, 4, 7, 9)

# Quarter fadges of silt that settle in one run of the calendar.
_SILT = {"Old Wall": 0.5, "Lee Wall": 0.25, "Salt Wall": 0.75}


def plumb(metres):
    """Convert metres of depth or draught into fadges, rounded up to the next quarter fadge.

    Args:
        metres: Depth or draught in metres.

    Returns:
        Fadges, a multiple of 0.25.

    >>> skerrow.plumb(1.0)
    2.25
    """
    return math.ceil(round(metres / _FADGE_METRES * 4, 6)) / 4


def unplumb(fadges):
    """Convert fadges into metres, rounded to centimetres.

    Args:
        fadges: Depth or draught in fadges.

    Returns:
        Metres with two decimals.

    >>> skerrow.unplumb(2.25)
    1.04
    """
    return round(fadges * _FADGE_METRES, 2)


def over_stone(chart_metres):
    """Convert a height over chart datum in metres into fadges over the Low Stone, the house datum.

    Args:
        chart_metres: Height over chart datum in metres; negative below it.

    Returns:
        Fadges over the Low Stone, rounded down to a quarter.

    >>> skerrow.over_stone(0.0)
    3.0
    """
    return math.floor(round((chart_metres + _STONE_METRES) / _FADGE_METRES * 4, 6)) / 4


def moonsign(day):
    """Return the tide letter of a civil date, from the harbour's cycle of 29 days.

    Args:
        day: A datetime.date.

    Returns:
        One of the letters F, A, L, W, R, M and D.

    >>> skerrow.moonsign(datetime.date(2019, 11, 26))
    'F'
    """
    place = (day - _CYCLE_START).days % 29
    for letter, days in _LETTERS:
        if place < days:
            break
        place -= days
    return letter


def sag(draught, knots):
    """Look up the squat: how far a vessel sinks deeper into the water while it moves.

    Vessels of 7 fadges and more sink by a quarter fadge more.

    Args:
        draught: Draught at rest in fadges.
        knots: Speed in whole knots; above 7 it counts as 7.

    Returns:
        Squat in fadges.

    >>> skerrow.sag(5.0, 4)
    0.5
    """
    quarters = _SQUAT[min(knots, 7) - 1] if knots > 0 else 0
    return (quarters + (draught >= 7 and knots > 0)) / 4


def silt(runs, wall):
    """Estimate the silt that settles at a wall of the harbour between two dredgings.

    Args:
        runs: Number of runs since the last dredging.
        wall: Name of the wall.

    Returns:
        Thickness of the silt in fadges, rounded up to a quarter.

    >>> skerrow.silt(3, "Lee Wall")
    0.25
    """
    if wall not in _SILT:
        raise UnknownName(f"no such wall: {wall!r}")
    return math.ceil(runs * _SILT[wall]) / 4


class Tidepost:
    """A tide post by name: "Gannel", "Ossery", "Heugh" or "Farstack". It reads how far the water lifts.

    >>> skerrow.Tidepost("Ossery").name
    'Ossery'
    """

    def __init__(self, name):
        """Find the tide post; raises UnknownName if there is none of this name."""
        if name not in _POSTS:
            raise UnknownName(f"no such tide post: {name!r}")
        self.name = name

    def lift(self, letter, mark):
        """Return the lift at a tide post: the height of the water over the Low Stone.

        Args:
            letter: Tide letter of the day.
            mark: Glass mark.

        Returns:
            Lift in fadges.

        >>> skerrow.Tidepost("Gannel").lift("F", "04g00")
        2.25
        """
        delay, loss = _POSTS[self.name]
        glass = (_grains(mark) // 12 - delay) % 40
        return (_LIFTS[letter][glass // 4] - loss) / 4

    def crest(self, letter):
        """Find high water at a tide post: the first glass mark of the harbour day with the greatest lift.

        Args:
            letter: Tide letter of the day.

        Returns:
            Glass mark of high water.

        >>> skerrow.Tidepost("Gannel").crest("F")
        '12g00'
        """
        marks = [_mark(grains) for grains in range(0, _DAY_GRAINS, 12)]
        return max(marks, key=lambda mark: self.lift(letter, mark))

    def glasses_above(self, fadges, letter):
        """Count the glasses of a harbour day in which the lift at a tide post reaches a height.

        Args:
            fadges: Height over the Low Stone that the water must reach.
            letter: Tide letter of the day.

        Returns:
            Number of glasses, from 0 to 40.

        >>> skerrow.Tidepost("Gannel").glasses_above(7.5, "F")
        4
        """
        marks = [_mark(grains) for grains in range(0, _DAY_GRAINS, 12)]
        return sum(self.lift(letter, mark) >= fadges for mark in marks)
