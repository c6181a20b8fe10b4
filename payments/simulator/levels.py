"""How often what goes wrong, by level: chances per mille and call, read from the top until one is hit."""

import random
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

# With "none" nothing is drawn, and people hold the phones; with "calm" everybody approves and nothing goes wrong.
Name = Literal["none", "calm", "light", "heavy"]

# "late" is after the product has stopped waiting; "too_late" after the provider has: the movement fails first, and
# succeeds afterwards.
_PAYERS = {
    "calm": {"approves": 1000},
    "light": {"rejects": 30, "poor": 20, "silent": 20, "late": 15, "too_late": 5, "approves": 910},
    "heavy": {"rejects": 80, "poor": 60, "silent": 60, "late": 60, "too_late": 40, "approves": 700},
}
_MONEY = {
    "light": {"lose_before": 8, "lose_after": 12, "hold": 5, "html_after": 5, "conflict": 5},
    "heavy": {"lose_before": 40, "lose_after": 60, "hold": 30, "html_before": 20, "html_after": 40, "conflict": 40},
}
_READS = {
    "light": {"lose_after": 10, "html_after": 5, "unknown_word": 5, "amount_none": 2},
    "heavy": {
        "lose_after": 60,
        "hold": 20,
        "html_after": 40,
        "unknown_word": 40,
        "amount_none": 20,
        "amount_fraction": 4,
    },
}
_CALLBACKS = {
    "light": {"no_callback": 30, "duplicate_callback": 30, "late_callback": 20},
    "heavy": {
        "no_callback": 150,
        "duplicate_callback": 100,
        "late_callback": 100,
        "forged_callback": 80,
        "lying_callback": 80,
    },
}
_SETTLEMENTS = {"light": {"fails": 10, "slow": 50}, "heavy": {"fails": 60, "slow": 150}}
_FLOATS = {"light": {"low_float": 5}, "heavy": {"low_float": 30}}
_LOOKUPS = {"light": {"not_yet": 100}, "heavy": {"not_yet": 400}}
_TOKENS = {"light": {"lose_before": 10}, "heavy": {"lose_before": 60, "html_before": 60}}

# Patterns of calls, the first that fits. What nothing fits is spared: the phones of people who order.
_CHANCES: tuple[tuple[str, Mapping[str, Mapping[str, int]]], ...] = (
    ("payer", _PAYERS),
    ("*.token", _TOKENS),
    ("*.balance", _TOKENS),
    ("*.history", _TOKENS),
    ("*.holder*", _TOKENS),
    ("*.read", _READS),
    ("campay.transaction", _READS),
    ("*.callback", _CALLBACKS),
    ("*.settlement", _SETTLEMENTS),
    ("*.float.*", _FLOATS),
    ("*.lookup", _LOOKUPS),
    ("campay.*", _MONEY),
    ("noupay.*", _MONEY),
    ("pawapay.*", _MONEY),
    ("mtn.*", _MONEY),
)

# Seconds that what takes time takes, from and to.
_SECONDS = {
    "approves": (1.0, 40.0),
    "rejects": (1.0, 40.0),
    "poor": (1.0, 40.0),
    "slow": (2.0, 120.0),
    "late_callback": (1.0, 60.0),
    "hold": (0.5, 4.0),
}


def draw(dice: random.Random, level: str, call: str) -> Any:
    """The kind of fault that a call meets, or None."""
    chances = next((chances.get(level, {}) for pattern, chances in _CHANCES if fnmatchcase(call, pattern)), {})
    thrown = dice.randrange(1000)
    for kind, per_mille in chances.items():
        thrown -= per_mille
        if thrown < 0:
            return kind
    return None


def seconds(dice: random.Random, kind: str) -> float:
    """How long it takes."""
    return dice.uniform(*_SECONDS.get(kind, (5.0, 5.0)))
