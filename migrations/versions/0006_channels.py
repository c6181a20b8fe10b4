"""Nothing yet: channels keep no tables beside those of 0005; limits and sessions live in Redis or in process."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
