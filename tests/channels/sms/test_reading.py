"""A text becomes the one command its sender can mean; no code is kept."""

import pytest

from channels.sms.commands import COMMANDS, read
from channels.sms.exchange import Role

ALL: tuple[Role, ...] = ("restaurant", "driver", "customer")


@pytest.mark.parametrize(
    ("role", "text", "name", "parts"),
    [
        ("customer", "SOLDE", "balance", {}),
        ("customer", " bal ", "balance", {}),
        ("customer", "Points", "points", {}),
        ("customer", "PTS", "points", {}),
        ("customer", "Suivi 4821", "track", {"number": "4821"}),
        ("customer", "TRACK  4821", "track", {"number": "4821"}),
        ("customer", "track", "track", {}),
        ("customer", "ANNULE 4821.", "cancel", {"number": "4821"}),
        ("customer", "recharge 2 000", "top_up", {"amount": "2 000"}),
        ("customer", "TOPUP 2000", "top_up", {"amount": "2000"}),
        ("customer", "Note5", "rate", {"stars": "5"}),
        ("customer", "RATE 4 2", "rate", {"stars": "4", "ride": "2"}),
        ("customer", "NOTE 4821 35", "rate", {"number": "4821", "stars": "3", "ride": "5"}),
        ("customer", "Aide!", "help", {}),
        ("customer", "STOP", "stop", {}),
        ("customer", "find  Ndolé", "find", {"words": "ndole"}),
        ("customer", "45 12X2 13 A1", "order", {"restaurant": "45", "dishes": "12x2 13", "place": "1"}),
        ("customer", "45 12", "order", {"restaurant": "45", "dishes": "12"}),
        ("customer", "Oui!", "agree", {}),
        ("restaurant", "1", "answer_bare", {"answer": "1"}),
        ("restaurant", "4821 0", "answer", {"number": "4821", "answer": "0"}),
        ("restaurant", "PRÊT 4821", "ready", {"number": "4821"}),
        ("restaurant", "prete4821", "ready", {"number": "4821"}),
        ("restaurant", "OUT 12", "dish_out", {"dish": "12"}),
        ("restaurant", "in 12", "dish_in", {"dish": "12"}),
        ("restaurant", "OCC 30", "busy", {"minutes": "30"}),
        ("restaurant", "Fermé", "close", {}),
        ("restaurant", "OPEN", "open", {}),
        ("restaurant", "PAYE 50000", "pay_out", {"amount": "50000"}),
        ("driver", "ON Akwa Nord", "on", {"quarter": "akwa nord"}),
        ("driver", "OFF", "off", {}),
        ("driver", "oui 4821", "claim", {"number": "4821"}),
        ("driver", "Yes", "yes", {}),
        ("driver", "YES 4821", "claim", {"number": "4821"}),
        ("driver", "P 4821 37", "pick_up", {"number": "4821", "code": "37"}),
        ("driver", "A 4821", "arrive", {"number": "4821"}),
        ("driver", "4821 7305", "hand_over", {"number": "4821", "code": "7305"}),
        ("driver", "7305", "hand_over", {"code": "7305"}),
        ("driver", "PB 4821 2", "problem", {"number": "4821", "kind": "2"}),
        ("driver", "GAIN", "owed", {}),
        ("driver", "PAYOUT", "pay_out", {}),
    ],
)
def test_commands_are_read_as_people_write_them(role: Role, text: str, name: str, parts: dict[str, str]) -> None:
    reading = read(text, (role,))
    assert [command.name for command in reading.commands] == [name]
    assert parts.items() <= reading.parts.items()


@pytest.mark.parametrize("text", ["bonjour", "4821 3", "4821 73055", "recharge", "", "P 4821", "1 2"])
def test_what_is_no_command_is_not_guessed(text: str) -> None:
    assert read(text, ALL).commands == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("4821 7305", "4821 ****"),
        ("7305", "****"),
        ("P 4821 37", "p 4821 **"),
        ("OUI 4821", "oui 4821"),
        ("le code est 7305 merci", "le code est **** merci"),
    ],
)
def test_codes_are_masked_in_what_is_kept(text: str, kept: str) -> None:
    assert read(text, ALL).text == kept


def test_a_code_sent_by_the_wrong_person_is_masked_too() -> None:
    assert read("4821 7305", ("customer",)).text == "**** ****"


def test_work_comes_before_ones_own_meals_and_a_role_word_decides() -> None:
    def meant(text: str, *roles: Role) -> list[str]:
        return [f"{command.role}.{command.name}" for command in read(text, roles).commands]

    assert meant("SOLDE", "restaurant", "customer") == ["restaurant.owed"]
    assert meant("CLIENT SOLDE", "restaurant", "customer") == ["customer.balance"]
    assert meant("PAYE", "restaurant", "driver", "customer") == ["restaurant.pay_out", "driver.pay_out"]
    assert meant("LIVREUR PAYE", "restaurant", "driver", "customer") == ["driver.pay_out"]
    assert meant("LIVREUR PAYE", "customer") == []


@pytest.mark.parametrize(("text", "language"), [("SUIVI", "fr"), ("TRACK", "en"), ("7305", None), ("bonjour", None)])
def test_the_command_tells_the_language(text: str, language: str | None) -> None:
    assert read(text, ALL).language == language


def test_no_two_commands_of_one_role_have_one_name() -> None:
    names = [(command.role, command.name) for command in COMMANDS]
    assert len(names) == len(set(names))
