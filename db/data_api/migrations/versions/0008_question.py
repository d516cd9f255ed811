"""What a model predicts, so that only models that answer the same question are scored together."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.add_column("models", sa.Column("question", sa.String(1000)))


def downgrade() -> None:
    """Drops it."""
    op.drop_column("models", "question")
