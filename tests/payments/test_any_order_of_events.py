"""Any order of requests, faults, callbacks, crashes and sweeps by two workers ends with every franc in its place."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from core.money import basis_points_up
from core.settings import Settings
from ledger.chart import SUSPENSE_SURPLUS, in_transit
from payments import doorbell, service
from payments.errors import NotRetryable, PaymentBusy
from payments.providers.protocol import Callback
from payments.tables import attempt
from tests.payments.house import House
from tests.payments.network import FakeCampay, html, lost, refused_connection, says

pytestmark = pytest.mark.anyio

FAULTS = (
    ("before", lost),
    ("after", lost),
    ("before", html(502)),
    ("after", html(502)),
    ("after", says(200)),
    ("before", refused_connection),
    ("before", says(401, detail="Invalid token.")),
    ("before", says(400, message="x", error_code="ER201")),
)
PATHS = ("/collect/", "/withdraw/", "/transaction/", "/history/", "/balance/", "/token/")

PHONES = ("+237670000001", "+237670000002", "+237677000003")

recent = st.integers(0, 3)  # the newest transaction or payment, the one before it …
later = st.sampled_from([1, 6, 20, 70, 70, 1000])
sweep = st.tuples(st.just("sweep"), later)
decide = st.tuples(st.just("decide"), recent, st.sampled_from(["SUCCESSFUL", "FAILED"]))
event = st.one_of(
    st.tuples(st.just("collect"), st.sampled_from([2000, 3800]), st.sampled_from(PHONES)),
    st.tuples(st.just("pay_out"), st.sampled_from([1000, 2550]), st.sampled_from(PHONES)),
    sweep,
    sweep,
    st.tuples(st.just("both_sweep"), later),
    decide,
    decide,
    st.tuples(st.just("contradict"), recent),
    st.tuples(st.just("call_back"), recent),
    st.tuples(st.just("spoil"), st.sampled_from(PATHS), st.sampled_from(FAULTS)),
    st.tuples(st.just("crash"), st.sampled_from(["/collect/", "/withdraw/"]), st.sampled_from(["before", "after"])),
    st.tuples(st.just("retry"), recent),
    st.tuples(st.just("cancel"), recent),
)


class Killed(BaseException):
    """The worker ends here."""


def _kill() -> httpx.Response:
    raise Killed


class World:
    """A house whose network misbehaves as it is told."""

    def __init__(self, house: House, key: str) -> None:
        self.house = house
        self.campay: FakeCampay = house.campay
        self.key = key

    async def collect(self, amount_xaf: int, phone: str) -> None:
        await self.house.collect(key=str(uuid4()), amount_xaf=amount_xaf, phone=phone)

    async def pay_out(self, amount_xaf: int, phone: str) -> None:
        await self.house.pay_out(key=str(uuid4()), amount_xaf=amount_xaf, phone=phone)

    async def sweep(self, seconds: float) -> None:
        self.house.clock.advance(seconds=seconds)
        await self._work()

    async def both_sweep(self, seconds: float) -> None:
        self.house.clock.advance(seconds=seconds)
        await asyncio.gather(self._work(), self._work())

    async def _work(self) -> None:
        try:
            await self.house.another_engine().sweep()
        except Killed:
            await asyncio.sleep(0)

    def _transaction(self, number: int) -> dict[str, Any] | None:
        known = list(self.campay.transactions.values())
        return known[-1 - number] if number < len(known) else None

    async def decide(self, number: int, status: str) -> None:
        transaction = self._transaction(number)
        if transaction and transaction["status"] == "PENDING":
            transaction["status"] = status

    async def contradict(self, number: int) -> None:
        """A late success of a collection after FAILED; only a callback can tell it."""
        transaction = self._transaction(number)
        if transaction and transaction["status"] == "FAILED" and transaction["endpoint"] == "collect":
            transaction["status"] = "SUCCESSFUL"
            await self.call_back(number)

    async def call_back(self, number: int) -> None:
        transaction = self._transaction(number)
        if transaction:
            fields = httpx.QueryParams(self.campay.callback(transaction, key=self.key))
            async with self.house.database.transaction() as tx:
                await doorbell.ring(tx, provider="campay", callback=Callback(query=str(fields)))

    async def spoil(self, path: str, fault: tuple[str, Any]) -> None:
        when, spoiler = fault
        getattr(self.campay, when)[path].append(spoiler)

    async def crash(self, path: str, when: str) -> None:
        getattr(self.campay, when)[path].append(_kill)

    async def retry(self, number: int) -> None:
        owed = (await self.house.payments())[::-1][number : number + 1]
        for row in owed:
            with suppress(NotRetryable, PaymentBusy):
                await self.house.retry(row.id)

    async def cancel(self, number: int) -> None:
        collections = [row for row in await self.house.payments() if row.kind == "collect"]
        for row in collections[::-1][number : number + 1]:
            with suppress(PaymentBusy):
                async with self.house.database.transaction() as tx:
                    await service.cancel(tx, payment_id=row.id)

    async def settle_down(self) -> None:
        """Nothing goes wrong any more, every handset answers, weeks pass: all must come to rest."""
        self.campay.before.clear()
        self.campay.after.clear()
        for seconds in (*(70,) * 10, *(90_000,) * 120):
            for transaction in self.campay.transactions.values():
                if transaction["status"] == "PENDING":
                    transaction["status"] = "SUCCESSFUL"
            await self.sweep(seconds)
            if not await self._unsettled():
                return
        raise AssertionError(f"still unsettled: {await self._unsettled()}")

    async def _unsettled(self) -> list[Any]:
        async with self.house.database.reading() as tx:
            live = select(attempt.c.state, attempt.c.evidence).where(attempt.c.next_check_at.is_not(None))
            return list(await tx.all(live))

    async def check(self) -> None:
        house, campay = self.house, self.campay
        moved = [row for row in campay.transactions.values() if row["status"] == "SUCCESSFUL"]
        assert await house.findings() == []
        tries = await house.attempts()
        silent = [row for row in tries if row.state == "REVIEW"]
        assert {row.state for row in tries} <= {"SUCCEEDED", "FAILED", "DEAD", "REVIEW"}
        assert {row.evidence for row in silent} <= {"SILENT"}  # requests that were lost before any effect
        sent = Counter(row["external_reference"] for row in campay.transactions.values())
        assert set(sent.values()) <= {1}, "something was sent twice"
        assert await house.balance("float:campay:mtn") == sum(map(_effect, moved))
        assert await house.set_aside() == await house.balance(SUSPENSE_SURPLUS) == 0
        in_doubt = sum(row.amount_xaf for row in silent if row.kind != "collect")
        assert await house.balance(in_transit("campay")) == in_doubt
        await self._check_payments({row["external_reference"]: int(float(row["amount"])) for row in moved})
        async with house.database.reading() as tx:
            journals = await tx.all(text("SELECT count(*) FROM journal WHERE key ~ '^attempt.*settled$'"))
        assert journals[0][0] == len(moved)

    async def _check_payments(self, moved: dict[str, int]) -> None:
        """Each collection took the amount or nothing, refunds counted; no payout had its effect twice."""
        effect = Counter[Any]()
        for tried in await self.house.attempts():
            effect[tried.payment_id] += moved.get(str(tried.id), 0)
        in_wallets = Counter[Any]()
        for name, told in self.house.told:
            if name == "surplus":
                in_wallets[told.id] += told.amount_xaf
        rows = await self.house.payments()
        for row in rows:
            back = sum(effect[refund.id] for refund in rows if refund.returns == row.id) + in_wallets[row.id]
            assert effect[row.id] - back == (row.amount_xaf if row.state == "PAID" else 0), row.kind


def _effect(transaction: dict[str, Any]) -> int:
    """What a successful transaction did to our float."""
    amount_xaf = int(float(transaction["amount"]))
    if transaction["endpoint"] == "collect":
        return amount_xaf - basis_points_up(amount_xaf, 250)
    return -amount_xaf - basis_points_up(amount_xaf, 100)


# One database for all examples, so a failure cannot be shrunk; what is checked holds over all of them together.
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=st.lists(event, min_size=10, max_size=50))
async def test_every_franc_ends_in_its_place(house: House, settings: Settings, events: list[tuple[Any, ...]]) -> None:
    world = World(house, settings.campay_webhook_key)
    for name, *arguments in events:
        await getattr(world, name)(*arguments)
    await world.settle_down()
    await world.check()
