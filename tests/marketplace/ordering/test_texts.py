"""Every SMS about orders and money exists in both languages and fits one part with the worst that can be in it."""

import re

import pytest

from core.gsm import sms_parts
from core.texts import LANGUAGES, catalogue
from marketplace.notifications.rendering import fit
from marketplace.ordering import deadlines, messages, outcomes, service
from marketplace.payouts import service as payouts
from marketplace.wallets import service as wallets

WORST: dict[str, str | int] = {
    "number": 9999,
    "restaurant": "La Marmite de Tantie Rose et Filles, Bonamoussadi",
    "items": "2 Poisson braisé aux épices, 1 Jus de gingembre",
    "dial": "*237*1234*3#",
    "minutes": 180,
    "points": 7500,
    "when": "21/11 12:30",
    "tip_xaf": 50_000,
    **dict.fromkeys(
        ("items_xaf", "delivery_xaf", "tax_xaf", "total_xaf", "refund_xaf", "kept_xaf", "discount_xaf"), 500_000
    ),
    **dict.fromkeys(("amount_xaf", "balance_xaf", "rest_xaf"), 1_000_000),
}


def keys_in_use() -> list[str]:
    used: set[str] = set()
    for module in (messages, deadlines, outcomes, service, wallets, payouts):
        with open(str(module.__file__)) as source:
            used.update(re.findall(r'"(sms\.\w+)"', source.read()))
    return sorted(used)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", keys_in_use())
def test_it_exists_and_fits_one_part(key: str, language: str) -> None:
    assert key in catalogue(language)
    assert sms_parts(fit(language, key, WORST)) == 1
