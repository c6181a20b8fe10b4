"""`gateway menus`: the walk, its drawing, and talks that are written down and played again."""

import asyncio
import io
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli import main
from gateway.errors import CannotRun
from gateway.menus.drawing import drawn
from gateway.menus.talks import Page, Recorder, Step, Talk, differences, fill_in, masked, read, screens, write, written
from tests.end_to_end.running import GATEWAY
from tests.support.servers import serve

HOME = Page("CON Mboa\n1 Encore\n2 Commander", "home")
CONFIRM = Page("CON 1 Ndole\nTotal 3700F\n1 Payer", "order.confirm")
SENT = Page("END Commande 4821, 3700F.", "ussd.order.sent")


def talk(*steps: Step, screens: int | None = None) -> Talk:
    return Talk("A talk", "+237670000001", list(steps), screens)


# ---- walk and graph -------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.anyio
async def test_a_walk_by_command(database_url: str, tmp_path: Path) -> None:
    words = (GATEWAY, "menus", "walk", "--language", "pcm")
    own = {**os.environ, "DATABASE_URL": database_url}
    ran = await asyncio.to_thread(subprocess.run, words, cwd=tmp_path, env=own, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    head, row, _, longest, *_ = ran.stdout.splitlines()
    assert head.split() == ["language", "screens", "questions", "screens/s", "longest", "findings"]
    language, screens, questions, _, septets, findings = row.split()
    assert (language, findings) == ("pcm", "0")
    assert int(screens) > 1000 and int(questions) > 20 and int(septets) <= 160
    assert longest == f"The longest page, {septets} septets:"


def test_one_given_database_is_a_town_for_one_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere")
    assert main(["menus", "walk"]) == 1
    assert "choose --language" in capsys.readouterr().err
    assert main(["menus", "walk", "--language", "xx"]) == 1
    assert "There is no xx" in capsys.readouterr().err


def test_a_drawing_shows_which_answers_lead_where() -> None:
    arrows = [
        ("dial", "45", "home"),
        ("home", "1", "order.confirm"),
        *(("home", digit, "order.dishes") for digit in "2345"),
        ("home", "0", "home"),
        ("order.confirm", "00", "home"),
        ("order.confirm", 'a"b', "ussd.order.sent"),
    ]
    assert drawn(arrows).splitlines() == [
        "flowchart LR",
        '  dial["dial"]',
        '  home["home"]',
        '  order_confirm["order.confirm"]',
        '  order_dishes(["order.dishes"])',
        '  ussd_order_sent(["order.sent"])',
        "  dial --> home",
        '  home -->|"1"| order_confirm',
        '  home -->|"2, 3, 4, …"| order_dishes',
        '  order_confirm -->|"a\'b"| ussd_order_sent',
    ]


# ---- talks ----------------------------------------------------------------------------------------------------


def test_a_talk_reads_as_it_was_written(tmp_path: Path) -> None:
    made = talk(Step(dial="*237*1#", step="home", expect=HOME.text), Step(say="1", expect=CONFIRM.text), screens=2)
    write(tmp_path / "talk.yaml", made)
    assert read(tmp_path / "talk.yaml") == made
    assert "  expect: |-\n    CON Mboa\n    1 Encore\n" in written(made)


@pytest.mark.parametrize("content", ["", "- 1", "talk: x", "talk: [", "talk: x\nphone: y\nsteps: [{say: [1]}]"])
def test_a_file_without_a_talk_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "talk.yaml").write_text(content)
    with pytest.raises(CannotRun, match="holds no talk"):
        read(tmp_path / "talk.yaml")


def test_what_reads_otherwise_is_told() -> None:
    made = talk(Step(dial="*237*1#", step="cart", expect="CON Mboa\n{text}\n2 Commander"), Step(say="1", expect="CON"))
    assert list(differences(made, [HOME, CONFIRM])) == [
        "1. dial *237*1#: the question is home, should be cart",
        f"2. say 1: reads\n{CONFIRM.text}\nshould read\nCON",
    ]


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        ("END Commande {digits}, {money}F.", True),
        ("END Commande {digits}, 3700F.", True),
        ("END {text}", True),
        ("END Commande {digits}", False),
        ("END Commande ...., 3700F.", False),
        ("CON Commande {digits}, 3700F.", False),
    ],
)
def test_what_differs_from_caller_to_caller_has_a_name(expected: str, fits: bool) -> None:
    assert (list(differences(talk(Step(say="1", expect=expected)), [SENT])) == []) is fits


def test_screens_are_counted_from_home_to_the_confirmation() -> None:
    language = Page("CON Langue", "language")
    assert screens([language, HOME, CONFIRM, SENT]) == 2
    assert screens([Page("CON Suivi", "track.code")]) == 1
    assert list(differences(talk(Step(), Step(), screens=1), [HOME, CONFIRM])) == [
        "2 screens from home to order.confirm, should be 1"
    ]


def test_a_talk_that_is_written_down_holds_nobodys_numbers() -> None:
    recorder = Recorder("Paid from the wallet")
    recorder.dialled("*237*1*45#", Page("CON Votre code", "pin.enter#2"))
    recorder.said("739164", Page("CON Quel numéro?", "payer"))
    recorder.said("670000001", Page("END Code 7305, tel 670000001, 3700F, *126#", "done"))
    text = written(recorder.talk)
    assert not any(secret in text for secret in ("739164", "670000001", "7305"))
    assert [step.say for step in recorder.talk.steps] == [None, "{pin}", "{digits}"]
    assert recorder.talk.steps[-1].expect == "END Code {digits}, tel {digits}, 3700F, *126#"
    assert recorder.talk.phone == "{phone}"


def test_what_stands_for_a_name_must_be_given() -> None:
    assert fill_in("{pin}", {"pin": "739164"}) == "739164"
    with pytest.raises(CannotRun, match="--set NAME=VALUE"):
        fill_in("{pin}", {})


def test_amounts_and_dials_are_no_secrets() -> None:
    assert masked("CMD 4821: 25000F, *237*1*4500#") == "CMD {digits}: 25000F, *237*1*4500#"


# ---- over HTTP ------------------------------------------------------------------------------------------------


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """A service that repeats what it is asked, and ends at `bye`."""
    if scope["type"] != "http":
        return
    body = (await receive())["body"].decode()
    said = body.partition("text=")[2]
    known = scope["path"] == "/ussd/africastalking/demo"
    start = {"status": 200 if known else 404, "headers": [(b"at-ussd-hop-metadata", b"echo")]}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": f"{'END' if said.endswith('bye') else 'CON'} {said}".encode()})


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    with serve(echo) as url:
        monkeypatch.setenv("PUBLIC_URL", url)
        monkeypatch.setenv("SECRET_KEY", "eA==")
        monkeypatch.setenv("USSD_SECRET", "demo")
        yield url


def test_a_talk_is_recorded_and_played_again(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.yaml"
    monkeypatch.setattr("sys.stdin", io.StringIO("12345678\nbye\nnever\n"))
    assert main(["menus", "record", str(path), "--dial", "*237*1*45#", "--from", "+237670000001"]) == 0
    assert [step["say"] for step in yaml.safe_load(path.read_text())["steps"][1:]] == ["{digits}", "bye"]
    capsys.readouterr()
    play = ["menus", "replay", str(path), "--set", "phone=+237690000002"]
    assert main([*play, "--set", "digits=87654321"]) == 0
    assert capsys.readouterr().out == f"{path}: 3 pages, 0 differences\n"
    assert main([*play, "--set", "digits=none"]) == 1
    assert "2. say {digits}: reads\nCON 45%2Anone" in capsys.readouterr().out
    assert main([*play, "--set", "digits=none", "--accept"]) == 0
    assert main([*play, "--set", "digits=none"]) == 0


def test_what_keeps_a_talk_from_being_played_is_told(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.yaml"
    write(path, talk(Step(dial="*999#")))
    assert main(["menus", "replay", str(path)]) == 1
    assert capsys.readouterr().err == "*999# does not begin with *237*1.\n"
    write(path, talk(Step(dial="*237*1#")))
    monkeypatch.setenv("USSD_SECRET", "wrong")
    assert main(["menus", "replay", str(path)]) == 1
    assert "refuses (404)" in capsys.readouterr().err
    monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:9")
    assert main(["menus", "replay", str(path)]) == 1
    assert "does not answer" in capsys.readouterr().err
