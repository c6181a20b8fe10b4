"""The demo town, and its SMS routes over ASGI."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide

from channels.sms.routes import africastalking_incoming, africastalking_report
from core.clock import ManualClock
from core.database import Database
from tests.support.market import Market, open_market

_numbers = itertools.count(1)


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    return await open_market(database, clock)


@pytest.fixture
async def web(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [africastalking_incoming, africastalking_report],
        dependencies={"database": Provide(lambda: database, sync_to_thread=False)},
        logging_config=None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        yield client


class Phones:
    """Subscribers who write, and what they read."""

    def __init__(self, web: httpx.AsyncClient, market: Market) -> None:
        self.web, self.market = web, market

    async def send(self, phone: str, text: str, *, message_id: str | None = None, **fields: Any) -> httpx.Response:
        """One incoming SMS as Africa's Talking delivers it, by default under a new id."""
        form = {
            "date": "2026-11-21 11:00:00",
            "from": phone,
            "id": message_id or f"message-{next(_numbers)}",
            "text": text,
            "to": "8237",
            "networkCode": "99999",
            **fields,
        }
        return await self.web.post("/sms/africastalking/demo", data=form)

    async def ask(self, phone: str, text: str) -> str | None:
        """Send `text` and return the answer to it, if there was one."""
        before = len(await self.market.texts(phone))
        answer = await self.send(phone, text)
        assert answer.status_code == 200
        texts = await self.market.texts(phone)
        return texts[-1] if len(texts) > before else None


@pytest.fixture
def phones(web: httpx.AsyncClient, market: Market) -> Phones:
    return Phones(web, market)
