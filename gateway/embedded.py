"""PostgreSQL without an installation: the binaries of a wheel, started for as long as one of our commands runs.

The server listens on a socket in a private directory and nowhere else. Its owner is the command that holds a lock
on its home; commands that find it running attach, and share a lock on the home's parent while they use it. Both are
flock(2) on directories, which the kernel drops with their holder: nothing stale remains, whoever is killed.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from gateway import processes
from gateway.errors import EmbeddedUnavailable
from gateway.isolation import Account, choose, reachable

_START_SECONDS = 60.0  # recovery after a crash included
_ATTACHED_SECONDS = 20.0  # how long an owner waits for the commands that use its server
_STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))  # "fast", then "immediate" shutdown
_POLL_SECONDS = 0.02
_SOCKET_PATH_BYTES = 107  # sun_path, the final zero aside
_PORT = "5432"  # part of the socket's name, nothing more

_INITDB = (
    *("--username=postgres", "--auth=trust", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
_OPTIONS = ("listen_addresses=", f"port={_PORT}", "timezone=UTC", "log_timezone=UTC")
NO_SYNC = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # for tests: a crash may lose everything


@contextmanager
def attached_or_started(directory: Path, *, isolation: str = "auto") -> Iterator[str]:
    """The URL of the server of `directory`: attached to if it runs, else started for the length of the block."""
    server = EmbeddedServer(directory, isolation=isolation)
    patience = 0.0
    try:
        while not server.own() and not server.attach():
            time.sleep(_POLL_SECONDS)
        if server.own():
            server.start()
        yield server.url
        patience = _ATTACHED_SECONDS
    finally:
        server.close(patience)


class EmbeddedServer:
    """The server whose files are in `directory`/postgres. To be used from the main thread (see processes.py)."""

    def __init__(self, directory: Path, *, isolation: str = "auto", options: Sequence[str] = ()) -> None:
        self.directory = directory.resolve()
        self._home = self.directory / "postgres"
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._isolation = isolation
        self._options = (*_OPTIONS, *options)
        self._log = self._home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = DirectoryLock(self._home)
        self._users = DirectoryLock(self.directory)

    @property
    def url(self) -> str:
        """Of a server that is ready."""
        query = urlencode({"host": self._facts()[4], "port": _PORT}, safe="/")
        return f"postgresql://postgres@/postgres?{query}"

    def own(self, *, patience: float = 0.0) -> bool:
        """Become the owner, unless another command is and stays so for `patience` seconds."""
        return _until(self._owner.take, patience)

    def attach(self) -> bool:
        """Become a user of another command's server; False as long as it is not ready."""
        return self._users.share() and self._ready() and not self.own()

    def start(self) -> None:
        """Start the server we own and wait until it is ready. Raises EmbeddedUnavailable."""
        account = choose(self._home, self._isolation)
        data = account.place / "data"
        self._log.write_bytes(b"")
        self._initialise(account, data)
        self._end_orphan(data)
        sockets = _socket_directory(self._home, account)
        options = (f"--{name}" for name in (*self._options, f"unix_socket_directories={sockets}"))
        self._process = account.start("postgres", "-D", data, *options, log=self._log)
        _until(lambda: self._started() or self.ended, _START_SECONDS)
        if not self._started():
            raise EmbeddedUnavailable(self._complaint())

    @property
    def ended(self) -> bool:
        """Whether the server that we started is gone."""
        return self._process is not None and self._process.poll() is not None

    def close(self, patience: float = 0.0) -> None:
        """Stop what we started, after waiting up to `patience` seconds for its users, and let go of everything."""
        if self._process is not None:
            _until(self._users.take, patience)
            sockets = Path(self._facts()[4]) if self._started() else None
            processes.stop(self._process, *_STOP)
            if sockets is not None:
                sockets.rmdir()
        self._owner.close()
        self._users.close()

    def _initialise(self, account: Account, data: Path) -> None:
        """Make the data directory, all of it or nothing."""
        if data.exists():
            return
        unfinished = data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        account.make_private(unfinished)
        if account.start("initdb", *_INITDB, "-D", unfinished, log=self._log).wait() != 0:
            raise EmbeddedUnavailable(self._complaint())
        unfinished.rename(data)

    def _end_orphan(self, data: Path) -> None:
        """See off a server that outlived its killed owner, and forget a process id that is somebody else's now."""
        if not (facts := self._facts()):
            return
        pid = int(facts[0])
        for sent, seconds in _STOP:
            if _runs(pid, data):
                os.kill(pid, sent)
                _until(lambda: not _runs(pid, data), seconds)
        if Path(f"/proc/{pid}").exists():
            (data / "postmaster.pid").unlink(missing_ok=True)

    def _facts(self) -> list[str]:
        """The lines of postmaster.pid: process id, data, start, port, socket directory, address, memory, status."""
        with suppress(FileNotFoundError):
            return (self._home / "data" / "postmaster.pid").read_text().splitlines()
        return []

    def _ready(self) -> bool:
        facts = self._facts()
        return len(facts) > 7 and facts[7].strip() == "ready"

    def _started(self) -> bool:
        """Whether it is our process that is ready, not one that was killed and left its facts behind."""
        return self._ready() and self._process is not None and int(self._facts()[0]) == self._process.pid

    def _complaint(self) -> str:
        """The last thing PostgreSQL said."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it ended without a word"


class DirectoryLock:
    """flock(2) on a directory, by whoever opened it."""

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)

    def take(self) -> bool:
        """Have it alone, if nobody else has it."""
        return self._lock(fcntl.LOCK_EX)

    def share(self) -> bool:
        """Have it with others, if nobody has it alone."""
        return self._lock(fcntl.LOCK_SH)

    def _lock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _socket_directory(home: Path, account: Account) -> Path:
    """A private directory with a short and lasting name in the temporary directory."""
    uid = account.user.get("user", os.geteuid())
    name = "mboa-" + hashlib.sha256(f"{home}:{uid}".encode()).hexdigest()[:12]
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108
        path = base / name
        if len(bytes(path / f".s.PGSQL.{_PORT}")) > _SOCKET_PATH_BYTES or (account.user and not reachable(base)):
            continue
        with suppress(FileExistsError):
            account.make_private(path)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise EmbeddedUnavailable(f"{path} is not a private directory of ours")
        return path
    raise EmbeddedUnavailable("the path of the temporary directory is too long for a socket")


def remove(directory: Path) -> None:
    """Delete the files of a server that has stopped, also those that a service user keeps elsewhere."""
    data = directory / "postgres" / "data"
    if data.is_symlink():
        shutil.rmtree(data.readlink().parent, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _runs(pid: int, data: Path) -> bool:
    """Whether process `pid` is the server of `data`."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` until it holds or `seconds` are over; whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
