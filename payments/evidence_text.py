"""A payment's proof as text for people: from the request down to the legs of its journals."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from core.clock import DOUALA
from core.texts import say
from payments.evidence import Attempt, Evidence, Journal


def render(found: Sequence[Evidence], language: str) -> str:
    """`found` as one text that ends with a newline; times are Douala's."""
    return "\n".join("\n".join(_payment(one, language)) + "\n" for one in found)


def _payment(one: Evidence, language: str) -> Iterator[str]:
    told = {"id": one.id, "purpose": one.purpose, "reference": one.reference, "amount": _money(one.amount_xaf)}
    yield say(language, f"evidence.{one.kind}", **told, phone=one.phone, carrier=one.carrier)
    yield "  " + say(language, "evidence.asked", at=_time(one.created_at), account=one.account)
    yield "  " + say(language, "evidence.state", state=_with(one.state, one.failure), at=_time(one.closed_at))
    yield from _journals(one.journals, language, "  ")
    for tried in one.attempts:
        yield from _attempt(tried, language)


def _attempt(one: Attempt, language: str) -> Iterator[str]:
    told = {"id": one.id, "provider": one.provider, "carrier": one.carrier, "at": _time(one.sent_at)}
    yield ""
    yield "  " + say(language, "evidence.attempt", **told, ref=one.provider_ref or "-")
    yield "    " + say(language, "evidence.state", state=_with(one.state, one.evidence), at=_time(one.settled_at))
    if one.received_xaf is not None:
        moved = {"amount": _money(one.received_xaf), "fee": _money(one.fee_xaf or 0)}
        yield "    " + say(language, "evidence.moved", **moved)
    if one.holder:
        yield "    " + say(language, "evidence.holder", name=one.holder)
    for event in one.events:
        told = {"at": _time(event.received_at), "verdict": event.verdict, "said": event.said}
        yield "    " + say(language, "evidence.event", **told)
    for ruled in one.rulings:
        people = {"proposed_by": ruled.proposed_by, "decided_by": ruled.decided_by or "-"}
        told = {"ruling": ruled.ruling, "reason": ruled.reason, "state": ruled.state}
        yield "    " + say(language, "evidence.ruling", **told, **people)
    yield from _journals(one.journals, language, "    ")


def _journals(journals: Sequence[Journal], language: str, margin: str) -> Iterator[str]:
    for one in journals:
        yield margin + say(language, "evidence.journal", id=one.id, kind=one.kind, at=_time(one.recorded_at))
        for leg in one.legs:
            told = {"debit": leg.debit, "credit": leg.credit, "amount": _money(leg.amount_xaf)}
            yield f"{margin}  " + say(language, "evidence.leg", **told)


def _with(state: str, why: str | None) -> str:
    return f"{state} ({why})" if why else state


def _money(amount_xaf: int) -> str:
    return f"{amount_xaf:,} XAF".replace(",", " ")


def _time(instant: datetime | None) -> str:
    return f"{instant.astimezone(DOUALA):%Y-%m-%d %H:%M:%S}" if instant else "-"
