"""Every page of every journey fits and has a way out, in every language, over worst-case data."""

import pytest

from core.database import Database
from core.texts import LANGUAGES
from gateway.menus.pasts import a_town, walk

pytestmark = pytest.mark.anyio

EXPECTED = {
    "home",
    "order.confirm",
    "track.code",
    "track.which",
    "track.pay_again",
    "wallet.confirm",
    "wallet.statement",
    "wallet.limits",
    "points.confirm",
    "promotions.offers",
    "referral.code",
    "rating.ride",
    "register",
    "help.reason",
    "help.list",
    "pin.enter",
    "pin.code",
    "resume",
    "staff",
    "staff.order",
    "staff.order_fetched",
    "staff.price_confirm",
    "staff.money_of_restaurant",
    "staff.offers",
    "staff.fetch",
    "staff.deliver",
    "staff.code",
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_fits_and_has_a_way_out(database: Database, language: str) -> None:
    await a_town(database)
    walked = await walk(database, language)
    print(f"{walked.screens} screens, longest {walked.longest_septets} septets:\n{walked.longest_page}")
    assert walked.findings == []
    assert set(walked.questions) >= EXPECTED
