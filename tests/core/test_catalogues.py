"""The catalogues: every language is complete, fits where it is shown, and is found by its folder alone."""

from pathlib import Path

import pytest

from core import texts
from core.proofreading import proofread
from core.texts import DEFAULT_LANGUAGE, LANGUAGES, LOCALES, STAFF_LANGUAGE, catalogue, languages_of, written
from gateway.cli import main

GOOD = {"ussd.hello": "Bonjour {number}", "sms.hello": "Bonjour", "error.no": "Non.", "report.total": "Somme"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_proofreader_finds_nothing(language: str) -> None:
    assert proofread(language) == []


def test_staff_read_everything_in_two_languages() -> None:
    assert written(LOCALES / STAFF_LANGUAGE).keys() == written(LOCALES / DEFAULT_LANGUAGE).keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_language_leaves_out_is_read_in_english(language: str) -> None:
    own = written(LOCALES / language)
    assert catalogue(language).keys() == catalogue(DEFAULT_LANGUAGE).keys()
    assert all(catalogue(language)[key] == own.get(key, catalogue(STAFF_LANGUAGE)[key]) for key in catalogue(language))


# ---- the proofreader ----------------------------------------------------------------------------------------


HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


def print_texts(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    entries = (f'msgid "{key}"\nmsgstr "{text}"\n' for key, text in texts.items())
    (folder / "all.po").write_text(HEADER + "\n".join(entries))


@pytest.fixture
def locales(tmp_path: Path) -> Path:
    print_texts(tmp_path / DEFAULT_LANGUAGE, GOOD)
    return tmp_path


def found(locales: Path, **changed: str) -> list[str]:
    """What is found in a translation that differs from the good one in texts named like `sms__hello`."""
    print_texts(locales / "new", {**GOOD, **{key.replace("__", "."): text for key, text in changed.items()}})
    return [str(finding) for finding in proofread("new", locales)]


def test_a_good_translation_has_no_findings(locales: Path) -> None:
    assert found(locales) == []


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("sms__hello", "", "is empty"),
        ("sms__hello", "Hallo ", "has a space too many"),
        ("sms__hello", "Hallo  du", "has a space too many"),
        ("sms__hello", "Hallo {name}", "has the parameters name, should have none"),
        ("ussd__hello", "Hallo", "has the parameters none, should have number"),
        ("ussd__hello", "Hallo {number", "a brace is open: expected '}' before end of string"),
        ("sms__hello", "你好", "no phone shows 你好"),
        ("sms__hello", "o" * 161, "is 1 septets too long"),
        ("sms__hello", "€" * 81, "is 2 septets too long"),
        ("ussd__hello", "o" * 157 + "{number}", "is 1 septets too long"),
        ("error__no", "o" * 91, "is 1 septets too long"),
        ("ussd__bye", "Adieu", "nobody asks for it"),
    ],
)
def test_a_mistake_is_found(locales: Path, key: str, text: str, why: str) -> None:
    assert f"{key.replace('__', '.')}: {why}" in found(locales, **{key: text})


def test_a_missing_text_is_found_where_callers_read_it(locales: Path) -> None:
    print_texts(locales / "new", {key: GOOD[key] for key in ("ussd.hello", "error.no")})
    assert [str(finding) for finding in proofread("new", locales)] == ["sms.hello: is missing"]


def test_a_text_that_stands_twice_and_one_that_was_guessed_are_found(locales: Path) -> None:
    print_texts(locales / "new", GOOD)
    (locales / "new" / "more.po").write_text('#, fuzzy\nmsgid "sms.hello"\nmsgstr "Salut"\n')
    assert [str(finding) for finding in proofread("new", locales)] == [
        "sms.hello: marked fuzzy in more.po",
        "sms.hello: stands in all.po and in more.po",
    ]


def test_a_language_is_a_folder_with_texts(locales: Path) -> None:
    print_texts(locales / "bum", GOOD)
    (locales / "empty").mkdir()
    assert languages_of(locales) == (DEFAULT_LANGUAGE, "bum")


# ---- the command ----------------------------------------------------------------------------------------------


def test_a_translator_checks_a_folder(locales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_texts(locales / "new", {**GOOD, "sms.hello": "你好"})
    assert main(["texts", "check", "new", "--locales", str(locales)]) == 1
    assert capsys.readouterr().out == "new sms.hello: no phone shows 你好\nnew: 4 texts, 1 findings\n"
    assert main(["texts", "check", DEFAULT_LANGUAGE, "--locales", str(locales)]) == 0


def test_without_a_name_every_language_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["texts", "check"]) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == list(texts.LANGUAGES)


def test_a_language_that_is_not_there_is_told(locales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["texts", "check", "xx", "--locales", str(locales)]) == 1
    assert "xx" in capsys.readouterr().err
