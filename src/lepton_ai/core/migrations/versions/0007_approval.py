"""Up to which generation an endpoint's replicas may get requests, where its rollouts wait for approval."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("approved_generation", sa.Integer(), nullable=False, server_default="1"))
