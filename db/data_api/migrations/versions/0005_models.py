"""Models: what their columns held in training."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "models",
        *(sa.Column(name, sa.String(200), nullable=False) for name in ("model_version", "model_name")),
        sa.Column("reference", sa.JSON, nullable=False),
        sa.Column("told", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model_version", name=op.f("pk_models")),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("models")
