"""The catalogues: the same keys and parameters in every language, and texts that fit where they are shown."""

from string import Formatter

import pytest

from core import gsm
from core.texts import DEFAULT_LANGUAGE, LANGUAGES, catalogue


def parameters(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_parameters(language: str) -> None:
    texts, model = catalogue(language), catalogue(DEFAULT_LANGUAGE)
    assert texts.keys() == model.keys()
    assert {key for key in texts if parameters(texts[key]) != parameters(model[key])} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_fits_a_line_of_a_page(language: str) -> None:
    long = {
        key: text
        for key, text in catalogue(language).items()
        if key.startswith("error.") and gsm.septets(gsm.fold(text)) > 90
    }
    assert long == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_keeps_a_character_that_no_phone_shows(language: str) -> None:
    for key, text in catalogue(language).items():
        assert text.strip(), key
        assert "?" not in gsm.fold(text).replace("?", "", text.count("?")), key
