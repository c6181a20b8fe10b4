"""The demo town with orders in any state, and everybody's texts: for tests of what follows a paid order."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from core.clock import ManualClock
from core.database import Database
from core.ids import new_id
from gateway.seed import seed
from ledger import chart
from ledger.service import Leg, balance, post
from marketplace.catalogue.tables import dish, restaurant
from marketplace.delivery import service as delivery
from marketplace.delivery.dispatch import sweep
from marketplace.delivery.tables import delivery as deliveries
from marketplace.notifications.rendering import render
from marketplace.notifications.tables import outgoing_sms
from marketplace.ordering.tables import cart, customer_order, order_line
from marketplace.people import service as people
from marketplace.people.tables import driver
from marketplace.places.tables import quarter

CUSTOMER = "+237670000001"
RESTAURANT = "+237671000010"  # La Marmite de Tantie Rose, in Bonamoussadi
DRIVERS = tuple(f"+23767200000{n}" for n in range(1, 7))


class Market:
    """What a test does to the town, each step in a transaction of its own."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock

    async def order(self, *, number: int = 4821, state: str = "ACCEPTED", customer: str = CUSTOMER) -> UUID:
        """An order of 3,000 at restaurant 10, delivered for 1,000 (800 of it the driver's), paid into its escrow."""
        order_id, cart_id = new_id(), new_id()
        async with self.database.transaction() as tx:
            person = await people.recognise(tx, phone=customer)
            place = await tx.one(select(quarter).where(quarter.c.name == "Makepe"))
            kitchen = await tx.one(select(restaurant).where(restaurant.c.number == 10))
            meal = await tx.one(select(dish).where(dish.c.restaurant_id == kitchen.id, dish.c.number == 3))
            shared: dict[str, Any] = {
                "person_id": person.id,
                "restaurant_id": kitchen.id,
                "quarter_id": place.id,
                "directions": "portail bleu",
                "channel": "ussd",
            }
            await tx.run(insert(cart).values(id=cart_id, version=1, lines=[], saved_at=tx.now, **shared))
            order = {
                "id": order_id,
                "number": number,
                "state": state,
                "state_since": tx.now,
                "payer_id": person.id,
                "pay_with": "mobile_money",
                "cart_id": cart_id,
                "cart_version": 1,
                "place_label": "Makepe, Carrefour Rhône-Poulenc",
                "items_xaf": 3000,
                "delivery_xaf": 1000,
                "tax_xaf": 0,
                "total_xaf": 4000,
                "commission_bp": 1500,
                "driver_pay_xaf": 800,
                "tariff_version": 1,
                "km": 3,
                "placed_at": tx.now,
            }
            await tx.run(insert(customer_order).values(**shared, **order))
            line = {"order_id": order_id, "position": 1, "dish_id": meal.id, "dish_number": meal.number}
            await tx.run(insert(order_line).values(**line, name=meal.name, quantity=1, price_xaf=3000))
            leg = Leg(chart.GOODWILL, chart.escrow(order_id), 4000)
            await post(tx, key=f"fund:{order_id}", kind="order_funded", legs=[leg])
        return order_id

    async def begin(self, order_id: UUID, *, prep_minutes: int = 15) -> UUID:
        """The restaurant has accepted; the delivery's id."""
        async with self.database.transaction() as tx:
            await delivery.begin(tx, order_id=order_id, prep_minutes=prep_minutes)
            found: UUID = await tx.value(select(deliveries.c.id).where(deliveries.c.order_id == order_id))
            return found

    async def driver_id(self, phone: str) -> UUID:
        async with self.database.reading() as tx:
            person = await people.recognise(tx, phone=phone)
            found: UUID = await tx.value(select(driver.c.id).where(driver.c.person_id == person.id))
            return found

    async def come_on(self, phone: str, where: str = "Bonamoussadi", **figures: Any) -> UUID:
        """A driver says ON; `figures` change their row."""
        driver_id = await self.driver_id(phone)
        async with self.database.transaction() as tx:
            await delivery.set_presence(tx, driver_id=driver_id, on=True, quarter=where)
            if figures:
                await tx.run(update(driver).where(driver.c.id == driver_id).values(figures))
        return driver_id

    async def tick(self, **time: float) -> None:
        """Let time pass, and dispatch do what is due."""
        self.clock.advance(**time)
        await sweep(self.database)

    async def texts(self, phone: str) -> list[str]:
        """What was written to a phone, oldest first, as it will read it."""
        async with self.database.reading() as tx:
            of_phone = outgoing_sms.c.phone_index == tx.keys.blind_index(phone)
            rows = await tx.all(select(outgoing_sms).where(of_phone).order_by(outgoing_sms.c.id))
        keys = self.database.keys
        return [render(keys, language=row.language, key=row.text_key, params=row.params) for row in rows]

    async def balance(self, account: chart.Account) -> int:
        async with self.database.reading() as tx:
            return await balance(tx, account)

    async def rows(self, statement: Any) -> list[Any]:
        async with self.database.reading() as tx:
            return list(await tx.all(statement))


async def open_market(database: Database, clock: ManualClock) -> Market:
    await seed(database)
    return Market(database, clock)
