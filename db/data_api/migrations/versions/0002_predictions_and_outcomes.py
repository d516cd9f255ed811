"""Predictions and outcomes, divided by ranges of their ids on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None
MOMENT = sa.DateTime(timezone=True)
BY_ID = "RANGE (prediction_id)"


def upgrade() -> None:
    """Makes the tables of what was predicted and what came true."""
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.Uuid, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("model_name", sa.String(200), nullable=False),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("label", sa.Boolean, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("caller", sa.String(200)),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("received", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_predictions")),
        postgresql_partition_by=BY_ID,
    )
    for column in ("model_version", "label"):
        op.create_index(op.f(f"ix_predictions_{column}_prediction_id"), "predictions", [column, "prediction_id"])
    op.create_table(
        "outcomes",
        sa.Column("prediction_id", sa.Uuid, nullable=False),
        sa.Column("outcome", sa.Boolean, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("received", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_outcomes")),
        postgresql_partition_by=BY_ID,
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("outcomes")
    op.drop_table("predictions")
