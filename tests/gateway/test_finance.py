"""Finance's commands: what they take, who must sign, and what they print."""

import argparse
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pyotp
import pytest
from sqlalchemy import select

from core import four_eyes
from core import maintenance as service_maintenance
from core.clock import ManualClock
from core.database import Database
from core.errors import InvalidInput
from core.four_eyes import SelfApproval
from core.settings import Secret
from gateway import finance, finance_verbs
from gateway.errors import CannotRun
from gateway.seed import SeedSummary, StaffAccount, seed
from ledger import chart
from ledger.service import Leg, balance, post
from marketplace.catalogue.tables import restaurant
from marketplace.people import service as people
from marketplace.people import sim_changes
from marketplace.people.errors import WrongPassword
from marketplace.people.staff import add_staff
from payments import service as payments
from payments.decisions import Ruling
from payments.providers.campay import Campay
from payments.reconciliation.resolving import Resolution
from tests.payments.network import FakeCampay

pytestmark = pytest.mark.anyio

PAYER = "+237670000001"


@pytest.fixture
async def demo(database: Database) -> SeedSummary:
    return await seed(database)


@pytest.fixture
def campay(clock: ManualClock, database: Database, monkeypatch: pytest.MonkeyPatch) -> FakeCampay:
    """The only provider in use, at the other end of every adapter."""
    made = FakeCampay(clock)
    own = {"payment_providers": ("campay",), "campay_username": "demo", "campay_password": Secret("demo")}
    database.settings = msgspec.structs.replace(database.settings, **own)
    adapter = Campay(database.settings, http_client=made.client())
    monkeypatch.setattr("payments.providers.registry.build", lambda _: (adapter,))
    return made


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    finance_verbs.add_verbs(parser.add_subparsers(required=True), lambda _: "")
    return parser.parse_args([*words, "--language", "en"])


async def run(database: Database, *words: str) -> str:
    arguments = parse(*words)
    shown: str = await getattr(finance, arguments.does)(database, arguments)
    return shown


class Desk:
    """Somebody of finance at the terminal, with their password and one-time codes in the environment."""

    def __init__(self, database: Database, account: StaffAccount, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database, self.account, self.monkeypatch = database, account, monkeypatch

    async def run(self, *words: str) -> str:
        self.database.clock.advance(seconds=30)  # type: ignore[attr-defined] # a code works once
        code = pyotp.TOTP(self.account.totp_secret).at(self.database.clock.now())
        self.monkeypatch.setenv("STAFF_PASSWORD", self.account.password)
        self.monkeypatch.setenv("STAFF_TOTP", code)
        return await run(self.database, *words, "--as", self.account.username)


@pytest.fixture
def desks(database: Database, demo: SeedSummary, monkeypatch: pytest.MonkeyPatch) -> tuple[Desk, Desk]:
    one, other = (account for account in demo.staff if account.role == "finance")
    return Desk(database, one, monkeypatch), Desk(database, other, monkeypatch)


def proposed(shown: str) -> str:
    return shown.split()[1].rstrip(".")


async def held(database: Database, account: chart.Account | str) -> int:
    async with database.reading() as tx:
        return await balance(tx, account)


def test_the_parser_knows_every_ruling_and_resolution() -> None:
    assert set(finance_verbs.RULINGS) == set(Ruling)
    assert set(finance_verbs.RESOLUTIONS) == set(Resolution)


async def test_a_difference_is_found_shown_resolved_by_two_and_gone(
    database: Database, campay: FakeCampay, desks: tuple[Desk, Desk]
) -> None:
    campay.floats = {"mtn_balance": 3000, "orange_balance": 0}
    deposit = {"from": PAYER[1:], "amount": 3000, "external_reference": "-", "external_user": "-", "description": "-"}
    campay._record("collect", PAYER[1:], deposit)
    campay.decide("SUCCESSFUL")
    shown = await run(database, "reconcile", "--day", "2026-11-21")
    assert "theirs, not ours: put into suspense" in shown and "gateway resolve" in shown
    assert await held(database, chart.SUSPENSE_UNMATCHED) == 3800  # the list's own figure
    waiting = await run(database, "waiting")
    item = next(line.split()[0] for line in waiting.splitlines() if "put into suspense" in line)

    one, other = desks
    made = proposed(await one.run("resolve", item, "capital", "--reason", "a deposit"))
    assert made in await run(database, "waiting")
    with pytest.raises(SelfApproval):
        await one.run("approve", made)
    assert "Approved and done" in await other.run("approve", made)
    assert await held(database, chart.OWNERS_CAPITAL) == 3800


async def test_a_day_that_agrees_says_so(database: Database, campay: FakeCampay) -> None:
    campay.floats = {"mtn_balance": 0, "orange_balance": 0}
    shown = await run(database, "reconcile")
    assert "campay 0/0" in shown and shown.endswith("Everything agrees.")
    assert await run(database, "waiting") == "Nothing waits for a decision."


async def test_reconciling_with_nobody_is_refused(database: Database, campay: FakeCampay) -> None:
    with pytest.raises(CannotRun, match="is not in use"):
        await run(database, "reconcile", "--provider", "campaye")


async def test_payouts_are_proposed_batched_and_reported(
    database: Database, desks: tuple[Desk, Desk], tmp_path: Path
) -> None:
    async with database.transaction() as tx:
        owner_id: UUID = await tx.value(select(restaurant.c.id).where(restaurant.c.number == 45))
        legs = [Leg(chart.GOODWILL, chart.restaurant_payable(owner_id), 2_000_000)]
        await post(tx, key="earned", kind="t", legs=legs)
    one, other = desks
    file = tmp_path / "week-47.csv"
    file.write_text("restaurant,amount_xaf,note\n45,100000,week 47\n99,1000,\n", encoding="utf-8-sig")
    for _ in range(2):
        shown = await one.run("payout", "batch", str(file))
        assert shown.splitlines()[0] == "45: 100000 XAF asked for."
        assert shown.splitlines()[1].startswith("99: refused.")
    assert await held(database, chart.restaurant_payable(owner_id)) == 1_900_000

    made = proposed(await one.run("payout", "propose", "45", "700000", "--reason", "November"))
    assert "Rejected" in await other.run("reject", made)
    made = proposed(await one.run("payout", "propose", "45", "700000", "--reason", "November"))
    await other.run("approve", made)
    assert await held(database, chart.restaurant_payable(owner_id)) == 1_900_000 - 350_000
    database.clock.advance(seconds=1)  # type: ignore[attr-defined]
    shown = await run(database, "payout", "report")
    assert "week 47" in shown and "approved by two" in shown and "800 000" in shown


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("payout", "batch", "nowhere.csv", "--as", "finance")
    assert "nowhere.csv" in capsys.readouterr().err


async def test_a_payment_is_shown_as_text_and_as_json(database: Database) -> None:
    async with database.transaction() as tx:
        owed = await payments.request_collection(
            tx,
            purpose="order",
            reference=uuid4(),
            amount_xaf=3800,
            phone=PAYER,
            credit=chart.wallet(uuid4()),
            key="one",
        )
    shown = await run(database, "payment", "show", str(owed.id))
    assert shown.startswith(f"Collection {owed.id}: 3 800 XAF from +23767***01 (mtn) for order")
    (read,) = msgspec.json.decode(await run(database, "payment", "show", str(owed.id), "--format", "json"))
    assert (read["id"], read["attempts"][0]["state"]) == (str(owed.id), "PREPARED")


async def test_a_wrong_password_decides_nothing(
    database: Database, demo: SeedSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAFF_PASSWORD", "guess")
    monkeypatch.setenv("STAFF_TOTP", "000000")
    with pytest.raises(WrongPassword):
        await run(database, "approve", str(uuid4()), "--as", "finance")


async def test_support_decides_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = pyotp.random_base32()
    async with database.transaction() as tx:
        await add_staff(tx, username="support", role="support", password="a long password", totp_secret=secret)
    desk = Desk(database, StaffAccount("support", "support", "a long password", secret), monkeypatch)
    with pytest.raises(CannotRun, match="not of finance"):
        await desk.run("approve", str(uuid4()))


async def test_maintenance_is_switched_and_shown(database: Database, campay: FakeCampay) -> None:
    assert "campay mtn out of use since 2026-11-21 12:00" in await run(database, "maintenance", "campay", "mtn", "on")
    rows = {tuple(line.split()[:3]) for line in (await run(database, "providers")).splitlines()}
    assert {("campay", "mtn", "no"), ("campay", "orange", "yes")} <= rows
    assert await run(database, "maintenance", "campay", "mtn", "off") == "All providers are in use."
    for typo in (("campaye", "on"), ("campay", "mtm", "on")):
        with pytest.raises(CannotRun):
            await run(database, "maintenance", *typo)


async def test_a_sim_freeze_is_listed_and_lifted_by_two(database: Database, desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    assert await run(database, "sim-freeze", "list", "--language", "en") == "No number is frozen."
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone="+237670000001")
        told = {"source": "test", "reference": "1", "changed_at": tx.now}
        assert await sim_changes.tell(tx, phone="+237670000001", **told)
    assert await run(database, "sim-freeze", "list", "--language", "en") == f"{person.id} until 2026-11-22 12:00"
    await one.run("sim-freeze", "lift", "670000001", "--reason", "seen in person")
    async with database.reading() as tx:
        (waiting,) = await four_eyes.open_proposals(tx)
    await other.run("approve", str(waiting.id))
    assert await run(database, "sim-freeze", "list", "--language", "en") == "No number is frozen."


async def test_the_whole_service_is_shut_with_a_reason_and_opened(database: Database) -> None:
    words = ("maintenance", "on", "--until", "2026-11-21T14:30", "--reason", "a new server")
    assert await run(database, *words, "--language", "en") == (
        "The service is shut (a new server), as callers are told until 2026-11-21 15:30."
    )
    async with database.reading() as tx:
        (thrown,) = await service_maintenance.history(tx)
    assert thrown.is_on and thrown.thrown_by.startswith("shell:")
    assert await run(database, "maintenance", "off", "--language", "en") == "The service is open."
    with pytest.raises(InvalidInput):
        await run(database, "maintenance", "on")
    with pytest.raises(CannotRun):
        await run(database, "maintenance", "campay", "mtn", "orange", "on")
