"""What holds for every test of the ledger."""

import pytest

from core import database
from ledger import grouped


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock or a statement may take longer than a service waits, on a machine that is busy with other tests."""
    monkeypatch.setitem(database._SESSION, "lock_timeout", "100s")
    monkeypatch.setitem(database._SESSION, "statement_timeout", "110s")
    monkeypatch.setattr(grouped, "_PATIENCE_SECONDS", 100.0)
