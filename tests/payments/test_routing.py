"""Which provider gets the money, and when another one tries: after what is certain, and never after a payer's no."""

from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import update

from core.errors import GatewayError
from gateway.doctor import examine
from ledger.chart import SUSPENSE_MISMATCH, escrow, in_transit, restaurant_payable
from payments import doorbell, maintenance
from payments.errors import AmountOutOfLimits, PaymentsPaused, UnsupportedCarrier
from payments.providers.protocol import Callback
from payments.routing import has_rail
from payments.states import Failure
from payments.tables import provider_health
from tests.payments.house import House
from tests.payments.network import FakeCampay, Spoiler, html, lost, refused_connection, says
from tests.payments.pawapay_network import FakePawapay

pytestmark = pytest.mark.anyio

ORDER = UUID("0197a4be-0000-7000-8000-000000000009")
UNAVAILABLE = says(
    200, status="REJECTED", failureReason={"failureCode": "PROVIDER_TEMPORARILY_UNAVAILABLE", "failureMessage": "x"}
)


@pytest.fixture
def house(two_providers: House) -> House:
    return two_providers


async def put_away(house: House, provider: str, carrier: str | None = None, on: bool = True) -> None:
    async with house.database.transaction() as tx:
        await maintenance.set(tx, provider=provider, carrier=carrier, on=on)


async def providers(house: House) -> list[str]:
    return [row.provider for row in await house.attempts()]


def change(house: House, **settings: object) -> None:
    house.database.settings = msgspec.structs.replace(house.database.settings, **settings)


# -- the first attempt


async def test_those_that_cost_the_same_are_taken_in_the_settings_order(house: House) -> None:
    await house.collect()
    assert await providers(house) == ["campay"]


async def test_the_cheaper_rail_is_taken(house: House) -> None:
    change(house, campay_collect_fee_bp={"mtn": 300})
    house.engine = house.another_engine()
    await house.sweep()  # workers tell the rates
    await house.collect()
    assert await providers(house) == ["pawapay"]


@pytest.mark.parametrize(
    ("worse", "chosen"),
    [({"recent": "-++++"}, "pawapay"), ({"latency_ms": 3000}, "pawapay"), ({"recent": "+++++"}, "campay")],
)
async def test_a_rail_that_fails_or_lags_is_left_for_a_better_one(
    house: House, worse: dict[str, object], chosen: str
) -> None:
    await house.sweep()
    async with house.database.transaction() as tx:
        rail = provider_health.c.provider == "campay", provider_health.c.direction == "in"
        await tx.run(update(provider_health).where(*rail).values(**worse))
    await house.collect()
    assert await providers(house) == [chosen]


async def test_limits_are_each_providers_own(house: House) -> None:
    change(house, provider_limits_xaf={"campay:mtn": (100, 3000), "pawapay:mtn": (500, 9000)})
    await house.collect(key="order:1", amount_xaf=200)
    await house.collect(key="order:2", amount_xaf=8000)
    assert await providers(house) == ["campay", "pawapay"]
    with pytest.raises(AmountOutOfLimits) as refusal:
        await house.collect(key="order:3", amount_xaf=9001)
    assert refusal.value.params == {"minimum_xaf": 100, "maximum_xaf": 9000}


async def test_a_provider_without_credentials_has_no_rail(house: House) -> None:
    change(house, pawapay_token="", campay_username="")
    assert not has_rail(house.database.settings, "+237670000001")
    with pytest.raises(UnsupportedCarrier):
        await house.collect()


# -- maintenance


async def test_a_provider_in_maintenance_gets_no_new_money(house: House) -> None:
    await put_away(house, "campay")
    await put_away(house, "campay")
    await house.collect()
    await put_away(house, "campay", on=False)
    await house.collect(key="order:2", amount_xaf=2000)
    assert await providers(house) == ["pawapay", "campay"]


async def test_maintenance_may_be_of_one_carrier_or_by_the_settings(house: House) -> None:
    await put_away(house, "campay", "orange")
    await house.collect()
    change(house, maintenance=("campay:mtn",))
    await house.collect(key="order:2", amount_xaf=2000)
    assert await providers(house) == ["campay", "pawapay"]
    async with house.database.reading() as tx:
        away = [(one.provider, one.carrier) for one in await maintenance.current(tx)]
    assert away == [("campay", "mtn"), ("campay", "orange")]


async def test_with_nobody_left_a_new_collection_is_refused_and_a_repeat_gets_its_payment(house: House) -> None:
    terms = {"reference": ORDER, "credit": escrow(ORDER)}
    owed = await house.collect(**terms)
    await put_away(house, "campay")
    await put_away(house, "pawapay")
    with pytest.raises(PaymentsPaused) as refusal:
        await house.collect(key="order:2")
    assert isinstance(refusal.value, GatewayError) and refusal.value.retryable
    assert (await house.collect(**terms)).id == owed.id


async def test_what_is_prepared_waits_for_the_end_of_maintenance(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await put_away(house, "campay")
    await house.sweep()
    await house.sweep(seconds=31)
    assert (await house.states(), campay.count("/collect/")) == (["PREPARED"], 0)
    await put_away(house, "campay", on=False)
    await house.sweep(seconds=31)
    assert await house.states() == ["PENDING"]


async def test_what_was_sent_is_read_on_during_maintenance(house: House, campay: FakeCampay) -> None:
    await house.collect()
    await house.sweep()
    await put_away(house, "campay")
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid"]


async def test_a_payout_waits_when_nobody_is_left(house: House, campay: FakeCampay) -> None:
    for provider in ("campay", "pawapay"):
        await put_away(house, provider)
    await house.pay_out()
    await house.sweep()
    assert await house.states() == ["PREPARED"]
    assert await house.set_aside() == 2550


async def test_a_payout_that_cannot_go_out_for_a_day_takes_another_rail(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    await house.pay_out()
    await put_away(house, "campay")
    await house.sweep()
    await house.sweep(hours=23)
    (finding,) = await examine(house.database)
    assert "(payout of 2550) waits unsent at campay since" in finding
    await house.sweep(hours=1, minutes=1)
    await house.sweep()
    assert [(row.provider, row.state) for row in await house.attempts()] == [("campay", "DEAD"), ("pawapay", "PENDING")]
    assert (campay.count("/withdraw/"), pawapay.count("POST payouts")) == (0, 1)


async def test_a_payout_that_no_rail_takes_for_a_day_gets_its_money_back(house: House) -> None:
    for provider in ("campay", "pawapay"):
        await put_away(house, provider)
    owed = await house.pay_out()
    for _ in range(5):
        await house.sweep(hours=6)
    assert [(name, told.failure) for name, told in house.told] == [("payout_done", Failure.TECHNICAL)]
    assert await house.balance(restaurant_payable(owed.reference)) == 2550
    assert await examine(house.database) == []


# -- another attempt


async def test_a_request_that_was_never_sent_goes_to_the_next_provider_at_once(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    await house.collect()
    campay.before["/collect/"].append(refused_connection)
    await house.sweep()
    await house.sweep()
    assert await house.states() == ["DEAD", "PENDING"]
    assert await providers(house) == ["campay", "pawapay"]
    pawapay.decide("COMPLETED")
    await house.sweep(seconds=6)
    assert house.outcomes == ["paid"]
    assert await house.balance("float:pawapay:mtn") == 3705
    assert await house.findings() == []


async def test_after_every_provider_has_failed_the_next_try_is_later(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    await house.collect()
    campay.before["/collect/"].append(refused_connection)
    pawapay.before["POST deposits"].append(refused_connection)
    for _ in range(4):
        await house.sweep()
    assert await house.states() == ["DEAD", "DEAD", "PREPARED"]
    await house.sweep(seconds=61)
    assert campay.count("/collect/") + pawapay.count("POST deposits") == 3


@pytest.mark.parametrize("status", ["answer", "read"])
async def test_a_technical_no_goes_to_the_next_provider_after_a_minute(
    house: House, campay: FakeCampay, pawapay: FakePawapay, status: str
) -> None:
    """Refused before a prompt, or failed after it: the second prompt keeps its distance."""
    await put_away(house, "campay")
    await house.collect()
    await put_away(house, "campay", on=False)
    if status == "answer":
        pawapay.before["POST deposits"].append(UNAVAILABLE)
        await house.sweep()
    else:
        await house.sweep()
        pawapay.decide("FAILED", "PROVIDER_TEMPORARILY_UNAVAILABLE")
        await house.sweep(seconds=6)
    assert await house.states() == ["FAILED", "PREPARED"]
    await house.sweep(seconds=50)
    assert campay.count("/collect/") == 0
    await house.sweep(seconds=15)
    assert campay.count("/collect/") == 1


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("INSUFFICIENT_BALANCE", Failure.INSUFFICIENT_FUNDS),
        ("PAYMENT_NOT_APPROVED", Failure.REJECTED),
        ("PAYER_NOT_FOUND", Failure.WRONG_NUMBER),
        ("PAYER_LIMIT_REACHED", Failure.LIMIT),
        ("UNSPECIFIED_FAILURE", Failure.UNSTATED),
    ],
)
async def test_after_the_payers_reasons_nobody_is_prompted_again(
    house: House, campay: FakeCampay, pawapay: FakePawapay, code: str, failure: Failure
) -> None:
    await put_away(house, "campay")
    await house.collect()
    await put_away(house, "campay", on=False)
    await house.sweep()
    pawapay.decide("FAILED", code)
    await house.sweep(seconds=6)
    await house.sweep(hours=1)
    assert [(name, told.failure) for name, told in house.told] == [("failed", failure)]
    assert len(await house.attempts()) == 1


@pytest.mark.parametrize("spoiler", [lost, html(502), html(200), says(409, message="duplicate UUID")])
async def test_a_request_of_unknown_fate_goes_nowhere_else(
    house: House, campay: FakeCampay, pawapay: FakePawapay, spoiler: Spoiler
) -> None:
    await house.collect()
    campay.before["/collect/"].append(spoiler)
    await house.sweep()
    for _ in range(20):
        await house.sweep(minutes=2)
    assert await house.states() == ["QUARANTINED"]
    assert pawapay.count("POST deposits") == 0


async def test_an_unknown_payout_goes_nowhere_else(house: House, campay: FakeCampay, pawapay: FakePawapay) -> None:
    owed = await house.pay_out()
    campay.before["/withdraw/"].append(lost)
    await house.sweep()
    for _ in range(40):
        await house.sweep(days=1.2)
    assert await house.states() == ["REVIEW"]
    assert pawapay.count("POST payouts") == 0
    assert await house.balance(in_transit("campay")) == 2550
    assert await house.balance(restaurant_payable(owed.reference)) == 0


# -- payouts and float


@pytest.mark.parametrize("told", ["before", "after"])
async def test_a_payout_goes_to_the_provider_that_has_float(
    house: House, campay: FakeCampay, pawapay: FakePawapay, told: str
) -> None:
    """Our balance at one provider says nothing of the others', whether we saw it or were refused."""
    await house.pay_out()
    if told == "before":
        campay.floats["mtn_balance"] = 100
    else:
        campay.before["/withdraw/"].append(says(400, message="Insufficient float", error_code="ER301"))
    await house.sweep()
    await house.sweep()
    pawapay.decide("COMPLETED")
    await house.sweep(seconds=70)
    await house.sweep(seconds=70)
    assert pawapay.count("POST payouts") == 1
    assert house.outcomes == ["payout_done"]
    assert await house.balance("float:pawapay:mtn") == -2576
    assert await house.set_aside() == 0
    assert await house.findings() == []


async def test_without_float_anywhere_a_payout_waits_where_it_is(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    await house.pay_out()
    campay.floats["mtn_balance"] = 100
    pawapay.balance = "100"
    for _ in range(4):
        await house.sweep()
    assert await house.states() == ["DEAD", "PREPARED"]
    pawapay.balance = "5000"
    await house.sweep(minutes=11)
    assert pawapay.count("POST payouts") == 1


# -- a provider that refuses a payout and makes it all the same


async def made_although_refused(house: House, campay: FakeCampay) -> None:
    """CamPay says that it never began, another try is prepared at pawaPay, and CamPay has paid."""
    await house.pay_out()
    campay.after["/withdraw/"].append(says(403, message="Withdrawals are not enabled"))
    await house.sweep()
    assert (await house.states(), await providers(house)) == (["FAILED", "PREPARED"], ["campay", "pawapay"])
    campay.decide("SUCCESSFUL")


async def ring(house: House, campay: FakeCampay) -> None:
    fields = campay.callback(campay.only(), key=house.database.settings.campay_webhook_key)
    async with house.database.transaction() as tx:
        await doorbell.ring(tx, provider="campay", callback=Callback(query=str(httpx.QueryParams(fields))))
    (first,) = (row for row in await house.attempts() if row.provider == "campay")
    await house.another_engine().advance(first.id)


async def test_a_payout_that_turns_out_paid_while_the_next_try_is_vetted_is_not_made_again(
    house: House, campay: FakeCampay, pawapay: FakePawapay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made_although_refused(house, campay)
    (adapter,) = house.others
    floats = adapter.floats

    async def slowly() -> dict[str, int] | None:
        await ring(house, campay)
        return await floats()

    monkeypatch.setattr(adapter, "floats", slowly)
    await house.sweep()
    assert house.outcomes == ["payout_done"]
    await house.sweep(minutes=2)
    assert pawapay.count("POST payouts") == 0
    assert sorted(await house.states()) == ["DEAD", "SUCCEEDED"]
    assert await house.set_aside() == 0


async def test_a_payout_that_turns_out_paid_while_the_next_try_is_unknown_is_booked(
    house: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    """Its money rests where the other try has put it: in transit at the other provider."""
    await made_although_refused(house, campay)
    pawapay.after["POST payouts"].append(lost)
    await house.sweep()
    assert await house.balance(in_transit("pawapay")) == 2550
    await ring(house, campay)
    assert sorted(await house.states()) == ["SUCCEEDED", "UNKNOWN"]
    assert await house.balance(in_transit("pawapay")) == await house.set_aside() == 0

    pawapay.decide("COMPLETED")  # both paid: people decide about the second
    await house.sweep(seconds=6)
    assert sorted(await house.states()) == ["REVIEW", "SUCCEEDED"]
    assert (await house.balance(SUSPENSE_MISMATCH), house.outcomes) == (-2550, ["payout_done"])
    assert await house.findings() == []
