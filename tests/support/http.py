"""What a test answers in the place of the network, in httpx's words, as the product's HTTP client hears it."""

from collections.abc import Callable, Mapping

import httpx

from core.http import Answer, NoAnswer, NotSent

# Errors that come before a connection stands.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)


class Through:
    """An exchange whose other side is a function; it may raise httpx's errors."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            answer = self._answer(httpx.Request(method, url, headers=dict(headers), content=body))
        except _NOT_SENT as problem:
            raise NotSent(type(problem).__name__) from None
        except httpx.HTTPError as problem:
            raise NoAnswer(type(problem).__name__) from None
        return Answer(answer.status_code, answer.content, answer.headers)

    async def close(self) -> None:
        """There is nothing to close."""
