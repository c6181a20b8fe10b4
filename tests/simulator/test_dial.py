"""The phone in the terminal, with its input piped."""

import io
import re

import pytest

from gateway.dial import dial
from gateway.errors import CannotRun
from tests.simulator.product import PHONE, USSD, USSD_EVENTS, Product, page
from tests.support.servers import serve, wait_for

pytestmark = pytest.mark.anyio


async def test_a_talk_is_framed_and_counted(
    simulator_url: str, product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.answers = [page("CON Bienvenue chez Mboa\n\n1. Commander"), page("END Merci")]
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    await dial(simulator_url, "*237*1#", PHONE)
    shown = capsys.readouterr().out
    assert (
        "│ Bienvenue chez Mboa                      │\n│                                          │\n│ 1. Commander"
        in shown
    )
    assert re.search(r" 33 septets · \d+ ms ─┘\n> 1\n┌", shown)
    assert [turn["text"] for turn in product.at(USSD)] == ["", "1"]


async def test_the_end_of_the_input_hangs_up(
    simulator_url: str, product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.answers = [page("CON Bienvenue")]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    await dial(simulator_url, "*237*1#", PHONE)
    assert "Hung up." in capsys.readouterr().out
    assert wait_for(lambda: product.at(USSD_EVENTS))[0]["status"] == "Incomplete"


async def test_refusals_are_one_sentence(simulator_url: str) -> None:
    with pytest.raises(CannotRun, match=r"404.*no service answers"):
        await dial(simulator_url, "*999#", PHONE)
    with pytest.raises(CannotRun, match="no aggregator speaks esperanto"):
        await dial(simulator_url, "*237*1#", PHONE, dialect="esperanto")
    with pytest.raises(CannotRun, match="422"):
        await dial(simulator_url, "*237*1#", "12")
    with pytest.raises(CannotRun, match="No network"):
        await dial("http://127.0.0.1:9", "*237*1#", PHONE)


async def test_a_service_without_simulated_networks_says_so(product: Product) -> None:
    with serve(product.app()) as url, pytest.raises(CannotRun, match="no simulated networks"):
        await dial(url, "*237*1#", PHONE)


async def test_a_slow_repeating_dropping_network_of_another_dialect(
    simulator_url: str, product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on = page("CON Un", "home")
    product.answers = [on, on, page("CON Deux", "amount"), page("CON Trois", "amount")]
    typed = "!repeat\n!delay x\n!delay 31\n!delay 0\n1\n!repeat\n!drop\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    await dial(simulator_url, "*237*1#", PHONE, dialect="safaricom")
    shown = capsys.readouterr().out
    assert re.search(r"─ home · 2 septets · \d+ ms ─┘", shown) and "─ amount · 4 septets" in shown
    assert "Sent again: the same bytes came back." in shown and "Sent again: another answer" in shown
    assert shown.count("!delay takes 0 to 30 seconds.") == 2 and "takes 0 s longer" in shown
    assert shown.endswith(f"Connection lost.\nPayment prompts and SMS arrive on the phone at {simulator_url}/phone.\n")
    asked = [call for call in product.heard if call["path"] == "/ussd/safaricom/demo"]
    assert [(call["method"], call["fields"]["USSD_PARAMS"]) for call in asked] == [
        ("GET", ""), ("GET", ""), ("GET", "1"), ("GET", "1"),
    ]  # fmt: skip
