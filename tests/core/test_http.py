"""What went wrong with a request: it certainly never left, or nobody knows. Over real sockets."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core import http
from core.http import Answer, HttpClient, NoAnswer, NotSent

pytestmark = pytest.mark.anyio

PATIENT_SECONDS = 60

Saying = Callable[[asyncio.StreamWriter], Awaitable[object]]


def says(text: str) -> Saying:
    """What a server writes before it closes the connection."""

    async def write(to: asyncio.StreamWriter) -> None:
        to.write(text.encode())
        await to.drain()

    return write


async def nothing_ever(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def a_reset(to: asyncio.StreamWriter) -> None:
    to.transport.abort()


class Server:
    """Reads a request without a body, or with one of JSON, has `answer` written, and closes the connection."""

    def __init__(self, *answers: Saying) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            _, _, length = head.lower().partition("content-length: ")
            body = await reader.readexactly(int(length.partition("\r\n")[0] or 0))
            self.asked.append(head + body.decode())
            await self._answers.pop(0)(writer)
            if not self._answers:
                writer.close()
                return


@asynccontextmanager
async def serving(*answers: Saying, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(*answers)
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(server.serve(reader, writer)))

    listening = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask(
    url: str, method: str = "POST", *, connect_seconds: float = PATIENT_SECONDS, read_seconds: float = PATIENT_SECONDS
) -> Answer:
    client = HttpClient(url, connect_seconds=connect_seconds, read_seconds=read_seconds)
    try:
        return await client.request(method, "/collect/", json={"amount": "100"} if method == "POST" else None)
    finally:
        await client.close()


def answer(status: str, body: str = "", *headers: str) -> Saying:
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", body)
    return says("\r\n".join(lines))


# ---- what comes back --------------------------------------------------------------------------------------------


async def test_an_answer_comes_back_as_it_is() -> None:
    async with serving(answer("409 Conflict", '{"a": 1.50}', "X-Step: 2")) as server:
        got = await ask(server.url)
    assert (got.status, got.body, got.headers["x-step"]) == (409, b'{"a": 1.50}', "2")
    assert str(got.json()["a"]) == "1.50"
    head, _, body = server.asked[0].partition("\r\n\r\n")
    assert head.startswith("POST /collect/ HTTP/1.1") and body == '{"amount":"100"}'
    assert "application/json" in head and "cookie" not in head.lower()


async def test_no_redirect_is_followed() -> None:
    async with serving(answer("302 Found", "", "Location: /elsewhere/")) as server:
        assert (await ask(server.url)).status == 302
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("options", "line", "body"),
    [
        ({"params": {"phone_number": "237 6", "a": "é"}}, "/read/?phone_number=237+6&a=%C3%A9", ""),
        ({"params": "raw=1%2B1&more=+"}, "/read/?raw=1%2B1&more=+", ""),
        ({"data": {"to": "+2376", "text": "Ndolé à 2500F"}}, "/read/", "to=%2B2376&text=Ndol%C3%A9+%C3%A0+2500F"),
        ({"content": "as it is"}, "/read/", "as it is"),
    ],
)
async def test_a_request_says_what_it_is_given(options: dict[str, object], line: str, body: str) -> None:
    async with serving(answer("200 OK")) as server:
        client = HttpClient(f"{server.url}/", connect_seconds=PATIENT_SECONDS, read_seconds=PATIENT_SECONDS)
        await client.request("POST", "/read/", auth=("user", "key"), **options)  # type: ignore[arg-type]
        await client.close()
    head, _, sent = server.asked[0].partition("\r\n\r\n")
    assert head.splitlines()[0] == f"POST {line} HTTP/1.1" and sent == body
    assert "authorization: basic dxnlcjprzxk=" in head.lower()


# ---- certainly not sent -----------------------------------------------------------------------------------------


@contextmanager
def nobody_accepts() -> Iterator[str]:
    """A server that is too busy for another connection."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_refused_connection_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotSent):
        await ask(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["http://nowhere.invalid", "ftp://provider.test", ""])
async def test_an_address_that_leads_nowhere_sent_nothing(url: str) -> None:
    with pytest.raises(NotSent):
        await ask(url)


async def test_a_connection_that_takes_too_long_sent_nothing() -> None:
    with nobody_accepts() as url, pytest.raises(NotSent):
        await ask(url, connect_seconds=0.1)


async def test_a_server_without_tls_was_sent_nothing() -> None:
    async with serving(answer("200 OK")) as server:
        with pytest.raises(NotSent):
            await ask(server.url.replace("http:", "https:"), connect_seconds=5)
    assert server.asked == []


async def test_a_server_that_nobody_vouches_for_was_sent_nothing(tmp_path: Path) -> None:
    async with serving(answer("200 OK"), tls=self_signed(tmp_path)) as server:
        with pytest.raises(NotSent):
            await ask(server.url)
    assert server.asked == []


def self_signed(folder: Path) -> ssl.SSLContext:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "both.pem").write_bytes(key.private_bytes(*private) + made)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


# ---- of unknown fate --------------------------------------------------------------------------------------------

_BROKEN = {
    "closed": says(""),
    "reset": a_reset,
    "no HTTP": says("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "half a head": says("HTTP/1.1 200 OK\r\ncontent-le"),
    "half a body": says('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"reference'),
    "half a chunk": says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{"),
    "a false gzip": answer("200 OK", "not gzip", "content-encoding: gzip"),
}


@pytest.mark.parametrize("broken", _BROKEN)
async def test_a_broken_answer_proves_nothing(broken: str) -> None:
    async with serving(_BROKEN[broken]) as server:
        with pytest.raises(NoAnswer):
            await ask(server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize("begun", ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
async def test_silence_proves_nothing(begun: str) -> None:
    async def begin_and_stop(to: asyncio.StreamWriter) -> None:
        await says(begun)(to)
        await nothing_ever(to)

    async with serving(begin_and_stop) as server:
        with pytest.raises(NoAnswer):
            await ask(server.url, read_seconds=0.2)
    assert len(server.asked) == 1


async def test_an_answer_without_an_end_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MOST_BYTES", 1000)
    async with serving(answer("200 OK", "x" * 1001)) as server:
        with pytest.raises(NoAnswer):
            await ask(server.url)


async def test_a_request_over_a_connection_that_ends_is_not_repeated() -> None:
    async with serving(answer("200 OK"), says("")) as server:
        client = HttpClient(server.url, connect_seconds=PATIENT_SECONDS, read_seconds=PATIENT_SECONDS)
        await client.request("POST", "/collect/", json={})
        with pytest.raises(NoAnswer):
            await client.request("POST", "/collect/", json={})
        await client.close()
    assert len(server.asked) == 2
