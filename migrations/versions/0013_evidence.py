"""One event per turn of a conversation, experiments; and any language that has a catalogue."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_person_language"), "person")


def downgrade() -> None:
    op.execute("UPDATE person SET language = 'en' WHERE language NOT IN ('fr', 'en')")
    op.create_check_constraint(op.f("ck_person_language"), "person", "language IN ('fr', 'en')")
