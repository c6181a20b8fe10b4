"""A person may answer for several restaurants."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("uq_restaurant_phone_person_id"), "restaurant_phone")
    name = op.f("uq_restaurant_phone_person_id_restaurant_id")
    op.create_unique_constraint(name, "restaurant_phone", ["person_id", "restaurant_id"])


def downgrade() -> None:
    """Refused by the database while somebody answers for two."""
    op.create_unique_constraint(op.f("uq_restaurant_phone_person_id"), "restaurant_phone", ["person_id"])
    op.drop_constraint(op.f("uq_restaurant_phone_person_id_restaurant_id"), "restaurant_phone")
