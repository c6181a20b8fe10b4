"""A message fits one part whatever people call their dishes, and only its words give way."""

from core.crypto import Keyring
from core.gsm import sms_parts
from core.sealed import seal
from marketplace.notifications.rendering import fit, render


def test_the_code_appears_only_in_the_rendered_text(keys: Keyring) -> None:
    params = {"code": seal("login_code", "challenge")}
    code = keys.digits("login_code", "challenge", 6)
    assert code not in fit("fr", "sms.login_code", params)
    assert code in render(keys, language="fr", key="sms.login_code", params=params)


def test_accents_outside_gsm_are_folded(keys: Keyring) -> None:
    assert sms_parts(render(keys, language="fr", key="sms.login_code", params={"code": seal("login_code", 1)})) == 1
