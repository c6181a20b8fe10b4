"""Two networks that misbehave as they are told, a house between them, and two honest people of finance.

What a movement really did is on the networks' side, and what we make of it on ours: a test compares the two.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import Row, select, text

from core import four_eyes
from core.errors import GatewayError
from ledger.chart import escrow
from payments import decisions, doorbell, maintenance, service
from payments.decisions import Decisions, Ruling, Waiting
from payments.errors import NotRetryable, PaymentBusy, PaymentsPaused
from payments.providers.campay import Campay
from payments.providers.protocol import Callback
from payments.states import Kind
from payments.tables import attempt, payment
from tests.payments import faults
from tests.payments.faults import CAMPAY_CALLS, MONEY_CALLS, Killed
from tests.payments.house import House
from tests.payments.movements import Movement
from tests.payments.network import FakeCampay, Spoiler, says
from tests.payments.pawapay_network import FakePawapay

HOLDERS = ("NGO BIYONG Esther", "TCHATCHOUA Paul")
ANNE, BORIS = uuid4(), uuid4()


class World:
    """One example: what happens to it is named by the methods up to `settle_down`."""

    def __init__(self, house: House, pawapay: FakePawapay, key: str) -> None:
        self.house = house
        self.campay: FakeCampay = house.campay
        self.pawapay = pawapay
        self.reversed: set[str] = set()  # our ids of what a provider took back
        self.refused: set[str] = set()  # … and of what it said to have refused, and did
        self.borne_xaf = Counter[UUID]()  # by payment (a refund's: by its collection): what finance took upon us
        self._hidden = False
        self._key = key
        self._begun = house.clock.now()
        campay = Campay(house.database.settings, http_client=house.campay.client())
        self._decisions = Decisions(house.handlers, (campay, *house.others))
        self.campay.transactions.clear()
        self.pawapay.movements.clear()
        self._behave()

    # -- what both sides know

    def movements(self) -> list[Movement]:
        words = "SUCCESSFUL", "FAILED"
        campay = self.campay.transactions.values()
        listed = [Movement("campay", row, row["external_reference"], row["endpoint"], words) for row in campay]
        for name, row in self.pawapay.movements.items():
            noun, _, ref = name.partition("/")
            listed.append(Movement("pawapay", row, ref, noun, ("COMPLETED", "FAILED")))
        return listed

    def _movement(self, number: int) -> Movement | None:
        known = self.movements()
        return known[-1 - number] if number < len(known) else None

    async def payments(self) -> Sequence[Row[Any]]:
        """Those of this example, the oldest first."""
        mine = select(payment).where(payment.c.created_at >= self._begun)
        async with self.house.database.reading() as tx:
            return await tx.all(mine.order_by(payment.c.created_at, payment.c.id))

    async def attempts(self) -> Sequence[Row[Any]]:
        mine = select(attempt).where(attempt.c.created_at >= self._begun)
        async with self.house.database.reading() as tx:
            return await tx.all(mine.order_by(attempt.c.created_at))

    # -- people

    async def collect(self, amount_xaf: int, phone: str) -> None:
        with suppress(PaymentsPaused):
            await self.house.collect(key=str(uuid4()), amount_xaf=amount_xaf, phone=phone)

    async def pay_out(self, amount_xaf: int, phone: str) -> None:
        await self.house.pay_out(key=str(uuid4()), amount_xaf=amount_xaf, phone=phone)

    async def give_back(self, number: int) -> None:
        """A paid order is refunded to the phone that paid it."""
        for row in await self._nth("collect", number, "PAID"):
            owed = {"reference": row.reference, "payment_id": row.id, "amount_xaf": row.amount_xaf}
            with suppress(GatewayError):  # it was, or is about to be
                async with self.house.database.transaction() as tx:
                    debit = escrow(row.reference)
                    await service.request_refund(tx, purpose="refund", debit=debit, key=str(uuid4()), **owed)

    async def retry(self, number: int) -> None:
        for row in await self._nth("collect", number):
            with suppress(NotRetryable, PaymentBusy, PaymentsPaused):
                await self.house.retry(row.id)

    async def cancel(self, number: int) -> None:
        for row in await self._nth("collect", number):
            with suppress(PaymentBusy):
                async with self.house.database.transaction() as tx:
                    await service.cancel(tx, payment_id=row.id)

    async def _nth(self, kind: str, number: int, *states: str) -> Sequence[Row[Any]]:
        rows = [row for row in await self.payments() if row.kind == kind and (not states or row.state in states)]
        return rows[::-1][number : number + 1]

    async def finance(self) -> None:
        """Two people decide all that waits for them, by what they see at the providers."""
        shown = {movement.our_id: movement for movement in self.movements()}
        async with self.house.database.reading() as tx:
            waiting = await decisions.waiting(tx)
        for one in waiting:
            for ruling in _rulings(one, shown.get(str(one.attempt_id))):
                if await self._rule(one, ruling, shown.get(str(one.attempt_id))):
                    await self._bear(one, ruling)
                    break

    async def _rule(self, one: Waiting, ruling: Ruling, seen: Movement | None) -> bool:
        """Whether it could be carried out."""
        amount_xaf = seen.amount_xaf if seen and ruling is Ruling.PAID else None
        about = {"attempt_id": one.attempt_id, "ruling": ruling, "reason": "seen", "amount_xaf": amount_xaf}
        try:
            async with self.house.database.transaction() as tx:
                made = await decisions.propose(tx, by=ANNE, **about)
                approved = await four_eyes.approve(tx, proposal_id=made.id, by=BORIS)
                await self._decisions.carry_out(tx, approved)
        except GatewayError:
            return False
        return True

    async def _bear(self, one: Waiting, ruling: Ruling) -> None:
        """Whose loss or gain that was, if it was ours."""
        moved_xaf, pays_out = one.received_xaf or 0, one.kind is not Kind.COLLECT
        if ruling is Ruling.ACCEPT:
            ours_xaf = max(0, moved_xaf - one.amount_xaf)
        elif ruling is Ruling.KEEP:
            ours_xaf = -moved_xaf
        elif ruling is Ruling.ABSORB:
            came_back = pays_out and str(one.attempt_id) in self.reversed
            ours_xaf = -moved_xaf if came_back else moved_xaf
        else:
            return
        async with self.house.database.reading() as tx:
            returns = await tx.value(select(payment.c.returns).where(payment.c.id == one.payment_id))
        self.borne_xaf[returns or one.payment_id] += ours_xaf

    # -- workers

    async def sweep(self, seconds: float) -> None:
        self.house.clock.advance(seconds=seconds)
        await self._work()

    async def both_sweep(self, seconds: float) -> None:
        self.house.clock.advance(seconds=seconds)
        await asyncio.gather(self._work(), self._work())

    async def _work(self) -> None:
        with suppress(Killed):
            await self.house.another_engine().sweep()

    # -- networks

    async def decide(self, number: int, status: str) -> None:
        movement = self._movement(number)
        if movement and movement.under_way:
            movement.become(status)

    async def contradict(self, number: int) -> None:
        """A late success after FAILED; only a callback can tell it.

        Money that another provider may be paying out since is left alone: nothing could guard against that.
        """
        movement = self._movement(number)
        if movement is None or not movement.is_now("FAILED") or movement.our_id in self.reversed:
            return
        if movement.collects or not movement.failed_technically:
            movement.become("SUCCESSFUL")
            await self.call_back(number)

    async def reverse(self, number: int) -> None:
        """A provider takes back what is booked, and says so some time later."""
        movement = self._movement(number)
        booked = {str(row.id) for row in await self.attempts() if row.settled_at is not None}
        if movement and movement.is_now("SUCCESSFUL") and movement.our_id in booked:
            movement.become("FAILED")
            self.reversed.add(movement.our_id)
            self.house.clock.advance(seconds=61)
            await self.call_back(number)

    async def misstate(self, number: int, how: str) -> None:
        movement = self._movement(number)
        if movement and movement.under_way and "moves" not in movement.row:
            movement.misstate(how)

    async def call_back(self, number: int) -> None:
        movement = self._movement(number)
        if movement:
            await self._ring(movement, self._key)

    async def forge(self, number: int) -> None:
        """Somebody who does not have the key calls a movement successful."""
        movement = self._movement(number)
        if movement:
            await self._ring(movement, "another key of thirty-two characters", status="SUCCESSFUL")

    async def mix_up(self, number: int, other: int) -> None:
        """A callback names the reference of one movement and our id of another."""
        one, another = self._movement(number), self._movement(other)
        if one and another and one.provider == "campay":
            await self._ring(one, self._key, external_reference=another.our_id)

    async def _ring(self, movement: Movement, key: str, **changes: str) -> None:
        told = {**movement.row, **changes}
        if movement.provider == "campay":
            callback = Callback(query=str(httpx.QueryParams(self.campay.callback(told, key=key))))
        else:
            callback = Callback(body=json.dumps(told).encode())
        async with self.house.database.transaction() as tx:
            await doorbell.ring(tx, provider=movement.provider, callback=callback)

    async def spoil(self, call: str, when: str, fault: str) -> None:
        """The next answer to `call` is another one, before or after the call had its effect."""
        wrong = faults.answer(call, fault)
        lies = when == "after" and fault == "refused" and call in MONEY_CALLS
        self._script(call, when).append(self._lying(call, wrong) if lies else wrong)

    def _lying(self, call: str, refusal: Spoiler) -> Spoiler:
        provider = "campay" if call in CAMPAY_CALLS else "pawapay"

        def answered() -> httpx.Response:
            newest = [movement for movement in self.movements() if movement.provider == provider][-1]
            self.refused.add(newest.our_id)
            return refusal()

        return answered

    async def hide(self, noun: str) -> None:
        """pawaPay does not find what it has. Once: that it is believed the second time is the guarantee's limit."""
        if not self._hidden:
            self._hidden = True
            self.pawapay.before[f"GET {noun}"].append(says(200, status="NOT_FOUND"))

    async def crash(self, call: str, when: str) -> None:
        """The worker that makes the next such call dies of it."""
        self._script(call, when).append(faults.kill)

    def _script(self, call: str, when: str) -> Any:
        network = self.campay if call in CAMPAY_CALLS else self.pawapay
        return getattr(network, when)[call]

    async def put_away(self, provider: str, on: bool) -> None:
        async with self.house.database.transaction() as tx:
            await maintenance.set(tx, provider=provider, on=on)

    async def drain(self, provider: str, on: bool) -> None:
        """Our balance there is gone, or back."""
        left = 0 if on else 1_000_000
        if provider == "campay":
            self.campay.floats["mtn_balance"] = left
        else:
            self.pawapay.balance = f"{left}.00"

    async def rename(self, holder: str) -> None:
        """Every account is under this name from now on."""
        self.campay.holder = holder

    # -- the end

    def _behave(self) -> None:
        for network in (self.campay, self.pawapay):
            network.before.clear()
            network.after.clear()

    async def settle_down(self) -> None:
        """Nothing goes wrong any more, every handset answers, what was not heard is called back, weeks pass."""
        self._behave()
        for provider in ("campay", "pawapay"):
            await self.put_away(provider, on=False)
            await self.drain(provider, on=False)
        for seconds in (*(70,) * 10, *(90_000,) * 120):
            await self._networks_finish(call_back=seconds == 70)
            await self.sweep(seconds)
            await self.finance()
            if not await self._unsettled():
                return
        raise AssertionError(f"still unsettled: {await self._unsettled()}")

    async def _networks_finish(self, call_back: bool) -> None:
        """Every third movement comes to nothing. A callback is what tells of one that we believe to be over."""
        booked = {str(row.id) for row in await self.attempts() if row.settled_at is not None}
        for number, movement in enumerate(self.movements()):
            if movement.under_way:
                movement.become("SUCCESSFUL" if number % 3 else "FAILED")
            if call_back and movement.is_now("SUCCESSFUL") and movement.our_id not in booked:
                await self._ring(movement, self._key)

    async def _unsettled(self) -> list[Any]:
        """Attempts that are still looked at, and those that wait for people."""
        async with self.house.database.reading() as tx:
            live = select(attempt.c.state, attempt.c.evidence).where(attempt.c.next_check_at.is_not(None))
            return [*await tx.all(live), *await decisions.waiting(tx)]

    async def credited(self) -> Mapping[UUID, int]:
        """What went to wallets of each collection's money, because its phone did not take it."""
        journals = text("""
            SELECT journal.metadata ->> 'payment' AS payment, sum(amount) AS xaf
            FROM journal JOIN posting ON journal_id = journal.id
            WHERE journal.kind = 'surplus_to_wallet' GROUP BY 1
        """)
        async with self.house.database.reading() as tx:
            return {UUID(row.payment): int(row.xaf) for row in await tx.all(journals)}


def _rulings(one: Waiting, seen: Movement | None) -> Sequence[Ruling]:
    """What an honest pair tries, the first first; nothing while the provider still works on it."""
    if Ruling.PAID in one.rulings:
        if seen and seen.under_way:
            return ()
        return (Ruling.PAID,) if seen and seen.is_now("SUCCESSFUL") else (Ruling.UNPAID,)
    order = Ruling.TRUST, Ruling.RETURN, Ruling.KEEP, Ruling.ACCEPT, Ruling.RECOVER, Ruling.UNPAID, Ruling.ABSORB
    return [ruling for ruling in order if ruling in one.rulings]
