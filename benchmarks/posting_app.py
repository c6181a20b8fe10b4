"""Two routes that decode the same request: one posts a stand-alone journal, one does nothing with it."""

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from litestar import Litestar, Request, post

from benchmarks import floors
from core.crypto import Keyring
from core.database import Database
from core.settings import Settings
from ledger import chart
from ledger.grouped import GroupedPosting
from ledger.journals import Journal, Leg

_WALLETS = [chart.wallet(UUID(int=number)) for number in range(1, floors.ACCOUNTS + 1)]


@asynccontextmanager
async def _ledger(app: Litestar) -> AsyncIterator[None]:
    database = Database(os.environ["DATABASE_URL"], settings=Settings(), keys=Keyring(bytes(32)), connections=2)
    app.state.grouped = GroupedPosting(database)
    yield
    await app.state.grouped.close()
    await database.close()


@post("/nothing", status_code=200)
async def nothing(request: Request) -> dict[str, int]:  # type: ignore[type-arg]
    """The floor."""
    await request.body()
    return {"journal_id": 1}


@post("/journals", status_code=200)
async def journals(request: Request) -> dict[str, int]:  # type: ignore[type-arg]
    """One transfer between two random wallets, answered after its commit."""
    await request.body()
    debit, credit = random.sample(_WALLETS, 2)
    journal = Journal(key=str(uuid4()), kind="transfer", legs=[Leg(debit, credit, 100)])
    posted = await request.app.state.grouped.post(journal)
    return {"journal_id": posted.journal_id}


app = Litestar([nothing, journals], lifespan=[_ledger], logging_config=None, openapi_config=None)
