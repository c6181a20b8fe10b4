"""Nothing secret rests or is logged."""

import json
import logging

import pytest

from core import logs, sealed
from core.crypto import Keyring
from core.settings import Secret, Settings, effective, load_settings


def test_a_sealed_code_is_digits_only_at_the_edge(keys: Keyring) -> None:
    token = sealed.seal("delivery_code", "d1.1")
    text = f"Code {token}."
    revealed = sealed.reveal(keys, text)
    digits = sealed.code(keys, "delivery_code", "d1.1")
    assert revealed == f"Code {digits}." and len(digits) == 4 and digits not in text
    assert sealed.reveal(keys, text) == revealed
    assert sealed.conceal(text) == "Code ****." and len(sealed.measurable(text)) == len(revealed)
    assert sealed.code(keys, "delivery_code", "d1.2") != digits


def test_an_encrypted_phone_is_found_by_its_index_only(keys: Keyring) -> None:
    one, two = keys.encrypt("+237670000001"), keys.encrypt("+237670000001")
    assert one != two and keys.decrypt(one) == keys.decrypt(two) == "+237670000001"
    assert keys.blind_index("+237670000001") == keys.blind_index("+237670000001") != keys.blind_index("+237670000002")


@pytest.mark.parametrize(
    "text", ["+237670000001", "237 670 00 00 01", "00237670000001", "from 670000001 to", "a=237670000001;"]
)
def test_no_full_number_passes_the_log_mask(text: str) -> None:
    assert "0000" not in str(logs.mask(text))


def test_a_log_line_hides_secrets_by_name_and_numbers_by_form(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure_logging()
        logs.logger("t").warning("seen", pin="4821", phone="+237670000001", nested={"token": "abc", "n": 1})
        logging.getLogger("lib").warning("calling %s", "+237670000001")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers, root.level = before
    assert lines[0]["pin"] == "***" and lines[0]["nested"] == {"token": "***", "n": 1}
    assert "670000001" not in json.dumps(lines)


def test_settings_come_from_the_environment_and_are_printed_masked() -> None:
    settings = load_settings(
        {
            "PORT": "9000",
            "DATABASE_URL": "postgresql://u:geheim@h/d",
            "SMS_SECRET": "geheim",
            "TRUSTED_PROXIES": "::1,a",
        }
    )
    assert settings.port == 9000 and settings.trusted_proxies == ("::1", "a")
    assert "geheim" not in str(effective(settings)) and "geheim" not in repr(settings.sms_secret)
    assert effective(Settings(sms_secret=Secret("x")))["SMS_SECRET"] == "***"


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ValueError, match="PORT"):
        load_settings({"PORT": "many"})


def test_a_phone_number_that_is_told_rests_encrypted(keys: Keyring) -> None:
    text = f"Tel {sealed.seal_phone(keys, '+237670000001')}"
    assert "670000001" not in text and sealed.reveal(keys, text) == "Tel 670000001"
    assert len(sealed.measurable(text)) == len("Tel 670000001")
