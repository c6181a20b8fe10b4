"""A small town with round prices, and a CamPay: orders go through it from the cart to the last franc.

Two Ndole at 1,250 and one juice at 500 make 3,000; the ride of 3 km costs 800, all of it the driver's.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from core import sealed
from core.clock import ManualClock
from core.database import Database
from core.gsm import plain
from core.ids import new_id
from gateway.doctor import examine
from ledger import chart
from ledger.service import Leg, balance, post
from marketplace.catalogue.tables import dish, restaurant, restaurant_phone
from marketplace.delivery import dispatch, handover
from marketplace.delivery import service as delivery
from marketplace.delivery.tables import delivery as deliveries
from marketplace.notifications.rendering import render
from marketplace.notifications.tables import outgoing_sms
from marketplace.ordering import carts, deadlines, service
from marketplace.ordering.outcomes import OUTCOMES
from marketplace.ordering.pricing import Line
from marketplace.ordering.queries import Order
from marketplace.ordering.tables import customer_order, order_event
from marketplace.people import service as people
from marketplace.people.tables import driver
from marketplace.places.queries import Place
from marketplace.places.tables import city, landmark, quarter, tariff_fee, tariff_version, zone
from payments.engine import Engine
from payments.providers.campay import Campay
from tests.payments.network import FakeCampay

CUSTOMER, FRIEND = "+237670000001", "+237690000002"  # MTN, Orange
KITCHEN, KITCHEN_2 = "+237671000045", "+237671000046"
DRIVER = "+237672000001"

CAMPAY_MTN = chart.provider_float("campay", "mtn")


class Town:
    """What a test does in the town, each step in a transaction of its own."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.campay = FakeCampay(clock)
        adapter = Campay(database.settings, http_client=self.campay.client())
        self.engine = Engine(database, (adapter,), OUTCOMES)
        self.restaurant_id, self.driver_id = new_id(), new_id()
        self.dishes = {12: new_id(), 13: new_id()}

    async def found(self) -> None:
        """Streets, a kitchen and a driver."""
        async with self.database.transaction() as tx:
            city_id = await tx.value(insert(city).values(name="Douala").returning(city.c.id))
            zones = [
                await tx.value(insert(zone).values(city_id=city_id, name=name).returning(zone.c.id))
                for name in ("Centre", "Nord")
            ]
            quarters = [
                await tx.value(insert(quarter).values(zone_id=of, name=name, plain=plain(name)).returning(quarter.c.id))
                for of, name in zip(zones, ("Akwa", "Bonamoussadi"), strict=True)
            ]
            near = insert(landmark).values(quarter_id=quarters[1], name="Pharmacie du Centre").returning(landmark.c.id)
            self.home = Place(quarters[1], await tx.value(near), "portail bleu", tx.keys.encrypt(FRIEND))
            await tx.run(insert(tariff_version).values(valid_from=tx.now))
            for lower, upper, km, fee_xaf in ((0, 0, 1, 600), (0, 1, 3, 800), (1, 1, 1, 600)):
                pair = {"lower_zone_id": zones[lower], "upper_zone_id": zones[upper]}
                await tx.run(insert(tariff_fee).values(version=1, **pair, km=km, fee_xaf=fee_xaf))
            kitchen = {"id": self.restaurant_id, "number": 45, "name": "Chez Mama", "plain": "chez mama"}
            await tx.run(insert(restaurant).values(**kitchen, quarter_id=quarters[0], preparation_minutes=20))
            for number, name, price_xaf in ((12, "Ndole+plantain", 1250), (13, "Jus", 500)):
                row = {"id": self.dishes[number], "number": number, "name": name, "plain": name.lower()}
                await tx.run(insert(dish).values(**row, restaurant_id=self.restaurant_id, price_xaf=price_xaf))
            for position, phone in enumerate((KITCHEN, KITCHEN_2), start=1):
                answering = {"person_id": (await people.recognise(tx, phone=phone)).id, "position": position}
                await tx.run(insert(restaurant_phone).values(restaurant_id=self.restaurant_id, **answering))
            person_id = (await people.recognise(tx, phone=DRIVER)).id
            await tx.run(insert(driver).values(id=self.driver_id, person_id=person_id))

    # ---- people ------------------------------------------------------------------------------------------

    async def person(self, phone: str = CUSTOMER) -> UUID:
        async with self.database.transaction() as tx:
            return (await people.recognise(tx, phone=phone)).id

    async def texts(self, phone: str) -> list[str]:
        """What was written to a phone, oldest first, as it will read it."""
        async with self.database.reading() as tx:
            of_phone = outgoing_sms.c.phone_index == tx.keys.blind_index(phone)
            rows = await tx.all(select(outgoing_sms).where(of_phone).order_by(outgoing_sms.c.id))
        keys = self.database.keys
        return [render(keys, language=row.language, key=row.text_key, params=row.params) for row in rows]

    async def give(self, account: chart.Account, amount: int) -> None:
        """Money for a test, at the platform's expense."""
        async with self.database.transaction() as tx:
            await post(tx, key=f"gift:{new_id()}", kind="gift", legs=[Leg(chart.GOODWILL, account, amount)])

    # ---- from the cart to the door -----------------------------------------------------------------------

    @property
    def meal(self) -> list[Line]:
        return [Line(self.dishes[12], 2), Line(self.dishes[13], 1)]

    async def cart(self, phone: str = CUSTOMER, lines: Sequence[Line] = (), **changes: Any) -> carts.Cart:
        wanted = {"restaurant_id": self.restaurant_id, "place": self.home, "channel": "ussd", **changes}
        person_id = await self.person(phone)
        async with self.database.transaction() as tx:
            return await carts.save(tx, person_id=person_id, lines=lines or self.meal, **wanted)

    async def place(self, cart: carts.Cart | None = None, phone: str = CUSTOMER, **changes: Any) -> Order:
        """Order the usual meal, or `cart`; by mobile money unless `changes` say otherwise."""
        chosen = cart or await self.cart(phone)
        assert chosen.quote is not None
        wanted = {"cart_version": chosen.version, "total_xaf": chosen.quote.total_xaf, "pay_with": "mobile_money"}
        person_id = await self.person(phone)
        async with self.database.transaction() as tx:
            return await service.place(
                tx, person_id=person_id, cart_id=chosen.cart_id, **{"channel": "ussd", **wanted, **changes}
            )

    async def decide(self, status: str, **changes: Any) -> None:
        """The payer answers the newest prompt, and we learn of it."""
        await self.engine.sweep()
        self.campay.decide(status, **changes)
        self.clock.advance(seconds=60)
        await self.engine.sweep()

    async def paid(self, **changes: Any) -> Order:
        """An order that waits for the restaurant."""
        order = await self.place(**changes)
        if order.state == "AWAITING_PAYMENT":
            await self.decide("SUCCESSFUL")
        return order

    async def accepted(self, minutes: int = 20, **changes: Any) -> Order:
        order = await self.paid(**changes)
        kitchen = await self.person(KITCHEN)
        async with self.database.transaction() as tx:
            await service.accept(tx, order_id=order.id, minutes=minutes, by_person=kitchen)
        return order

    async def picked_up(self, **changes: Any) -> Order:
        """On its way, with the driver who claimed it."""
        order = await self.accepted(**changes)
        await self._fetched(order)
        return order

    async def carry(self, order: Order) -> None:
        """A paid order is cooked and fetched."""
        kitchen = await self.person(KITCHEN)
        async with self.database.transaction() as tx:
            await service.accept(tx, order_id=order.id, minutes=20, by_person=kitchen)
        await self._fetched(order)

    async def _fetched(self, order: Order) -> None:
        async with self.database.transaction() as tx:
            await delivery.set_presence(tx, driver_id=self.driver_id, on=True, quarter="Akwa")
        self.clock.advance(minutes=10)
        await dispatch.sweep(self.database)
        async with self.database.transaction() as tx:
            job = await delivery.claim(tx, driver_id=self.driver_id, number=order.number)
            counter = sealed.code(tx.keys, "pickup_number", str(job.delivery_id))
            await handover.pick_up(tx, driver_id=self.driver_id, number=order.number, pickup_number=counter)

    async def handed_over(self, **changes: Any) -> Order:
        """At the door, by the code."""
        order = await self.picked_up(**changes)
        async with self.database.transaction() as tx:
            row = await tx.one(select(deliveries).where(deliveries.c.order_id == order.id))
            code = sealed.code(tx.keys, "delivery_code", f"{row.id}.{row.code_nonce}")
            await handover.hand_over(tx, driver_id=self.driver_id, code=code)
        return order

    async def wait(self, **time: float) -> int:
        """Let time pass, and the orders' deadlines do what is due."""
        self.clock.advance(**time)
        return await deadlines.sweep(self.database)

    # ---- what came of it ---------------------------------------------------------------------------------

    async def balance(self, account: chart.Account) -> int:
        async with self.database.reading() as tx:
            return await balance(tx, account)

    async def state(self, order_id: UUID) -> str:
        async with self.database.reading() as tx:
            return str(await tx.value(select(customer_order.c.state).where(customer_order.c.id == order_id)))

    async def history(self, order_id: UUID) -> list[str]:
        """The states an order went through."""
        events = select(order_event.c.to_state).where(order_event.c.order_id == order_id).order_by(order_event.c.id)
        async with self.database.reading() as tx:
            return [row.to_state for row in await tx.all(events)]

    async def set_kitchen(self, **values: Any) -> None:
        async with self.database.transaction() as tx:
            await tx.run(update(restaurant).where(restaurant.c.id == self.restaurant_id).values(values))

    async def set_dish(self, number: int, **values: Any) -> None:
        async with self.database.transaction() as tx:
            await tx.run(update(dish).where(dish.c.id == self.dishes[number]).values(values))

    async def check(self) -> None:
        """Every journal balanced, every escrow as its order says, no payment forgotten."""
        assert await examine(self.database) == []
