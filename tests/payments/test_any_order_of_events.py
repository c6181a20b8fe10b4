"""Any order of requests, faults, callbacks, reversals, crashes and sweeps by two workers over two providers ends with
every franc in its place.
"""

import asyncio
import json
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
from ledger.chart import SUSPENSE_MISMATCH, SUSPENSE_SURPLUS, in_transit
from payments import attempts, doorbell, maintenance, service
from payments.errors import NotRetryable, PaymentBusy, PaymentsPaused
from payments.providers.protocol import Callback
from payments.settlement import Settlement
from payments.states import Failure, State
from payments.tables import attempt, reversal
from tests.payments.house import House
from tests.payments.network import FakeCampay, html, lost, refused_connection, says
from tests.payments.pawapay_network import IDS, FakePawapay

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
CAMPAY = ("/collect/", "/withdraw/", "/transaction/", "/history/", "/balance/", "/token/")
PAWAPAY = (*(f"{verb} {noun}" for verb in ("POST", "GET") for noun in IDS), "GET wallet-balances")
MONEY = ("/collect/", "/withdraw/", *(f"POST {noun}" for noun in IDS))

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
    st.tuples(st.just("reverse"), recent),
    st.tuples(st.just("put_away"), st.sampled_from(["campay", "pawapay"]), st.booleans()),
    st.tuples(st.just("call_back"), recent),
    st.tuples(st.just("spoil"), st.sampled_from(CAMPAY + PAWAPAY), st.sampled_from(FAULTS)),
    st.tuples(st.just("crash"), st.sampled_from(MONEY), st.sampled_from(["before", "after"])),
    st.tuples(st.just("retry"), recent),
    st.tuples(st.just("cancel"), recent),
)


class Killed(BaseException):
    """The worker ends here."""


def _kill() -> httpx.Response:
    raise Killed


class Movement:
    """One movement at a provider, whichever that is."""

    def __init__(self, provider: str, row: dict[str, Any], our_id: str, collects: bool, words: tuple[str, str]) -> None:
        self.provider = provider
        self.row = row
        self.our_id = our_id
        self.collects = collects
        self._words = dict(zip(("SUCCESSFUL", "FAILED"), words, strict=True))

    @property
    def amount_xaf(self) -> int:
        return int(float(self.row["amount"]))

    def is_now(self, status: str) -> bool:
        return bool(self.row["status"] == self._words[status])

    @property
    def under_way(self) -> bool:
        return self.row["status"] not in self._words.values()

    def become(self, status: str) -> None:
        self.row["status"] = self._words[status]

    @property
    def effect_xaf(self) -> int:
        """What it did to our float when it was successful."""
        if self.collects:
            return self.amount_xaf - basis_points_up(self.amount_xaf, 250)
        return -self.amount_xaf - basis_points_up(self.amount_xaf, 100)


class World:
    """A house whose networks misbehave as they are told."""

    def __init__(self, house: House, pawapay: FakePawapay, key: str, undone: set[str]) -> None:
        self.house = house
        self.campay: FakeCampay = house.campay
        self.pawapay = pawapay
        self.key = key
        self.reversed = undone

    def _movements(self) -> list[Movement]:
        words = "SUCCESSFUL", "FAILED"
        listed = [
            Movement("campay", row, row["external_reference"], row["endpoint"] == "collect", words)
            for row in self.campay.transactions.values()
        ]
        for name, row in self.pawapay.movements.items():
            noun, _, ref = name.partition("/")
            listed.append(Movement("pawapay", row, ref, noun == "deposits", ("COMPLETED", "FAILED")))
        return listed

    async def collect(self, amount_xaf: int, phone: str) -> None:
        with suppress(PaymentsPaused):
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

    def _movement(self, number: int) -> Movement | None:
        known = self._movements()
        return known[-1 - number] if number < len(known) else None

    async def decide(self, number: int, status: str) -> None:
        movement = self._movement(number)
        if movement and movement.under_way:
            movement.become(status)

    async def contradict(self, number: int) -> None:
        """A late success of a collection after FAILED; only a callback can tell it."""
        movement = self._movement(number)
        if movement and movement.is_now("FAILED") and movement.collects and movement.our_id not in self.reversed:
            movement.become("SUCCESSFUL")
            await self.call_back(number)

    async def reverse(self, number: int) -> None:
        """A provider takes back what is booked, and says so some time later."""
        movement = self._movement(number)
        booked = {str(row.id) for row in await self.house.attempts() if row.state == "SUCCEEDED"}
        if movement and movement.is_now("SUCCESSFUL") and movement.our_id in booked:
            movement.become("FAILED")
            self.reversed.add(movement.our_id)
            self.house.clock.advance(seconds=61)
            await self.call_back(number)

    async def call_back(self, number: int) -> None:
        movement = self._movement(number)
        if movement is None:
            return
        if movement.provider == "campay":
            callback = Callback(query=str(httpx.QueryParams(self.campay.callback(movement.row, key=self.key))))
        else:
            callback = Callback(body=json.dumps(movement.row).encode())
        async with self.house.database.transaction() as tx:
            await doorbell.ring(tx, provider=movement.provider, callback=callback)

    def _network(self, call: str) -> FakeCampay | FakePawapay:
        return self.campay if call in CAMPAY else self.pawapay

    async def spoil(self, call: str, fault: tuple[str, Any]) -> None:
        when, spoiler = fault
        getattr(self._network(call), when)[call].append(spoiler)

    async def crash(self, call: str, when: str) -> None:
        getattr(self._network(call), when)[call].append(_kill)

    async def put_away(self, provider: str, on: bool) -> None:
        async with self.house.database.transaction() as tx:
            await maintenance.set(tx, provider=provider, on=on)

    async def retry(self, number: int) -> None:
        owed = (await self.house.payments())[::-1][number : number + 1]
        for row in owed:
            with suppress(NotRetryable, PaymentBusy, PaymentsPaused):
                await self.house.retry(row.id)

    async def cancel(self, number: int) -> None:
        collections = [row for row in await self.house.payments() if row.kind == "collect"]
        for row in collections[::-1][number : number + 1]:
            with suppress(PaymentBusy):
                async with self.house.database.transaction() as tx:
                    await service.cancel(tx, payment_id=row.id)

    async def settle_down(self) -> None:
        """Nothing goes wrong any more, every handset answers, weeks pass: all must come to rest."""
        for network in (self.campay, self.pawapay):
            network.before.clear()
            network.after.clear()
        for provider in ("campay", "pawapay"):
            await self.put_away(provider, on=False)
        for seconds in (*(70,) * 10, *(90_000,) * 120):
            for movement in self._movements():
                if movement.under_way:
                    movement.become("SUCCESSFUL")
            await self.sweep(seconds)
            await self._people_decide()
            if not await self._unsettled():
                return
        raise AssertionError(f"still unsettled: {await self._unsettled()}")

    async def _people_decide(self) -> None:
        """Payouts that a week of reads did not find: they were lost before any effect, which people can see."""
        at_provider = {movement.our_id for movement in self._movements()}
        settlement = Settlement(self.house.handlers)
        for row in await self.house.attempts():
            left = row.kind != "collect" and row.state == "REVIEW" and row.next_check_at is None
            if left and str(row.id) not in at_provider:
                async with self.house.database.transaction() as tx:
                    case = await attempts.lock(tx, row.id)
                    assert case is not None
                    await settlement.failed(tx, case, State.FAILED, Failure.UNSTATED, "DECIDED UNPAID")

    async def _unsettled(self) -> list[Any]:
        async with self.house.database.reading() as tx:
            live = select(attempt.c.state, attempt.c.evidence).where(attempt.c.next_check_at.is_not(None))
            return list(await tx.all(live))

    async def check(self) -> None:
        house, movements = self.house, self._movements()
        stands = [each for each in movements if each.is_now("SUCCESSFUL")]
        undone = [each for each in movements if each.our_id in self.reversed]
        assert await house.findings() == []
        tries = await house.attempts()
        left = [row for row in tries if row.state == "REVIEW"]
        assert {row.state for row in tries} <= {"SUCCEEDED", "FAILED", "DEAD", "REVIEW"}
        # Requests that were lost before any effect, at the provider that can look nothing up.
        assert {row.evidence.split()[0] for row in left} <= {"SILENT", "UNKNOWN"}
        assert {(row.provider, row.kind) for row in left} <= {("campay", "collect")}
        sent = Counter(each.our_id for each in movements)
        assert set(sent.values()) <= {1}, "something was sent twice"
        for provider in ("campay", "pawapay"):
            held = sum(each.effect_xaf for each in stands if each.provider == provider)
            assert await house.balance(f"float:{provider}:mtn") == held
        assert await house.set_aside() == await house.balance(SUSPENSE_SURPLUS) == 0
        taken = sum(each.amount_xaf if each.collects else -each.amount_xaf for each in undone)
        assert await house.balance(SUSPENSE_MISMATCH) == -taken
        assert await house.balance(in_transit("pawapay")) == await house.balance(in_transit("campay")) == 0
        await self._check_payments({each.our_id: each.amount_xaf for each in (*stands, *undone)})
        async with house.database.reading() as tx:
            journals = await tx.all(text("SELECT count(*) FROM journal WHERE key ~ '^attempt.*settled$'"))
            assert len(await tx.all(select(reversal))) == len(undone)
        assert journals[0][0] == len(stands) + len(undone)

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


@pytest.fixture
def undone() -> set[str]:
    """Our ids of what providers took back, in all examples."""
    return set()


# One database for all examples, so a failure cannot be shrunk; what is checked holds over all of them together.
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=st.lists(event, min_size=10, max_size=50))
async def test_every_franc_ends_in_its_place(
    two_providers: House, pawapay: FakePawapay, settings: Settings, undone: set[str], events: list[tuple[Any, ...]]
) -> None:
    world = World(two_providers, pawapay, settings.campay_webhook_key, undone)
    for name, *arguments in events:
        await getattr(world, name)(*arguments)
    await world.settle_down()
    await world.check()
