"""SQLite gives the id of a deleted user or key to no other one, as PostgreSQL does anyway."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = depends_on = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes the tables anew with AUTOINCREMENT."""
    _remake(sqlite_autoincrement=True)


def downgrade() -> None:
    """Makes the tables anew without it."""
    _remake(sqlite_autoincrement=False)


def _remake(sqlite_autoincrement: bool) -> None:
    """Both tables under other names first, because dropping the users would delete the keys that refer to them."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_table(
        "new_users",
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("tokens_valid_after", MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('admin', 'service', 'reader')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_autoincrement=sqlite_autoincrement,
    )
    op.create_table(
        "new_api_keys",
        sa.Column("api_key_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["user_id"], ["new_users.user_id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("api_key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_api_keys_user_id_name")),
        sqlite_autoincrement=sqlite_autoincrement,
    )
    for table in ("users", "api_keys"):
        op.execute(f"INSERT INTO new_{table} SELECT * FROM {table}")  # noqa: S608 # names of our own
    for table in ("api_keys", "users"):
        op.drop_table(table)
    for table in ("users", "api_keys"):
        op.rename_table(f"new_{table}", table)
