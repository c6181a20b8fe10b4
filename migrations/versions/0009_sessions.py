"""Sessions of callers, where there is no Redis."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "ussd_session",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("packed", sa.LargeBinary),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("lease", sa.Uuid),
        sa.Column("leased_until", INSTANT),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_ussd_session_phone_index", "ussd_session", ["phone_index"])


def downgrade() -> None:
    op.drop_table("ussd_session")
