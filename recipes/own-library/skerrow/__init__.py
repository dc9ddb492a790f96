"""The library of the harbour office of Skerrow: house time, soundings, brands, quoins and dues.

Every public name can be used from here, for example `skerrow.turn_glass` or `skerrow.Quoin`. The place is invented, so
that no model can know the library from its training.
"""

from .brands import Brandmark, in_call_order, is_true, mend, seal_letter, strike
from .dues import Lading, Pellsum, gangs, hold_penny, lantern_pay, read_sum, weigh_in, wharfgeld
from .faults import BadBrand, BadMark, DayOverrun, HarbourFault, NoSnugQuoin, QuoinTaken, ShortWater, UnknownName
from .glasses import (
    Stint,
    advance,
    civil_day,
    clockface,
    forthday,
    grains_since,
    is_slack,
    runday,
    turn_glass,
    watch_span,
    who_wakes,
)
from .quoins import Quoin, Slipbook, quoins_along, snuggest, wall_share
from .soundings import Tidepost, moonsign, over_stone, plumb, sag, silt, unplumb

__all__ = [
    "BadBrand",
    "BadMark",
    "Brandmark",
    "DayOverrun",
    "HarbourFault",
    "Lading",
    "NoSnugQuoin",
    "Pellsum",
    "Quoin",
    "QuoinTaken",
    "ShortWater",
    "Slipbook",
    "Stint",
    "Tidepost",
    "UnknownName",
    "advance",
    "civil_day",
    "clockface",
    "forthday",
    "gangs",
    "grains_since",
    "hold_penny",
    "in_call_order",
    "is_slack",
    "is_true",
    "lantern_pay",
    "mend",
    "moonsign",
    "over_stone",
    "plumb",
    "quoins_along",
    "read_sum",
    "runday",
    "sag",
    "seal_letter",
    "silt",
    "snuggest",
    "strike",
    "turn_glass",
    "unplumb",
    "wall_share",
    "watch_span",
    "weigh_in",
    "wharfgeld",
    "who_wakes",
]
