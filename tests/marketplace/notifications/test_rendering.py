"""A message fits one part whatever people call their dishes, and only its words give way."""

import re

import pytest

from core.crypto import Keyring
from core.gsm import SMS_SEPTETS, fold, septets, sms_parts
from core.sealed import DIGITS, seal
from core.texts import LANGUAGES, catalogue
from marketplace.notifications.rendering import fit, render

KEYS = sorted(key for key in catalogue("fr") if key.startswith("sms."))

# As long as each parameter gets. Amounts reach a million, names are the longest that the demo data holds and more.
WORST_WORDS = {
    "restaurant": "Chez Maman Bérénice & Fils, Spécialités du Littoral",
    "place": "Bonamoussadi, derrière la Pharmacie du Carrefour Maétur: portail bleu, deuxième étage, demander Mme Ngo",
    "items": "2 Ndolé complet crevettes et viande+plantain mûr, 1 Poulet DG, 3 Jus de foléré",
    "quarter": "Bonamoussadi-Kotto Village",
    "start": "BONAMOUSSADI-KOTTO VILLAGE",
    "end": "NEW-BELL NKOLMINTAG",
    "driver": "Jean-Baptiste Emmanuel Ngo'o Mbarga",
    "options": "4821 1, 5190 1, 6001 1, 7002 1, 8003 1",
    "state": "En préparation au restaurant",
    "tier": "silver",
    "dial": "*237*1234*3#",
}
WORST_CODES = {"code": seal("delivery_code", "delivery.nonce")}
WORST_NUMBERS = {"phone": 670000001, "minutes": 120, "seconds": 75, "km": 28, "dish": 999, "answer": 1, "points": 99999}


def worst(key: str, language: str) -> dict[str, str | int]:
    names = set(re.findall(r"\{(\w+)\}", catalogue(language)[key]))
    known = {**WORST_WORDS, **WORST_CODES, **WORST_NUMBERS}
    return {name: known.get(name, 1_000_000 if name.endswith("_xaf") else 9999) for name in names}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_every_message_fits_one_part_with_its_worst_data(keys: Keyring, key: str, language: str) -> None:
    text = render(keys, language=language, key=key, params=worst(key, language))
    assert sms_parts(text) == 1, f"{septets(text)} septets: {text}"
    assert "{" not in text


@pytest.mark.parametrize("key", KEYS)
def test_both_languages_take_the_same_parameters(key: str) -> None:
    assert worst(key, "fr").keys() == worst(key, "en").keys()


def test_the_forms_that_people_know(keys: Keyring) -> None:
    offer = {"number": 4821, "restaurant": "Chez Mama", "start": "AKWA", "end": "BONAMOUSSADI", "km": 3, "pay_xaf": 800}
    assert fit("fr", "sms.offer", {**offer, "seconds": 75}) == (
        "COURSE 4821 Chez Mama AKWA > BONAMOUSSADI 3km 800F. Rep OUI 4821 (75s)"
    )
    assert fit("en", "sms.answered_next", {"number": 4821, "next": 5190, "answer": "1"}) == (
        "CMD 4821 OK. For 5190 send 5190 1"
    )


@pytest.mark.parametrize("kind", DIGITS)
def test_a_code_appears_only_in_the_rendered_text(keys: Keyring, kind: str) -> None:
    params = {"code": seal(kind, "ref")}
    digits = keys.digits(kind, "ref", DIGITS[kind])
    assert digits not in fit("fr", "sms.login_code", params)
    assert digits in render(keys, language="fr", key="sms.login_code", params=params)


def test_two_long_names_share_the_loss_and_numbers_stay_whole(keys: Keyring) -> None:
    params = worst("sms.offer", "fr") | {"restaurant": "R" * 120, "start": "S" * 120}
    text = fit("fr", "sms.offer", params)
    assert septets(text) <= SMS_SEPTETS
    assert abs(text.count("R") - text.count("S")) < 10
    assert "OUI 9999 (75s)" in text and "1000000F" in text


def test_what_a_handset_cannot_show_is_folded() -> None:
    text = fit("fr", "sms.on", {"quarter": "Bépanda «Tonnerre» ✿"})
    assert text == fold(text) and 'Bépanda "Tonnerre" ?' in text


def test_what_is_not_a_word_is_never_cut() -> None:
    dial = "*237*1*" + "4821*" * 40 + "#"
    assert dial in fit("fr", "sms.on", {"quarter": dial})
