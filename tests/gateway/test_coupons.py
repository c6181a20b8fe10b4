"""Coupons at the terminal: signed by finance, listed with what they have cost."""

import argparse

import pyotp
import pytest

from core.clock import ManualClock
from core.database import Database
from gateway import coupon_verbs, coupons
from gateway.seed import StaffAccount, seed
from marketplace.people.errors import WrongPassword
from marketplace.promotions import service as promotions
from marketplace.promotions.service import CouponTaken
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


@pytest.fixture
async def anne(database: Database) -> StaffAccount:
    return next(account for account in (await seed(database)).staff if account.role == "finance")


@pytest.fixture
def signed(anne: StaffAccount, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("STAFF_PASSWORD", anne.password)
    monkeypatch.setenv("STAFF_TOTP", pyotp.TOTP(anne.totp_secret).at(clock.now()))
    return ["--as", anne.username]


async def run(database: Database, *words: str) -> str:
    parser = argparse.ArgumentParser()
    coupon_verbs.add_verbs(parser.add_subparsers(required=True), lambda _: "")
    arguments = parser.parse_args(["coupon", *words, "--language", "en"])
    shown: str = await getattr(coupons, arguments.does)(database, arguments)
    return shown


async def test_a_coupon_is_made_and_listed(database: Database, signed: list[str]) -> None:
    assert await run(database, "list") == "No coupons."
    await run(database, "add", "2024", "Mboa50", "--percent", "50", "--limit", "10", "--restaurant", "45", *signed)
    (line,) = (await run(database, "list")).splitlines()
    assert line.startswith("2024 mboa50: 50 %, paid by the platform, used 0/10, 0F given, until ")


async def test_one_for_chosen_people_is_for_them(database: Database, clock: ManualClock, signed: list[str]) -> None:
    await run(database, "add", "2024", "amis", "--amount", "500", "--to", FRIEND, *signed)
    town = Town(database, clock)
    where = {"restaurant_id": town.restaurant_id, "items_xaf": 3000}
    for phone, known in ((FRIEND, True), (CUSTOMER, False)):
        person_id = await town.person(phone)
        async with database.reading() as tx:
            if known:
                assert (await promotions.find(tx, typed="2024", person_id=person_id, **where)).amount_xaf == 500
            else:
                with pytest.raises(promotions.UnknownCoupon):
                    await promotions.find(tx, typed="2024", person_id=person_id, **where)


async def test_a_number_is_given_once_and_nobody_makes_one_unsigned(
    database: Database, signed: list[str], clock: ManualClock, anne: StaffAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = ("add", "2024", "mboa50", "--amount", "500")
    await run(database, *terms, *signed)
    clock.advance(seconds=30)
    monkeypatch.setenv("STAFF_TOTP", pyotp.TOTP(anne.totp_secret).at(clock.now()))
    with pytest.raises(CouponTaken):
        await run(database, *terms, *signed)
    with pytest.raises(WrongPassword):
        await run(database, *terms, "--as", "nobody")
