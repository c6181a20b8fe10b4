"""`gateway doctor --deep` and `gateway receipt`: what the seals of the ledger prove (docs/tamper-evidence.md)."""

from pathlib import Path

from core.database import Database
from gateway.doctor import examine
from gateway.errors import CannotRun
from ledger.inspection import Sealed, inspect
from ledger.receipts import NoReceipt, issue, tell, verify


async def examine_deeply(database: Database) -> tuple[list[str], str]:
    """A sentence for each thing that is wrong, in the sealed journals and everywhere else; and how far is sealed."""
    async with database.reading() as tx:
        sealed = await inspect(tx, seal_log=database.settings.seal_log)
    return [*sealed.findings, *await examine(database)], _how_far(sealed)


def _how_far(sealed: Sealed) -> str:
    if sealed.sealed_at is None:
        return "Nothing is sealed yet."
    return (
        f"Sealed up to journal {sealed.last_journal} at {sealed.sealed_at}; "
        f"the head of seal {sealed.seals} is {sealed.head.hex()}"
    )


async def issue_receipt(database: Database, journal: str) -> str:
    """The receipt of a journal, as a file. Raises CannotRun."""
    if not journal.isdecimal():
        raise CannotRun("`gateway receipt` needs a journal's number, or `verify` and a file.")
    try:
        async with database.reading() as tx:
            return (await issue(tx, journal_id=int(journal))).file().decode()
    except NoReceipt as refusal:
        raise CannotRun(str(refusal)) from None


def check_receipt(path: Path | None, *, head: str) -> list[str]:
    """What the receipt in `path` proves. Needs no database. Raises CannotRun."""
    if path is None:
        raise CannotRun("`gateway receipt verify` needs a file.")
    try:
        told = tell(verify(path.read_bytes(), head=head))
    except OSError as problem:
        raise CannotRun(f"{path}: {problem.strerror}") from None
    except NoReceipt as refusal:
        raise CannotRun(f"{path}: {refusal}") from None
    if not head:
        told.append("Compare it with the head that was published, or give that with --head.")
    return told
