"""Buckets, key-value namespaces, queues, photons."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "objects",
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.Column("blob", sa.String(length=40), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "bucket", "key"),
        sa.UniqueConstraint("blob"),
    )
    for name in ("kv_namespaces", "queues"):
        op.create_table(
            name,
            sa.Column("id", sa.String(length=40), nullable=False),
            sa.Column("workspace_id", sa.String(length=64), nullable=False),
            sa.Column("name", sa.String(length=64), nullable=False),
            sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
            sa.Column("created_by", sa.String(length=80), nullable=False),
            sa.PrimaryKeyConstraint("id"),
            sa.UniqueConstraint("workspace_id", "name"),
        )
    op.create_table(
        "kv_values",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["kv_namespaces.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("namespace_id", "key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "queue_messages",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("queue_id", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("visible_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["queue_id"], ["queues.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position"),
        sqlite_autoincrement=True,
    )
    op.create_index("queue_messages_by_queue", "queue_messages", ["queue_id", "position"], unique=False)
    op.create_index("queue_messages_by_receipt", "queue_messages", ["receipt"], unique=False)
    op.create_table(
        "photons",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("photons_by_name", "photons", ["workspace_id", "namespace", "name"], unique=False)
    op.create_index("photons_by_digest", "photons", ["digest"], unique=False)
