"""A driver's bare OUI: the job on offer, the meal they were quoted, or the list of both; never a guess."""

import pytest
from sqlalchemy import select

from marketplace.delivery.tables import delivery
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from marketplace.places import queries as places
from marketplace.places.queries import Place
from marketplace.places.service import remember_place
from tests.channels.sms.conftest import Phones
from tests.support.market import CUSTOMER, DRIVERS

pytestmark = pytest.mark.anyio

RIDER = DRIVERS[0]
OTHER = "+237655000001"


async def offered(phones: Phones, number: int = 4821, customer: str = CUSTOMER) -> None:
    """A job of this number is on offer to the only driver who is on."""
    await phones.market.come_on(RIDER)
    await phones.market.begin(await phones.market.order(number=number, customer=customer))
    await phones.market.tick()
    assert f"OUI {number}" in (await phones.market.texts(RIDER))[-1]


async def quoted(phones: Phones) -> None:
    """The driver is hungry."""
    async with phones.market.database.transaction() as tx:
        person = await people.recognise(tx, phone=RIDER)
        (found, *_) = await places.search_quarters(tx, prefix="deido")
        await remember_place(tx, person_id=person.id, place=Place(found.id, None))
    assert "Répondez OUI" in (await phones.ask(RIDER, "45 1") or "")


async def jobs(phones: Phones) -> dict[int, str]:
    rows = await phones.market.rows(select(delivery.c.number, delivery.c.state))
    return {row.number: row.state for row in rows}


async def meals(phones: Phones) -> list[str]:
    """States of what was ordered by SMS."""
    ordered = select(customer_order.c.state).where(customer_order.c.channel == "sms")
    return [row.state for row in await phones.market.rows(ordered)]


@pytest.mark.parametrize("text", ["OUI", "yes!", "livreur oui"])
async def test_it_takes_the_only_job_on_offer(phones: Phones, text: str) -> None:
    await offered(phones)
    assert "4821" in (await phones.ask(RIDER, text) or "")
    assert await jobs(phones) == {4821: "ASSIGNED"}


async def test_it_orders_the_quoted_meal_of_who_is_offered_no_job(phones: Phones) -> None:
    await quoted(phones)
    for _ in range(2):
        assert "Validez le paiement" in (await phones.ask(RIDER, "OUI") or "")
    assert await meals(phones) == ["AWAITING_PAYMENT"]


async def test_with_nothing_to_agree_to_it_is_told_what_it_may_mean(phones: Phones) -> None:
    assert (await phones.ask(RIDER, "OUI") or "").startswith("Rien à confirmer.")


async def test_a_job_and_a_meal_are_asked_back_and_each_has_a_text_of_its_own(phones: Phones) -> None:
    await offered(phones)
    await quoted(phones)
    assert await phones.ask(RIDER, "OUI") == "Précisez. Envoyez: OUI 4821, CLIENT OUI"
    assert (await jobs(phones), await meals(phones)) == ({4821: "OFFERING"}, [])
    assert "Validez le paiement" in (await phones.ask(RIDER, "CLIENT OUI") or "")
    assert (await jobs(phones), await meals(phones)) == ({4821: "OFFERING"}, ["AWAITING_PAYMENT"])
    assert "4821" in (await phones.ask(RIDER, "OUI") or ""), "what is ordered waits for no word any more"
    assert await jobs(phones) == {4821: "ASSIGNED"}


async def test_two_jobs_are_asked_back(phones: Phones) -> None:
    await offered(phones)
    await offered(phones, 5190, OTHER)
    told = await phones.ask(RIDER, "OUI") or ""
    assert told.startswith("Précisez.") and {"OUI 4821", "OUI 5190"} == set(told.partition(": ")[2].split(", "))
    assert set((await jobs(phones)).values()) == {"OFFERING"}
    assert "5190" in (await phones.ask(RIDER, "OUI 5190") or "")
    assert await jobs(phones) == {4821: "OFFERING", 5190: "ASSIGNED"}


async def test_a_second_one_within_a_minute_takes_no_second_job(phones: Phones) -> None:
    await offered(phones)
    first = await phones.ask(RIDER, "OUI")
    assert await phones.ask(RIDER, "OUI") == first
    await offered(phones, 5190, OTHER)
    assert await phones.ask(RIDER, "OUI") == "4821 OK. Pour 5190 envoyez OUI 5190"
    assert await jobs(phones) == {4821: "ASSIGNED", 5190: "OFFERING"}


async def test_an_offer_that_is_over_is_not_taken(phones: Phones) -> None:
    await offered(phones)
    phones.market.clock.advance(seconds=76)
    assert (await phones.ask(RIDER, "OUI") or "").startswith("Rien à confirmer.")
    assert "ASSIGNED" not in (await jobs(phones)).values()


@pytest.mark.parametrize("text", ["OUI", "LIVREUR OUI"])
async def test_a_meal_agreed_to_this_way_counts_against_the_limit_of_orders(phones: Phones, text: str) -> None:
    for _ in range(3):
        await phones.ask(RIDER, text)
    await quoted(phones)
    assert "Trop de demandes" in (await phones.ask(RIDER, text) or "")
    assert await meals(phones) == []
