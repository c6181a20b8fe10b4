"""The books and the model agree after every step, whoever does what at once."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from tests.ledger.machine import Books, run_machine


@pytest.fixture
def books(anyio_backend: str, database_url: str, settings: Settings, keys: Keyring) -> Iterator[type[Books]]:
    clock = ManualClock()
    with asyncio.Runner() as runner:
        database = Database(database_url, settings=settings, keys=keys, clock=clock, connections=20)
        owner = Database(database_url, settings=msgspec.structs.replace(settings, database_role=""), keys=keys)
        handed = {"database": database, "owner": owner, "clock": clock, "runner": runner}
        yield type("Books", (Books,), handed)
        for each in (database, owner):
            runner.run(each.close())


def test_the_ledger_agrees_with_the_model_after_every_step(books: type[Books]) -> None:
    run_machine(books, examples=25, steps=20, shrink=False)
