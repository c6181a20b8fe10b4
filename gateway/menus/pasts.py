"""A town at its worst, for the walker: people with every past that changes what a menu shows, and names that hurt.

Everything is brought about by the use cases that channels call. A journey that shows a page only to people with a
certain past adds them here, and what they would type there to SAMPLES.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from core.database import Database, Tx
from core.ids import new_id
from core.sealed import DIGITS
from gateway.menus import crew
from gateway.seed import seed
from ledger import chart
from ledger.service import Leg, post
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue.tables import dish, restaurant
from marketplace.delivery import dispatch, handover, queries
from marketplace.delivery import service as delivery
from marketplace.delivery.tables import delivery as deliveries
from marketplace.delivery.tables import delivery_offer
from marketplace.ordering import carts
from marketplace.ordering import service as ordering
from marketplace.ordering.pricing import Line
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from marketplace.people.tables import driver
from marketplace.places.queries import Place
from marketplace.places.service import remember_place
from marketplace.places.tables import landmark, quarter
from marketplace.promotions import service as promotions
from marketplace.promotions.service import NewCoupon
from menus_ussd.engine import Engine
from menus_ussd.journeys import CONVERSATION
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.turns import Reply, Turn
from menus_ussd.walk import DIALECT, Walked, Walker
from payments.tables import attempt, payment

LONG = "Œuvre de l’Être «Très» Élégant\u202fet Interminable du Carrefour Ndokoti-Bépanda numéro vingt-deux"
PIN = "739164"
_KITCHEN = 10  # in Bonamoussadi
_FROM = "Bonamoussadi"
_AT_ONCE = ("OFFERED", "ACCEPTED", "READY")

# One phone for each past that changes what the menus show.
NEW, REGULAR, NO_RAIL, UNPAID, OFFERED, ON_THE_WAY, BUSY, RICH, WITH_CART = (f"+2376700002{n:02d}" for n in range(9))
NO_RAIL, EXPIRED = "+237620000202", "+237670000210"
WITH_A_PAST = (REGULAR, NO_RAIL, UNPAID, EXPIRED, OFFERED, ON_THE_WAY, BUSY, RICH, WITH_CART, *crew.AT_WORK)

# What people type at questions without a menu, by question: good answers and bad ones.
SAMPLES: Mapping[str, Sequence[str]] = {
    "order.restaurant": ("ndo", "xyz"),
    "order.found": ("tan", "0x0"),
    "group.number": ("1000", "12"),
    "order.coupon": ("9999",),
    "order.coupon_again": ("mboa",),
    "place.quarter": ("bon", "Bépanda", "xyz"),
    "place.found": ("ako", "zzz"),
    "places.name": ("Bureau", "12"),
    "payer": ("670 00 00 01", "620000000"),
    "wallet.amount": ("500", "500000", "2,5", "5000000"),
    "wallet.alert_amount": ("500000", "2,5"),
    "wallet.withdraw_amount": ("500", "5000000"),
    "points.count": ("10", "2,5", "99999999"),
    "referral.code": ("1008", "1009", "99999999999"),
    "pin.enter": (PIN, "111111"),
    "pin.choose": (PIN, "1234"),
    "pin.code": ("123456", "12"),
    **crew.SAMPLES,
}


async def walk(database: Database, language: str) -> Walked:
    """Every journey of every past, in one language. The database holds `a_town`."""
    store = MemorySessionStore(ttl_seconds=3600)
    engine = Engine(database, store, CONVERSATION)
    async with database.transaction() as tx:
        for phone in WITH_A_PAST:
            person = await people.recognise(tx, phone=phone)
            await people.choose_language(tx, person_id=person.id, language=language)
    await talk(engine, WITH_CART, "45", "1")  # and the connection drops
    return await Walker(engine, store, samples=SAMPLES, secrets=[PIN]).walk([NEW, *WITH_A_PAST])


async def a_town(database: Database) -> None:
    """The demo town with all of them in it, in an empty database, at an hour when kitchens are open."""
    await seed(database)
    await with_pasts(database)
    await with_long_names(database)


async def with_long_names(database: Database) -> None:
    """Names and prices that hurt: the longest of everything."""
    async with database.transaction() as tx:
        for table in (restaurant, dish, quarter, landmark):
            await tx.run(update(table).values(name=func.left(table.c.name + " " + LONG, 90)))
        await tx.run(update(dish).values(price_xaf=199_990))


async def with_pasts(database: Database) -> None:
    """People who have ordered, who wait, and who have money."""
    for phone in (REGULAR, RICH):
        async with database.transaction() as tx:
            await _has_a_place(tx, phone)
    async with database.transaction() as tx:
        rich = await _has_money(tx, RICH, 9_999_999)
        await people.set_pin(tx, person_id=rich, pin=PIN)
        await _offers(tx)
    engine = Engine(database, MemorySessionStore(ttl_seconds=3600), CONVERSATION)
    await waits_for_payment(engine, UNPAID)
    await may_pay_again(engine, EXPIRED)
    for phone, state in ((REGULAR, "DELIVERED"), (OFFERED, "OFFERED"), (ON_THE_WAY, "PICKED_UP")):
        await an_order(database, phone, state)
    for phone, state in (*[(crew.EATER, "ACCEPTED")] * 3, *((BUSY, one) for one in _AT_ONCE)):
        await an_order(database, phone, state)
    await crew.go_to_work(database, quarter=_FROM, pin=PIN)


async def _offers(tx: Tx) -> None:
    """Coupons of the largest figures, one of them for a single restaurant."""
    kitchen = await catalogue.restaurant_by_number(tx, number=_KITCHEN)
    usual: dict[str, Any] = {"min_items_xaf": 199_990, "valid_from": tx.now, "valid_until": tx.now + timedelta(days=9)}
    everywhere = NewCoupon(number=999_998, code="everywhere", amount_xaf=199_990, **usual)
    here = NewCoupon(number=999_999, code="here", percent=100, restaurant_id=kitchen.id, **usual)
    for coupon in (everywhere, here):
        await promotions.add(tx, new=coupon, staff_id=new_id())


async def talk(engine: Engine, phone: str, dialled: str, *inputs: str) -> Reply:
    """The last page of a talk in a session of its own."""
    transcript = dialled
    session_id = f"{phone} {dialled}"
    reply = await engine.turn(Turn(dialect=DIALECT, session_id=session_id, phone=phone, transcript=transcript))
    for typed in inputs:
        transcript = f"{transcript}*{typed}" if transcript else typed
        reply = await engine.turn(Turn(dialect=DIALECT, session_id=session_id, phone=phone, transcript=transcript))
    return reply


async def waits_for_payment(engine: Engine, phone: str) -> None:
    """They have ordered for the first time, and a prompt is on its way to their phone."""
    sent = await talk(engine, phone, "45", "1", "2", "1", "1", "1")
    assert sent.step == "ussd.order.sent"


async def may_pay_again(engine: Engine, phone: str) -> UUID:
    """Their order waits to be paid again, its first prompt perhaps still live; its id."""
    await waits_for_payment(engine, phone)
    async with engine.database.transaction() as tx:
        person = await people.recognise(tx, phone=phone)
        mine = customer_order.c.person_id == person.id
        order_id: UUID = await tx.value(
            update(customer_order).where(mine).values(state="PAYMENT_EXPIRED").returning(customer_order.c.id)
        )
        await tx.run(update(payment).where(payment.c.reference == order_id).values(state="EXPIRED"))
        of_order = attempt.c.payment_id.in_(select(payment.c.id).where(payment.c.reference == order_id))
        await tx.run(update(attempt).where(of_order).values(state="QUARANTINED"))
    return order_id


async def an_order(database: Database, phone: str, state: str) -> UUID:
    """An order paid from the wallet and carried on to OFFERED, ACCEPTED, READY, PICKED_UP or DELIVERED; its id."""
    async with database.transaction() as tx:
        order_id = await _ordered(tx, phone)
        kitchen = await catalogue.restaurant_by_number(tx, number=_KITCHEN)
        cook = (await catalogue.restaurant_staff(tx, restaurant_id=kitchen.id))[0].id
    if state != "OFFERED":
        async with database.transaction() as tx:
            await ordering.accept(tx, order_id=order_id, minutes=tx.settings.dispatch_lead_minutes, by_person=cook)
    if state == "READY":
        async with database.transaction() as tx:
            await ordering.ready(tx, order_id=order_id, by_person=cook)
    if state in ("PICKED_UP", "DELIVERED"):
        await _carried(database, order_id, to_the_end=state == "DELIVERED")
    return order_id


async def _ordered(tx: Tx, phone: str) -> UUID:
    person_id = await _has_money(tx, phone, 100_000)
    kitchen = await catalogue.restaurant_by_number(tx, number=_KITCHEN)
    meal = (await catalogue.dishes(tx, restaurant_id=kitchen.id))[0]
    place = Place(await tx.value(select(quarter.c.id).where(quarter.c.name == "Makepe")), None, "portail bleu")
    chosen = await carts.save(
        tx, person_id=person_id, restaurant_id=kitchen.id, lines=[Line(meal.id, 1)], place=place, channel="ussd"
    )
    assert chosen.quote is not None, "a cart with a place has a quote"
    agreed: dict[str, Any] = {"cart_version": chosen.version, "total_xaf": chosen.quote.total_xaf}
    placed = await ordering.place(
        tx, person_id=person_id, cart_id=chosen.cart_id, pay_with="wallet", channel="ussd", **agreed
    )
    return placed.id


async def _carried(database: Database, order_id: UUID, *, to_the_end: bool) -> None:
    """A driver comes on, takes the job, fetches the meal and perhaps hands it over."""
    async with database.transaction() as tx:
        taken = select(deliveries.c.driver_id).where(deliveries.c.driver_id.is_not(None))
        free = await tx.first(select(driver.c.id).where(driver.c.id.not_in(taken)).limit(1))
        assert free is not None, "the demo town has drivers enough"
        await delivery.set_presence(tx, driver_id=free.id, on=True, quarter=_FROM)
    await dispatch.sweep(database)
    async with database.transaction() as tx:
        job = await tx.one(select(deliveries).where(deliveries.c.order_id == order_id))
        offered = delivery_offer.c.delivery_id == job.id, delivery_offer.c.state == "offered"
        driver_id: UUID = await tx.value(select(delivery_offer.c.driver_id).where(*offered))
        await delivery.claim(tx, driver_id=driver_id, number=job.number)
        counter = tx.keys.digits("pickup_number", str(job.id), DIGITS["pickup_number"])
        await handover.pick_up(tx, driver_id=driver_id, number=job.number, pickup_number=counter)
        if to_the_end:
            carried = await tx.one(select(deliveries).where(deliveries.c.id == job.id))
            code = tx.keys.digits("delivery_code", queries.code_ref(carried), DIGITS["delivery_code"])
            await handover.hand_over(tx, driver_id=driver_id, number=job.number, code=code)
        await delivery.set_presence(tx, driver_id=driver_id, on=False)


async def _has_a_place(tx: Tx, phone: str) -> None:
    person = await people.recognise(tx, phone=phone)
    akwa = await tx.one(select(landmark.c.quarter_id, landmark.c.id).limit(1))
    await remember_place(tx, person_id=person.id, place=Place(akwa.quarter_id, akwa.id, "", None))


async def _has_money(tx: Tx, phone: str, amount_xaf: int) -> UUID:
    """Given out of goodwill; whose it is."""
    person = await people.recognise(tx, phone=phone)
    given = [Leg(chart.GOODWILL, chart.wallet(person.id), amount_xaf)]
    await post(tx, key=f"walk:{new_id()}", kind="gift", legs=given)
    return person.id
