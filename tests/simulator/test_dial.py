"""The phone in the terminal, with its input piped."""

import io

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
    assert " 33 septets ─┘\n> 1\n┌" in shown
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
    with pytest.raises(CannotRun, match="422"):
        await dial(simulator_url, "*237*1#", "12")
    with pytest.raises(CannotRun, match="No network"):
        await dial("http://127.0.0.1:9", "*237*1#", PHONE)


async def test_a_service_without_simulated_networks_says_so(product: Product) -> None:
    with serve(product.app()) as url, pytest.raises(CannotRun, match="no simulated networks"):
        await dial(url, "*237*1#", PHONE)
