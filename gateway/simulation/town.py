"""The people of a simulation: they order, change their minds, cook or refuse, and want their money.

Everything goes through the use cases that channels call. Who does what is drawn from the seed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from core.database import Database, Tx
from core.errors import GatewayError
from core.ids import new_id
from marketplace.catalogue import queries as catalogue
from marketplace.ordering import carts, service
from marketplace.ordering.pricing import Line
from marketplace.ordering.tables import customer_order
from marketplace.payouts import service as payouts
from marketplace.payouts import withdrawals
from marketplace.people import service as people
from marketplace.places.queries import Place
from marketplace.places.tables import quarter

_AT_ONCE = 8  # customers
_ROUND_SECONDS = 0.25
_PAYOUTS_XAF = (500, 700, 1000, 1500)
_MTN, _ORANGE = "+23765{:07d}", "+23769{:07d}"

# Per mille of those who could.
_CANCELS, _PAYS_AGAIN, _REFUSES, _WITHDRAWS = 60, 400, 350, 500

_EXPIRED = text("""
SELECT payment.id, customer_order.id AS order_id, person_id FROM payment
JOIN customer_order ON customer_order.id = reference WHERE payment.kind = 'collect' AND payment.state = 'EXPIRED'
""")


class Town:
    """Customers and kitchens. `turned_away` counts orders that were not taken."""

    def __init__(self, database: Database, seed: int) -> None:
        self._database = database
        self._dice = random.Random(f"{seed} town")  # noqa: S311 - a seed is the point
        self._asked: set[UUID] = set()  # payments whose payer has thought about paying once more
        self.turned_away = 0
        self.placed = 0

    async def order(self, number: int) -> None:
        """This many customers order, a few at a time."""
        await self._read_the_walls()
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(customer: int) -> None:
            async with places:
                taken = await self._try(lambda tx: self._order(tx, customer))
                self.placed += taken
                self.turned_away += not taken

        await asyncio.gather(*(one(customer) for customer in range(number)))

    async def live(self) -> None:
        """Kitchens answer, and payers whose payment expired think again, until cancelled."""
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            for order in await self._rows(select(customer_order).where(customer_order.c.state == "OFFERED")):
                await self._answer(order)
            for payment in await self._rows(_EXPIRED):
                await self._think_again(payment)

    async def _read_the_walls(self) -> None:
        """Restaurants with their dishes and phones, and the quarters."""
        async with self._database.reading() as tx:
            self._menus = {
                kitchen.id: await catalogue.dishes(tx, restaurant_id=kitchen.id)
                for kitchen in await catalogue.restaurants(tx)
            }
            self._phones = {found: await catalogue.restaurant_phones(tx, restaurant_id=found) for found in self._menus}
            self._quarters = [row.id for row in await tx.all(select(quarter.c.id))]

    async def _order(self, tx: Tx, customer: int) -> None:
        person = await people.recognise(tx, phone=self._dice.choice((_MTN, _ORANGE)).format(customer))
        restaurant_id, menu = self._dice.choice([*self._menus.items()])
        meal = self._dice.sample(menu, min(len(menu), self._dice.randint(1, 3)))
        chosen = await carts.save(
            tx,
            person_id=person.id,
            restaurant_id=restaurant_id,
            lines=[Line(dish.id, self._dice.randint(1, 2)) for dish in meal],
            place=Place(self._dice.choice(self._quarters), None, "portail bleu"),
            channel="api",
        )
        assert chosen.quote is not None, "a cart with a place has a quote"
        placed = await service.place(
            tx,
            person_id=person.id,
            cart_id=chosen.cart_id,
            cart_version=chosen.version,
            total_xaf=chosen.quote.total_xaf,
            pay_with="mobile_money",
            channel="api",
        )
        if self._hits(_CANCELS):
            await service.cancel(tx, order_id=placed.id, person_id=person.id)

    async def _answer(self, order: Row[Any]) -> None:
        """The kitchen refuses, and the payer may want the money back; or cooks what the customer then cancels."""
        if self._hits(_REFUSES):
            await self._try(lambda tx: service.refuse(tx, order_id=order.id, by_person=order.payer_id))
            if self._hits(_WITHDRAWS):
                await self._try(lambda tx: self._withdraw(tx, order))
            return
        await self._try(lambda tx: service.accept(tx, order_id=order.id, minutes=20, by_person=order.payer_id))
        await self._try(lambda tx: service.cancel(tx, order_id=order.id, person_id=order.person_id))
        await self._try(lambda tx: self._pay_out(tx, order.restaurant_id))

    async def _withdraw(self, tx: Tx, order: Row[Any]) -> None:
        amount_xaf, key = order.total_xaf, f"simulated:{order.id}"
        await withdrawals.withdraw(tx, person_id=order.payer_id, amount_xaf=amount_xaf, key=key)

    async def _pay_out(self, tx: Tx, restaurant_id: UUID) -> None:
        await payouts.request(
            tx,
            owner="restaurant",
            owner_id=restaurant_id,
            phone=self._phones[restaurant_id][0],
            amount_xaf=self._dice.choice(_PAYOUTS_XAF),
            key=f"simulated:{new_id()}",
        )

    async def _think_again(self, payment: Row[Any]) -> None:
        """A payer whose payment expired may agree to another prompt, knowing that the first may still be live."""
        if payment.id not in self._asked:
            self._asked.add(payment.id)
            if self._hits(_PAYS_AGAIN):
                of = {"order_id": payment.order_id, "person_id": payment.person_id}
                await self._try(lambda tx: service.pay_again(tx, **of))

    def _hits(self, per_mille: int) -> bool:
        return self._dice.randrange(1000) < per_mille

    async def _try(self, act: Callable[[Tx], Awaitable[object]]) -> bool:
        """Whether it was done; a refusal is the house's good right."""
        try:
            async with self._database.transaction() as tx:
                await act(tx)
        except GatewayError:
            return False
        return True

    async def _rows(self, statement: Any) -> Sequence[Row[Any]]:
        async with self._database.reading() as tx:
            return await tx.all(statement)
