"""A whole gateway as `gateway demo` runs it, in a directory of its own, for tests that reach it over HTTP only."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.end_to_end.town import Town, eventually
from tests.support.redis import free_port

GATEWAY = str(Path(sys.executable).parent / "gateway")
START_SECONDS = 90.0


class Demo:
    """A running demo: its town, its commands, its children and what it wrote."""

    def __init__(self, directory: Path, port: int, variables: dict[str, str]) -> None:
        self.directory = directory
        self.port = port
        self.variables = {**os.environ, **variables, "PORT": str(port)}
        self.output = directory / "demo.log"
        self.town = Town(f"http://127.0.0.1:{port}")

    def start(self) -> None:
        """Start it and wait for "dial now": it may be healthy before all demo data is there."""
        told = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [GATEWAY, "demo"],
                cwd=self.directory,
                env=self.variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while b"dial now" not in self.output.read_bytes()[told:]:
            assert self.process.poll() is None and time.monotonic() < deadline, self.output.read_text()[-3000:]
            time.sleep(0.05)

    def healthy(self) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/health/details", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and answer.json().get("status") == "ok"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=45)
        self.town.close()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One `gateway` command beside the running demo."""
        return subprocess.run(
            [GATEWAY, *words], cwd=self.directory, env=self.variables, capture_output=True, text=True, timeout=60
        )

    def child(self, role: str) -> int:
        """The process id of the child that plays `role`: web, worker or simulator."""
        found = self._children(role)
        assert len(found) == 1, f"{role}: {found} of {_descendants(self.process.pid)}"
        return found[0]

    def _children(self, role: str) -> list[int]:
        return [pid for pid, words in _descendants(self.process.pid) if _plays(role, words)]

    def kill(self, *roles: str) -> None:
        """Kill children with -9, and wait until the demo has started them again."""
        killed = {role: self.child(role) for role in roles}
        for pid in killed.values():
            os.kill(pid, signal.SIGKILL)
        for role, pid in killed.items():
            eventually(lambda role=role, pid=pid: set(self._children(role)) - {pid}, what=f"another {role}")
        eventually(self.healthy, what=f"{roles} at work again")

    @property
    def database_url(self) -> str:
        """The demo's PostgreSQL, asked of the environment of its web process."""
        environment = Path(f"/proc/{self.child('web')}/environ").read_bytes().decode().split("\0")
        return next(entry.partition("=")[2] for entry in environment if entry.startswith("DATABASE_URL="))

    def logs(self) -> str:
        """Everything any process of the demo wrote."""
        files = [self.output, *self.directory.rglob("*.log")]
        return "\n".join(file.read_text(errors="replace") for file in dict.fromkeys(files) if file.is_file())

    def report(self, name: str, *words: str) -> Any:
        return json.loads(self.run("report", name, "--format", "json", *words).stdout)


@contextmanager
def running_demo(directory: Path, **variables: str) -> Iterator[Demo]:
    """A demo on a free port, stopped at the end."""
    demo = Demo(directory, free_port(), variables)
    demo.start()
    try:
        yield demo
    finally:
        demo.stop()


def _descendants(pid: int) -> list[tuple[int, list[str]]]:
    """(pid, command line) of all processes below `pid`; what ends while we look is not there."""
    found = []
    for child in map(int, _read(f"/proc/{pid}/task/{pid}/children").split()):
        words = _read(f"/proc/{child}/cmdline").split("\0")
        found += [(child, words), *_descendants(child)]
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _plays(role: str, words: list[str]) -> bool:
    return role in words or (role == "web" and "serve" in words)
