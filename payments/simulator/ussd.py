"""Africa's Talking's USSD gateway and the phones on it: dialling, answering, hanging up.

It tells the product what contracts/africastalking.md says it does (cumulative text, step labels, end events)
and shows a phone what a network can carry; a page that is too long or a wrong answer kills the session.
"""

import re
import sqlite3
from uuid import uuid4

import msgspec
from litestar.exceptions import HTTPException, NotFoundException

from core.gsm import BASIC, EXTENDED, septets
from core.http import Answer, NoAnswer, NotSent
from payments.simulator import callbacks
from payments.simulator.africastalking import network_code
from payments.simulator.networks import Networks, spaced

_STEP_HEADER = "at-ussd-hop-metadata"
_STEP_CHARACTERS = 99
_UCS2_CHARACTERS = 80
_MMI_ERROR = "Problème de connexion ou code MMI invalide.\nConnection problem or invalid MMI code."


class Screen(msgspec.Struct, frozen=True):
    """What a phone shows; `open` while the network waits for an input, `status` once it does not."""

    session: str
    text: str
    open: bool
    septets: int = 0
    status: str | None = None  # Success | Incomplete | Failed
    error: str | None = None


class Repeat(msgspec.Struct, frozen=True):
    """The answer to a repeated request, and whether it is byte for byte the first one."""

    text: str
    same: bool


class BadAnswer(Exception):
    """The product's answer cannot be shown; the message is the end event's `errorMessage`."""


async def dial(networks: Networks, phone: str, dialled: str) -> Screen:
    """Begin a session. Raises NotFoundException when no service answers to `dialled`."""
    code = re.escape(networks.settings.service_code.removesuffix("#"))
    match = re.fullmatch(rf"{code}(?:\*([^#]+))?#", dialled)
    if match is None:
        raise NotFoundException(f"no service answers to {dialled}: dial {networks.settings.service_code}")
    _hang_up(networks, phone)
    session_id, now = f"ATUid_{uuid4().hex}", networks.now
    networks.store.insert(
        "ussd_session",
        id=session_id,
        phone=phone,
        inputs=_json([match[1]] if match[1] else []),
        hops="[]",
        answer="",
        open=True,
        started_at=now,
        touched_at=now,
    )
    return await _turn(networks, session_id)


async def key_in(networks: Networks, session_id: str, text: str) -> Screen:
    """Answer the page on the screen. 404 for an unknown session, 409 for one that is over or not yet answered."""
    session = _find(networks, session_id)
    if not session["open"] or session_id in networks.answering:
        raise HTTPException(status_code=409, detail="this session does not wait for an input")
    inputs = [*msgspec.json.decode(session["inputs"]), text]
    networks.store.run("UPDATE ussd_session SET inputs = ? WHERE id = ?", _json(inputs), session_id)
    return await _turn(networks, session_id)


async def repeat(networks: Networks, session_id: str) -> Repeat:
    """Send the last request once more, as an aggregator does that missed the answer; the phone sees nothing of it."""
    session = _find(networks, session_id)
    hops = msgspec.json.decode(session["hops"])
    try:
        text = _text(await _request(networks, session, hops[:-1]))
    except (NotSent, NoAnswer, BadAnswer) as problem:
        raise HTTPException(status_code=502, detail=str(problem)) from None
    return Repeat(text, text == session["answer"])


def drop(networks: Networks, session_id: str) -> Screen:
    """The caller hangs up; a second time changes nothing."""
    session = _find(networks, session_id)
    if session["open"]:
        _end(networks, session_id, "Incomplete", "The user cancelled the session")
    return Screen(session_id, "", open=False, status="Incomplete")


def expire(networks: Networks) -> None:
    """The network ends sessions whose caller is silent, or that last too long."""
    settings, now = networks.settings, networks.now
    silent = networks.store.all(
        "SELECT id FROM ussd_session WHERE open AND (touched_at <= ? OR started_at <= ?)",
        now - settings.ussd_idle_seconds,
        now - settings.ussd_total_seconds,
    )
    for row in silent:
        if row["id"] not in networks.answering:
            _end(networks, row["id"], "Incomplete", "The session timed out")


def counts(networks: Networks) -> dict[str, int]:
    """Sessions so far, and those still open."""
    row = networks.store.first("SELECT count(*), ifnull(sum(open), 0) FROM ussd_session")
    return dict(zip(("total", "open"), row or (0, 0), strict=True))


async def _turn(networks: Networks, session_id: str) -> Screen:
    """Ask the product for the next page and show it, unless the caller hung up meanwhile."""
    session = _find(networks, session_id)
    networks.answering.add(session_id)
    try:
        answer = await _request(networks, session, msgspec.json.decode(session["hops"]))
        text = _text(answer)
        _check_width(text[4:], networks.settings.ussd_page_septets)
    except (NotSent, NoAnswer, BadAnswer) as problem:
        _end(networks, session_id, "Failed", str(problem))
        return Screen(session_id, _MMI_ERROR, open=False, status="Failed", error=str(problem))
    finally:
        networks.answering.discard(session_id)
    return _show(networks, session_id, text, answer.headers.get(_STEP_HEADER, ""))


async def _request(networks: Networks, session: sqlite3.Row, hops: list[str]) -> Answer:
    """The interactive callback of a session's present inputs."""
    settings = networks.settings
    fields = _identity(networks, session) | {"text": "*".join(msgspec.json.decode(session["inputs"]))}
    headers = {_STEP_HEADER: hops[-1]} if hops and hops[-1] else {}
    path = f"/ussd/africastalking/{settings.ussd_secret}"
    return await networks.product.request("POST", path, data=fields, headers=headers)


def _identity(networks: Networks, session: sqlite3.Row) -> dict[str, str]:
    return {
        "sessionId": session["id"],
        "phoneNumber": session["phone"],
        "networkCode": network_code(session["phone"]),
        "serviceCode": networks.settings.service_code,
    }


def _text(answer: Answer) -> str:
    """The answer's body; raises BadAnswer for what Africa's Talking would not take."""
    if answer.status != 200:
        raise BadAnswer(f"the application answered {answer.status}")
    if not answer.headers.get("content-type", "").startswith("text/plain"):
        raise BadAnswer("the answer is not text/plain")
    label = answer.headers.get(_STEP_HEADER, "")
    if len(label) > _STEP_CHARACTERS or "|" in label:
        raise BadAnswer("the step label is too long or holds a bar")
    text = answer.body.decode(errors="replace")
    if not text.startswith(("CON ", "END ")):
        raise BadAnswer("the answer begins with neither CON nor END")
    return text


def _check_width(page: str, limit: int) -> None:
    """One character outside GSM-7 makes the page UCS-2 (contracts/gsm.md); raises BadAnswer for what does not fit."""
    if any(character not in BASIC and character not in EXTENDED for character in page):
        if len(page) > _UCS2_CHARACTERS:
            raise BadAnswer(f"the page is UCS-2 and longer than {_UCS2_CHARACTERS} characters")
    elif septets(page) > limit:
        raise BadAnswer(f"the page is longer than {limit} septets")


def _show(networks: Networks, session_id: str, text: str, label: str) -> Screen:
    """Keep the answer and put its page on the screen."""
    session = _find(networks, session_id)
    if not session["open"]:
        return Screen(session_id, "", open=False, status="Incomplete")
    hops = [*msgspec.json.decode(session["hops"]), label]
    networks.store.run(
        "UPDATE ussd_session SET hops = ?, answer = ?, touched_at = ? WHERE id = ?",
        _json(hops),
        text,
        networks.now,
        session_id,
    )
    goes_on, page = text.startswith("CON "), text[4:]
    if not goes_on:
        _end(networks, session_id, "Success")
    return Screen(session_id, page, goes_on, septets(page), None if goes_on else "Success")


def _hang_up(networks: Networks, phone: str) -> None:
    """A handset that dials leaves the dialogue it was in."""
    for row in networks.store.all("SELECT id FROM ussd_session WHERE phone = ? AND open", phone):
        _end(networks, row["id"], "Incomplete", "The user started another session")


def _end(networks: Networks, session_id: str, status: str, error: str = "") -> None:
    """Close a session once and tell the product."""
    with networks.store.block():
        if networks.store.run("UPDATE ussd_session SET open = 0 WHERE id = ? AND open", session_id):
            path = f"/ussd/africastalking/{networks.settings.ussd_secret}/events"
            callbacks.enqueue(networks, "ussd.event", path, _event(networks, session_id, status, error))


def _event(networks: Networks, session_id: str, status: str, error: str) -> dict[str, str]:
    """The end event's form. Its `input` repeats everything that was typed: the contract's trap for secrets."""
    session = _find(networks, session_id)
    hops = msgspec.json.decode(session["hops"])
    fields = _identity(networks, session) | {
        "date": spaced(networks.now),
        "status": status,
        "cost": "XAF 0.0000",
        "durationInMillis": str(int((networks.now - session["started_at"]) * 1000)),
        "hopsCount": str(len(hops)),
        "hopsMetadata": "|".join(hops),
        "input": "*".join(msgspec.json.decode(session["inputs"])),
        "lastAppResponse": session["answer"],
    }
    return fields | ({"errorMessage": error} if error else {})


def _find(networks: Networks, session_id: str) -> sqlite3.Row:
    session = networks.store.first("SELECT * FROM ussd_session WHERE id = ?", session_id)
    if session is None:
        raise NotFoundException("no such session")
    return session


def _json(value: list[str]) -> str:
    return msgspec.json.encode(value).decode()
