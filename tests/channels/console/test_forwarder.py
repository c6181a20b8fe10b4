"""The web process hands /simulator/... on, in the demo and in tests only."""

import httpx
import pytest
from litestar.testing import TestClient

from core.settings import Settings
from tests.channels.console.conftest import web

PHONE = "237670000001"


def test_requests_and_answers_pass_unchanged(web_url: str, simulator_url: str) -> None:
    with httpx.Client(base_url=web_url) as client:
        screen = client.post("/simulator/ussd", json={"from": PHONE, "dial": "*237*1#"}).json()
        assert screen["text"].startswith("Bienvenue")
        assert client.delete(f"/simulator/ussd/{screen['session']}").json()["open"] is False
        assert client.put("/simulator/faults", json={"faults": "all"}).status_code == 400
        assert client.post(f"/simulator/prompts/{PHONE}/approve").status_code == 404
        client.post("/simulator/sms", json={"from": PHONE, "to": "8237", "text": "SOLDE"})
        for path in (f"/simulator/sms?to={PHONE}", "/simulator/state", f"/simulator/prompts/{PHONE}"):
            assert client.get(path).json() == httpx.get(simulator_url + path).json()


def test_a_dead_simulator_is_unavailable() -> None:
    with TestClient(web(Settings(environment="demo", simulator_url="http://127.0.0.1:9"))) as client:
        answer = client.get("/simulator/state")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "settings",
    [Settings(environment="production", simulator_url="http://127.0.0.1:9"), Settings(environment="demo")],
)
@pytest.mark.parametrize("path", ["/simulator/state", "/phone", "/phone/static/desk.js"])
def test_without_simulated_networks_there_is_no_door(settings: Settings, path: str) -> None:
    with TestClient(web(settings)) as client:
        assert client.get(path).status_code == 404


def test_the_page_needs_nothing_from_elsewhere(web_url: str) -> None:
    page = httpx.get(f"{web_url}/phone")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for asset in ("desk.js", "phone.js", "line.js", "views.js", "typing.js", "network.js", "phone.css", "icon.svg"):
        answer = httpx.get(f"{web_url}/phone/static/{asset}")
        assert answer.status_code == 200
        assert "https://" not in answer.text
