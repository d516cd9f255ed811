"""Moments get the names that moments have elsewhere: they end in _at or say after what."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = depends_on = None
RENAMED = {
    "api_keys": {"created": "created_at", "last_used": "last_used_at", "revoked": "revoked_at"},
    "deployments": {"started": "started_at", "seen": "last_seen_at", "ended": "ended_at"},
    "models": {"told": "updated_at"},
    "outcomes": {"received": "received_at"},
    "predictions": {"received": "received_at"},
    "retired_keys": {"retired": "retired_at"},
    "users": {"created": "created_at", "tokens_from": "tokens_valid_after"},
}


def upgrade() -> None:
    """Renames the columns, which touches no row; the months of a partitioned table follow it."""
    for table, columns in RENAMED.items():
        for old, new in columns.items():
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    _index_deployments("started", "started_at")


def downgrade() -> None:
    """Gives them their old names."""
    for table, columns in RENAMED.items():
        for old, new in columns.items():
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
    _index_deployments("started_at", "started")


def _index_deployments(old: str, new: str) -> None:
    op.drop_index(op.f(f"ix_deployments_{old}_deployment_id"), "deployments")
    op.create_index(op.f(f"ix_deployments_{new}_deployment_id"), "deployments", [new, "deployment_id"])
