"""What outlives a turn: intents whose outcome an SMS tells, changes of SIM, maintenance."""

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
