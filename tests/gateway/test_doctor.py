"""The doctor finds what the constraints, triggers and lock orders of the database make impossible."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import insert, text

from core.clock import ManualClock
from core.database import Database, Tx
from core.settings import Secret, Settings
from gateway.doctor import examine
from gateway.heartbeat import beat
from ledger import chart
from ledger.service import Leg, post
from marketplace.ordering.tables import customer_order
from payments.reconciliation import items
from payments.reconciliation.comparing import Difference, Found
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from payments.tables import attempt, payment
from tests.support.servers import serve

pytestmark = pytest.mark.anyio


async def vandalise(tx: Tx) -> None:
    """Switch rights, constraints and triggers off for the rest of the transaction; only a superuser can."""
    await (await tx.driver()).execute("SET LOCAL ROLE NONE; SET LOCAL session_replication_role = replica")


async def plant_order(database: Database, *, state: str) -> UUID:
    order_id = uuid4()
    numbers = dict.fromkeys(("quarter_id", "cart_version", "tariff_version", "km", "commission_bp"), 1)
    people = dict.fromkeys(("person_id", "payer_id", "restaurant_id", "cart_id"), uuid4())
    prices = {"items_xaf": 3000, "delivery_xaf": 800, "tax_xaf": 0, "total_xaf": 3800, "driver_pay_xaf": 700}
    words = {"pay_with": "wallet", "channel": "api", "directions": "", "place_label": "Akwa"}
    async with database.transaction() as tx:
        await vandalise(tx)
        row = {"id": order_id, "number": 4821, "state": state, "placed_at": tx.now, "state_since": tx.now}
        await tx.run(insert(customer_order).values(**row, **numbers, **people, **prices, **words))
    return order_id


async def pay_into(database: Database, account: chart.Account, amount_xaf: int) -> None:
    held = chart.provider_float("campay", "mtn")
    async with database.transaction() as tx:
        await post(tx, key=str(uuid4()), kind="test", legs=[Leg(held, account, amount_xaf)])


async def test_an_empty_house_is_well(database: Database) -> None:
    assert await examine(database) == []


async def test_a_changed_balance_is_found(database: Database) -> None:
    person = uuid4()
    await pay_into(database, chart.wallet(person), 5000)
    assert await examine(database) == []
    async with database.transaction() as tx:
        await vandalise(tx)
        await tx.run(text("UPDATE account SET balance = balance + 1 WHERE code = :code"), {"code": f"wallet:{person}"})
    assert any(f"wallet:{person} holds 5001" in finding for finding in await examine(database))


async def test_an_open_order_needs_its_money_in_escrow(database: Database) -> None:
    order_id = await plant_order(database, state="OFFERED")
    assert await examine(database) == [
        f"order 4821 ({order_id}) is OFFERED: its escrow holds 0, should hold 3800",
    ]
    await pay_into(database, chart.escrow(order_id), 3800)
    assert await examine(database) == []


async def test_a_closed_order_keeps_nothing_in_escrow(database: Database) -> None:
    order_id = await plant_order(database, state="DELIVERED")
    await pay_into(database, chart.escrow(order_id), 3800)
    assert await examine(database) == [
        f"order 4821 ({order_id}) is DELIVERED: its escrow holds 3800, should hold 0",
    ]


async def test_escrow_of_no_order_is_found(database: Database) -> None:
    nobody = uuid4()
    await pay_into(database, chart.escrow(nobody), 100)
    assert await examine(database) == [f"account escrow:{nobody} holds 100 for no order"]


async def plant_attempt(tx: Tx, **values: object) -> UUID:
    attempt_id = uuid4()
    columns = {"provider": "campay", "carrier": "mtn", "kind": "collect", "amount_xaf": 100, "phone_index": b"0"}
    flags = {"postponed": False, "reads": 0, "in_transit": False, "state": "SENT"}
    await vandalise(tx)
    row = {"id": attempt_id, "payment_id": uuid4(), "created_at": tx.now}
    await tx.run(insert(attempt).values(**{**row, **columns, **flags, **values}))
    return attempt_id


async def test_an_attempt_that_nobody_will_look_at_is_found(database: Database) -> None:
    async with database.transaction() as tx:
        await vandalise(tx)
        await tx.run(text("ALTER TABLE attempt DROP CONSTRAINT ck_attempt_live_has_next_check"))
        forgotten = await plant_attempt(tx)
    assert await examine(database) == [f"attempt {forgotten} is SENT and nobody will look at it again"]


async def test_an_attempt_at_a_provider_that_is_not_named_any_more_is_found(database: Database) -> None:
    """Workers have no adapter for it: it would come round for ever."""
    async with database.transaction() as tx:
        left = await plant_attempt(tx, provider="mtn", state="PENDING", next_check_at=tx.now)
        await plant_attempt(tx, provider="noupay", state="PENDING", next_check_at=tx.now)
        await plant_attempt(tx, provider="mtn", state="FAILED")
    assert await examine(database) == [
        f"attempt {left} is PENDING at mtn, which PAYMENT_PROVIDERS does not name: nobody reads it"
    ]


@pytest.fixture
def simulated(tmp_path: Path, settings: Settings) -> Iterator[Settings]:
    """Settings of a product whose simulated CamPay holds 900 F that our books do not know."""
    networks = SimulatorSettings(data=tmp_path, campay_opening_float_xaf={"mtn": 900})
    with serve(create_simulator(networks)) as url:
        own = {"simulator_url": url, "campay_url": f"{url}/campay/api", "campay_username": "demo"}
        yield msgspec.structs.replace(settings, **own, campay_password=Secret("demo"))


async def test_the_simulated_provider_must_hold_what_our_float_accounts_say(
    database: Database, simulated: Settings
) -> None:
    database.settings = simulated
    assert await examine(database, patience_seconds=0) == [
        "the simulated campay holds 900 for mtn, our float account says 0"
    ]
    await pay_into(database, chart.wallet(uuid4()), 900)
    assert await examine(database) == []


async def test_a_float_account_that_the_provider_does_not_list_is_compared_too(
    database: Database, simulated: Settings
) -> None:
    database.settings = simulated
    await pay_into(database, chart.wallet(uuid4()), 900)
    async with database.transaction() as tx:
        legs = [Leg(chart.provider_float("campay", "camtel"), chart.wallet(uuid4()), 70)]
        await post(tx, key=str(uuid4()), kind="test", legs=legs)
    assert await examine(database, patience_seconds=0) == [
        "the simulated campay holds 0 for camtel, our float account says 70"
    ]


SILENT = ["the simulated campay tells no balances: our float accounts could not be checked"]


async def test_a_simulated_provider_that_is_silent_is_a_finding(database: Database, simulated: Settings) -> None:
    database.settings = msgspec.structs.replace(simulated, campay_password=Secret("another"))
    assert await examine(database, patience_seconds=0) == SILENT


@pytest.mark.parametrize(("alive", "findings"), [(False, []), (True, SILENT)])
async def test_networks_that_do_not_run_are_a_finding_only_while_we_do(
    database: Database, settings: Settings, alive: bool, findings: list[str]
) -> None:
    nowhere = "http://127.0.0.1:9"
    credentials = {"campay_username": "demo", "campay_password": Secret("demo")}
    database.settings = msgspec.structs.replace(settings, simulator_url=nowhere, campay_url=nowhere, **credentials)
    if alive:
        async with database.transaction() as tx:
            await beat(tx, uuid4())
    assert await examine(database, patience_seconds=0) == findings


async def test_an_attempt_in_review_waits_for_people(database: Database) -> None:
    left, owed = uuid4(), uuid4()
    same = {"kind": "collect", "amount_xaf": 100, "phone_index": b"0", "carrier": "mtn"}
    flags = {"postponed": False, "reads": 26, "in_transit": False, "state": "REVIEW", "evidence": "SILENT"}
    account = {"code": "wallet:x", "kind": "liability"}
    for_what = {"purpose": "top_up", "reference": uuid4(), "key": "x", "phone": b"0", "account": account}
    async with database.transaction() as tx:
        await tx.run(insert(payment).values(id=owed, state="EXPIRED", created_at=tx.now, **for_what, **same))
        row = {"id": left, "payment_id": owed, "created_at": tx.now, "provider": "campay"}
        await tx.run(insert(attempt).values(**row, **same, **flags))
    assert await examine(database) == [
        f"attempt {left} (collect of 100) is REVIEW (SILENT): it waits for two finance users"
    ]


async def test_what_reconciliation_found_stays_a_finding_until_it_is_resolved(database: Database) -> None:
    found = Found(Difference.MISSING_HERE, "theirs", "mtn", 0, 3800)
    async with database.transaction() as tx:
        await items.note(tx, "campay", date(2026, 11, 20), found)
    assert await examine(database) == ["campay on 2026-11-20: missing_here theirs, 3800 there, 0 here"]
    async with database.transaction() as tx:
        (item,) = await items.open_items(tx)
        await items.close(tx, item.id, "cleared")
    assert await examine(database) == []


async def test_money_that_lies_in_suspense_for_days_is_found(database: Database, clock: ManualClock) -> None:
    async def move(amount_xaf: int) -> None:
        legs = [Leg(chart.provider_float("campay", "mtn"), chart.SUSPENSE_SURPLUS, abs(amount_xaf))]
        back = [Leg(leg.credit, leg.debit, leg.amount) for leg in legs]
        async with database.transaction() as tx:
            await post(tx, key=str(uuid4()), kind="test", legs=legs if amount_xaf > 0 else back)

    await move(500)
    clock.advance(days=2)
    await move(700)
    assert await examine(database) == []
    clock.advance(days=1)
    assert await examine(database) == ["account suspense:surplus holds 1200 since 2026-11-21"]
    await move(-500)  # the oldest first
    assert await examine(database) == []
    clock.advance(days=2)
    assert await examine(database) == ["account suspense:surplus holds 700 since 2026-11-23"]
