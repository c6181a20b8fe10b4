"""One message, one effect: an incoming SMS is stored, obeyed and answered in one transaction."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert

from channels.sms import workplaces
from channels.sms.africastalking import IncomingText
from channels.sms.commands import Command, Reading, read
from channels.sms.exchange import ROLE_WORDS, Ask, Reply, Role, which
from channels.sms.tables import incoming_sms
from core import maintenance
from core.database import Database, Tx
from core.errors import GatewayError, TooManyRequests
from core.ids import new_id
from core.limits import limits_of
from core.logs import logger
from core.maintenance import Maintenance
from core.texts import DEFAULT_LANGUAGE
from marketplace.delivery import service as delivery
from marketplace.notifications.service import notify
from marketplace.notifications.tables import outgoing_sms
from marketplace.people import service as people
from marketplace.people.service import Person, Roles

ECHO_WINDOW = timedelta(seconds=60)
HELP_WINDOW = timedelta(minutes=10)
UNKNOWN, CLOSED = "unknown", "maintenance"

log = logger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """What a message came to; kept with it."""

    name: str
    reply: Reply | None
    echo_key: str | None = None  # set when something changed that an echo must not change again


class Sender(msgspec.Struct, frozen=True):
    """Who sent a message, and everything they are, with the id of what they are it for."""

    person: Person
    roles: Roles
    subjects: dict[Role, UUID]


async def take(database: Database, message: IncomingText) -> None:
    """Obey one message, however often it is delivered. A refusal is an answer, too."""
    over_limit = await _over_limit(database, message)
    shut = await maintenance.current(database)
    async with database.transaction() as tx:
        await tx.queue_up(f"sms:{message.phone}")
        person = await people.recognise(tx, phone=message.phone)
        roles = await people.roles(tx, person_id=person.id)
        subjects = _subjects(person, roles)
        reading = read(message.text, tuple(subjects))
        message_id = await _store(tx, message, reading)
        if message_id is None:
            return
        language = person.language or reading.language or DEFAULT_LANGUAGE
        if shut.is_on:
            outcome = Outcome(CLOSED, await _once_in_a_while(tx, message, CLOSED, _sorry(shut, tx.now)))
        else:
            outcome = await _decide(tx, message, Sender(person, roles, subjects), reading, language, over_limit)
        reply_id = await _answer(tx, person, language, outcome.reply)
        values = {"outcome": outcome.name, "echo_key": outcome.echo_key, "reply_id": reply_id}
        await tx.run(update(incoming_sms).where(incoming_sms.c.id == message_id).values(values))
        if "driver" in subjects:
            # Last: dispatch locks deliveries before drivers.
            await delivery.heard_from(tx, driver_id=subjects["driver"])
    log.info("sms_taken", message=str(message_id), outcome=outcome.name)


async def _over_limit(database: Database, message: IncomingText) -> TooManyRequests | None:
    """Count a command that has a limit, once, and before its transaction: the counters may be a network away."""
    limit = next((command.limit for command in read(message.text, tuple(ROLE_WORDS)).commands if command.limit), None)
    if limit is None:
        return None
    async with database.reading() as tx:
        if await tx.value(select(incoming_sms.c.id).where(*_same(message))):
            return None
        person = await people.recognise(tx, phone=message.phone)
    try:
        await limits_of(database).spend(limit, str(person.id))
    except TooManyRequests as refusal:
        return refusal
    return None


def _same(message: IncomingText) -> tuple[ColumnElement[bool], ...]:
    return (
        incoming_sms.c.provider == message.provider,
        incoming_sms.c.provider_message_id == message.message_id,
    )


def _subjects(person: Person, roles: Roles) -> dict[Role, UUID]:
    """Everything this person is, with the id of what they are it for; of several restaurants, of the first."""
    subjects: dict[Role, UUID | None] = {
        "restaurant": next(iter(roles.restaurants.values()), None),
        "driver": roles.driver_id,
        "customer": person.id,
    }
    return {role: subject for role, subject in subjects.items() if subject}


async def _store(tx: Tx, message: IncomingText, reading: Reading) -> UUID | None:
    """The row's id, or None when this message has been here before."""
    row = {
        "id": new_id(),
        "provider": message.provider,
        "provider_message_id": message.message_id,
        "phone": tx.keys.encrypt(message.phone),
        "phone_index": tx.keys.blind_index(message.phone),
        "text": tx.keys.encrypt(reading.text),
        "received_at": tx.now,
    }
    fresh = insert(incoming_sms).values(row).on_conflict_do_nothing().returning(incoming_sms.c.id)
    stored: UUID | None = await tx.value(fresh)
    return stored


async def _decide(
    tx: Tx,
    message: IncomingText,
    sender: Sender,
    reading: Reading,
    language: str,
    over_limit: TooManyRequests | None,
) -> Outcome:
    """Run the command that was meant; ask back when it is not one."""
    match reading.commands:
        case ():
            helps = Reply(f"sms.help_{next(iter(sender.subjects))}", changed=False)
            return Outcome(UNKNOWN, await _once_in_a_while(tx, message, UNKNOWN, helps))
        case (command,):
            subject = await _subject(tx, sender, command, reading)
            if isinstance(subject, Reply):
                return Outcome("which_restaurant", subject)
            ask = Ask(
                tx=tx,
                person=sender.person,
                role=command.role,
                subject_id=subject,
                language=language,
                parts=reading.parts,
                key=f"sms:{message.provider}:{message.message_id}",
            )
            return await _obey(ask, command, _echo_key(ask, command, message.text), over_limit)
        case several:
            typed = reading.parts.get("word", "...")
            words = [ROLE_WORDS[command.role][language == "en"] for command in several]
            return Outcome("which_role", which([f"{word} {typed}".upper() for word in words]))


async def _subject(tx: Tx, sender: Sender, command: Command, reading: Reading) -> UUID | Reply:
    """Whom or what the command is about, or what to answer instead."""
    if command.role != "restaurant":
        return sender.subjects[command.role]
    try:
        return await workplaces.meant(tx, sender.roles.restaurants, command, reading)
    except GatewayError as refusal:
        return _refused(refusal)


async def _obey(ask: Ask, command: Command, echo_key: str | None, over_limit: TooManyRequests | None) -> Outcome:
    name = f"{command.role}.{command.name}"
    if echo_key:
        await ask.tx.queue_up(echo_key)
        earlier = await _earlier(ask.tx, echo_key)
        if earlier:
            again = await command.run_again(ask, earlier) if command.run_again else earlier
            return Outcome(f"{name}.echo", again)
    try:
        if command.limit and over_limit:
            raise over_limit
        async with ask.tx.attempt():
            reply = await command.run(ask)
    except GatewayError as refusal:
        return Outcome(f"{name}.{refusal.code}", _refused(refusal), echo_key if refusal.keeps_writes else None)
    return Outcome(name, reply, echo_key if reply.changed else None)


def _echo_key(ask: Ask, command: Command, text: str) -> str | None:
    """Equal for two messages of which the second must have no effect of its own. Keyed: the text may hold a code."""
    if command.echo == "no" or (command.echo == "same text" and "number" not in ask.parts):
        return None
    what = " ".join(text.casefold().split()) if command.echo == "same text" else command.name
    return ask.tx.keys.fingerprint("sms-echo", str(ask.subject_id), what)


async def _earlier(tx: Tx, echo_key: str) -> Reply | None:
    """The answer to the message that this one repeats, if there was one within the window."""
    row = await tx.first(
        select(outgoing_sms.c.text_key, outgoing_sms.c.params)
        .select_from(incoming_sms.outerjoin(outgoing_sms, outgoing_sms.c.id == incoming_sms.c.reply_id))
        .where(incoming_sms.c.echo_key == echo_key, incoming_sms.c.received_at > tx.now - ECHO_WINDOW)
        .order_by(incoming_sms.c.received_at.desc())
    )
    return Reply(row.text_key, row.params or {}) if row else None


def _refused(refusal: GatewayError) -> Reply:
    params: dict[str, Any] = {
        name: value if isinstance(value, int | str) else str(value) for name, value in refusal.params.items()
    }
    return Reply(refusal.text_key, params, changed=False)


async def _once_in_a_while(tx: Tx, message: IncomingText, outcome: str, reply: Reply) -> Reply | None:
    """`reply` to what comes to nothing, at most once in ten minutes per number: two robots must not chat."""
    told = await tx.value(
        select(incoming_sms.c.id)
        .where(incoming_sms.c.phone_index == tx.keys.blind_index(message.phone))
        .where(incoming_sms.c.received_at > tx.now - HELP_WINDOW)
        .where(incoming_sms.c.outcome == outcome, incoming_sms.c.reply_id.is_not(None))
        .limit(1)
    )
    return None if told else reply


def _sorry(state: Maintenance, now: datetime) -> Reply:
    told = maintenance.sorry(state, now)
    return Reply(told.key, told.params, changed=False)


async def _answer(tx: Tx, person: Person, language: str, reply: Reply | None) -> UUID | None:
    if reply is None or reply.key is None:
        return None
    return await notify(tx, phone=person.phone, language=language, key=reply.key, params=reply.params)
