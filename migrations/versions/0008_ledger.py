"""The complete ledger: one compact row a leg, hot accounts, holds, marks, closed periods, one posting function."""

from importlib import import_module
from pathlib import Path

from migrations.scripts import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"
_UPGRADE = ("tables", "views", "posting", "holds", "marks", "close", "reports", "append_only", "seals")


def upgrade() -> None:
    for part in _UPGRADE:
        run_script(_script(part))
    # What the former tables held counts at once: nothing can be under way below it.
    run_script("SELECT mark_balances(coalesce((SELECT max(journal_id) FROM posting), 0));")


def downgrade() -> None:
    """Holds, actors and reversals have no place in the former tables; their postings stay."""
    run_script(_script("downgrade"))
    import_module("migrations.versions.0002_ledger").upgrade()
    run_script(_script("downgrade_data"))


def _script(part: str) -> str:
    return (_SQL / f"0008_{part}.sql").read_text()
