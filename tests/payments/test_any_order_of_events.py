"""Any order of requests, faults, callbacks, reversals, rulings, crashes and sweeps by two workers over two providers
ends with every franc in its place.
"""

import os
from collections import Counter, defaultdict
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from core.settings import Settings
from ledger.chart import (
    SUSPENSE_MISMATCH,
    SUSPENSE_SURPLUS,
    SUSPENSE_UNMATCHED,
    escrow,
    in_transit,
    restaurant_payable,
)
from payments.tables import attempt
from tests.payments.faults import AFTER, BEFORE, CAMPAY_CALLS, MONEY_CALLS, PAWAPAY_CALLS
from tests.payments.hostile import HOLDERS, World
from tests.payments.house import House
from tests.payments.pawapay_network import IDS, FakePawapay

pytestmark = pytest.mark.anyio

EXAMPLES = 10 + 150 * int(os.environ.get("LONG", "0"))
PHONES = ("+237670000001", "+237670000002", "+237677000003")
PROVIDERS = ("campay", "pawapay")

Event: TypeAlias = tuple[Any, ...]  # a method of World, and what it is called with

recent = st.integers(0, 3)  # the newest movement or payment, the one before it …
later = st.sampled_from([1, 6, 20, 70, 70, 1000])
phone = st.sampled_from(PHONES)
provider = st.sampled_from(PROVIDERS)
word = st.sampled_from(["SUCCESSFUL", "SUCCESSFUL", "SUCCESSFUL", "FAILED", "TECHNICAL"])
wrong = st.sampled_from(["none", "fraction", "more", "less", "five"])

collect = st.tuples(st.just("collect"), st.sampled_from([2000, 3800]), phone)
pay_out = st.tuples(st.just("pay_out"), st.sampled_from([1000, 2550]), phone)
give_back = st.tuples(st.just("give_back"), recent)
sweep = st.one_of(st.tuples(st.just("sweep"), later), st.tuples(st.just("both_sweep"), later))
misstate = st.tuples(st.just("misstate"), recent, wrong)
afterwards = st.one_of(
    st.tuples(st.just("contradict"), recent),
    st.tuples(st.just("reverse"), recent),
    st.tuples(st.just("call_back"), recent),
    st.tuples(st.just("retry"), recent),
    st.tuples(st.just("cancel"), recent),
    st.tuples(st.just("finance")),
)


def fault(*calls: str) -> st.SearchStrategy[Event]:
    """What one of these calls will come to, next time."""
    call = st.sampled_from(calls)
    return st.one_of(
        st.tuples(st.just("spoil"), call, st.just("before"), st.sampled_from(BEFORE)),
        st.tuples(st.just("spoil"), call, st.just("after"), st.sampled_from(AFTER)),
        st.tuples(st.just("crash"), call, st.sampled_from(["before", "after"])),
    )


single = st.one_of(
    collect,
    pay_out,
    give_back,
    sweep,
    afterwards,
    misstate,
    fault(*CAMPAY_CALLS, *PAWAPAY_CALLS),
    st.tuples(st.just("decide"), recent, word),
    st.tuples(st.just("forge"), recent),
    st.tuples(st.just("mix_up"), recent, recent),
    st.tuples(st.just("put_away"), provider, st.booleans()),
    st.tuples(st.just("drain"), provider, st.booleans()),
    st.tuples(st.just("rename"), st.sampled_from(HOLDERS)),
    st.tuples(st.just("hide"), st.sampled_from(sorted(IDS))),
)


@st.composite
def story(draw: st.DrawFn) -> list[Event]:
    """Money that is asked for at one provider, sent, decided and told, with a fault at any of these."""

    def perhaps(happens: st.SearchStrategy[Event]) -> list[Event]:
        return draw(st.lists(happens, max_size=1))

    here = draw(provider)
    away = PROVIDERS[1 - PROVIDERS.index(here)]
    calls = CAMPAY_CALLS if here == "campay" else PAWAPAY_CALLS
    asked = draw(st.one_of(collect, collect, pay_out, give_back))
    return [
        ("put_away", away, True),
        asked,
        *perhaps(fault(*(call for call in calls if call in MONEY_CALLS))),
        ("sweep", 1),
        ("put_away", away, False),
        *perhaps(misstate),
        *perhaps(sweep),
        ("decide", 0, draw(word)),
        *perhaps(fault(*calls)),
        *perhaps(sweep),
        *perhaps(afterwards),
        *perhaps(sweep),
    ]


stories = st.lists(
    st.one_of(story(), story(), story(), st.lists(single, min_size=1, max_size=3)), min_size=10, max_size=16
)


# One database for all examples, so a failure cannot be shrunk; each example has payments and movements of its own.
@pytest.mark.timeout(120 + 20 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=stories.map(lambda told: [event for part in told for event in part]))
async def test_every_franc_ends_in_its_place(
    two_providers: House, pawapay: FakePawapay, settings: Settings, events: list[Event]
) -> None:
    note(str(events))  # the plugin that runs coroutines hides them
    held = await floats(two_providers)
    world = World(two_providers, pawapay, settings.campay_webhook_key)
    for name, *arguments in events:
        await getattr(world, name)(*arguments)
        await nothing_goes_twice(world)
    await world.settle_down()
    await nothing_goes_twice(world)
    await the_books_tell_the_truth(world, held)
    await every_account_holds_what_was_kept(world)


async def nothing_goes_twice(world: World) -> None:
    """One live prompt of a payment, but for the payer's consent and a provider that lied; one payout at most."""
    of = {row.id: row for row in await world.attempts()}
    prompts, sent = Counter[UUID](), Counter[UUID]()
    for movement in world.movements():
        tried = of[UUID(movement.our_id)]
        if not movement.collects:
            sent[tried.payment_id] += not movement.is_now("FAILED")
        elif movement.under_way and tried.released_at is None and movement.our_id not in world.refused:
            prompts[tried.payment_id] += 1
    assert max(prompts.values(), default=0) <= 1, "two prompts at once"
    assert max(sent.values(), default=0) <= 1, "paid out twice"


async def floats(house: House) -> dict[str, int]:
    return {name: await house.balance(f"float:{name}:mtn") for name in PROVIDERS}


async def the_books_tell_the_truth(world: World, before: dict[str, int]) -> None:
    house, movements, tries = world.house, world.movements(), await world.attempts()
    assert await house.findings() == []
    stands = [each for each in movements if each.is_now("SUCCESSFUL")]
    for name, xaf in (await floats(house)).items():
        assert xaf - before[name] == sum(each.effect_xaf for each in stands if each.provider == name), name
    assert {row.state for row in tries} <= {"SUCCEEDED", "FAILED", "DEAD", "REVIEW"}
    assert max(Counter(each.our_id for each in movements).values(), default=1) == 1, "something was sent twice"
    for resting in (SUSPENSE_MISMATCH, SUSPENSE_SURPLUS, SUSPENSE_UNMATCHED, *map(in_transit, PROVIDERS)):
        assert await house.balance(resting) == 0, resting.code
    assert await house.set_aside() == 0
    moved = {each.our_id for each in stands} | world.reversed
    assert await settled(world) == moved == {str(row.id) for row in tries if row.settled_at is not None}


async def settled(world: World) -> set[str]:
    """The attempts that a journal settles: its key lets there be one."""
    journals = text("SELECT split_part(key, ':', 2) AS attempt FROM journal WHERE key ~ '^attempt.*settled$'")
    async with world.house.database.reading() as tx:
        booked = {row.attempt for row in await tx.all(journals)}
    return booked & {str(row.id) for row in await world.attempts()}


async def every_account_holds_what_was_kept(world: World) -> None:
    """What people really paid, less what they really got, is on the account of their payment, but for what we bear."""
    payments, credited = await world.payments(), await world.credited()
    effect_xaf, whole = await effects(world), {row.id for row in payments}
    came_back = defaultdict[Any, int](int)
    for row in payments:
        came_back[row.returns] += effect_xaf[row.id]
        whole -= {row.returns} if row.purpose == "refund" and effect_xaf[row.id] not in (0, row.amount_xaf) else set()
    for row in payments:
        if row.kind == "collect":
            kept = effect_xaf[row.id] - came_back[row.id] - credited.get(row.id, 0) + world.borne_xaf[row.id]
            assert kept == await world.house.balance(escrow(row.reference))
            assert kept in (0, row.amount_xaf) or row.id not in whole
        elif row.kind == "payout":
            left = row.amount_xaf - effect_xaf[row.id] + world.borne_xaf[row.id]
            assert left == await world.house.balance(restaurant_payable(row.reference))


async def effects(world: World) -> Counter[UUID]:
    """XAF that really moved for each payment."""
    stands = {UUID(each.our_id): each.amount_xaf for each in world.movements() if each.is_now("SUCCESSFUL")}
    moved = Counter[UUID]()
    async with world.house.database.reading() as tx:
        for row in await tx.all(select(attempt.c.id, attempt.c.payment_id).where(attempt.c.id.in_(stands))):
            moved[row.payment_id] += stands[row.id]
    return moved
