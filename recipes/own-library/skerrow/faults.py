"""The errors of the harbour office, one class for each kind of refusal."""


class HarbourFault(ValueError):
    """Base class of all errors that the harbour office raises."""


class BadMark(HarbourFault):
    """Raised for a clock time, glass mark or watch that does not exist."""


class DayOverrun(HarbourFault):
    """Raised for a stint that runs past the end of the harbour day."""


class ShortWater(HarbourFault):
    """Raised if a vessel would have less than half a fadge of water under its keel."""


class BadBrand(HarbourFault):
    """Raised for a vessel's brand with an unknown port, an unknown hull kind or a wrong seal letter."""


class NoSnugQuoin(HarbourFault):
    """Raised if no quoin is long and deep enough for a vessel."""


class QuoinTaken(HarbourFault):
    """Raised if a stint overlaps one that is already pencilled at the same quoin."""


class UnknownName(HarbourFault):
    """Raised for a tide post, quoin, wall or cargo that the harbour does not have."""
