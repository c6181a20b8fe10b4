"""The outbox sends each message once, tries again only what certainly did not go out, and hides codes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from core.sealed import seal
from marketplace.notifications.carrier import SendResult
from marketplace.notifications.service import BACKOFF_SECONDS, Outbox, notify, opt_in, opt_out, take_report
from marketplace.notifications.tables import outgoing_sms, sms_opt_out

pytestmark = pytest.mark.anyio

PHONE = "+237670000001"
ACCEPTED = SendResult("accepted", "Queued", "ATXid_1")


class FakeCarrier:
    """Answers what the test scripts, and remembers what it was given."""

    name = "fake"
    budget_seconds = 10.0

    def __init__(self, *answers: SendResult) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str]] = []
        self.before_answer: Callable[[], Any] | None = None

    async def send(self, *, phone: str, text: str, message_id: UUID) -> SendResult:
        self.sent.append((phone, text))
        if self.before_answer:
            await self.before_answer()
        return self.answers.pop(0) if self.answers else ACCEPTED


async def write(database: Database, **more: Any) -> UUID:
    async with database.transaction() as tx:
        params = {"code": seal("login_code", "challenge-1")}
        return await notify(tx, phone=PHONE, language="fr", key="sms.login_code", params=params, **more)


async def row(database: Database, message_id: UUID) -> Any:
    async with database.reading() as tx:
        return await tx.one(select(outgoing_sms).where(outgoing_sms.c.id == message_id))


async def report(database: Database, status: str) -> None:
    async with database.transaction() as tx:
        await take_report(tx, provider="fake", provider_message_id="ATXid_1", status=status)


async def test_a_message_goes_out_once_however_many_workers_ask(database: Database) -> None:
    carrier = FakeCarrier()
    outbox = Outbox(database, carrier)
    message_id = await write(database)
    await asyncio.gather(*(outbox.deliver(message_id) for _ in range(8)), outbox.sweep())
    code = database.keys.digits("login_code", "challenge-1", 6)
    assert [phone for phone, _ in carrier.sent] == [PHONE]
    assert code in carrier.sent[0][1]
    stored = await row(database, message_id)
    assert (stored.state, stored.provider_message_id, stored.due_at) == ("sent", "ATXid_1", None)


async def test_neither_phone_nor_code_rests_in_the_clear(database: Database) -> None:
    stored = await row(database, await write(database))
    assert PHONE.removeprefix("+").encode() not in bytes(stored.phone) + bytes(stored.phone_index)
    assert database.keys.digits("login_code", "challenge-1", 6) not in str(stored.params)
    assert database.keys.decrypt(stored.phone) == PHONE


async def test_a_rolled_back_change_tells_nobody(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await notify(tx, phone=PHONE, language=None, key="sms.login_code", params={})
            raise RuntimeError("the change failed")
    assert await Outbox(database, FakeCarrier()).sweep() == 0


async def test_a_transient_refusal_is_tried_again_later_and_not_for_ever(
    database: Database, clock: ManualClock
) -> None:
    carrier = FakeCarrier(*[SendResult("transient", "GatewayError")] * 20)
    outbox = Outbox(database, carrier)
    message_id = await write(database)
    for wait in BACKOFF_SECONDS:
        await outbox.sweep()
        assert await outbox.sweep() == 0, "nothing is due before the wait is over"
        clock.advance(seconds=wait)
    await outbox.sweep()
    assert (await row(database, message_id)).state == "failed"
    assert len(carrier.sent) == len(BACKOFF_SECONDS) + 1


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (SendResult("refused", "UserInBlacklist"), "failed"),
        (SendResult("unknown", "no answer"), "unanswered"),
    ],
)
async def test_what_is_final_or_unknown_is_never_sent_again(
    database: Database, clock: ManualClock, result: SendResult, state: str
) -> None:
    carrier = FakeCarrier(result)
    outbox = Outbox(database, carrier)
    message_id = await write(database)
    await outbox.sweep()
    clock.advance(days=1)
    await outbox.sweep()
    stored = await row(database, message_id)
    assert (stored.state, stored.provider_status, len(carrier.sent)) == (state, result.word, 1)


async def test_a_worker_that_dies_while_sending_leaves_an_unknown_fate(database: Database, clock: ManualClock) -> None:
    carrier = FakeCarrier()
    outbox = Outbox(database, carrier)

    async def die() -> None:
        raise KeyboardInterrupt

    carrier.before_answer = die
    message_id = await write(database)
    with pytest.raises(KeyboardInterrupt):
        await outbox.deliver(message_id)
    carrier.before_answer = None
    clock.advance(minutes=5)
    await outbox.sweep()
    assert ((await row(database, message_id)).state, len(carrier.sent)) == ("unanswered", 1)


async def test_what_is_no_longer_useful_is_not_sent(database: Database, clock: ManualClock) -> None:
    carrier = FakeCarrier()
    message_id = await write(database, useful_until=clock.now() + timedelta(seconds=75))
    clock.advance(seconds=76)
    outbox = Outbox(database, carrier)
    await outbox.deliver(message_id)
    await outbox.sweep()
    assert ((await row(database, message_id)).state, carrier.sent) == ("expired", [])


async def test_reports_update_the_message_until_one_is_final(database: Database) -> None:
    message_id = await write(database)
    await Outbox(database, FakeCarrier()).deliver(message_id)
    for status, state in [
        ("Buffered", "sent"),
        ("SomethingNew", "sent"),
        ("Success", "delivered"),
        ("Success", "delivered"),
        ("Sent", "delivered"),
    ]:
        await report(database, status)
        assert (await row(database, message_id)).state == state
    assert (await row(database, message_id)).provider_status == "Success"


async def test_a_report_may_overtake_the_carriers_answer(database: Database) -> None:
    carrier = FakeCarrier()
    carrier.before_answer = lambda: report(database, "Success")
    message_id = await write(database)
    await Outbox(database, carrier).deliver(message_id)
    assert (await row(database, message_id)).state == "delivered"


async def test_stop_and_start(database: Database) -> None:
    async with database.transaction() as tx:
        await opt_out(tx, phone=PHONE)
        await opt_out(tx, phone=PHONE)
        assert len(await tx.all(select(sms_opt_out))) == 1
        await opt_in(tx, phone=PHONE)
        assert len(await tx.all(select(sms_opt_out))) == 0
