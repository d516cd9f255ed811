"""Deployments: which model answered, from when to when."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = depends_on = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "deployments",
        sa.Column("deployment_id", sa.Uuid, nullable=False),
        *(sa.Column(name, sa.String(200), nullable=False) for name in ("replica", "model_name", "model_version")),
        sa.Column("git_commit", sa.String(64)),
        sa.Column("model_uri", sa.String(1000), nullable=False),
        sa.Column("sha256", sa.JSON, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("started", MOMENT, nullable=False),
        sa.Column("seen", MOMENT, nullable=False),
        sa.Column("ended", MOMENT),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_deployments")),
    )
    op.create_index(op.f("ix_deployments_started_deployment_id"), "deployments", ["started", "deployment_id"])


def downgrade() -> None:
    """Drops it."""
    op.drop_table("deployments")
