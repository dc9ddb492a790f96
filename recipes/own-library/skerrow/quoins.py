"""Quoins, the berths of the harbour, and the slipbook in which their use is planned."""

import math

from .faults import NoSnugQuoin, QuoinTaken, ShortWater, UnknownName
from .glasses import Stint, _DAY_GRAINS, _grains, _mark
from .soundings import Tidepost

_STRAKE_METRES = 2.7
# Strakes that a moored vessel needs for its lines.
_LINES = 2
_LEAST_ROOM = 0.5

# By name: wall, length in strakes, floor in fadges below the Low Stone, tide post, corls that the crane lifts.
_QUOINS = {
    "Adder": ("Old Wall", 9, 4.5, "Gannel", 3),
    "Bracken": ("Old Wall", 14, 6.0, "Gannel", 5),
    "Curlew": ("Old Wall", 22, 8.25, "Ossery", 12),
    "Dunnock": ("Lee Wall", 12, 3.75, "Ossery", 0),
    "Ember": ("Lee Wall", 17, 7.5, "Ossery", 8),
    "Fennel": ("Salt Wall", 11, 5.25, "Heugh", 4),
    "Gorse": ("Salt Wall", 19, 6.75, "Heugh", 20),
    "Heron": ("Salt Wall", 31, 9.5, "Farstack", 26),
}


def wall_share(metres):
    """Convert a vessel's length in metres into the strakes of wall that it occupies.

    A strake is 2.7 m; lengths are rounded up, and two strakes are added for the mooring lines.

    Args:
        metres: Length of the vessel in metres.

    Returns:
        Whole strakes.

    >>> skerrow.wall_share(10)
    6
    """
    return math.ceil(round(metres / _STRAKE_METRES, 6)) + _LINES


def snuggest(fadges, length):
    """Choose the snuggest quoin for a vessel: the shortest berth that is long and deep enough at the Low Stone.

    Args:
        fadges: Draught in fadges.
        length: Occupied length in strakes.

    Returns:
        Name of the quoin.

    Raises:
        NoSnugQuoin: No quoin is long and deep enough.

    >>> skerrow.snuggest(4.0, 10)
    'Fennel'
    """
    fits = [(has[1], name) for name, has in _QUOINS.items() if has[1] >= length and has[2] >= fadges]
    if not fits:
        raise NoSnugQuoin(f"no quoin for {fadges} fadges and {length} strakes")
    return min(fits)[1]


def quoins_along(wall):
    """List the quoins along a wall of the harbour, from the shortest to the longest.

    Args:
        wall: Name of the wall, such as "Lee Wall".

    Returns:
        Names of the quoins.

    >>> skerrow.quoins_along("Lee Wall")
    ['Dunnock', 'Ember']
    """
    names = sorted((has[1], name) for name, has in _QUOINS.items() if has[0] == wall)
    if not names:
        raise UnknownName(f"no such wall: {wall!r}")
    return [name for _, name in names]


class Quoin:
    """A quoin, a berth of the harbour, by name: its wall, length, floor, tide post and crane.

    >>> skerrow.Quoin("Ember").wall
    'Lee Wall'
    """

    def __init__(self, name):
        """Find the quoin; raises UnknownName if there is none of this name."""
        if name not in _QUOINS:
            raise UnknownName(f"no such quoin: {name!r}")
        self.name = name
        self.wall, self.length, self.floor, self.post, self.crane = _QUOINS[name]

    def keel_room(self, letter, mark, draught):
        """Compute the water under the keel of a vessel at a quoin, a moored vessel at its berth.

        Args:
            letter: Tide letter of the day.
            mark: Glass mark.
            draught: Draught of the vessel in fadges.

        Returns:
            Water under the keel in fadges.

        Raises:
            ShortWater: Less than half a fadge is under the keel.

        >>> skerrow.Quoin("Ember").keel_room("F", "04g00", 5.0)
        2.75
        """
        room = self.floor + Tidepost(self.post).lift(letter, mark) - draught
        if room < _LEAST_ROOM:
            raise ShortWater(f"{room} fadges under the keel at {self.name}")
        return room

    def hoists(self, corls):
        """Count the hoists that the crane of a quoin needs for a weight in corls; None without a crane.

        >>> skerrow.Quoin("Ember").hoists(20)
        3
        """
        return math.ceil(corls / self.crane) if self.crane else None


class Slipbook:
    """The plan of one harbour day: which vessel has which quoin, or berth, during which stint.

    >>> skerrow.Slipbook().holder("05g00", "Ember") is None
    True
    """

    def __init__(self):
        """Open an empty slipbook."""
        self._slips = []

    def pencil(self, stint, quoin, brand):
        """Pencil a vessel into the slipbook, a booking of a quoin, a berth, for a stint.

        Args:
            stint: A Stint.
            quoin: Name of the quoin.
            brand: Brand of the vessel.

        Raises:
            QuoinTaken: The stint overlaps another one at this quoin.

        >>> book = skerrow.Slipbook()
        >>> book.pencil(skerrow.Stint(30, "05g00"), "Ember", "GA-T-0001-T")
        """
        if any(at == quoin and stint.shared_with(other) for other, at, _ in self._slips):
            raise QuoinTaken(f"{quoin} is taken")
        self._slips.append((stint, quoin, brand))

    def rub(self, brand):
        """Rub out all bookings of a vessel in the slipbook and return how many there were.

        >>> skerrow.Slipbook().rub("GA-T-0001-T")
        0
        """
        before = len(self._slips)
        self._slips = [slip for slip in self._slips if slip[2] != brand]
        return before - len(self._slips)

    def holder(self, mark, quoin):
        """Return the brand of the vessel that holds a quoin at a glass mark; None if the quoin is free.

        >>> book = skerrow.Slipbook()
        >>> book.pencil(skerrow.Stint(30, "05g00"), "Ember", "GA-T-0001-T")
        >>> book.holder("06g00", "Ember")
        'GA-T-0001-T'
        """
        moment = Stint(1, mark)
        return next((brand for stint, at, brand in self._slips if at == quoin and stint.shared_with(moment)), None)

    def next_gap(self, grains, quoin):
        """Find the first gap in the bookings of a quoin, a berth, that is long enough.

        Args:
            grains: Length of the gap that is needed.
            quoin: Name of the quoin.

        Returns:
            Glass mark at which the gap begins; None if the harbour day has no such gap.

        >>> book = skerrow.Slipbook()
        >>> book.pencil(skerrow.Stint(30, "00g00"), "Ember", "GA-T-0001-T")
        >>> book.next_gap(12, "Ember")
        '02g06'
        """
        slips = [stint for stint, at, _ in self._slips if at == quoin]
        for start in range(_DAY_GRAINS - grains + 1):
            wanted = Stint(grains, _mark(start))
            if not any(wanted.shared_with(stint) for stint in slips):
                return wanted.opens
        return None
