"""As whom the service acts: it may post and read, and the books are closed to it otherwise."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from sqlalchemy import Table, text
from sqlalchemy.engine import make_url

import gateway.app
import gateway.worker_process  # noqa: F401 - with the line above: every table of the service
import ledger
from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database, metadata
from core.settings import Settings
from gateway.errors import CannotRun
from gateway.schema import ROLE, migrate, migrate_for, require_newest, version
from ledger.audit import audit
from ledger.service import Leg, post
from tests.ledger.books import ANNA, BEN, give, held

pytestmark = pytest.mark.anyio

READ, WRITE = {"SELECT"}, {"SELECT", "INSERT", "UPDATE", "DELETE"}
EVERY_RIGHT = (*sorted(WRITE), "TRUNCATE", "REFERENCES", "TRIGGER")


def tables_of_the_ledger() -> set[str]:
    modules = [importlib.import_module(f"ledger.{found.name}") for found in pkgutil.iter_modules(ledger.__path__)]
    return {value.name for module in modules for value in vars(module).values() if isinstance(value, Table)}


async def ask(database: Database, question: str, *parameters: object) -> object:
    async with database.transaction() as tx:
        return await (await tx.driver()).fetchval(question, *parameters)


async def rights(database: Database, table: str) -> set[str]:
    question = "SELECT array_agg(asked) FROM unnest($2::text[]) AS asked WHERE has_table_privilege($1, asked)"
    return set(await ask(database, question, table, EVERY_RIGHT) or ())  # type: ignore[call-overload]


async def test_the_ledger_is_read_and_everything_else_written_but_never_truncated(database: Database) -> None:
    guarded = tables_of_the_ledger()
    assert guarded > {"account", "posting", "hold", "balance_mark", "turnover", "books"}
    for table in [*metadata.tables, "pgqueuer"]:
        assert (table, await rights(database, table)) == (table, READ if table in guarded else WRITE)
    views = await ask(database, "SELECT array_agg(viewname::text) FROM pg_views WHERE schemaname = 'public'")
    for view in [*views, "alembic_version"]:  # type: ignore[misc]
        assert (view, await rights(database, view)) == (view, READ)


async def test_every_writer_of_the_ledger_may_be_called_and_no_helper_of_theirs(database: Database) -> None:
    functions = """
        SELECT array_agg(proname::text) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prosecdef = $1 AND has_function_privilege(oid, 'EXECUTE')
    """
    writers = {"post_leg", "post_journals", "open_hold", "end_hold", "capture_hold", "mark_balances"}
    assert set(await ask(database, functions, True)) >= writers  # type: ignore[call-overload]
    assert "judge_journals" not in await ask(database, functions, False)  # type: ignore[operator]


async def test_no_writer_can_be_led_to_objects_of_the_caller(owner: Database) -> None:
    """A function that runs with its owner's rights looks into the caller's temporary schema last."""
    careless = """
        SELECT array_agg(proname::text) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
        AND NOT coalesce('search_path=pg_catalog, public, pg_temp' = ANY (proconfig), false)
    """
    assert await ask(owner, careless) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE account SET balance = 9",
        "INSERT INTO account (code, family, kind, currency, debit_sign, hot, opened_at) "
        "VALUES ('x', 'x', 'asset', 'XAF', 1, true, now())",
        "INSERT INTO posting SELECT * FROM posting",
        "DELETE FROM posting",
        "TRUNCATE posting",
        "UPDATE books SET closed_until = '-infinity'",
        "UPDATE hold SET state = 'released'",
        "ALTER TABLE posting DISABLE TRIGGER ALL",
        "DROP TRIGGER append_only ON posting",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (a int)",
        "CREATE OR REPLACE FUNCTION sign_of(kind text) RETURNS int IMMUTABLE RETURN 1",
        "SELECT nextval('journal_id')",
        "SELECT setval('journal_id', 1)",
    ],
)
async def test_what_the_service_may_not_do(database: Database, statement: str) -> None:
    await give(database, ANNA, 100)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(database, statement)


async def test_what_it_needs_it_may(database: Database) -> None:
    await give(database, ANNA, 100)
    async with database.transaction() as tx:
        await post(tx, key="k", kind="transfer", legs=[Leg(ANNA, BEN, 40)])
    async with database.reading() as tx:
        assert await audit(tx) == []
    assert (await held(database, ANNA), await held(database, BEN)) == (60, 40)


async def test_each_kind_of_connection_acts_as_the_role(database: Database) -> None:
    async with database.transaction() as tx, database.reading() as reading:
        own = await database.drivers.connect()
        for driver in (await tx.driver(), await reading.driver(), own):
            assert await driver.fetchval("SELECT current_user") == ROLE
        assert await reading.value(text("SELECT current_user")) == ROLE
        await own.execute("RESET ALL; RESET ROLE")
        assert await own.fetchval("SELECT current_user") == ROLE
        await own.close()


# ---- an owner and a login of their own -------------------------------------------------------------------


class Server:
    """A server with logins that are not superusers, and one empty database."""

    def __init__(self, admin: asyncpg.Connection, url: str, name: str) -> None:
        self.admin, self.url, self.name = admin, url, name
        self.role, self.owner, self.login = (f"{name}_{part}" for part in ("role", "owner", "login"))

    def as_login(self, login: str) -> str:
        return make_url(self.url).set(username=login, database=self.name).render_as_string(hide_password=False)

    @property
    def settings(self) -> Settings:
        urls = {"database_url": self.as_login(self.login), "database_owner_url": self.as_login(self.owner)}
        return Settings(**urls, database_role=self.role, environment="test")

    async def create(self, login: str, options: str = "") -> None:
        await self.admin.execute(f"CREATE ROLE {login} LOGIN {options}")


@pytest.fixture
async def server(server_url: str) -> AsyncIterator[Server]:
    admin = await asyncpg.connect(server_url)
    made = Server(admin, server_url, f"roles_{uuid4().hex[:10]}")
    await made.create(made.owner)
    await admin.execute(f"CREATE DATABASE {made.name} OWNER {made.owner} TEMPLATE template0")
    yield made
    await admin.execute(f"DROP DATABASE {made.name} WITH (FORCE)")
    for role in (made.role, made.login, made.owner):  # the owner last: it gave the login its membership
        await admin.execute(f"DROP ROLE IF EXISTS {role}")
    await admin.close()


Opener = Callable[[Settings], Database]


@pytest.fixture
async def opened(keys: Keyring, clock: ManualClock) -> AsyncIterator[Opener]:
    databases: list[Database] = []

    def make(settings: Settings) -> Database:
        databases.append(Database(settings.database_url, settings=settings, keys=keys, clock=clock))
        return databases[-1]

    yield make
    for database in databases:
        await database.close()


async def test_an_owner_migrates_and_a_login_serves_that_cannot_get_back(server: Server, opened: Opener) -> None:
    await server.admin.execute(f"ALTER ROLE {server.owner} CREATEROLE")
    await server.create(server.login)
    await migrate_for(server.settings)
    await migrate_for(server.settings)  # and nothing is lost or refused the second time
    database = opened(server.settings)
    await require_newest(database)
    await give(database, ANNA, 100)
    assert await held(database, ANNA) == 100
    for way_back in ("SET ROLE NONE", f"SET ROLE {server.owner}", "RESET SESSION AUTHORIZATION", "SELECT 1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction() as tx:
                await (await tx.driver()).execute(f"{way_back}; UPDATE account SET balance = 0")


async def test_without_an_owner_the_one_login_makes_the_role_and_steps_down_to_it(
    server: Server, opened: Opener
) -> None:
    await server.admin.execute(f"ALTER ROLE {server.owner} CREATEROLE")
    settings = msgspec.structs.replace(
        server.settings, database_owner_url="", database_url=server.as_login(server.owner)
    )
    await migrate_for(settings)
    database = opened(settings)
    await give(database, ANNA, 100)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(database, "UPDATE account SET balance = 0")


async def test_a_role_that_somebody_prepared_needs_no_right_to_make_roles(server: Server, opened: Opener) -> None:
    await server.create(server.login)
    await server.admin.execute(f"CREATE ROLE {server.role}; GRANT {server.role} TO {server.login}")
    await migrate_for(server.settings)
    await give(opened(server.settings), ANNA, 100)


async def test_an_owner_who_may_not_make_the_role_is_told(server: Server) -> None:
    await server.create(server.login)
    with pytest.raises(CannotRun, match=f"may not prepare the role {server.role}"):
        await migrate_for(server.settings)


async def test_a_login_that_is_not_there_is_named(server: Server) -> None:
    await server.admin.execute(f"ALTER ROLE {server.owner} CREATEROLE")
    with pytest.raises(CannotRun, match=server.login):
        await migrate_for(server.settings)


async def test_rights_come_back_with_the_next_migration(database: Database, owner: Database) -> None:
    """As in a copy that was restored without them."""
    await ask(owner, "SELECT 1 FROM posting LIMIT 1")
    async with owner.transaction() as tx:
        await (await tx.driver()).execute(
            f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}; GRANT DELETE ON posting TO {ROLE}"
        )
    assert await version(database) is None
    with pytest.raises(CannotRun, match="gateway migrate"):
        await require_newest(database)
    await migrate(owner.url)
    await require_newest(database)
    assert await rights(database, "posting") == READ


async def test_a_database_that_was_never_migrated_says_so_to_a_service_without_a_role(
    server: Server, opened: Opener
) -> None:
    settings = msgspec.structs.replace(server.settings, database_url=server.as_login(server.owner))
    assert await version(opened(settings)) is None
