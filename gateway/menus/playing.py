"""`gateway menus record` and `replay`: talks with the service of this PORT, or of PUBLIC_URL."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from core.http import HttpClient
from core.settings import Settings
from gateway.configuration import command_settings
from gateway.menus.talks import Line, Page, Recorder, Talk, accepted, differences, fill_in, play, read, write

_NETWORK_SECONDS = 15.0  # networks give up after 10

Result = TypeVar("Result")


def replay(paths: Sequence[Path], values: Mapping[str, str], *, accept: bool) -> int:
    """Play talks and print what differs; how many do. With `accept` what comes is what to expect from now on."""
    wrong = 0
    for path in paths:
        talk = read(path)
        pages = _on_line(fill_in(talk.phone, values), lambda line, of=talk: play(of, line, values))  # type: ignore[misc]
        found = [] if accept else list(differences(talk, pages))
        if accept:
            write(path, accepted(talk, pages))
        sys.stdout.write("\n".join([f"{path}: {len(pages)} pages, {len(found)} differences", *found]) + "\n")
        wrong += bool(found)
    return wrong


def record(path: Path, title: str, phone: str, dialled: str) -> None:
    """Talk at the terminal until the service ends it, or the input does, and write the talk down, masked."""
    write(path, _on_line(phone, lambda line: _talk(line, Recorder(title), dialled)))


async def _talk(line: Line, recorder: Recorder, dialled: str) -> Talk:
    page = await line.dial(dialled)
    recorder.dialled(dialled, page)
    while _shown(page) and (typed := await asyncio.to_thread(sys.stdin.readline)):
        page = await line.say(typed.rstrip("\r\n"))
        recorder.said(typed.rstrip("\r\n"), page)
    return recorder.talk


def _shown(page: Page) -> bool:
    """Whether the page asks for an answer."""
    sys.stdout.write(f"{page.text}\n> " if page.text.startswith("CON ") else f"{page.text}\n")
    sys.stdout.flush()
    return page.text.startswith("CON ")


def _on_line(phone: str, work: Callable[[Line], Awaitable[Result]]) -> Result:
    settings = command_settings()
    return asyncio.run(_connected(settings, phone, work))


async def _connected(settings: Settings, phone: str, work: Callable[[Line], Awaitable[Result]]) -> Result:
    http = HttpClient(settings.base_url, connect_seconds=3.0, read_seconds=_NETWORK_SECONDS)
    line = Line(http, secret=settings.ussd_secret, service_code=settings.service_code, phone=phone)
    try:
        return await work(line)
    finally:
        await http.close()
