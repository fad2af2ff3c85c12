"""How many replicas an endpoint is to have now, which may follow its traffic."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("desired_replicas", sa.Integer(), nullable=False, server_default="1"))
    op.execute("UPDATE endpoints SET desired_replicas = json_extract(spec, '$.min_replicas')")
