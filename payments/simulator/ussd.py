"""USSD as a network carries it: dialling, answering, hanging up, through any of the aggregators that we know.

A session keeps its last request as it stood on the wire, so that it can be repeated; the phone is shown what a network
can carry, and a page that is too long or an answer that the aggregator cannot read kills the session.
"""

import asyncio
import re
import sqlite3
import time
from uuid import uuid4

import msgspec
from litestar.exceptions import HTTPException, NotFoundException

from core.gsm import BASIC, EXTENDED, septets
from core.http import Answer, NoAnswer, NotSent
from payments.simulator import telling
from payments.simulator.aggregators import AGGREGATORS
from payments.simulator.aggregators.wire import BadAnswer, Sent, Shown
from payments.simulator.networks import Networks

AFRICASTALKING = "africastalking"

_STEP_HEADERS = (telling.STEP_HEADER, "x-ussd-step")  # Africa's Talking's own, and what the product adds in a demo
_STEP_CHARACTERS = 99
_UCS2_CHARACTERS = 80
_MMI_ERROR = "Problème de connexion ou code MMI invalide.\nConnection problem or invalid MMI code."


class Screen(msgspec.Struct, frozen=True):
    """What a phone shows; `open` while the network waits for an input, `status` once it does not.

    `step` is what the product calls the page, `round_trip_ms` how long the phone waited for it.
    """

    session: str
    text: str
    open: bool
    septets: int = 0
    status: str | None = None  # Success | Incomplete | Failed
    error: str | None = None
    dialect: str = AFRICASTALKING
    step: str = ""
    round_trip_ms: int = 0


class Repeat(msgspec.Struct, frozen=True):
    """The answer to a repeated request, and whether it is byte for byte the first one."""

    text: str
    same: bool


async def dial(
    networks: Networks, phone: str, dialled: str, *, dialect: str = AFRICASTALKING, delay_seconds: float = 0
) -> Screen:
    """Begin a session through the aggregator of `dialect`. Raises NotFoundException when no service answers."""
    if dialect not in AGGREGATORS:
        raise NotFoundException(f"no aggregator speaks {dialect}: there are {', '.join(AGGREGATORS)}")
    code = re.escape(networks.settings.service_code.removesuffix("#"))
    match = re.fullmatch(rf"{code}(?:\*([^#]+))?#", dialled)
    if match is None:
        raise NotFoundException(f"no service answers to {dialled}: dial {networks.settings.service_code}")
    _hang_up(networks, phone)
    session_id, now = uuid4().hex, networks.now
    networks.store.insert(
        "ussd_talk",
        id=session_id,
        dialect=dialect,
        phone=phone,
        inputs=telling.packed([match[1]] if match[1] else []),
        hops="[]",
        request="",
        answer="",
        open=True,
        started_at=now,
        touched_at=now,
    )
    return await _turn(networks, session_id, "dial", delay_seconds, rest=match[1] or "", dialled=dialled)


async def key_in(networks: Networks, session_id: str, text: str, *, delay_seconds: float = 0) -> Screen:
    """Answer the page on the screen. 404 for an unknown session, 409 for one that is over or not yet answered."""
    session = _find(networks, session_id)
    if not session["open"] or session_id in networks.answering:
        raise HTTPException(status_code=409, detail="this session does not wait for an input")
    inputs = telling.packed([*telling.unpacked(session["inputs"]), text])
    networks.store.run("UPDATE ussd_talk SET inputs = ? WHERE id = ?", inputs, session_id)
    return await _turn(networks, session_id, "say", delay_seconds, typed=text)


async def repeat(networks: Networks, session_id: str) -> Repeat:
    """Send the last request once more, as an aggregator does that missed the answer; the phone sees nothing of it."""
    session = _find(networks, session_id)
    if not session["request"]:
        raise HTTPException(status_code=409, detail="nothing was sent yet")
    try:
        answer = await _send(networks, session["dialect"], telling.read_sent(session["request"]))
        _read(networks, session, answer)
    except (NotSent, NoAnswer, BadAnswer) as problem:
        raise HTTPException(status_code=502, detail=str(problem)) from None
    text = _body(answer)
    return Repeat(text, text == session["answer"])


def drop(networks: Networks, session_id: str) -> Screen:
    """The caller hangs up; a second time changes nothing."""
    session = _find(networks, session_id)
    if session["open"]:
        _end(networks, session_id, "over", "Incomplete", "The user cancelled the session")
    return Screen(session_id, "", open=False, status="Incomplete", dialect=session["dialect"])


def expire(networks: Networks) -> None:
    """The network ends sessions whose caller is silent, or that last too long."""
    settings, now = networks.settings, networks.now
    silent = networks.store.all(
        "SELECT id FROM ussd_talk WHERE open AND (touched_at <= ? OR started_at <= ?)",
        now - settings.ussd_idle_seconds,
        now - settings.ussd_total_seconds,
    )
    for row in silent:
        if row["id"] not in networks.answering:
            _end(networks, row["id"], "timeout", "Incomplete", "The session timed out")


def counts(networks: Networks) -> dict[str, int]:
    """Sessions so far, and those still open."""
    row = networks.store.first("SELECT count(*), ifnull(sum(open), 0) FROM ussd_talk")
    return dict(zip(("total", "open"), row or (0, 0), strict=True))


async def _turn(networks: Networks, session_id: str, kind: str, delay_seconds: float, **said: str) -> Screen:
    """Ask the product for the next page and show it, unless the caller hung up meanwhile."""
    session = _find(networks, session_id)
    wire, values = AGGREGATORS[session["dialect"]], telling.values(networks, session, **said)
    sent, began = wire.request(kind, values), time.monotonic()
    networks.store.run("UPDATE ussd_talk SET request = ? WHERE id = ?", telling.packed_sent(sent), session_id)
    networks.answering.add(session_id)
    try:
        await asyncio.sleep(delay_seconds)
        answer = await _send(networks, session["dialect"], sent)
        shown = _read(networks, session, answer)
        _check_width(shown.text, networks.settings.ussd_page_septets)
    except (NotSent, NoAnswer, BadAnswer) as problem:
        _end(networks, session_id, "over", "Failed", str(problem))
        return Screen(session_id, _MMI_ERROR, open=False, status="Failed", error=str(problem))
    finally:
        networks.answering.discard(session_id)
    return _show(networks, session_id, shown, answer, round((time.monotonic() - began) * 1000))


async def _send(networks: Networks, dialect: str, sent: Sent) -> Answer:
    path = f"/ussd/{dialect}/{networks.settings.ussd_secret_of(dialect)}{sent.path}"
    return await networks.product.request(sent.method, path, headers=sent.headers, content=sent.body)


def _read(networks: Networks, session: sqlite3.Row, answer: Answer) -> Shown:
    """The page of an answer. Raises BadAnswer for what the aggregator would not take."""
    label = _label(answer)
    if len(label) > _STEP_CHARACTERS or "|" in label:
        raise BadAnswer("the step label is too long or holds a bar")
    values = telling.values(networks, session)
    return AGGREGATORS[session["dialect"]].read(answer.status, answer.headers, _body(answer), values)


def _label(answer: Answer) -> str:
    return next((label for name in _STEP_HEADERS if (label := answer.headers.get(name, ""))), "")


def _body(answer: Answer) -> str:
    return answer.body.decode(errors="replace")


def _check_width(page: str, limit: int) -> None:
    """One character outside GSM-7 makes the page UCS-2 (contracts/gsm.md); raises BadAnswer for what does not fit."""
    if any(character not in BASIC and character not in EXTENDED for character in page):
        if len(page) > _UCS2_CHARACTERS:
            raise BadAnswer(f"the page is UCS-2 and longer than {_UCS2_CHARACTERS} characters")
    elif septets(page) > limit:
        raise BadAnswer(f"the page is longer than {limit} septets")


def _show(networks: Networks, session_id: str, shown: Shown, answer: Answer, round_trip_ms: int) -> Screen:
    """Keep the answer and put its page on the screen."""
    session, label = _find(networks, session_id), _label(answer)
    if not session["open"]:
        return Screen(session_id, "", open=False, status="Incomplete", dialect=session["dialect"])
    networks.store.run(
        "UPDATE ussd_talk SET hops = ?, answer = ?, touched_at = ? WHERE id = ?",
        telling.packed([*telling.unpacked(session["hops"]), label]),
        _body(answer),
        networks.now,
        session_id,
    )
    if not shown.goes_on:
        _end(networks, session_id, "done", "Success")
    return Screen(
        session_id,
        shown.text,
        shown.goes_on,
        septets(shown.text),
        None if shown.goes_on else "Success",
        dialect=session["dialect"],
        step=label,
        round_trip_ms=round_trip_ms,
    )


def _hang_up(networks: Networks, phone: str) -> None:
    """A handset that dials leaves the dialogue it was in."""
    for row in networks.store.all("SELECT id FROM ussd_talk WHERE phone = ? AND open", phone):
        _end(networks, row["id"], "over", "Incomplete", "The user started another session")


def _end(networks: Networks, session_id: str, kind: str, status: str, error: str = "") -> None:
    """Close a session once, and tell the product where the aggregator does."""
    with networks.store.block():
        if networks.store.run("UPDATE ussd_talk SET open = 0 WHERE id = ? AND open", session_id):
            telling.end(networks, _find(networks, session_id), kind, status=status, error=error)


def _find(networks: Networks, session_id: str) -> sqlite3.Row:
    session = networks.store.first("SELECT * FROM ussd_talk WHERE id = ?", session_id)
    if session is None:
        raise NotFoundException("no such session")
    return session
