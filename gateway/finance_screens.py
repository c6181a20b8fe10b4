"""What finance's commands print. A list says in its last lines what to type next."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Row, select

from core.clock import DOUALA
from core.database import Tx
from core.four_eyes import Proposal
from core.maintenance import Maintenance
from core.texts import say
from ledger.chart import provider_float
from ledger.rendering import Column, Table
from ledger.service import balance
from marketplace.payouts.batches import Outcome
from payments import decisions
from payments import maintenance as switches
from payments.maintenance import Away
from payments.providers.protocol import Capabilities
from payments.reconciliation.ageing import Aged
from payments.reconciliation.screen import Item
from payments.tables import provider_health


class Waiting(Struct, frozen=True):
    """Everything that only people can end."""

    proposals: Sequence[Proposal]
    attempts: Sequence[decisions.Waiting]
    differences: Sequence[Item]
    frozen: Sequence[Row[Any]]
    suspense: Sequence[Aged]


def waiting(found: Waiting, language: str) -> str:
    """All of it, or one line that there is nothing."""
    parts = {
        "proposals": [_proposal(one, language) for one in found.proposals],
        "attempts": [_attempt(one, language) for one in found.attempts],
        "differences": [_difference(one, language) for one in found.differences],
        "frozen": list(_frozen(found.frozen, language)),
        "suspense": [_aged(one, language) for one in found.suspense],
    }
    shown = []
    for name, lines in parts.items():
        if lines:
            shown += [say(language, f"finance.{name}"), *(f"  {line}" for line in lines), ""]
    return "\n".join(shown).rstrip("\n") or say(language, "finance.nothing_waits")


def _proposal(one: Proposal, language: str) -> str:
    what = ", ".join(f"{name}={value}" for name, value in sorted(one.details.items()))
    told = {"id": one.id, "kind": one.kind, "subject": one.subject, "what": what, "reason": one.reason}
    return say(language, "finance.proposal", **told, at=_time(one.proposed_at))


def _attempt(one: decisions.Waiting, language: str) -> str:
    about = {"id": one.attempt_id, "kind": one.kind, "amount_xaf": one.amount_xaf, "provider": one.provider}
    state = f"{one.state} ({one.evidence})" if one.evidence else str(one.state)
    return say(language, "finance.attempt", **about, state=state, rulings=", ".join(one.rulings))


def _difference(one: Item, language: str) -> str:
    what = say(language, f"report.exception.{one.exception}")
    about = {"id": one.id, "provider": one.provider, "day": one.day, "what": what}
    return say(language, "finance.difference", **about, theirs_xaf=one.theirs_xaf, ours_xaf=one.ours_xaf)


def _frozen(rows: Sequence[Row[Any]], language: str) -> Iterator[str]:
    for row in rows:
        about = {"provider": row.provider, "carrier": row.carrier, "since": _time(row.since)}
        yield say(language, "finance.frozen_here", **about, item=row.item_id)


def _aged(one: Aged, language: str) -> str:
    key = "finance.aged_alarm" if one.alarm else "finance.aged"
    return say(language, key, code=one.code, balance_xaf=one.balance_xaf, since=_time(one.since))


def after_reconciling(
    found: Sequence[Item], frozen: Sequence[Row[Any]], unread: Sequence[str], language: str
) -> Iterator[str]:
    """What the table does not say: who did not answer, what stands still, and what to type."""
    for name in unread:
        yield say(language, "finance.unread", provider=name)
    yield from _frozen(frozen, language)
    is_open = any(one.resolved_at is None for one in found)
    yield say(language, "finance.resolve_how" if is_open else "finance.all_agrees")


def batch(outcomes: Sequence[Outcome], language: str) -> str:
    """One line for each line of the file."""
    return "\n".join(_outcome(one, language) for one in outcomes)


def _outcome(one: Outcome, language: str) -> str:
    number = one.line.restaurant
    if one.payout is not None:
        return say(language, "finance.batch_paid", restaurant=number, amount_xaf=one.payout.amount_xaf)
    if one.proposal is not None:
        amount_xaf = one.proposal.details["amount_xaf"]
        return say(language, "finance.batch_proposed", restaurant=number, amount_xaf=amount_xaf, id=one.proposal.id)
    assert one.refusal is not None
    why = say(language, one.refusal.text_key, **one.refusal.params)
    return say(language, "finance.batch_refused", restaurant=number, why=why)


def sim_freezes(frozen: Sequence[tuple[UUID, datetime]], language: str) -> str:
    """To whom nothing is paid out, because their number moved to another SIM card."""
    lines = [say(language, "finance.sim_frozen", person=person_id, until=_time(until)) for person_id, until in frozen]
    return "\n".join(lines) or say(language, "finance.none_sim_frozen")


def service(thrown: Maintenance, language: str) -> str:
    """Whether callers are served."""
    if not thrown.is_on:
        return say(language, "finance.service_open")
    key = "finance.service_shut_until" if thrown.until else "finance.service_shut"
    return say(language, key, until=_time(thrown.until), reason=thrown.reason)


def maintenance(away: Sequence[Away], language: str) -> str:
    """What is out of use."""
    lines = [
        say(language, "finance.away", provider=one.provider, carrier=one.carrier or "*", since=_time(one.since))
        for one in away
    ]
    return "\n".join(lines) or say(language, "finance.none_away")


async def providers(tx: Tx, known: Mapping[str, Capabilities], floats: Mapping[str, Mapping[str, int] | None]) -> Table:
    """Each rail: whether it is used, how it works, and what lies there by the provider and by our books."""
    health = {(row.provider, row.carrier, row.direction): row for row in await tx.all(select(provider_health))}
    away = {(one.provider, one.carrier) for one in await switches.current(tx)}
    rows = []
    for name, one in known.items():
        for carrier in sorted(one.carriers):
            theirs = (floats[name] or {}).get(carrier)
            ours = await balance(tx, provider_float(name, carrier))
            used = "off" if {(name, None), (name, carrier)} & away else "on"
            rails = [_rail(health.get((name, carrier, way))) for way in ("in", "out")]
            rows.append((name, carrier, used, *rails, theirs, ours))
    columns = (
        Column("provider"),
        Column("carrier"),
        Column("used", words=True),
        Column("collections"),
        Column("payouts_out"),
        Column("theirs_xaf", number=True),
        Column("ours_xaf", number=True),
    )
    return Table(name="providers", facts={"as_of": tx.now}, columns=columns, rows=rows)


def _rail(row: Row[Any] | None) -> str:
    """Recent outcomes, the newest last: `++-+`; with when the breaker opened, if it is open."""
    if row is None:
        return "-"
    recent = row.recent or "-"
    return f"{recent} ({_time(row.opened_at)})" if row.opened_at else recent


def _time(instant: datetime | None) -> str:
    return f"{instant.astimezone(DOUALA):%Y-%m-%d %H:%M}" if instant else "-"
