"""The breaker of a rail: what opens it, what closes it, and that it steers nothing but new money."""

import pytest
from msgspec import structs
from sqlalchemy import select

from core.settings import Settings
from payments.errors import PaymentsPaused
from payments.health import breaks
from payments.providers.pawapay import Pawapay
from payments.tables import provider_health
from tests.payments.house import House
from tests.payments.network import FakeCampay, html, lost, refused_connection, says
from tests.payments.pawapay_network import FakePawapay

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("recent", "broken"),
    [
        ("", False),
        ("----", False),
        ("-----", True),
        ("+-----", True),
        ("----+----", False),
        ("-+" * 10, False),  # half of the last 20 is not more than half
        ("-+" * 9 + "--", True),
        ("--+" * 6, False),  # 18: no full window yet
    ],
)
def test_five_in_a_row_or_more_than_half_of_the_last_twenty(settings: Settings, recent: str, broken: bool) -> None:
    assert breaks(recent, settings) is broken


async def rail(house: House, provider: str = "campay", direction: str = "in") -> tuple[str, bool]:
    """The last outcomes of MTN at a provider, and whether its breaker is open."""
    columns = provider_health.c
    named = columns.provider == provider, columns.carrier == "mtn", columns.direction == direction
    async with house.database.reading() as tx:
        row = await tx.one(select(provider_health).where(*named))
    return row.recent, row.opened_at is not None


async def fail(house: House, campay: FakeCampay, times: int) -> None:
    """Collections whose requests get no answer."""
    for number in range(times):
        campay.before["/collect/"].append(lost)
        await house.collect(key=f"lost:{number}", amount_xaf=1000 + number)
        await house.sweep()


async def test_the_payers_reasons_do_not_count_against_a_rail(house: House, campay: FakeCampay) -> None:
    for number, reason in enumerate(["Insufficient funds", "Rejected", "None", "Insufficient funds"]):
        await house.collect(key=f"order:{number}", amount_xaf=1000 + number)
        await house.sweep()
        campay.decide("FAILED", reason=reason)
        await house.sweep(seconds=6)
    campay.before["/collect/"].append(says(400, message="Invalid phone", error_code="ER101"))
    await house.collect(key="order:9")
    await house.sweep()
    assert await rail(house) == ("++++", False)  # what has no stated reason says nothing


@pytest.mark.parametrize("spoiler", [lost, html(502), refused_connection])
async def test_silence_and_gateways_count_against_a_rail(house: House, campay: FakeCampay, spoiler: object) -> None:
    campay.before["/collect/"].append(spoiler)  # type: ignore[arg-type]
    await house.collect()
    await house.sweep()
    assert await rail(house) == ("-", False)
    assert await rail(house, direction="out") == ("", False)


async def test_an_open_breaker_steers_new_money_to_another_provider(
    two_providers: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    house = two_providers
    dearer = structs.replace(house.database.settings, pawapay_collect_fee_bp={"mtn": 9000})
    house.join(Pawapay(dearer, http_client=pawapay.client()))  # what fails at CamPay stays there
    await fail(house, campay, 5)
    assert await rail(house) == ("-----", True)
    await house.collect(key="after")
    assert (await house.attempts())[-1].provider == "pawapay"
    await house.pay_out()  # the other direction is another rail
    assert (await house.attempts())[-1].provider == "campay"


async def test_with_one_provider_an_open_breaker_refuses_new_collections_only(house: House, campay: FakeCampay) -> None:
    await house.collect(key="before")
    await house.sweep()
    await fail(house, campay, 5)
    with pytest.raises(PaymentsPaused):
        await house.collect(key="after")
    next(iter(campay.transactions.values()))["status"] = "SUCCESSFUL"
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid"]


async def test_after_a_minute_a_read_closes_it_and_never_money(house: House, campay: FakeCampay) -> None:
    await fail(house, campay, 5)
    asked = campay.count("/collect/")
    await house.sweep(seconds=59)
    assert (await rail(house))[1]
    campay.before["/balance/"].append(lost)
    campay.before["/transaction/"].extend([lost] * 9)
    campay.before["/history/"].extend([lost] * 9)
    await house.sweep(seconds=2)
    assert (await rail(house))[1]  # the provider did not answer
    await house.sweep(seconds=59)
    assert campay.count("/balance/") == 1
    await house.sweep(seconds=2)
    assert await rail(house) == ("", False)
    assert campay.count("/collect/") == asked


async def test_a_provider_that_hides_its_balance_may_show_a_movement(house: House, campay: FakeCampay) -> None:
    await house.collect(key="before")
    await house.sweep()
    await fail(house, campay, 5)
    campay.before["/balance/"].append(html(403))
    await house.sweep(seconds=61)
    assert await rail(house) == ("", False)


async def test_an_unsent_payout_waits_for_its_breaker(house: House, campay: FakeCampay) -> None:
    for number in range(5):
        campay.before["/withdraw/"].append(lost)
        await house.pay_out(key=f"payout:{number}", amount_xaf=1000 + number)
        await house.sweep()
    assert await rail(house, direction="out") == ("-----", True)
    await house.pay_out(key="after", amount_xaf=5000)
    await house.sweep(seconds=31)
    assert campay.count("/withdraw/") == 5
    await house.sweep(seconds=31)
    await house.sweep(seconds=31)
    assert campay.count("/withdraw/") == 6


async def test_what_two_workers_saw_is_added_up(house: House, campay: FakeCampay) -> None:
    other = house.another_engine()
    for number, engine in enumerate([house.engine, other, house.engine, other, other]):
        campay.before["/collect/"].append(lost)
        await house.collect(key=f"lost:{number}", amount_xaf=1000 + number)
        await engine.sweep()
    assert await rail(house) == ("-----", True)
