"""`gateway demo`: everything under one command, and nothing of it left behind."""

import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.running import GATEWAY, Demo
from tests.gateway.test_embedded import servers
from tests.support.redis import free_port

pytestmark = pytest.mark.xdist_group("gateway demo")

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"), free_port(), {})
    running.start()
    yield running
    running.stop()


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo for a test that ends it."""
    running = Demo(tmp_path, free_port(), {})
    running.start()
    yield running
    running.stop()
    assert left(running) == []


def home(demo: Demo) -> Path:
    return demo.directory / ".demo" / str(demo.port)


def left(demo: Demo) -> list[int]:
    """Process ids of whatever lives in the demo's directory, or serves its data."""
    found = servers(home(demo))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            running = Path(os.readlink(process / "cwd")).is_relative_to(demo.directory)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if running:
            found.append(int(process.name))
    return found


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_it_says_how_to_dial_and_who_there_is(demo: Demo) -> None:
    told = demo.output.read_text()
    assert f"http://127.0.0.1:{demo.port}/phone" in told
    assert "gateway dial '*237*1#' --from +237670000001" in told
    assert re.search(r"finance .* password \w{16}  TOTP [A-Z2-7]{32}\n", told)


def test_its_secrets_are_its_owners_only(demo: Demo) -> None:
    variables = home(demo) / "variables.json"
    assert stat.S_IMODE(variables.stat().st_mode) == 0o600
    assert stat.S_IMODE(home(demo).stat().st_mode) == 0o700


def test_its_parts_are_all_there(demo: Demo) -> None:
    parts = httpx.get(f"http://127.0.0.1:{demo.port}/health/details", trust_env=False).json()
    assert parts == dict.fromkeys(("status", "database", "schema", "worker", "simulator"), "ok")


def test_other_commands_attach_to_its_database(demo: Demo) -> None:
    doctor = demo.run("doctor")
    assert (doctor.returncode, doctor.stdout) == (0, "All is well.\n")
    booked = {row["account"] for row in demo.report("trial-balance")["rows"]}
    floats = {f"float:{provider}:{carrier}" for provider in ("campay", "noupay") for carrier in ("mtn", "orange")}
    assert booked == {"equity:capital", *floats}  # nobody has ordered yet
    assert len(servers(home(demo))) == 1


def test_config_shows_settings_and_masks_secrets(demo: Demo) -> None:
    shown = demo.run("config").stdout
    assert f"PORT={demo.port}\n" in shown
    assert "SECRET_KEY=***\n" in shown
    assert "USSD_SECRET=***\n" in shown
    assert "demo-" not in shown


def test_a_second_one_beside_it(demo: Demo, tmp_path: Path) -> None:
    beside = Demo(demo.directory, demo.port + 1, {})
    beside.start()
    assert demo.healthy()
    beside.stop()
    assert beside.process.returncode == 0
    assert demo.healthy()


def test_a_taken_port_is_said_in_one_sentence(demo: Demo) -> None:
    second = subprocess.run(
        [GATEWAY, "demo"], cwd=demo.directory.parent, env=demo.variables, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert f"Port {demo.port} is in use" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize("role", ["web", "worker", "simulator"])
def test_a_child_that_dies_is_started_again(demo: Demo, role: str) -> None:
    before = demo.child(role)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: f"{role} died and was started again" in demo.output.read_text())
    assert eventually(demo.healthy)
    assert demo.child(role) != before


def test_postgresql_that_dies_is_started_again(demo: Demo) -> None:
    before = servers(home(demo))
    os.kill(before[0], signal.SIGKILL)
    assert eventually(lambda: bool(servers(home(demo))) and servers(home(demo)) != before)
    assert eventually(demo.healthy)


def test_ctrl_c_leaves_no_process_and_no_lock(own_demo: Demo) -> None:
    own_demo.process.send_signal(signal.SIGINT)
    assert own_demo.process.wait(PATIENCE_SECONDS) == 0
    assert left(own_demo) == []
    assert not [path for path in home(own_demo).rglob("*") if path.suffix in (".pid", ".lock")]
    own_demo.start()
    assert own_demo.healthy()


def test_kill_9_leaves_no_postgresql_and_no_child(own_demo: Demo) -> None:
    own_demo.process.kill()
    own_demo.process.wait()
    assert eventually(lambda: left(own_demo) == [])
    own_demo.start()
    assert own_demo.healthy()


def test_it_ends_with_the_make_that_started_it(tmp_path: Path) -> None:
    demo = Demo(tmp_path, free_port(), {})
    # A shell that does not exec stands for make.
    shell = subprocess.Popen(
        ["sh", "-c", f"{GATEWAY} demo --end-with-parent; :"], cwd=tmp_path, env=demo.variables, start_new_session=True
    )
    try:
        assert eventually(lambda: bool(servers(home(demo))))
    finally:
        shell.kill()
        shell.wait()
    assert eventually(lambda: left(demo) == [])
