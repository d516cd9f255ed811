"""Keys that went with their user, so that none of them comes back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "retired_keys",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("retired", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_retired_keys")),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("retired_keys")
