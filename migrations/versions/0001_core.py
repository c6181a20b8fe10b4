"""The effects table, the workers' signs of life, and the job queue's own tables."""

import sqlalchemy as sa
from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from sqlalchemy.dialects import postgresql

from migrations.scripts import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "effect",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("result", postgresql.JSONB),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "worker_heartbeat",
        sa.Column("worker_id", sa.Uuid, primary_key=True),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
    )
    run_script(QueryBuilderEnvironment().build_install_query())


def downgrade() -> None:
    run_script(QueryBuilderEnvironment().build_uninstall_query())
    op.drop_table("worker_heartbeat")
    op.drop_table("effect")
