"""Seals: what is final is sealed once, and whatever a superuser does to it afterwards is named."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy import text

from core.clock import ManualClock
from core.database import Database, Tx
from core.settings import Settings
from ledger import inspection
from ledger.canonical import read_journals
from ledger.heads import Head, HeadLog
from ledger.merkle import root
from ledger.seals import BEGINNING, Seals, pack
from ledger.service import Leg, post
from ledger.tables import posting
from tests.ledger.books import give, pay
from tests.ledger.sealing import ANNA, BEN, FLOAT, damage, fill, findings, look, seal_all

pytestmark = pytest.mark.anyio


@pytest.fixture
async def seals(database: Database) -> Seals:
    """Journals 1 to 5 in seal 1, journal 6 in seal 2."""
    made = Seals(database)
    await fill(database)
    await seal_all(made)
    await pay(database, "6", Leg(BEN, ANNA, 5))
    await seal_all(made)
    return made


async def rows(database: Database) -> list[tuple[int, ...]]:
    async with database.reading() as tx:
        found = await tx.all(text("SELECT number, first_after, last_journal, journals FROM seal ORDER BY number"))
    return [tuple(row) for row in found]


async def test_each_seal_covers_what_came_since_the_last_and_nothing_is_wrong(database: Database, seals: Seals) -> None:
    assert await rows(database) == [(1, 0, 5, 5), (2, 5, 6, 1)]
    sealed = await look(database)
    assert (sealed.seals, sealed.last_journal, sealed.findings) == (2, 6, [])
    assert await seals.advance() == 0, "nothing new, no seal"


async def test_books_without_a_seal_are_sound(database: Database) -> None:
    assert await Seals(database).advance() == 0
    await fill(database)
    sealed = await look(database)
    assert (sealed.seals, sealed.head, sealed.findings) == (0, BEGINNING, [])


async def test_a_journal_that_may_still_get_company_below_it_is_not_sealed(database: Database) -> None:
    seals = Seals(database)
    await give(database, ANNA, 1)
    await seal_all(seals)
    async with database.transaction() as slow:
        await post(slow, key="slow", kind="top_up", legs=[Leg(FLOAT, ANNA, 1)])  # has number 2, and has not committed
        await give(database, BEN, 1)
        assert [await seals.advance() for _ in range(3)] == [0, 0, 0]
    await seal_all(seals)
    assert await rows(database) == [(1, 0, 1, 1), (2, 1, 3, 2)]


async def test_workers_that_seal_at_once_seal_once(database: Database) -> None:
    await fill(database)

    async def work(seals: Seals) -> None:
        while not await rows(database):
            await seals.advance()

    async with asyncio.timeout(100):
        await asyncio.gather(*(work(Seals(database)) for _ in range(4)))
    assert sum(row[3] for row in await rows(database)) == 5
    assert await findings(database) == []


async def test_a_long_backlog_is_sealed_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.seals._MOST", 2)
    monkeypatch.setattr("ledger.inspection._READ", 3)
    monkeypatch.setattr("ledger.inspection._AT_ONCE", 2)
    await fill(database)
    await seal_all(Seals(database))
    assert [row[1:] for row in await rows(database)] == [(0, 2, 2), (2, 4, 2), (4, 5, 1)]
    assert await findings(database) == []


# ---- what a superuser does -------------------------------------------------------------------------------

# For each column of a posting another value than journal 2 has on its second leg.
OTHER = {
    "journal_id": "2000",
    "amount": "21",
    "debit_account": "(SELECT id FROM account WHERE code LIKE 'expense:goodwill')",
    "credit_account": "(SELECT id FROM account WHERE code LIKE 'expense:goodwill')",
    "effective_at": "effective_at - interval '1 microsecond'",
    "recorded_at": "recorded_at + interval '1 day'",
    "kind": "'gift'",
    "key": "'mine'",
    "request_hash": "'\\x00'",
    "actor": "'nobody'",
    "reverses": "1",
    "metadata": "'{}'",
}


@pytest.mark.parametrize("column", [column.name for column in posting.columns])
async def test_a_change_of_any_column_is_named(database: Database, owner: Database, seals: Seals, column: str) -> None:
    other = OTHER.get(column, f"{column} + 7")
    await damage(owner, f"UPDATE posting SET {column} = {other} WHERE journal_id = 2 AND leg = 2")
    moved = ["journal 2000 (transfer) was inserted: nobody was given that number"] if column == "journal_id" else []
    assert await findings(database) == [*moved, "journal 2 (transfer) was changed after seal 1 was made"]


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("DELETE FROM posting WHERE journal_id = 3", "journal 3 was deleted after seal 1 was made"),
        ("DELETE FROM posting WHERE journal_id = 6", "journal 6 was deleted after seal 2 was made"),
        (
            "DELETE FROM posting WHERE journal_id = 2 AND leg = 1",
            "journal 2 (transfer) was changed after seal 1 was made",
        ),
        (
            'UPDATE posting SET metadata = \'{"at": "2", "zone": "Déido"}\' WHERE journal_id = 1',
            "journal 1 (top_up) was changed after seal 1 was made",
        ),
        (
            "UPDATE account SET code = 'points:mine' WHERE currency = 'PTS' AND code LIKE 'points:%'",
            "journal 3 (points)",
        ),
        ("DELETE FROM account WHERE code LIKE 'points:%'", "journal 3 (points) was changed"),
        ("UPDATE seal SET root = sha256('') WHERE number = 1", "seal 1 does not go on from the one before: it was"),
        ("UPDATE seal SET sealed_at = sealed_at + interval '1 s' WHERE number = 1", "seal 1 does not go on"),
        ("UPDATE seal SET head = sha256('') WHERE number = 1", "seal 1 does not go on"),
        ("UPDATE seal SET leaves = set_byte(leaves, 20, 7) WHERE number = 1", "seal 1 (journals 1 to 5): its list of"),
        ("DELETE FROM seal WHERE number = 1", "seals 1 to 1 are missing"),
    ],
)
async def test_damage_is_named(database: Database, owner: Database, seals: Seals, statement: str, finding: str) -> None:
    await damage(owner, statement)
    found = await findings(database)
    assert any(line.startswith(finding) for line in found), found


@pytest.mark.parametrize("number", [4, 7])
async def test_a_journal_that_was_slipped_in_is_named(database: Database, owner: Database, number: int) -> None:
    """Numbers 4 and 7 were taken by nobody: their transactions rolled back, the last of them after every journal."""
    for turn in range(1, 8):
        try:
            async with database.transaction() as tx:
                await post(tx, key=str(turn), kind="top_up", legs=[Leg(FLOAT, ANNA, 1)])
                if turn in (4, 7):
                    raise RuntimeError
        except RuntimeError:
            pass
    await seal_all(Seals(database))
    await damage(
        owner,
        "INSERT INTO posting (journal_id, leg, amount, debit_account, credit_account, effective_at, recorded_at, kind)"
        f" SELECT {number}, 1, 5, debit_account, credit_account, effective_at, recorded_at, 'gift'"
        " FROM posting WHERE journal_id = 1",
    )
    assert await findings(database) == [f"journal {number} (gift) was inserted after seal 1 was made"]


@pytest.mark.parametrize("number", [-3, 0, 1000])
async def test_a_journal_where_no_seal_looks_is_named(
    database: Database, owner: Database, seals: Seals, number: int
) -> None:
    """Seals begin at 1 and end at the last number that was given out; reports read every posting there is."""
    await damage(
        owner,
        "INSERT INTO posting (journal_id, leg, amount, debit_account, credit_account, effective_at, recorded_at, kind)"
        f" SELECT {number}, 1, 5, debit_account, credit_account, effective_at, recorded_at, 'gift'"
        " FROM posting WHERE journal_id = 1",
    )
    assert await findings(database) == [f"journal {number} (gift) was inserted: nobody was given that number"]


async def test_a_damaged_ledger_does_not_fill_the_screen(database: Database, owner: Database, seals: Seals) -> None:
    for _ in range(120):
        await give(database, ANNA, 1)
    await seal_all(seals)
    await damage(owner, "UPDATE posting SET amount = amount + 1")
    assert len(await findings(database)) == 100


# ---- heads outside ---------------------------------------------------------------------------------------


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(settings, seal_log=str(tmp_path / "heads.jsonl"))


async def forge(owner: Database, clock: ManualClock) -> None:
    """A patient superuser changes a journal and makes all seals anew: within the database everything agrees."""
    await damage(owner, "UPDATE posting SET amount = 30 WHERE journal_id = 2 AND leg = 2")
    spans = await rows(owner)
    await damage(owner, "DELETE FROM seal")
    for _, after, up_to, _ in spans:
        async with owner.transaction() as tx:
            leaves = {x.journal: x.leaf() for x in await read_journals(await tx.driver(), after=after, up_to=up_to)}
            parts = {"after": after, "up_to": up_to, "leaves": pack(leaves), "root": root([*leaves.values()])}
            await tx.value(text("SELECT add_seal(:after, :up_to, :leaves, :root, :now)"), {**parts, "now": tx.now})


async def test_only_the_published_heads_show_that_all_seals_were_made_anew(
    database: Database, owner: Database, seals: Seals, settings: Settings, clock: ManualClock
) -> None:
    assert await findings(database, seal_log=settings.seal_log) == []
    await forge(owner, clock)
    assert await findings(database) == []
    assert await findings(database, seal_log=settings.seal_log) == [
        "seal 1 has another head than was published: it and all after it were made anew"
    ]


async def test_seals_that_vanished_were_published(
    database: Database, owner: Database, seals: Seals, settings: Settings
) -> None:
    await damage(owner, "DELETE FROM seal WHERE number = 2; DELETE FROM posting WHERE journal_id = 6")
    assert await findings(database) == []
    assert await findings(database, seal_log=settings.seal_log) == ["seal 2 was published and is not in the database"]


async def test_a_seal_made_while_we_look_is_no_finding(
    database: Database, seals: Seals, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = inspection._batches

    async def one_more_after_the_last(tx: Tx) -> AsyncIterator[Any]:
        async for batch in batches(tx):
            yield batch
        await give(database, ANNA, 1)
        await seal_all(seals)

    monkeypatch.setattr(inspection, "_batches", one_more_after_the_last)
    assert await findings(database, seal_log=settings.seal_log) == []


async def test_heads_that_cannot_be_read_are_a_finding(database: Database, seals: Seals, settings: Settings) -> None:
    Path(settings.seal_log).unlink()
    assert "published heads cannot be read" in (await findings(database, seal_log=settings.seal_log))[0]
    Path(settings.seal_log).write_text("nonsense\n")
    assert "published heads cannot be read" in (await findings(database, seal_log=settings.seal_log))[0]


async def test_what_was_not_published_is_published_later_and_once(
    database: Database, seals: Seals, settings: Settings
) -> None:
    log = Path(settings.seal_log)
    whole = log.read_bytes()
    assert [line.seal for line in HeadLog(settings.seal_log).read()] == [1, 2]
    for left in (b"", whole[:20], whole.splitlines(keepends=True)[0], whole[:-1]):  # killed before it was all there
        log.write_bytes(left)
        await asyncio.gather(*(Seals(database).advance() for _ in range(3)))
        assert log.read_bytes() == whole


async def test_a_head_outside_that_is_none_of_ours_is_never_gone_on_from(
    database: Database, owner: Database, seals: Seals, settings: Settings, clock: ManualClock
) -> None:
    before = Path(settings.seal_log).read_bytes()
    await forge(owner, clock)
    await give(database, ANNA, 1)
    await seal_all(seals)
    assert Path(settings.seal_log).read_bytes() == before


def test_more_heads_than_the_tail_of_the_file_holds(tmp_path: Path, clock: ManualClock) -> None:
    log = HeadLog(str(tmp_path / "heads"))
    heads = [Head(number, "0" * 64, number, clock.now()) for number in range(1, 100)]
    assert log.last() is None
    log.append(heads)
    log.append(heads)
    assert log.last() == heads[-1]
    assert list(log.read()) == heads


# ---- the function that writes seals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": 5},  # leaves a gap, or covers twice
        {"up_to": 8},  # beyond what was ever written
        {"leaves": b""},  # has not seen every journal
        {"leaves": bytes(80)},
        {"root": b"short"},
    ],
)
async def test_no_caller_makes_a_seal_that_does_not_go_on(
    database: Database, seals: Seals, wrong: dict[str, object]
) -> None:
    await give(database, ANNA, 1)
    right = {"after": 6, "up_to": 7, "leaves": bytes(40), "root": bytes(32)}
    asked = {**right, **wrong}
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction() as tx:
            await (await tx.driver()).fetchval("SELECT add_seal($1, $2, $3, $4, $5)", *asked.values(), tx.now)
    assert refused.value.sqlstate == "LE011"
