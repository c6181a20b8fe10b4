"""The heads of seals in a file outside the database, one JSON line each: what a superuser of the database cannot reach.

{"seal": 7, "head": "3f1c…", "last_journal": 4711, "sealed_at": "2026-11-21T11:00:00Z"}
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

_ENCODER = msgspec.json.Encoder()
_TAIL_BYTES = 4096  # surely more than a line


class Head(Struct, frozen=True):
    """One line."""

    seal: int
    head: str  # in hexadecimal
    last_journal: int
    sealed_at: datetime


_DECODER = msgspec.json.Decoder(Head)


class HeadLog:
    """The file at `path`; nothing is wanted where that is empty. Many processes may append."""

    def __init__(self, path: str) -> None:
        self.wanted = bool(path)
        self._path = Path(path)

    def last(self) -> Head | None:
        """The newest line, if there is one."""
        try:
            with self._path.open("rb") as file:
                return _last(file)
        except FileNotFoundError:
            return None

    def append(self, heads: Sequence[Head]) -> None:
        """Add those of `heads` that are newer than the newest line."""
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            newest = _last(file)
            file.truncate()  # half a line, of somebody who was killed
            lines = [_ENCODER.encode(head) + b"\n" for head in heads if newest is None or head.seal > newest.seal]
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> Iterator[Head]:
        """Every line, the oldest first. Raises OSError, and ValueError for a line that is none of ours."""
        with self._path.open("rb") as file:
            yield from map(_DECODER.decode, file)


def _last(file: BinaryIO) -> Head | None:
    """The last line that is whole; `file` stands after it then."""
    start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
    file.seek(start)
    whole, newline, _ = file.read().rpartition(b"\n")
    file.seek(start + len(whole) + len(newline))
    return _DECODER.decode(whole.splitlines()[-1]) if whole else None
