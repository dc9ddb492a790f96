"""House time: glasses, grains, watches and the harbour calendar.

The harbour day begins at 04:30 and has 40 glasses of 36 minutes. A glass has 12 grains of 3 minutes. The glass mark
"17g04" is glass 17, grain 4.
"""

import datetime

from .faults import BadMark, DayOverrun

_FIRST_MINUTE = 270
_GRAIN_MINUTES = 3
_GLASS_GRAINS = 12
_DAY_GRAINS = 480

# First glass of each watch; the last watch ends with the harbour day.
_WATCHES = {"Larkwatch": 0, "Hearthwatch": 7, "Saltwatch": 16, "Mothwatch": 26, "Owlwatch": 33}

# The harbour year begins on this day, and has 13 runs of 28 days and then one or two bare days.
_YEAR_START = (3, 9)
_RUN_DAYS = 28
_N_RUNS = 13
# Days of a run on which the harbour does not work.
_SLACK_DAYS = (6, 15, 27)


def turn_glass(clock):
    """Convert a civil clock time into house time, a glass mark.

    Minutes that do not fill a grain are dropped.

    Args:
        clock: Civil time of day as "HH:MM".

    Returns:
        The glass mark, such as "17g04".

    >>> skerrow.turn_glass("04:36")
    '00g02'
    """
    try:
        hours, minutes = (int(part) for part in clock.split(":"))
    except ValueError:
        raise BadMark(f"not a clock time: {clock!r}") from None
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        raise BadMark(f"not a clock time: {clock!r}")
    return _mark((hours * 60 + minutes - _FIRST_MINUTE) % 1440 // _GRAIN_MINUTES)


def clockface(mark):
    """Convert a glass mark, house time, into the civil clock time at which it begins.

    Args:
        mark: Glass mark, such as "17g04".

    Returns:
        Civil time of day as "HH:MM".

    >>> skerrow.clockface("00g02")
    '04:36'
    """
    minutes = (_grains(mark) * _GRAIN_MINUTES + _FIRST_MINUTE) % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def grains_since(later, earlier):
    """Count the grains that elapse from an earlier glass mark to a later one.

    The later mark comes first. If it is the smaller one, it belongs to the next harbour day.

    Args:
        later: Glass mark at the end of the wait.
        earlier: Glass mark at its start.

    Returns:
        Elapsed grains, from 0 to 479.

    >>> skerrow.grains_since("02g00", "01g06")
    6
    """
    return (_grains(later) - _grains(earlier)) % _DAY_GRAINS


def advance(grains, mark):
    """Move a glass mark forward by a number of grains, or back if the number is negative.

    Args:
        grains: Number of grains to move by.
        mark: Glass mark to start from.

    Returns:
        The new glass mark; past the end of the harbour day it starts from "00g00" again.

    >>> skerrow.advance(10, "39g06")
    '00g04'
    """
    return _mark((_grains(mark) + grains) % _DAY_GRAINS)


def who_wakes(mark):
    """Name the watch that is on duty at a glass mark.

    The five watches have different lengths.

    Args:
        mark: Glass mark, house time.

    Returns:
        Name of the watch, such as "Larkwatch".

    >>> skerrow.who_wakes("08g00")
    'Hearthwatch'
    """
    glass = _grains(mark) // _GLASS_GRAINS
    return max((first, name) for name, first in _WATCHES.items() if first <= glass)[1]


def watch_span(watch):
    """Return when a watch begins and how many glasses it lasts.

    Args:
        watch: Name of the watch.

    Returns:
        A tuple: glass mark of its start, number of glasses.

    >>> skerrow.watch_span("Owlwatch")
    ('33g00', 7)
    """
    if watch not in _WATCHES:
        raise BadMark(f"no such watch: {watch!r}")
    first = _WATCHES[watch]
    after = min((glass for glass in _WATCHES.values() if glass > first), default=_DAY_GRAINS // _GLASS_GRAINS)
    return _mark(first * _GLASS_GRAINS), after - first


def runday(day):
    """Write a civil date in the harbour calendar of runs.

    Args:
        day: A datetime.date.

    Returns:
        "R05-17" for the 17th day of run 5; "B1" or "B2" for the bare days that end the harbour year.

    >>> skerrow.runday(datetime.date(2031, 3, 10))
    'R01-02'
    """
    run, within = divmod(_day_of_year(day), _RUN_DAYS)
    return f"B{within + 1}" if run == _N_RUNS else f"R{run + 1:02}-{within + 1:02}"


def civil_day(harbour_year, run, number):
    """Convert a day of the harbour calendar into a civil date.

    Args:
        harbour_year: Civil year in which the harbour year began.
        run: Number of the run, from 1.
        number: Day of the run, from 1 to 28.

    Returns:
        A datetime.date.

    >>> skerrow.civil_day(2031, 1, 2)
    datetime.date(2031, 3, 10)
    """
    start = datetime.date(harbour_year, *_YEAR_START)
    return start + datetime.timedelta(days=(run - 1) * _RUN_DAYS + number - 1)


def is_slack(day):
    """Check whether a civil date is a slack day, on which the harbour does not work.

    Three days of every run are slack, and so are the bare days.

    Args:
        day: A datetime.date.

    Returns:
        True for a slack day.

    >>> skerrow.is_slack(datetime.date(2031, 3, 14))
    True
    """
    run, within = divmod(_day_of_year(day), _RUN_DAYS)
    return run == _N_RUNS or within + 1 in _SLACK_DAYS


def forthday(n, day):
    """Find the n-th working day of the harbour after a civil date; slack days do not count.

    Args:
        n: Number of working days to count, from 1. It comes before the date.
        day: A datetime.date, which does not count itself.

    Returns:
        The n-th working day, a datetime.date.

    >>> skerrow.forthday(1, datetime.date(2031, 3, 13))
    datetime.date(2031, 3, 15)
    """
    while n > 0:
        day += datetime.timedelta(days=1)
        n -= not is_slack(day)
    return day


class Stint:
    """A stay at a berth within one harbour day: its length in grains, then the glass mark at which it opens.

    >>> skerrow.Stint(30, "05g00").opens
    '05g00'
    """

    def __init__(self, grains, opens):
        """Create a stint of `grains` from the glass mark `opens`; raises DayOverrun past the end of the harbour day."""
        if grains < 1 or _grains(opens) + grains > _DAY_GRAINS:
            raise DayOverrun(f"{grains} grains from {opens} are not within one harbour day")
        self.grains = grains
        self.opens = opens

    def closes(self):
        """Return the glass mark at which the stint, a stay at a berth, ends; "40g00" is the end of the harbour day.

        >>> skerrow.Stint(30, "05g00").closes()
        '07g06'
        """
        return _mark(_grains(self.opens) + self.grains)

    def shared_with(self, other):
        """Count the grains in which this stint and another one overlap.

        >>> skerrow.Stint(30, "05g00").shared_with(skerrow.Stint(12, "07g00"))
        6
        """
        start = max(_grains(self.opens), _grains(other.opens))
        end = min(_grains(self.opens) + self.grains, _grains(other.opens) + other.grains)
        return max(0, end - start)

    def by_watch(self):
        """Divide the grains of a stint, a stay at a berth, among the watches that it touches.

        Returns:
            A dict from the name of a watch to the grains of the stint that are in it; other watches are missing.

        >>> skerrow.Stint(30, "06g00").by_watch()
        {'Larkwatch': 12, 'Hearthwatch': 18}
        """
        shares = {}
        for grain in range(_grains(self.opens), _grains(self.opens) + self.grains):
            watch = who_wakes(_mark(grain))
            shares[watch] = shares.get(watch, 0) + 1
        return shares


def _grains(mark):
    try:
        glass, grain = (int(part) for part in mark.split("g"))
    except (ValueError, AttributeError):
        raise BadMark(f"not a glass mark: {mark!r}") from None
    if not (0 <= glass < 40 and 0 <= grain < _GLASS_GRAINS):
        raise BadMark(f"not a glass mark: {mark!r}")
    return glass * _GLASS_GRAINS + grain


def _mark(grains):
    return f"{grains // _GLASS_GRAINS:02}g{grains % _GLASS_GRAINS:02}"


def _day_of_year(day):
    start = datetime.date(day.year, *_YEAR_START)
    if day < start:
        start = datetime.date(day.year - 1, *_YEAR_START)
    return (day - start).days
