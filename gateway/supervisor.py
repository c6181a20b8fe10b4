"""Keeps a few programs running: starts them, starts them again when they die, stops them in good order."""

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway import processes

_RESTART_SECONDS = 1.0  # between two starts of a program that keeps dying


class Program(msgspec.Struct, frozen=True):
    """What to keep running; both output streams go to `log`."""

    name: str
    command: tuple[str | Path, ...]
    log: Path


class Supervisor:
    """The programs of one owner. They get SIGKILL when the owner dies; use from the main thread."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._running: dict[Program, subprocess.Popen[bytes]] = {}
        self._started_at: dict[Program, float] = {}

    def start(self, program: Program) -> None:
        """Start `program` and keep it running from now on."""
        with program.log.open("ab") as output:
            process = processes.start(program.command, environment=self._environment, output=output)
        self._running[program] = process
        self._started_at[program] = time.monotonic()

    def revive(self) -> list[str]:
        """Start again what has died; the names of those."""
        dead = [program for program, process in self._running.items() if process.poll() is not None]
        due = [program for program in dead if time.monotonic() - self._started_at[program] > _RESTART_SECONDS]
        for program in due:
            self.start(program)
        return [program.name for program in due]

    def kill(self, name: str) -> None:
        """SIGKILL, as a machine that runs out of memory would. `revive` starts it again."""
        for program, process in self._running.items():
            if program.name == name:
                process.kill()

    def stop(self, seconds: float) -> None:
        """Ask all to finish, and wait up to `seconds` for each. The first one serves the others, so it ends last."""
        for process in list(self._running.values())[1:]:
            process.terminate()
        for process in reversed(self._running.values()):
            processes.stop(process, (signal.SIGTERM, seconds))
        self._running.clear()
