"""The one module that imports httpx: clients with explicit time-outs, and what can go wrong with them.

A request that certainly never left (`NotSent`) is told apart from one whose fate is unknown (`NoAnswer`):
money depends on the difference (design/payments.md 3).
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx
import msgspec

# `3000.0000000000000001` must not become 3000 on the way in.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class NotSent(Exception):
    """The request did not reach the other side: name look-up, refused connection, connect time-out."""


class NoAnswer(Exception):
    """The request may have had its effect: read time-out, reset, a broken answer."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status and the raw body, parsed by nobody yet; names of headers in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, fractions as Decimal; `{}` when it is anything else (HTML, a list)."""
        try:
            parsed = _decoder.decode(self.body)
        # A body of brackets is too deep, and an exponent of twenty digits no Decimal.
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation):
            return {}
        return parsed if isinstance(parsed, dict) else {}


class HttpClient:
    """One outside system: its base URL, time-outs and connection pool."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_seconds: float,
        read_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        timeout = httpx.Timeout(read_seconds, connect=connect_seconds)
        self._client = httpx.AsyncClient(base_url=base_url, timeout=timeout, transport=transport, trust_env=False)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """One exchange. Raises NotSent or NoAnswer, never an httpx error."""
        try:
            response = await self._client.request(method, path, **options)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as problem:
            raise NotSent(type(problem).__name__) from None
        except httpx.HTTPError as problem:
            raise NoAnswer(type(problem).__name__) from None
        return Answer(response.status_code, response.content, dict(response.headers))

    async def close(self) -> None:
        await self._client.aclose()
