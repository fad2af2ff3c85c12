"""Access: roles and expiry of tokens, quotas, removed workspaces, secrets, and what workspaces have used."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("quota", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("workspaces", sa.Column("removed_at_ms", sa.BigInteger(), nullable=True))
    # Every token of before opened everything.
    op.add_column("tokens", sa.Column("role", sa.String(length=20), nullable=False, server_default="admin"))
    op.add_column("tokens", sa.Column("expires_at_ms", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("workload_id", sa.String(length=64), nullable=True))
    op.create_index("tokens_good", "tokens", ["revoked_at_ms"], unique=False)
    op.create_index("events_by_workspace", "events", ["workspace_id", "id"], unique=False)
    op.create_table(
        "data_keys",
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("master_key_id", sa.String(length=16), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_table(
        "secrets",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("visibility", sa.String(length=10), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workspace_id", "name"),
    )
    op.create_table(
        "usage",
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("cpu_s", sa.Float(), nullable=False),
        sa.Column("replica_s", sa.Float(), nullable=False),
        sa.Column("worker_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "hour_ms"),
    )
