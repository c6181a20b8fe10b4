"""Money at the simulated providers: one table of movements for all of them, and their floats per carrier.

How a provider names, words and tells a movement is its own file's business; what it does is the same everywhere.
"""

import secrets
import sqlite3
from typing import Any
from uuid import UUID, uuid4

import msgspec

from core.errors import InvalidPhone
from core.phones import parse_phone
from payments.simulator import faults, handsets
from payments.simulator.failures import Why
from payments.simulator.networks import Networks

COLLECT, PAYOUT, REFUND = "collect", "payout", "refund"
PENDING, SUCCESSFUL, FAILED = "PENDING", "SUCCESSFUL", "FAILED"

# Who asks, as the payer reads it in the prompt.
TITLES = {"campay": "CamPay", "noupay": "NouPay", "pawapay": "pawaPay", "mtn": "MTN MoMo"}


class Movement(msgspec.Struct, frozen=True):
    """One row of the table; see store.py for the fields."""

    number: int
    provider: str
    kind: str
    ref: str
    our_id: str | None
    returns: str | None
    phone: str
    carrier: str
    amount_xaf: int
    fee_xaf: int
    status: str
    failure: Why | None
    description: str
    external_user: str | None
    callback_url: str | None
    created_at: float
    settled_at: float | None


# -- beginning


def record(networks: Networks, *, provider: str, kind: str, carrier: str, amount_xaf: int, **told: Any) -> Movement:
    """Store a movement as PENDING, `told` being the other columns; without a `ref`, under one of the provider's own.

    Part of a block.
    """
    number = networks.store.insert(
        "movement",
        provider=provider,
        kind=kind,
        carrier=carrier,
        amount_xaf=amount_xaf,
        fee_xaf=networks.settings.fee_xaf(provider, kind, carrier, amount_xaf),
        status=PENDING,
        created_at=networks.now,
        **{"ref": str(uuid4()), "description": "", **told},
    )
    return numbered(networks, number)


def prompt(networks: Networks, movement: Movement) -> bool:
    """Ask the payer; False when the handset was busy, and the collection failed at once. Part of a block."""
    shop = f"{networks.settings.shop_name} ({TITLES[movement.provider]})"
    shown = handsets.show_prompt(
        networks,
        reference=movement.ref,
        phone=movement.phone,
        amount_xaf=movement.amount_xaf,
        text=f"Payer {movement.amount_xaf} FCFA à {shop}",
    )
    if shown:
        _plan_answer(networks, movement)
    else:
        settle(networks, movement, Why.BUSY)
    return shown


def pay_out(
    networks: Networks, *, provider: str, kind: str = PAYOUT, carrier: str, amount_xaf: int, **told: Any
) -> Movement | None:
    """Take a payout or refund out of its carrier's float and on its way; None when there is too little. In a block."""
    needed = amount_xaf + networks.settings.fee_xaf(provider, kind, carrier, amount_xaf)
    if float_of(networks, provider, carrier) < needed or faults.take(networks, f"{provider}.float.{carrier}"):
        return None
    _move_float(networks, provider, carrier, -needed)
    movement = record(networks, provider=provider, kind=kind, carrier=carrier, amount_xaf=amount_xaf, **told)
    _plan_settlement(networks, movement)
    return movement


def _plan_answer(networks: Networks, movement: Movement) -> None:
    """What this payer will do by themselves; nothing, where people or tests hold the phones."""
    payer = faults.take(networks, "payer")
    if payer is None:
        return
    act = "reject" if payer.kind == "rejects" else "approve"
    if payer.kind == "poor":
        handsets.change(networks, movement.phone, balance_xaf=0, sms_code=None)
    if payer.kind != "silent":
        plan(networks, movement, act, payer.seconds)


def _plan_settlement(networks: Networks, movement: Movement) -> None:
    """When and how a payout ends: at once and well, unless a fault says otherwise."""
    fault = faults.take(networks, f"{movement.provider}.settlement")
    kind, seconds = (fault.kind, fault.seconds) if fault else ("", 0.0)
    plan(networks, movement, "fail" if kind == "fails" else "succeed", seconds if kind == "slow" else 0.0)
    if kind == "reversed":
        plan(networks, movement, "reverse", seconds)


def plan(networks: Networks, movement: Movement, act: str, seconds: float) -> None:
    """Have `act` done to a movement in `seconds`."""
    networks.store.insert("plan", movement=movement.number, act=act, due_at=networks.now + seconds)
    networks.work.set()


# -- ending


def settle(networks: Networks, movement: Movement, failure: Why | None) -> Movement:
    """Give a movement its end and move the float; the movement as it then stands. Part of a block.

    A collection that failed may still succeed (the payer approved late), a payout that succeeded may still be
    reversed. Everything else that has ended stays as it is.
    """
    status = FAILED if failure else SUCCESSFUL
    if movement.status not in (PENDING, FAILED if movement.kind == COLLECT else SUCCESSFUL):
        return movement
    ended = _end(networks, movement, status, failure)
    if movement.kind == COLLECT and not failure:
        _move_float(networks, movement.provider, movement.carrier, movement.amount_xaf - movement.fee_xaf)
    elif movement.kind != COLLECT:
        _end_payout(networks, movement, failure)
    return ended


def refuse(networks: Networks, movement: Movement, failure: Why) -> Movement:
    """End a movement that never took anything from anywhere; it as it then stands. Part of a block."""
    return _end(networks, movement, FAILED, failure)


def _end(networks: Networks, movement: Movement, status: str, failure: Why | None) -> Movement:
    networks.store.run(
        "UPDATE movement SET status = ?, failure = ?, settled_at = ifnull(settled_at, ?) WHERE number = ?",
        status,
        failure,
        networks.now,
        movement.number,
    )
    return numbered(networks, movement.number)


def _end_payout(networks: Networks, movement: Movement, failure: Why | None) -> None:
    """The receiver has it, or the float has it back, also when the receiver already had it."""
    if not failure:
        handsets.pay_in(networks, movement.phone, movement.amount_xaf)
        return
    _move_float(networks, movement.provider, movement.carrier, movement.amount_xaf + movement.fee_xaf)
    if movement.status == SUCCESSFUL:
        handsets.pay_in(networks, movement.phone, -movement.amount_xaf)


# -- floats


def float_of(networks: Networks, provider: str, carrier: str) -> int:
    """The merchant's balance with one carrier at one provider, in XAF."""
    held = networks.store.value("SELECT balance_xaf FROM float WHERE provider = ? AND carrier = ?", provider, carrier)
    return networks.settings.opening_float_xaf(provider, carrier) if held is None else int(held)


def _move_float(networks: Networks, provider: str, carrier: str, amount_xaf: int) -> None:
    new = float_of(networks, provider, carrier) + amount_xaf
    networks.store.run("INSERT OR REPLACE INTO float VALUES (?, ?, ?)", provider, carrier, new)


# -- finding


def numbered(networks: Networks, number: int) -> Movement:
    row = networks.store.first("SELECT * FROM movement WHERE number = ?", number)
    assert row is not None
    return read(row)


def _movement(row: sqlite3.Row) -> Movement:
    return msgspec.convert(dict(row), Movement)


def read(row: sqlite3.Row) -> Movement:
    """A row of the table."""
    return msgspec.convert(dict(row), Movement)


def find(networks: Networks, provider: str, ref: str, *kinds: str) -> Movement | None:
    """The movement of `ref` at a provider, if it is one of `kinds` (any, when none is named)."""
    row = networks.store.first("SELECT * FROM movement WHERE provider = ? AND ref = ?", provider, ref)
    return read(row) if row is not None and (not kinds or row["kind"] in kinds) else None


def of_prompt(networks: Networks, ref: str) -> Movement:
    """The collection behind a prompt."""
    row = networks.store.first("SELECT * FROM movement WHERE ref = ? AND kind = ?", ref, COLLECT)
    assert row is not None, "a prompt shows a collection"
    return read(row)


def after(networks: Networks, number: int, limit: int) -> list[Movement]:
    """The movements after `number`, the oldest first."""
    rows = networks.store.all("SELECT * FROM movement WHERE number > ? ORDER BY number LIMIT ?", number, limit)
    return [read(row) for row in rows]


def returned_xaf(networks: Networks, provider: str, ref: str) -> int:
    """What refunds of a collection have taken back or still may."""
    live = "SELECT sum(amount_xaf) FROM movement WHERE provider = ? AND returns = ? AND status <> ?"
    return int(networks.store.value(live, provider, ref, FAILED) or 0)


def counts(networks: Networks, provider: str, kind: str) -> dict[str, Any]:
    """What was asked of a provider, so that a test can prove that no second prompt went out."""

    def by(column: str) -> dict[str, int]:
        rows = networks.store.all(
            f"SELECT {column}, count(*) FROM movement WHERE provider = ? AND kind = ? GROUP BY 1",  # noqa: S608
            provider,
            kind,
        )
        return {str(row[0]): row[1] for row in rows}

    return {
        "total": sum(by("kind").values()),
        "by_phone": {phone.removeprefix("+"): number for phone, number in by("phone").items()},
        "by_external_reference": by("our_id"),
        "by_status": by("status"),
    }


# -- what providers check alike


def is_uuid(raw: object) -> bool:
    try:
        return bool(UUID(str(raw)))
    except ValueError:
        return False


def whole_xaf(raw: object) -> int | None:
    """Francs of `100` or `"100"`; None for what has a fraction, a sign or another type."""
    if isinstance(raw, bool | float) or not str(raw).isdecimal():
        return None
    return int(str(raw)) or None


def msisdn(raw: object) -> str | None:
    """E.164 of `2376XXXXXXXX`; None for any other form."""
    if not str(raw).isdecimal() or len(str(raw)) != 12:
        return None
    try:
        return parse_phone(f"+{raw}")
    except InvalidPhone:
        return None


# -- tokens


def new_token(networks: Networks, owner: str, seconds: int) -> str:
    """A token of `owner`, a provider or one of its products, good for `seconds`."""
    fresh = secrets.token_hex(20)
    networks.store.insert("token", provider=owner, token=fresh, expires_at=networks.now + seconds)
    return fresh


def token_holds(networks: Networks, owner: str, given: str) -> bool:
    ends = networks.store.value("SELECT expires_at FROM token WHERE provider = ? AND token = ?", owner, given)
    return ends is not None and bool(ends > networks.now)
