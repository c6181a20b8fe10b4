"""After whole orders: no PIN, no code and no full phone number in any log line, job, session, event or row."""

import asyncio
import json
import re

import asyncpg
import pytest

from tests.end_to_end import meal
from tests.end_to_end.running import Demo
from tests.end_to_end.town import Town

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]

PHONE, PIN = "+237670000108", "739164"


async def every_row(url: str) -> dict[str, str]:
    """All rows of all tables as text, by table; bytes in hexadecimal and as they are."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = {}
        for (name,) in tables:
            rows = await connection.fetch(f'SELECT * FROM "{name}"')
            found[name] = "\n".join(_readable(tuple(row)) for row in rows)
        return found
    finally:
        await connection.close()


def _readable(row: tuple[object, ...]) -> str:
    return " | ".join(v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in row)


def test_nothing_secret_rests_anywhere(demo: Demo, town: Town) -> None:
    handset = town.handset(PHONE)
    handset.dial()
    handset.say("1", "4", "1", "9000", "1")
    handset.hang_up()
    town.approve(PHONE)
    town.await_text(PHONE, "9000F")
    handset.dial(str(meal.RESTAURANT_NUMBER))
    handset.say("22", "1", "1", "2")
    number = meal.number_in(handset.say(PIN))
    meal.accept(town, number)
    meal.fetch(town, number)
    code = meal.code_of(town, PHONE, number)
    assert code in handset.dial("3")
    handset.dial("1")
    meal.deliver(town, PHONE, number)

    variables = json.loads(next(demo.directory.rglob("variables.json")).read_text())
    rows = asyncio.run(every_row(demo.database_url))
    places = {**rows, "logs": demo.logs()}
    national = PHONE.removeprefix("+237")
    phone = re.compile(rf"(?<!\d)(\+?237)?{national}(?!\d)")
    delivery_code = re.compile(rf"(?<![\w.:+-]){code}(?![\w.:+-])")
    assert rows["customer_order"] and rows["outgoing_sms"] and rows["incoming_sms"] and rows["order_event"]
    for name, text in places.items():
        assert PIN not in text, f"the PIN is in {name}"
        assert not phone.search(text), f"a full number is in {name}: {phone.search(text)}"
        assert not delivery_code.search(text), f"the delivery code is in {name}: {delivery_code.search(text)}"
        for secret in ("SECRET_KEY", "CAMPAY_PASSWORD", "CAMPAY_WEBHOOK_KEY"):
            assert variables[secret] not in text, f"{secret} is in {name}"
