"""The outbox: a message is a row written with the change it tells about, and sent once that is committed."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Database, Tx
from core.ids import new_id
from core.jobs import enqueue
from core.logs import logger
from core.texts import DEFAULT_LANGUAGE
from marketplace.notifications.carrier import Carrier, SendResult
from marketplace.notifications.rendering import render
from marketplace.notifications.tables import delivery_report, outgoing_sms, sms_opt_out

SEND_JOB = "sms.send"

# Waits after a transient refusal; after the last one the message has failed.
BACKOFF_SECONDS = (5, 20, 60, 300, 900, 3600)
# Room beyond the carrier's time-outs before a lease counts as orphaned.
LEASE_MARGIN_SECONDS = 20
SWEEP_BATCH = 8

# The carriers' words that end the story; every other word is only stored.
FINAL_REPORTS = {"Success": "delivered", "Rejected": "failed", "Failed": "failed"}

log = logger(__name__)


async def notify(
    tx: Tx,
    *,
    phone: str,
    language: str | None,
    key: str,
    params: Mapping[str, str | int],
    about: UUID | None = None,
    useful_until: datetime | None = None,
) -> UUID:
    """Write the text `key` for `phone` (E.164) into the outbox; it goes out after `tx` commits.

    Strings in `params` may be cut to fit one part, so amounts and numbers come as int; a code comes as
    `core.sealed.seal(...)`. Not sent after `useful_until`. Returns the message's id.
    """
    message_id = new_id()
    row = {
        "id": message_id,
        "phone": tx.keys.encrypt(phone),
        "phone_index": tx.keys.blind_index(phone),
        "language": language or DEFAULT_LANGUAGE,
        "text_key": key,
        "params": dict(params),
        "about": about,
        "state": "queued",
        "attempts": 0,
        "due_at": tx.now,
        "useful_until": useful_until,
        "created_at": tx.now,
    }
    await tx.run(insert(outgoing_sms).values(row))
    await enqueue(tx, SEND_JOB, message_id)
    return message_id


async def take_report(tx: Tx, *, provider: str, provider_message_id: str, status: str, reason: str = "") -> None:
    """Store a delivery report and what it says about its message. Repeats and unknown words are welcome."""
    # The report races with our own note of the carrier's answer: whoever is second sees the first.
    await tx.queue_up(f"{provider}:{provider_message_id}")
    row = {
        "provider": provider,
        "provider_message_id": provider_message_id,
        "status": status,
        "reason": reason,
        "received_at": tx.now,
    }
    await tx.run(insert(delivery_report).values(row).on_conflict_do_nothing())
    await _apply_report(tx, provider, provider_message_id, status)


async def opt_out(tx: Tx, *, phone: str) -> None:
    """STOP: no advertising to this number. Messages about its own orders still go out."""
    row = {"phone_index": tx.keys.blind_index(phone), "created_at": tx.now}
    await tx.run(insert(sms_opt_out).values(row).on_conflict_do_nothing())


async def opt_in(tx: Tx, *, phone: str) -> None:
    """START: takes STOP back."""
    await tx.run(delete(sms_opt_out).where(sms_opt_out.c.phone_index == tx.keys.blind_index(phone)))


async def _apply_report(tx: Tx, provider: str, provider_message_id: str, status: str) -> None:
    """The newest word counts, until one is final."""
    await tx.run(
        update(outgoing_sms)
        .where(outgoing_sms.c.provider == provider, outgoing_sms.c.provider_message_id == provider_message_id)
        .where(outgoing_sms.c.state == "sent")
        .values(provider_status=status, state=FINAL_REPORTS.get(status, "sent"))
    )


class Outbox:
    """Sends what `notify` wrote: claim the row, commit, talk to the carrier, note what came of it.

    A message whose fate is unknown (no answer, or the process died on the way) is not sent again. The
    carrier has no key that would make a repeat harmless, and a second "1 = OK" or a second offer does
    more harm than a missing one: everything an SMS tells can also be pulled by USSD, unanswered orders
    are reminded (D16), offers run out and go to the next driver (D17), codes are sent again on request.
    Such rows stay `unanswered`, for operations to see.
    """

    def __init__(self, database: Database, carrier: Carrier) -> None:
        self._database = database
        self._carrier = carrier

    async def deliver(self, message_id: UUID) -> None:
        """Send one message if it is due and nobody else has it in hand."""
        message = await self._claim(message_id)
        if message is None:
            return
        result = await self._send(message)
        await self._record(message, result)
        log.info("sms_sent", message=str(message.id), key=message.text_key, outcome=result.outcome, word=result.word)

    async def sweep(self) -> int:
        """Give up what nobody will finish, then send what is due; how many were tried."""
        async with self._database.transaction() as tx:
            await self._give_up(tx)
            due = await tx.all(
                select(outgoing_sms.c.id)
                .where(outgoing_sms.c.state == "queued", outgoing_sms.c.due_at <= tx.now)
                .order_by(outgoing_sms.c.due_at)
                .limit(SWEEP_BATCH)
            )
        sent = await asyncio.gather(*(self.deliver(row.id) for row in due), return_exceptions=True)
        for problem in sent:
            if isinstance(problem, Exception):
                log.error("sms_failed", exc_info=problem)
        return len(due)

    async def _claim(self, message_id: UUID) -> Row[Any] | None:
        """Take the lease in a transaction of its own: two workers never hold one message."""
        async with self._database.transaction() as tx:
            lease = tx.now + timedelta(seconds=self._carrier.budget_seconds + LEASE_MARGIN_SECONDS)
            return await tx.first(
                update(outgoing_sms)
                .where(outgoing_sms.c.id == message_id)
                .where(outgoing_sms.c.state == "queued", outgoing_sms.c.due_at <= tx.now)
                .where(func.coalesce(outgoing_sms.c.useful_until, tx.now) >= tx.now)
                .values(state="sending", attempts=outgoing_sms.c.attempts + 1, due_at=lease)
                .returning(outgoing_sms)
            )

    async def _send(self, message: Row[Any]) -> SendResult:
        keys = self._database.keys
        text = render(keys, language=message.language, key=message.text_key, params=message.params)
        return await self._carrier.send(phone=keys.decrypt(message.phone), text=text, message_id=message.id)

    async def _record(self, message: Row[Any], result: SendResult) -> None:
        async with self._database.transaction() as tx:
            changes = _after(result, attempts=message.attempts, now=tx.now)
            if result.provider_message_id:
                await tx.queue_up(f"{self._carrier.name}:{result.provider_message_id}")
            await tx.run(
                update(outgoing_sms)
                .where(outgoing_sms.c.id == message.id, outgoing_sms.c.attempts == message.attempts)
                .values(
                    provider=self._carrier.name,
                    provider_message_id=result.provider_message_id,
                    provider_status=result.word,
                    **changes,
                )
            )
            await self._catch_up(tx, result.provider_message_id)

    async def _catch_up(self, tx: Tx, provider_message_id: str | None) -> None:
        """Apply the reports that overtook the carrier's answer."""
        early = await tx.all(
            select(delivery_report.c.status)
            .where(delivery_report.c.provider == self._carrier.name)
            .where(delivery_report.c.provider_message_id == provider_message_id)
            .order_by(delivery_report.c.received_at)
        )
        for report in early:
            await _apply_report(tx, self._carrier.name, str(provider_message_id), report.status)

    async def _give_up(self, tx: Tx) -> None:
        """Orphaned leases have an unknown fate; what is no longer useful is not sent."""
        overdue = update(outgoing_sms).where(outgoing_sms.c.due_at <= tx.now)
        orphans = await tx.run(overdue.where(outgoing_sms.c.state == "sending").values(state="unanswered", due_at=None))
        await tx.run(
            overdue.where(outgoing_sms.c.state == "queued", outgoing_sms.c.useful_until < tx.now).values(
                state="expired", due_at=None
            )
        )
        if orphans:
            log.warning("sms_unanswered", count=orphans)


def _after(result: SendResult, *, attempts: int, now: datetime) -> dict[str, Any]:
    """What a carrier's answer makes of the row."""
    match result.outcome:
        case "accepted":
            return {"state": "sent", "sent_at": now, "due_at": None}
        case "transient" if attempts <= len(BACKOFF_SECONDS):
            return {"state": "queued", "due_at": now + timedelta(seconds=BACKOFF_SECONDS[attempts - 1])}
        case "unknown":
            return {"state": "unanswered", "due_at": None}
        case _:
            return {"state": "failed", "due_at": None}
