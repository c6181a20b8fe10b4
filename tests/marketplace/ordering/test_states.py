"""An order only goes where the table leads, each step leaves an event, and silence has its consequences."""

import asyncio
import re
from typing import get_args

import pytest
from sqlalchemy import select

from core.errors import GatewayError, InvalidInput, NotFound
from core.gsm import SMS_SEPTETS, septets
from ledger import chart
from marketplace.catalogue import queries as catalogue
from marketplace.delivery.tables import delivery as deliveries
from marketplace.ordering import deadlines, queries, service, settlement
from marketplace.ordering.errors import WrongState
from marketplace.ordering.states import OPEN, TRANSITIONS, State, schedule
from marketplace.ordering.tables import order_event
from marketplace.ordering.transitions import move
from tests.support.money import set_aside
from tests.support.town import CUSTOMER, DRIVER, FRIEND, KITCHEN, KITCHEN_2, Town

pytestmark = pytest.mark.anyio


def test_the_table_names_every_state_and_leads_to_an_end() -> None:
    assert set(TRANSITIONS) == set(get_args(State))
    for state in OPEN:
        reached: set[State] = {state}
        while step := {to for one in reached for to in TRANSITIONS[one]} - reached:
            reached |= step
        assert any(not TRANSITIONS[one] for one in reached)


async def test_every_deadline_has_its_step(town: Town) -> None:
    for state in get_args(State):
        own_hour = state == "PAID"  # a meal for later waits for it, and for nothing else
        assert (len(schedule(town.database.settings, state)) or own_hour) == len(deadlines.STEPS.get(state, ()))


async def test_the_history_of_an_undisturbed_order(town: Town) -> None:
    order = await town.handed_over()
    await town.wait(hours=24)
    assert await town.history(order.id) == [
        "AWAITING_PAYMENT",
        "PAID",
        "OFFERED",
        "ACCEPTED",
        "PICKED_UP",
        "DELIVERED",
        "CLOSED",
    ]
    async with town.database.reading() as tx:
        events = await tx.all(select(order_event))
    for event in events:
        assert not re.search(r"\d{9}", event.actor.split(":")[0] + str(event.details)), "no phone in an event"


async def test_what_the_table_does_not_allow_is_refused(town: Town) -> None:
    order = await town.place()
    with pytest.raises(WrongState) as refusal:
        async with town.database.transaction() as tx:
            await settlement.deliver(tx, order_id=order.id, how="code")
    assert refusal.value.params == {"number": order.number, "state": "AWAITING_PAYMENT"}
    with pytest.raises(NotFound):
        async with town.database.transaction() as tx:
            await move(tx, order_id=town.restaurant_id, to="PAID", actor="system")


async def test_the_customer_reads_three_messages(town: Town) -> None:
    order = await town.handed_over()
    accepted, on_the_way, delivered = await town.texts(CUSTOMER)
    assert accepted == (
        f"Paiement recu. Chez Mama prépare la CMD {order.number}, prete dans 20 min. Total 3800F. Suivi: *237*1*3#"
    )
    assert str(order.number) in on_the_way
    assert delivered == (
        f"CMD {order.number} livrée. Recu: plats 3000F, livraison 800F, total 3800F. +30 points. Bon appétit!"
    )


async def test_the_restaurant_reads_what_to_cook_on_its_first_phone(town: Town) -> None:
    order = await town.paid()
    assert await town.texts(KITCHEN) == [
        f"CMD {order.number}: 2 Ndole+plantain, 1 Jus. 3000F PAYE. Rep 1=OK 20min 2=OK 40min 0=NON"
    ]
    assert await town.texts(KITCHEN_2) == []


@pytest.mark.parametrize("name", ["Poisson braisé aux épices du Littoral et ses bâtons de manioc", "Ndolé"])
async def test_names_long_enough_to_hurt_still_fit_one_part(town: Town, name: str) -> None:
    await town.set_dish(12, name=name)
    await town.set_dish(13, name=name + " sans piment")
    order = await town.paid()
    await town.wait(minutes=3)
    for text in await town.texts(KITCHEN):
        assert septets(text) <= SMS_SEPTETS
        assert re.search(rf"CMD {order.number}: 2 {name[:4]}.*, 1 {name[:4]}.*\. 3000F PAYE", text)


async def test_of_two_answers_the_first_wins(town: Town) -> None:
    order = await town.paid()
    first, second = await town.person(KITCHEN), await town.person(KITCHEN_2)

    async def accept() -> str:
        async with town.database.transaction() as tx:
            await service.accept(tx, order_id=order.id, minutes=20, by_person=first)
        return "accepted"

    async def refuse() -> str:
        async with town.database.transaction() as tx:
            await service.refuse(tx, order_id=order.id, by_person=second)
        return "refused"

    results = await asyncio.gather(accept(), refuse(), return_exceptions=True)
    assert sum(isinstance(result, WrongState) for result in results) == 1
    await town.check()


async def test_nobody_promises_a_meal_in_three_hours(town: Town) -> None:
    order = await town.paid()
    for minutes in (0, 181):
        with pytest.raises(InvalidInput):
            async with town.database.transaction() as tx:
                await service.accept(tx, order_id=order.id, minutes=minutes, by_person=order.person_id)


async def test_an_accepted_order_has_an_expected_arrival(town: Town) -> None:
    order = await town.accepted(minutes=40)
    async with town.database.reading() as tx:
        seen = await queries.get(tx, order_id=order.id)
    assert seen.eta_at is not None
    assert (seen.eta_at - town.clock.now()).total_seconds() == (40 + 10 + 3 * 3) * 60


# ---- cancelling ------------------------------------------------------------------------------------------


async def test_two_cancellations_at_once_refund_once(town: Town) -> None:
    order = await town.paid()

    async def cancel() -> None:
        async with town.database.transaction() as tx:
            await service.cancel(tx, order_id=order.id, person_id=order.person_id)

    await asyncio.gather(cancel(), cancel())
    assert await town.balance(chart.wallet(order.person_id)) == 3800
    assert sum("annulée" in text for text in await town.texts(CUSTOMER)) == 1
    await town.check()


async def test_cancelling_and_accepting_at_once_is_one_or_the_other(town: Town) -> None:
    order = await town.paid()
    kitchen = await town.person(KITCHEN)

    async def cancel() -> None:
        async with town.database.transaction() as tx:
            await service.cancel(tx, order_id=order.id, person_id=order.person_id)

    async def accept() -> None:
        async with town.database.transaction() as tx:
            await service.accept(tx, order_id=order.id, minutes=20, by_person=kitchen)

    results = await asyncio.gather(cancel(), accept(), return_exceptions=True)
    assert all(result is None or isinstance(result, GatewayError) for result in results)
    assert await town.state(order.id) == "CANCELLED"
    # 3,800 when the kitchen had not answered yet, else the fee alone.
    assert await town.balance(chart.wallet(order.person_id)) in (3800, 800)
    await town.check()


async def test_only_its_customer_cancels_or_confirms_an_order(town: Town) -> None:
    order = await town.picked_up()
    friend = await town.person(FRIEND)
    for use_case in (service.cancel, service.confirm_received):
        with pytest.raises(NotFound):
            async with town.database.transaction() as tx:
                await use_case(tx, order_id=order.id, person_id=friend)


async def test_a_delivered_order_is_not_cancelled(town: Town) -> None:
    order = await town.handed_over()
    with pytest.raises(WrongState):
        async with town.database.transaction() as tx:
            await service.cancel(tx, order_id=order.id, person_id=order.person_id)


async def test_a_driver_on_the_way_to_the_kitchen_is_called_off(town: Town) -> None:
    order = await town.accepted()
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)
        assert await tx.value(select(deliveries.c.state)) == "FAILED"
    assert await town.texts(KITCHEN) == [
        (await town.texts(KITCHEN))[0],
        f"CMD {order.number} annulée par le client après votre accord. Le repas vous est payé.",
    ]


async def test_money_that_comes_after_a_cancellation_goes_back_to_the_phone(town: Town) -> None:
    order = await town.place()
    await town.engine.sweep()
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)
    await town.decide("SUCCESSFUL")
    assert await town.balance(chart.SUSPENSE_SURPLUS) == 0
    assert await set_aside(town.database) == 3800
    await town.decide("SUCCESSFUL")
    assert await set_aside(town.database) == 0
    assert (await town.texts(CUSTOMER))[-1].startswith("Vous avez payé 3800F de trop.")
    assert await town.state(order.id) == "CANCELLED"
    await town.check()


async def test_money_that_cannot_go_back_to_the_phone_goes_to_its_wallet(town: Town) -> None:
    order = await town.place()
    await town.engine.sweep()
    async with town.database.transaction() as tx:
        await service.cancel(tx, order_id=order.id, person_id=order.person_id)
    await town.decide("SUCCESSFUL")
    await town.decide("FAILED")
    assert await town.balance(chart.SUSPENSE_SURPLUS) == 0
    assert await town.balance(chart.wallet(order.person_id)) == 3800
    await town.check()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Insufficient funds", "solde mobile money insuffisant"),
        ("Rejected by payer", "paiement non validé"),
        ("None", "le paiement n'a pas abouti"),
    ],
)
async def test_a_failed_payment_is_told_with_its_reason(town: Town, reason: str, words: str) -> None:
    order = await town.place()
    await town.decide("FAILED", reason=reason)
    assert await town.texts(CUSTOMER) == [
        f"CMD {order.number} non transmise: {words}, rien n'a été prélevé. Réessayer: *237*1*3#"
    ]


# ---- silence ---------------------------------------------------------------------------------------------


async def test_a_silent_restaurant_is_reminded_then_called_on_its_second_phone_then_refused_for(town: Town) -> None:
    order = await town.paid()
    assert await town.wait(minutes=2) == 0
    assert await town.wait(minutes=1) == 1
    assert (await town.texts(KITCHEN))[-1] == (
        f"RAPPEL CMD {order.number}: 2 Ndole+plantain, 1 Jus. 3000F PAYE."
        " Rep 1=OK 20min 2=OK 40min 0=NON. Annulée dans 5 min"
    )
    assert await town.wait(minutes=2) == 1
    assert len(await town.texts(KITCHEN_2)) == 1
    assert await town.state(order.id) == "OFFERED"
    assert await town.wait(minutes=3) == 1
    assert await town.state(order.id) == "NO_ANSWER"
    assert "3800F rendus" in (await town.texts(CUSTOMER))[-1]
    async with town.database.reading() as tx:
        kitchen = await catalogue.get_restaurant(tx, restaurant_id=town.restaurant_id)
    assert kitchen.state == "busy"
    town.clock.advance(minutes=30)
    async with town.database.reading() as tx:
        kitchen = await catalogue.get_restaurant(tx, restaurant_id=town.restaurant_id)
    assert kitchen.state == "open"


async def test_three_misses_in_a_day_pause_a_restaurant_until_it_says_so(town: Town) -> None:
    for _ in range(3):
        await town.paid()
        for minutes in (3, 2, 3):
            await town.wait(minutes=minutes)
        await town.wait(minutes=30)
    async with town.database.reading() as tx:
        assert (await catalogue.get_restaurant(tx, restaurant_id=town.restaurant_id)).state == "closed"
    assert "OUVERT" in (await town.texts(KITCHEN))[-1]


async def test_misses_of_yesterday_do_not_count(town: Town) -> None:
    for hours in (0, 0, 24):
        town.clock.advance(hours=hours)
        await town.paid()
        for minutes in (3, 2, 3):
            await town.wait(minutes=minutes)
        await town.wait(minutes=30)
    async with town.database.reading() as tx:
        assert (await catalogue.get_restaurant(tx, restaurant_id=town.restaurant_id)).state == "open"


async def test_an_answer_ends_the_waiting(town: Town) -> None:
    await town.accepted()
    assert await town.wait(hours=1) == 0


async def test_two_sweepers_do_it_once(town: Town) -> None:
    order = await town.paid()
    town.clock.advance(minutes=3)
    assert sum(await asyncio.gather(*(deadlines.sweep(town.database) for _ in range(4)))) == 1
    assert len(await town.texts(KITCHEN)) == 2
    assert await town.state(order.id) == "OFFERED"


async def test_one_orders_trouble_does_not_stop_the_others(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await town.paid(), await town.paid(phone=FRIEND)
    steps = deadlines.STEPS["OFFERED"]

    async def stumble(tx: object, order: object) -> None:
        if getattr(order, "id", None) == first.id:
            raise RuntimeError("no")
        await steps[0](tx, order)  # type: ignore[arg-type]

    monkeypatch.setitem(deadlines.STEPS, "OFFERED", (stumble, *steps[1:]))
    assert await town.wait(minutes=5) == 2
    reminders = [text for text in await town.texts(KITCHEN) if text.startswith("RAPPEL")]
    assert len(reminders) == 1 and str(second.number) in reminders[0]


async def test_a_sweep_gives_up_at_once_when_the_database_is_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def unreachable(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise ConnectionError if tries < 10 else AssertionError("a loop without a pause")

    monkeypatch.setattr(deadlines, "_next", unreachable)
    with pytest.raises(ConnectionError):
        await deadlines.sweep(town.database)
    assert tries == 1, "the worker pauses before the next sweep"


async def test_a_handover_that_nobody_confirms_is_asked_for_and_released_after_a_day(town: Town) -> None:
    order = await town.picked_up()
    await town.wait(minutes=30)
    assert "*237*1*3#" in (await town.texts(CUSTOMER))[-1]
    assert "code du client" in (await town.texts(DRIVER))[-1]
    assert await town.state(order.id) == "PICKED_UP"
    await town.wait(hours=23, minutes=30)
    assert await town.state(order.id) == "DELIVERED"
    async with town.database.reading() as tx:
        assert await tx.value(select(deliveries.c.state)) == "HANDED_OVER"
