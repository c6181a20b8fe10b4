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

# What the former tables held counts at once: nothing can be under way below it. Marks now and then, for statements.
_MARKS = """
SELECT mark_balances(least(up_to, last))
FROM (SELECT max(journal_id) AS last FROM posting) AS posted, generate_series(20000, last + 19999, 20000) AS up_to;
"""


def upgrade() -> None:
    for part in _UPGRADE:
        run_script(_script(part))
    run_script(_MARKS)


def downgrade() -> None:
    """Holds, actors and reversals have no place in the former tables; their postings stay."""
    run_script(_script("downgrade"))
    import_module("migrations.versions.0002_ledger").upgrade()
    run_script(_script("downgrade_data"))


def _script(part: str) -> str:
    return (_SQL / f"0008_{part}.sql").read_text()
