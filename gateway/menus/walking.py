"""`gateway menus walk`: every journey, in every language, over a town at its worst, in a database of its own."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from core.clock import ManualClock
from core.settings import Settings, load_settings
from core.texts import LANGUAGES
from gateway.configuration import demo_variables
from gateway.embedded import remove
from gateway.errors import CannotRun
from gateway.menus import pasts
from gateway.parts import make_parts
from gateway.schema import migrate_for
from gateway.scratch import scratch_database
from menus_ussd.walk import Walked


class Walk(Struct, frozen=True):
    """One language's walk, and how long it took."""

    language: str
    walked: Walked
    seconds: float


def walk_all(languages: Sequence[str] | None = None) -> list[Walk]:
    """Walk in each of `languages`, or in all, each in a town of its own. Raises CannotRun."""
    asked = tuple(languages or LANGUAGES)
    if strange := set(asked) - set(LANGUAGES):
        raise CannotRun(f"There is no {', '.join(sorted(strange))}, only {', '.join(LANGUAGES)}.")
    if len(asked) > 1 and load_settings().database_url:
        raise CannotRun("DATABASE_URL is one database, and every language needs a town of its own: choose --language.")
    return [_walked(language) for language in asked]


def _walked(language: str) -> Walk:
    directory = Path(tempfile.mkdtemp(prefix="mboa-walk-"))
    try:
        with scratch_database(directory) as url:
            settings = load_settings({**demo_variables(directory), "ENVIRONMENT": "test", "DATABASE_URL": url})
            return asyncio.run(_walk(settings, language))
    finally:
        remove(directory)


async def _walk(settings: Settings, language: str) -> Walk:
    await migrate_for(settings)
    parts = make_parts(settings, connections=settings.web_connections, clock=ManualClock())
    try:
        await pasts.a_town(parts.database)
        began = time.perf_counter()
        return Walk(language, await pasts.walk(parts.database, language), time.perf_counter() - began)
    finally:
        await parts.close()


def report(walks: Sequence[Walk]) -> str:
    """A table of the walks, the longest page of all, and what is wrong."""
    lines = ["language  screens  questions  screens/s  longest  findings"]
    for walk in walks:
        seen = walk.walked
        speed = round(seen.screens / walk.seconds)
        counts = (
            f"{seen.screens:7}  {len(seen.questions):9}  {speed:9}  {seen.longest_septets:7}  {len(seen.findings):8}"
        )
        lines.append(f"{walk.language:8}  {counts}")
    longest = max((walk.walked for walk in walks), key=lambda walked: walked.longest_septets)
    lines += ["", f"The longest page, {longest.longest_septets} septets:", longest.longest_page, ""]
    lines += [f"{walk.language} {finding}" for walk in walks for finding in walk.walked.findings]
    return "\n".join(lines).rstrip() + "\n"
