"""The PostgreSQL of a test run: one embedded server for all its processes, gone after it even if it is killed."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.embedded import NO_SYNC, DirectoryLock, EmbeddedServer, remove

_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30  # free, so that a run cannot fill it


def _quick_place() -> Path:
    """Where files need no disk, if there is room: a test's database is copied whole."""
    with suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES:
            return _MEMORY
    return Path(tempfile.gettempdir())


@contextmanager
def shared_server() -> Iterator[str]:
    """The URL of a server that may forget everything in a crash; use from the main thread."""
    runs = _quick_place() / f"mboa-tests-{os.geteuid()}"
    runs.mkdir(mode=0o700, exist_ok=True)
    server = _fresh(runs)
    try:
        server.start()
        yield server.url
    finally:
        server.close()
        remove(server.directory)


def _fresh(runs: Path) -> EmbeddedServer:
    """A server of our own in `runs`, after clearing away what killed runs left there."""
    with DirectoryLock(runs) as lock:
        while not lock.take():
            time.sleep(0.02)
        for directory in runs.iterdir():
            left = EmbeddedServer(directory)
            if left.own():
                remove(directory)
            left.close()
        server = EmbeddedServer(
            Path(tempfile.mkdtemp(dir=runs)),
            options=(*NO_SYNC, "max_connections=300", "shared_buffers=128MB", "max_wal_size=256MB"),
        )
        server.own()
    return server
