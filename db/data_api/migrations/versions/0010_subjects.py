"""What a prediction is about, and which one is official; indexes for finding those, and the newest event of a table."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = depends_on = None
COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "subject": sa.String(1000),
    "as_of": sa.DateTime(timezone=True),
    "log_position": sa.BigInteger(),
    "official": sa.Boolean(),
}
OF_SUBJECTS = sa.text("subject IS NOT NULL")


def upgrade() -> None:
    """Adds the columns and the indexes; PostgreSQL's ordered indexes refuse texts as long as a subject may be."""
    for name, kind in COLUMNS.items():
        op.add_column("predictions", sa.Column(name, kind))
    only: dict[str, Any] = {"postgresql_where": OF_SUBJECTS, "sqlite_where": OF_SUBJECTS}
    op.create_index(op.f("ix_predictions_subject"), "predictions", ["subject"], postgresql_using="hash", **only)
    op.create_index(op.f("ix_predictions_official_prediction_id"), "predictions", ["official", "prediction_id"], **only)
    op.create_index(op.f("ix_events_table_name_event_id"), "events", ["table_name", "event_id"])


def downgrade() -> None:
    """Drops them."""
    op.drop_index(op.f("ix_events_table_name_event_id"), "events")
    op.drop_index(op.f("ix_predictions_official_prediction_id"), "predictions")
    op.drop_index(op.f("ix_predictions_subject"), "predictions")
    for name in COLUMNS:
        op.drop_column("predictions", name)
