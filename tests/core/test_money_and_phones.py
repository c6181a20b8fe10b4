"""Francs and phone numbers as people and providers write them."""

from decimal import Decimal

import pytest

from core.errors import InvalidAmount, InvalidPhone
from core.money import basis_points, basis_points_up, parse_xaf, whole
from core.phones import carrier_of, mask_phone, parse_phone


@pytest.mark.parametrize("raw", ["2500", "2 500", "2.500", "2500F", "2 500 FCFA", "2\u202f500 xaf", 2500])
def test_whole_francs(raw: object) -> None:
    assert parse_xaf(raw) == 2500


@pytest.mark.parametrize("raw", ["2,5", "2.5", "2500.00", "0", "-5", "", "abc", "1e3", 2.0, True, "²", "9" * 13])
def test_what_is_no_amount(raw: object) -> None:
    with pytest.raises(InvalidAmount):
        parse_xaf(raw)


def test_a_providers_literal_is_whole_or_nothing() -> None:
    assert [whole(raw) for raw in ("5.00", 2.0, 1, Decimal("3000.0"))] == [5, 2, 1, 3000]
    assert [whole(raw) for raw in ("3000.0000000000000001", "None", "NaN", "")] == [None] * 4


def test_shares_round_as_decided() -> None:
    assert basis_points(3333, 1500) == 499
    assert basis_points_up(3800, 250) == 95
    assert basis_points_up(3801, 250) == 96


@pytest.mark.parametrize("raw", ["+237670000001", "00237670000001", "237670000001", "670 00 00 01", "670.00.00.01"])
def test_every_way_to_write_a_number(raw: str) -> None:
    assert parse_phone(raw) == "+237670000001"


@pytest.mark.parametrize("raw", ["", "12345", "+33612345678", "+23767000000", "abc", "370000001"])
def test_what_is_no_number(raw: str) -> None:
    with pytest.raises(InvalidPhone):
        parse_phone(raw)


def test_a_plus_that_became_a_space_is_refused() -> None:
    with pytest.raises(InvalidPhone):
        parse_phone(" 237670000001", carriers_plus=True)


@pytest.mark.parametrize(
    ("national", "carrier"),
    [
        ("650000000", "mtn"),
        ("654999999", "mtn"),
        ("655000000", "orange"),
        ("671234567", "mtn"),
        ("683000000", "mtn"),
        ("684000000", "nexttel"),
        ("686000000", "orange"),
        ("690000000", "orange"),
        ("640000000", "orange"),
        ("660000000", "nexttel"),
        ("620000000", "camtel"),
        ("222000000", None),
    ],
)
def test_carriers_by_prefix(national: str, carrier: str | None) -> None:
    assert carrier_of(f"+237{national}") == carrier


def test_a_masked_number_cannot_be_called() -> None:
    assert mask_phone("+237670000001") == "+23767***01"
