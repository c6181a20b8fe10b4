"""Bodies of callbacks: read no further than they may be long (D21)."""

from litestar.types import Receive


class BodyTooLong(Exception):
    """There is more than the limit."""


class BodyCutShort(Exception):
    """The sender was gone before the end: what came is no request."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body, at most `limit` bytes. Raises BodyTooLong, BodyCutShort."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyCutShort
        body += message["body"]
        if len(body) > limit:
            raise BodyTooLong
        if not message["more_body"]:
            return bytes(body)
