"""GSM-7 text: the check data of contracts/gsm.md and what people really type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import gsm


def test_the_contracts_check_data() -> None:
    text = "Ndolé, Poulet DG, Poisson braisé. Où êtes-vous? œuf…"
    assert gsm.fold(text) == "Ndolé, Poulet DG, Poisson braisé. Où etes-vous? oeuf..."
    assert gsm.septets("€5") == 3


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("2\u202f500\u00a0FCFA", "2 500 FCFA"),
        ("«Çà» ça", '"Çà" ca'),
        ("À l’école – Ô", "A l'école - O"),
        ("Piment 🌶", "Piment ?"),
        ("Ndole\u0301", "Ndolé"),  # decomposed, as some keyboards send it
        ("`", "'"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert gsm.fold(text) == folded


@given(st.text(max_size=200))
def test_a_folded_text_is_gsm_and_folding_it_again_changes_nothing(text: str) -> None:
    folded = gsm.fold(text)
    assert all(c in gsm.BASIC or c in gsm.EXTENDED or c in "\x02\x03" for c in folded)
    assert gsm.fold(folded) == folded


@given(st.text(alphabet="ab€^ é", max_size=80), st.integers(5, 60))
def test_shortened_text_fits(text: str, limit: int) -> None:
    assert gsm.septets(gsm.shorten(text, limit)) <= limit


def test_an_escaped_character_does_not_straddle_two_parts() -> None:
    assert gsm.sms_parts("a" * 160) == 1
    assert gsm.sms_parts("a" * 161) == 2
    assert gsm.sms_parts("a" * 152 + "€" + "a" * 151) == 2
    assert gsm.sms_parts("a" * 152 + "€" + "a" * 152) == 3
