"""Who shares a meter is billed by all records of its point, whatever account they were sent for."""

from __future__ import annotations

from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_usage_records_point", "usage_records", ["utility", "point", "end"])


def downgrade() -> None:
    op.drop_index("ix_usage_records_point", "usage_records")
