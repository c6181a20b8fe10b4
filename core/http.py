"""The one module that imports an HTTP client: explicit time-outs, and what can go wrong with a request.

A request that certainly never left (`NotSent`) is told apart from one whose fate is unknown (`NoAnswer`):
money depends on the difference (design/payments.md 3, docs/decisions/0016).
"""

import base64
import ssl
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from json import dumps
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
import certifi
import msgspec

# Connections to one system at a time; who finds none free waits for `read_seconds`.
_CONNECTIONS = 100
# Shorter than servers keep theirs open: a request that meets a closing connection is one of unknown fate.
_IDLE_SECONDS = 4
# No answer is that long; a provider's history of a busy day has a few million bytes.
_MOST_BYTES = 32 * 1024 * 1024

_BEFORE_A_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)

# `3000.0000000000000001` must not become 3000 on the way in.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class NotSent(Exception):
    """The request did not reach the other side: name look-up, refused connection, connect time-out."""


class NoAnswer(Exception):
    """The request may have had its effect: read time-out, reset, a broken answer."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status and the raw body, parsed by nobody yet; headers, to be asked for in lower case."""

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


class Exchange(Protocol):
    """What carries requests: the network, or what stands in for it."""

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One exchange. Raises NotSent or NoAnswer, and nothing else."""
        ...

    async def close(self) -> None: ...


class HttpClient:
    """One outside system: its base URL, time-outs and connection pool."""

    def __init__(
        self, base_url: str, *, connect_seconds: float, read_seconds: float, exchange: Exchange | None = None
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._exchange = exchange or Network(connect_seconds=connect_seconds, read_seconds=read_seconds)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = {},
        params: Mapping[str, object] | str = "",
        json: object = None,
        data: Mapping[str, object] | None = None,
        content: bytes | str = b"",
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """One exchange: no redirects, no cookies. Raises NotSent or NoAnswer.

        `path` is below the base URL, or a whole URL. The body is `json`, a form of `data`, or `content` as it is.
        `auth` is a user and a password.
        """
        url = path if "://" in path else f"{self._base_url}{path}"
        query = params if isinstance(params, str) else urlencode(params)
        body = content.encode() if isinstance(content, str) else content
        if auth is not None:
            headers = {"authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}", **headers}
        if json is not None:
            body, headers = dumps(json, separators=(",", ":")).encode(), {"content-type": "application/json", **headers}
        elif data is not None:
            form = urlencode(data, doseq=True)
            body, headers = form.encode(), {"content-type": "application/x-www-form-urlencoded", **headers}
        return await self._exchange.ask(method, f"{url}?{query}" if query else url, headers, body)

    async def close(self) -> None:
        await self._exchange.close()


class Network:
    """Requests over connections that are kept open between them."""

    def __init__(self, *, connect_seconds: float, read_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=read_seconds, sock_connect=connect_seconds, sock_read=read_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One exchange. Raises NotSent or NoAnswer."""
        asked = self._open().request(method, url, headers=headers, data=body or None, allow_redirects=False)
        try:
            async with asked as response:
                return Answer(response.status, await _whole(response), response.headers)
        except _BEFORE_A_CONNECTION as problem:  # each is also one of those below
            raise NotSent(type(problem).__name__) from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise NoAnswer(type(problem).__name__) from None

    def _open(self) -> aiohttp.ClientSession:
        """Made in the event loop that asks first."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS, ssl=_authorities()),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


@cache
def _authorities() -> ssl.SSLContext:
    """Who may vouch for a server: the same everywhere, whatever the machine's own list says or lacks."""
    return ssl.create_default_context(cafile=certifi.where())


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises NoAnswer for one without an end."""
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > _MOST_BYTES:
            raise NoAnswer("TooLong")
    return body
