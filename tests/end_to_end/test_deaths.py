"""Processes die at the worst moment: no second prompt goes out, and what was paid is paid exactly once."""

from pathlib import Path

import pytest

from tests.end_to_end import meal
from tests.end_to_end.running import running_demo
from tests.end_to_end.town import eventually

pytestmark = [pytest.mark.xdist_group("deaths"), pytest.mark.timeout(300)]

PHONE = "+237670000107"


def test_web_and_worker_die_between_sent_and_the_providers_answer(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        town = demo.town
        hold = {"call": "campay.collect", "kind": "hold", "count": 1, "seconds": 30}
        town.http.put("/simulator/faults", json={"faults": [hold]}).raise_for_status()
        number = meal.order_by_ussd(town, PHONE, "fr")
        eventually(lambda: town.prompts(PHONE), what="the prompt of the held request")
        demo.kill("worker", "web")
        town.approve(PHONE)  # the provider's callback is all that is left of the reference
        town.await_text(meal.RESTAURANT, f"CMD {number}:")
        demo.kill("worker", "web")
        charged = town.state()["campay"]["collect"]
        assert charged["by_phone"] == {PHONE.removeprefix("+"): 1}
        balance = demo.report("trial-balance")
        assert balance["totals"]
        checked = demo.run("doctor")
        assert checked.returncode == 0, checked.stdout + checked.stderr
