"""What goes wrong, and when: asked for by the name of a call, or drawn from a seed.

A scripted fault is used up by the next `count` calls of its name, so that a test says what goes wrong and when.
With a `level` faults are drawn for every other call too, the same ones for the same (seed, call, number of the
call), and people answer their prompts by themselves (levels.py). Every fault that was met is counted.
"""

import random
from typing import Annotated, Literal

import msgspec

from payments.simulator import levels
from payments.simulator.networks import CARRIERS, Networks

# Loses the answer before or after the effect; answers late; a proxy's HTML; the answer to a repeat, after the effect.
AnswerFault = Literal["lose_before", "lose_after", "hold", "html_before", "html_after", "conflict"]
# A word nobody documented; "None"; a fraction of a franc; not to be found although it is there.
ReadFault = Literal["unknown_word", "amount_none", "amount_fraction", "not_yet"]
CallbackFault = Literal["no_callback", "duplicate_callback", "late_callback", "forged_callback", "lying_callback"]
# A float that is too low whatever it holds; payouts that fail, take their time, or are taken back after their success.
PayoutFault = Literal["low_float", "fails", "slow", "reversed"]
# What people do with a prompt: `seconds` say when. Silent ones never answer, poor ones have no money.
PayerFault = Literal["approves", "late", "rejects", "poor", "silent"]
Kind = AnswerFault | ReadFault | CallbackFault | PayoutFault | PayerFault

_MONEY = (
    "campay.collect", "campay.withdraw", "noupay.collect", "noupay.payout",
    "pawapay.deposit", "pawapay.payout", "pawapay.refund", "mtn.requesttopay", "mtn.transfer", "mtn.refund",
)  # fmt: skip
_READS = ("campay.transaction", "noupay.read", "pawapay.read", "mtn.read")
_REST = (
    "campay.token", "campay.balance", "campay.history", "campay.holder_info", "noupay.balance", "pawapay.balance",
    "mtn.token", "mtn.balance", "mtn.holder", "africastalking.messaging",
)  # fmt: skip
_CALLBACKS = (
    "campay.callback", "noupay.callback", "pawapay.callback", "mtn.callback",
    "africastalking.incoming", "africastalking.report", "ussd.event",
)  # fmt: skip
_FLOATS = tuple(f"{name}.float.{carrier}" for name, carriers in CARRIERS.items() for carrier in carriers)

# What may happen to which calls.
_HAPPENS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("lose_before", "lose_after", "hold", "html_before", "html_after"), (*_MONEY, *_READS, *_REST)),
    (("conflict",), _MONEY),
    (("unknown_word", "amount_none", "amount_fraction"), _READS),
    (("not_yet",), ("pawapay.lookup", "mtn.lookup")),
    (("no_callback", "duplicate_callback", "late_callback", "forged_callback", "lying_callback"), _CALLBACKS),
    (("low_float",), _FLOATS),
    (("fails", "slow", "reversed"), tuple(f"{name}.settlement" for name in CARRIERS)),
    (("approves", "late", "rejects", "poor", "silent"), ("payer",)),
)
BUSY_HANDSETS = "busy_handset_fails"
_APPEARS_SECONDS = 3.0  # a read this soon may still find nothing
_AFTERWARDS_SECONDS = 60.0  # when somebody approves what the provider has called failed


class Fault(msgspec.Struct, frozen=True):
    """`kind` happens to the next `count` calls named `call`; `seconds` is how long what takes time takes."""

    call: str
    kind: Kind
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    seconds: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 5.0

    def __post_init__(self) -> None:
        named = next(calls for kinds, calls in _HAPPENS if self.kind in kinds)
        if self.call not in named:
            raise ValueError(f"{self.kind} happens to one of: {', '.join(named)}")


class Misbehaviour(msgspec.Struct, frozen=True):
    """All that goes wrong at the moment; `met` counts what went wrong since it was last replaced."""

    faults: list[Fault] = []
    busy_handset_fails: bool = True  # one handset, one dialogue: a prompt during a USSD session fails
    level: levels.Name = "none"
    seed: int = 0
    late_seconds: Annotated[float, msgspec.Meta(ge=0)] = 960.0  # when a late payer answers: the product has given up
    met: dict[str, dict[str, int]] = {}


def replace(networks: Networks, wanted: Misbehaviour) -> None:
    """Forget all faults and take these."""
    store = networks.store
    with store.block():
        for table in ("fault", "chance", "drawn", "met"):
            store.run(f"DELETE FROM {table}")  # noqa: S608 - names are ours
        for fault in wanted.faults:
            store.insert("fault", call=fault.call, kind=fault.kind, left=fault.count, seconds=fault.seconds)
        store.run("INSERT OR REPLACE INTO switch VALUES (?, ?)", BUSY_HANDSETS, wanted.busy_handset_fails)
        if wanted.level != "none":
            store.insert("chance", only=1, seed=wanted.seed, level=wanted.level, late_seconds=wanted.late_seconds)


def current(networks: Networks) -> Misbehaviour:
    """What is left of what was asked for, and what was met."""
    rows = networks.store.all("SELECT * FROM fault WHERE left > 0 ORDER BY number")
    faults = [Fault(row["call"], row["kind"], row["left"], row["seconds"]) for row in rows]
    met: dict[str, dict[str, int]] = {}
    for row in networks.store.all("SELECT * FROM met ORDER BY call, kind"):
        met.setdefault(row["call"], {})[row["kind"]] = row["times"]
    chance = networks.store.first("SELECT seed, level, late_seconds FROM chance")
    drawing = dict(chance) if chance is not None else {}
    return Misbehaviour(faults, busy_handset_fails(networks), met=met, **drawing)


def busy_handset_fails(networks: Networks) -> bool:
    enabled = networks.store.value("SELECT enabled FROM switch WHERE name = ?", BUSY_HANDSETS)
    return enabled is None or bool(enabled)


def take(networks: Networks, call: str) -> Fault | None:
    """What happens to this call: the oldest scripted fault of its name, else one that is drawn, else nothing."""
    fault = _scripted(networks, call) or _drawn(networks, call)
    if fault is not None:
        networks.store.run(
            "INSERT INTO met VALUES (?, ?, 1) ON CONFLICT (call, kind) DO UPDATE SET times = times + 1",
            call,
            fault.kind,
        )
    return fault


def not_yet_there(networks: Networks, call: str, created_at: float) -> bool:
    """Whether a look-up finds nothing although the movement is there: only moments after it began."""
    return networks.now - created_at < _APPEARS_SECONDS and take(networks, call) is not None


def _scripted(networks: Networks, call: str) -> Fault | None:
    row = networks.store.first("SELECT * FROM fault WHERE call = ? AND left > 0 ORDER BY number LIMIT 1", call)
    if row is None:
        return None
    networks.store.run("UPDATE fault SET left = left - 1 WHERE number = ?", row["number"])
    return Fault(row["call"], row["kind"], 1, row["seconds"])


def _drawn(networks: Networks, call: str) -> Fault | None:
    chance = networks.store.first("SELECT * FROM chance")
    if chance is None:
        return None
    networks.store.run("INSERT INTO drawn VALUES (?, 1) ON CONFLICT (call) DO UPDATE SET times = times + 1", call)
    number = networks.store.value("SELECT times FROM drawn WHERE call = ?", call)
    dice = random.Random(f"{chance['seed']} {call} {number}")  # noqa: S311 - a seed is the point
    kind = levels.draw(dice, chance["level"], call)
    if kind is None:
        return None
    too_late = networks.settings.prompt_seconds + _AFTERWARDS_SECONDS
    late = {"late": chance["late_seconds"], "too_late": too_late}
    if kind in late:
        return Fault(call, "late", 1, late[kind])
    return Fault(call, kind, 1, levels.seconds(dice, kind))
