"""Money of the harbour, weights of cargo in corls, levies, dues and tolls.

A pell is 28 tacks. A corl is a weight that depends on the cargo.
"""

import math

from .faults import UnknownName
from .quoins import Quoin

_PELL_TACKS = 28

# By cargo: kilograms in a corl, levy in tacks for a corl, least levy in tacks.
_CARGOES = {
    "barley": (640, 5, 20),
    "brine": (512, 3, 30),
    "kelp": (384, 2, 11),
    "lime": (720, 9, 45),
    "peat": (448, 4, 16),
    "slate": (880, 7, 60),
    "tallow": (560, 12, 40),
    "wool": (288, 6, 25),
}
# Cargoes that must not share a hold.
_FEUDS = ("brine lime", "barley kelp", "tallow wool", "lime peat", "brine wool", "barley tallow")

# Tacks for a glass, by wall, and what is added for every full ten strakes of the quoin.
_QUAY_RATES = {"Old Wall": (6, 2), "Lee Wall": (4, 1), "Salt Wall": (9, 3)}
_NIGHT_RATES = {"Mothwatch": 3, "Owlwatch": 8}
# Grains that a gang needs to move one corl.
_GANG_GRAINS = 5


class Pellsum:
    """A sum of money in tacks, 28 of which are a pell; sums can be added with `+`.

    >>> (skerrow.Pellsum(20) + skerrow.Pellsum(10)).tacks
    30
    """

    def __init__(self, tacks):
        """Hold a sum of whole tacks."""
        self.tacks = tacks

    def __add__(self, other):
        """Add two sums."""
        return Pellsum(self.tacks + other.tacks)

    def __eq__(self, other):
        """Compare two sums."""
        return isinstance(other, Pellsum) and self.tacks == other.tacks

    def __hash__(self):
        """Hash the sum."""
        return hash(self.tacks)

    def scribed(self):
        """Write a sum of money in the office's form, pells before tacks.

        >>> skerrow.Pellsum(30).scribed()
        '1p 2t'
        """
        return f"{self.tacks // _PELL_TACKS}p {self.tacks % _PELL_TACKS}t"

    def parted(self, ways):
        """Part a sum of money among several payers; the first ones pay the tacks that remain.

        >>> [part.tacks for part in skerrow.Pellsum(8).parted(3)]
        [3, 3, 2]
        """
        share, rest = divmod(self.tacks, ways)
        return [Pellsum(share + (place < rest)) for place in range(ways)]


def read_sum(text):
    """Read a sum of money that is written in pells and tacks.

    Args:
        text: Sum such as "1p 2t".

    Returns:
        A Pellsum.

    >>> skerrow.read_sum("1p 2t").tacks
    30
    """
    pells, tacks = text.split()
    return Pellsum(int(pells[:-1]) * _PELL_TACKS + int(tacks[:-1]))


def weigh_in(cargo, kilograms):
    """Convert kilograms of a cargo into corls, the harbour's weight, rounded up to a whole corl.

    Args:
        cargo: Name of the cargo, such as "peat".
        kilograms: Weight in kilograms.

    Returns:
        Whole corls.

    >>> skerrow.weigh_in("peat", 900)
    3
    """
    return math.ceil(kilograms / _cargo(cargo)[0])


def hold_penny(corls, cargo):
    """Compute the lading levy, the charge on a cargo by its weight in corls.

    Every cargo has a least levy.

    Args:
        corls: Weight in whole corls.
        cargo: Name of the cargo.

    Returns:
        A Pellsum.

    >>> skerrow.hold_penny(10, "peat").tacks
    40
    """
    _, rate, least = _cargo(cargo)
    return Pellsum(max(least, rate * corls))


def wharfgeld(stint, quoin):
    """Compute the quay due, the charge for a stint or stay at a berth; every started glass is charged.

    Args:
        stint: A Stint.
        quoin: Name of the quoin.

    Returns:
        A Pellsum.

    >>> skerrow.wharfgeld(skerrow.Stint(30, "05g00"), "Ember").tacks
    15
    """
    berth = Quoin(quoin)
    rate, more = _QUAY_RATES[berth.wall]
    return Pellsum(math.ceil(stint.grains / 12) * (rate + more * (berth.length // 10)))


def lantern_pay(stint):
    """Compute the night toll for the grains of a stint, a stay at a berth, in the Mothwatch and the Owlwatch.

    In each of these watches every started glass is charged at the rate of the watch.

    Args:
        stint: A Stint.

    Returns:
        A Pellsum.

    >>> skerrow.lantern_pay(skerrow.Stint(24, "25g00")).tacks
    3
    """
    shares = stint.by_watch()
    return Pellsum(sum(rate * math.ceil(shares.get(watch, 0) / 12) for watch, rate in _NIGHT_RATES.items()))


def gangs(grains, corls):
    """Count the gangs of workers needed to unload a weight of cargo within a time.

    Args:
        grains: Grains in which the work must be done.
        corls: Weight of the cargo in corls.

    Returns:
        Whole gangs, at least 1.

    >>> skerrow.gangs(20, 9)
    3
    """
    return max(1, math.ceil(corls * _GANG_GRAINS / grains))


class Lading:
    """The cargo in a vessel's hold; load it item by item.

    >>> skerrow.Lading().weight()
    0
    """

    def __init__(self):
        """Start with an empty hold."""
        self._items = {}

    def load(self, corls, cargo):
        """Load corls of a cargo into the hold.

        >>> hold = skerrow.Lading()
        >>> hold.load(4, "peat")
        """
        _cargo(cargo)
        self._items[cargo] = self._items.get(cargo, 0) + corls

    def weight(self):
        """Return the weight of all cargo in the hold in corls.

        >>> hold = skerrow.Lading()
        >>> hold.load(4, "peat")
        >>> hold.weight()
        4
        """
        return sum(self._items.values())

    def feuds(self):
        """List the pairs of cargoes in the hold that feud: they must not share a hold.

        Returns:
            Tuples of two names, each in alphabetical order, sorted.

        >>> hold = skerrow.Lading()
        >>> hold.load(1, "peat")
        >>> hold.load(2, "lime")
        >>> hold.feuds()
        [('lime', 'peat')]
        """
        pairs = sorted(tuple(pair.split()) for pair in _FEUDS)
        return [pair for pair in pairs if pair[0] in self._items and pair[1] in self._items]


def _cargo(cargo):
    if cargo not in _CARGOES:
        raise UnknownName(f"no such cargo: {cargo!r}")
    return _CARGOES[cargo]
