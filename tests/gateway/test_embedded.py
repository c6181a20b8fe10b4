"""The embedded PostgreSQL: found, started, shared and gone again, whoever runs it and however that ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway import isolation, processes
from gateway.embedded import NO_SYNC, EmbeddedServer, attached_or_started, remove
from gateway.errors import EmbeddedUnavailable

# A command that uses the database until its input ends.
COMMAND = """
import sys
from pathlib import Path
from gateway.embedded import attached_or_started
with attached_or_started(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a way around PostgreSQL's refusal of root")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "8000"
    remove(tmp_path / "8000")


def start_command(directory: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", COMMAND, str(directory)]
    return subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=before, start_new_session=True
    )


def url_of(command: subprocess.Popen[str]) -> str:
    assert command.stdout is not None
    return command.stdout.readline().strip()


def ask(url: str, question: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(run())


def servers(directory: Path) -> list[int]:
    """Process ids of PostgreSQL servers on the data of `directory`."""
    data = os.fsencode((directory / "postgres" / "data").resolve())
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if data in (process / "cmdline").read_bytes().split(b"\0"):
                parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    # A server's child looks like its parent until it has given itself a name.
    return [server for server, parent in parents.items() if parent not in parents]


def gone(directory: Path) -> bool:
    deadline = time.monotonic() + 20
    while servers(directory) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not servers(directory)


def test_it_runs_for_the_length_of_a_block_and_keeps_its_data(directory: Path) -> None:
    with attached_or_started(directory) as url:
        assert ask(url, "CREATE TABLE kept (n int)") is None
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SHOW fsync") == "on"
        socket = Path(str(ask(url, "SHOW unix_socket_directories")))
        assert socket.stat().st_mode & 0o777 == 0o700
    assert servers(directory) == []
    assert not socket.exists()
    with attached_or_started(directory) as url:
        assert ask(url, "SELECT count(*) FROM kept") == 0


def test_a_second_command_attaches_and_the_first_waits_for_it(directory: Path) -> None:
    first = start_command(directory)
    url = url_of(first)
    with attached_or_started(directory) as same_url:
        assert same_url == url
        assert first.stdin is not None
        first.stdin.close()
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.5)
        assert ask(same_url, "SELECT 1") == 1
    assert first.wait(20) == 0
    assert gone(directory)


def test_a_killed_owner_leaves_no_server_and_nothing_that_stops_the_next(directory: Path) -> None:
    owner = start_command(directory)
    url_of(owner)
    assert len(servers(directory)) == 1
    owner.kill()
    owner.wait()
    with attached_or_started(directory) as url:  # at once: the orphan may still be shutting down
        assert ask(url, "SELECT 1") == 1
    assert gone(directory)


def test_a_killed_server_is_started_again_by_its_owner(directory: Path) -> None:
    server = EmbeddedServer(directory, options=NO_SYNC)
    try:
        assert server.own()
        server.start()
        os.kill(servers(directory)[0], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not server.ended and time.monotonic() < deadline:
            time.sleep(0.02)
        server.start()
        assert ask(server.url, "SELECT 1") == 1
    finally:
        server.close()


def test_a_process_id_that_is_somebody_elses_now_does_not_stop_it(directory: Path) -> None:
    with attached_or_started(directory):
        pass
    note = directory / "postgres" / "data" / "postmaster.pid"
    note.write_text(f"{os.getppid()}\n{note.parent}\n0\n5432\n/tmp\n\n0 0\nready\n")
    with attached_or_started(directory) as url:
        assert ask(url, "SELECT 1") == 1


@as_root
def test_where_namespaces_are_refused_a_service_user_runs_it(directory: Path) -> None:
    with attached_or_started(directory) as url:
        assert ask(url, "CREATE TABLE kept (n int)") is None
    with attached_or_started(directory, isolation=isolation.SERVICE) as url:
        assert ask(url, "SELECT count(*) FROM kept") == 0  # what root's server left moved along
        status = Path(f"/proc/{servers(directory)[0]}/status").read_text()
        assert "Uid:\t0" not in status
    with attached_or_started(directory) as url:  # and it stays the service user's
        assert ask(url, "SELECT count(*) FROM kept") == 0
    assert gone(directory)


@as_root
def test_with_neither_it_asks_for_a_database_in_one_sentence(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "SERVICE_USER", "there-is-no-such-user")
    with (
        pytest.raises(EmbeddedUnavailable, match=r"Set DATABASE_URL"),
        attached_or_started(directory, isolation=isolation.SERVICE),
    ):
        pass


@as_root
@pytest.mark.skipif(not isolation.namespaces_work(), reason="the only other user at hand cannot reach the interpreter")
def test_an_ordinary_user_runs_it_as_themselves(directory: Path) -> None:
    # In a namespace without a mapping we are `nobody` who owns root's files: an ordinary user to every program.
    user = start_command(directory, before=processes.enter_user_namespace)
    assert ask(url_of(user), "SELECT 1") == 1
    user.communicate()
    assert user.returncode == 0
    assert gone(directory)
