"""The event log, divided by ranges of ids on PostgreSQL, and the tables of which a model version takes events."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = depends_on = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes the tables, and adds the column."""
    op.create_table(
        "events",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("key", sa.JSON, nullable=False),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        postgresql_partition_by="RANGE (event_id)",
    )
    op.create_index(op.f("ix_events_position"), "events", ["position"])
    positions = op.create_table(
        "event_positions",
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_event_positions")),
    )
    op.bulk_insert(positions, [{"row": 1, "last": 0}])
    op.add_column("models", sa.Column("tables", sa.JSON))


def downgrade() -> None:
    """Drops them."""
    op.drop_column("models", "tables")
    op.drop_table("event_positions")
    op.drop_table("events")
