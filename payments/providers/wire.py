"""How adapters talk: one time budget per call, a token that one caller fetches, and a first sorting of silence."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from core import http
from core.http import HttpClient, NoAnswer, NotSent
from core.settings import Settings
from payments.providers.protocol import Answer, Proof
from payments.states import Failure

# A token is renewed this long before it ends.
_TOKEN_MARGIN_SECONDS = 60


class FreshToken(msgspec.Struct, frozen=True):
    """What a provider's token endpoint gave."""

    text: str
    lasts_seconds: int


Fetch: TypeAlias = Callable[[], Awaitable[FreshToken | None]]


class Credential(Protocol):
    """What opens a provider's door."""

    async def current(self) -> str:
        """Raises NotSent when there is none: nothing was asked for yet."""
        ...

    def drop(self, token: str) -> bool:
        """Forget what was refused; False when there is no other to be had."""
        ...


class FixedCredential:
    """A key or a permanent token out of the settings."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def current(self) -> str:
        if not self._secret:
            raise NotSent("CREDENTIALS")
        return self._secret

    def drop(self, token: str) -> bool:
        return False


class RenewedToken:
    """A token that ends: fetched by one caller while the others wait."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._token = ""
        self._ends = 0.0  # by the monotonic clock
        self._refreshing = asyncio.Lock()

    async def current(self) -> str:
        async with self._refreshing:
            if not self._token or time.monotonic() >= self._ends:
                await self._refresh()
            return self._token

    def drop(self, token: str) -> bool:
        """Forget a refused token, unless somebody has already fetched a newer one."""
        if token == self._token:
            self._token = ""
        return True

    async def _refresh(self) -> None:
        try:
            fresh = await self._fetch()
        except (NotSent, NoAnswer):
            fresh = None
        if fresh is None:
            raise NotSent("TOKEN")
        self._token = fresh.text
        self._ends = time.monotonic() + max(0, fresh.lasts_seconds - _TOKEN_MARGIN_SECONDS)


class Wire:
    """Calls to one provider, each with its credential and its time budget (D22)."""

    def __init__(
        self,
        settings: Settings,
        client: HttpClient,
        credential: Credential,
        scheme: str,
        always: Mapping[str, str] = {},
    ) -> None:
        """`scheme`: the header and what stands before the credential, as in `Authorization: Bearer `.

        `always`: headers that go with every call.
        """
        self._budget_seconds = settings.provider_connect_seconds + settings.provider_read_seconds
        self._client = client
        self._credential = credential
        self._header, _, self._prefix = scheme.partition(": ")
        self._always = always

    async def call(self, method: str, path: str, *, headers: Mapping[str, str] = {}, **options: Any) -> http.Answer:
        """One call, made once more with a new token on a 401. Raises NotSent, NoAnswer.

        All of it has one time budget. Where that ends while the token is waited for, nothing was sent.
        """
        late: Exception = NotSent("TOKEN")
        try:
            async with asyncio.timeout(self._budget_seconds):
                for _ in range(2):
                    late = NotSent("TOKEN")
                    token = await self._credential.current()
                    complete = {**self._always, **headers, self._header: f"{self._prefix}{token}"}
                    late = NoAnswer("BUDGET")
                    answer = await self._client.request(method, path, headers=complete, **options)
                    if answer.status != 401 or not self._credential.drop(token):
                        return answer
        except TimeoutError:
            raise late from None
        raise NotSent("TOKEN")

    async def send(self, classify: Callable[[http.Answer], Answer], method: str, path: str, **options: Any) -> Answer:
        """Ask for money, once. `classify` says what an answer proves; silence after the request proves nothing."""
        try:
            return classify(await self.call(method, path, **options))
        except NotSent as problem:
            return Answer(Proof.NOT_SENT, str(problem), failure=Failure.TECHNICAL)
        except NoAnswer as problem:
            return Answer(Proof.UNKNOWN, str(problem))

    async def read(self, path: str, *, method: str = "GET", **options: Any) -> http.Answer | None:
        """A call that moves no money; None when no answer came."""
        try:
            return await self.call(method, path, **options)
        except (NotSent, NoAnswer):
            return None

    async def body(self, path: str, **options: Any) -> dict[str, Any]:
        """The JSON object of a 200; empty for anything else."""
        answer = await self.read(path, **options)
        return answer.json() if answer and answer.status == 200 else {}


def client(settings: Settings, url: str) -> HttpClient:
    """The connection pool for one provider."""
    return HttpClient(
        url, connect_seconds=settings.provider_connect_seconds, read_seconds=settings.provider_read_seconds
    )


def callback_url(settings: Settings, provider: str) -> str:
    """Where a provider that is told so with each request rings."""
    return f"{settings.base_url}/payments/{provider}/{settings.payments_secret}"
