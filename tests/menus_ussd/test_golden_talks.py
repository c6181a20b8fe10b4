"""Golden talks: what callers read, word for word, over real HTTP, in every language and with the longest names.

After a change that is meant to be read, `ACCEPT=1` writes what now comes into the talks; read it before you commit it.
"""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from channels.ussd.routes import turns_first
from core.clock import ManualClock
from core.database import Database
from core.gsm import septets
from core.http import HttpClient
from core.settings import Secret, Settings
from core.texts import LANGUAGES
from gateway.app import create_app
from gateway.menus.pasts import PIN, WITH_A_PAST, a_town
from gateway.menus.talks import Line, Page, accepted, differences, play, read, write
from gateway.parts import make_parts
from marketplace.people import service as people
from tests.conftest import TEST_KEY
from tests.support.servers import serve

pytestmark = pytest.mark.anyio

TALKS = Path(__file__).parent.parent / "talks"


@pytest.fixture
def service(settings: Settings, database_url: str, clock: ManualClock) -> Iterator[str]:
    """The whole web process on a port of its own."""
    own = {"database_url": database_url, "secret_key": Secret(base64.b64encode(TEST_KEY).decode())}
    parts = make_parts(msgspec.structs.replace(settings, **own), connections=5, clock=clock)
    with serve(turns_first(create_app(parts))) as url:
        yield url


@pytest.mark.parametrize("language", LANGUAGES)
async def test_callers_read_what_they_always_read(
    database: Database, settings: Settings, service: str, language: str
) -> None:
    await a_town(database)
    async with database.transaction() as tx:
        for phone in WITH_A_PAST:
            person = await people.recognise(tx, phone=phone)
            await people.choose_language(tx, person_id=person.id, language=language)
    found: list[str] = []
    paths = sorted((TALKS / language).glob("*.yaml"))
    assert paths, "a language without talks"
    for path in paths:
        talk = read(path)
        pages = await played(service, settings, path)
        if os.environ.get("ACCEPT"):
            write(path, accepted(talk, pages))
        found += [f"{path.name} {difference}" for difference in differences(read(path), pages)]
        assert [page.text for page in pages if septets(page.text.partition(" ")[2]) > 160] == []
    assert found == [], "\n".join(found)


async def played(service: str, settings: Settings, path: Path) -> list[Page]:
    talk, http = read(path), HttpClient(service, connect_seconds=10, read_seconds=60)
    line = Line(http, secret=settings.ussd_secret, service_code=settings.service_code, phone=talk.phone)
    try:
        return await play(talk, line, {"pin": PIN})
    finally:
        await http.close()
