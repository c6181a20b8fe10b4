"""Subscribers, the money on their SIM cards, and the payment prompts that appear on their screens."""

import sqlite3
from typing import Literal

import msgspec
from litestar.exceptions import NotFoundException

from payments.simulator import faults
from payments.simulator.failures import Why
from payments.simulator.networks import Networks, iso

_NAMES = (
    "NGO BIYONG Esther", "MBARGA Jean-Paul", "TCHOUPO Clarisse", "EYANGO Samuel", "ABENA Marie-Noëlle",
    "FOTSO Rodrigue", "NJOYA Aminatou", "ATANGANA Blaise", "EPÉE Dieudonné", "MOUKOURI Sandrine", "KAMGA Olivier",
)  # fmt: skip


class Prompt(msgspec.Struct, frozen=True):
    """A payment that waits for the subscriber's PIN; `id` is the provider's reference."""

    id: str
    phone: str
    amount_xaf: int
    text: str
    state: Literal["waiting", "approved", "rejected", "expired", "failed"]
    created_at: str
    expires_at: str


class Subscriber(msgspec.Struct, frozen=True):
    """A SIM card. `sms_code` is the status that Africa's Talking gives for a message to it."""

    phone: str
    name: str
    balance_xaf: int
    sms_code: int = 101


def subscriber(networks: Networks, phone: str) -> Subscriber:
    """The subscriber of `phone`; every number of the plan is somebody's."""
    row = networks.store.first("SELECT * FROM subscriber WHERE phone = ?", phone)
    if row is None:
        made = Subscriber(phone, _NAMES[int(phone) % len(_NAMES)], networks.settings.opening_balance_xaf)
        networks.store.insert("subscriber", **msgspec.structs.asdict(made))
        return made
    return Subscriber(**dict(row))


def change(networks: Networks, phone: str, *, balance_xaf: int | None, sms_code: int | None) -> Subscriber:
    """Set what a test needs of a subscriber."""
    subscriber(networks, phone)
    networks.store.run(
        "UPDATE subscriber SET balance_xaf = ifnull(?, balance_xaf), sms_code = ifnull(?, sms_code) WHERE phone = ?",
        balance_xaf,
        sms_code,
        phone,
    )
    return subscriber(networks, phone)


def pay_in(networks: Networks, phone: str, amount_xaf: int) -> None:
    """Money arrives on the SIM card."""
    subscriber(networks, phone)
    networks.store.run("UPDATE subscriber SET balance_xaf = balance_xaf + ? WHERE phone = ?", amount_xaf, phone)


def show_prompt(networks: Networks, *, reference: str, phone: str, amount_xaf: int, text: str) -> bool:
    """Ask the subscriber for a PIN; False when the screen is taken by a USSD session (one handset, one dialogue)."""
    busy = faults.busy_handset_fails(networks) and in_dialogue(networks, phone)
    networks.store.insert(
        "prompt",
        id=reference,
        phone=phone,
        amount_xaf=amount_xaf,
        text=text,
        state="failed" if busy else "waiting",
        created_at=networks.now,
        expires_at=networks.now + networks.settings.prompt_seconds,
    )
    return not busy


def in_dialogue(networks: Networks, phone: str) -> bool:
    """Whether a USSD session is open on the handset."""
    return bool(networks.store.value("SELECT 1 FROM ussd_talk WHERE phone = ? AND open", phone))


def prompts(networks: Networks, phone: str) -> list[Prompt]:
    """The prompts that wait on a handset, oldest first."""
    return [_prompt(row) for row in networks.store.all(_WAITING, phone, networks.now)]


def answer(networks: Networks, phone: str, *, approve: bool) -> tuple[Prompt, Why | None]:
    """Approve or reject the oldest prompt: it, and why the payment failed (None: the money has moved).

    Raises NotFoundException when no prompt waits.
    """
    waiting = networks.store.first(_WAITING, phone, networks.now)
    if waiting is None:
        raise NotFoundException(f"no prompt is waiting on {phone}")
    return _answer(networks, waiting, approve)


def answer_prompt(networks: Networks, reference: str, *, approve: bool) -> tuple[Prompt, Why | None] | None:
    """The same for one prompt, even when it has expired: some networks still take the PIN. None if it was answered."""
    row = networks.store.first("SELECT * FROM prompt WHERE id = ? AND state IN ('waiting', 'expired')", reference)
    return None if row is None else _answer(networks, row, approve)


def _answer(networks: Networks, asked: sqlite3.Row, approve: bool) -> tuple[Prompt, Why | None]:
    state, reason = _outcome(networks, asked["phone"], asked["amount_xaf"], approve)
    networks.store.run("UPDATE prompt SET state = ? WHERE id = ?", state, asked["id"])
    return _prompt({**dict(asked), "state": state}), reason


def expire(networks: Networks) -> list[str]:
    """Take prompts off the screen that nobody answered in time; their references."""
    late = networks.store.all("SELECT id FROM prompt WHERE state = 'waiting' AND expires_at <= ?", networks.now)
    for row in late:
        networks.store.run("UPDATE prompt SET state = 'expired' WHERE id = ?", row["id"])
    return [row["id"] for row in late]


_WAITING = "SELECT * FROM prompt WHERE phone = ? AND state = 'waiting' AND expires_at > ? ORDER BY created_at, rowid"


def _outcome(networks: Networks, phone: str, amount_xaf: int, approve: bool) -> tuple[str, Why | None]:
    """The prompt's new state and why the payment failed; takes the money when there is enough."""
    if not approve:
        return "rejected", Why.REJECTED
    if subscriber(networks, phone).balance_xaf < amount_xaf:
        return "failed", Why.POOR
    pay_in(networks, phone, -amount_xaf)
    return "approved", None


def _prompt(row: sqlite3.Row | dict[str, object]) -> Prompt:
    values = dict(row)
    return Prompt(**{**values, "created_at": iso(values["created_at"]), "expires_at": iso(values["expires_at"])})
