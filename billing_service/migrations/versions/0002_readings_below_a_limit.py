"""Readings below a limit of detection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Added in place: a batch would copy every record.
    op.add_column('usage_records', sa.Column('below', sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column('usage_records', 'below')
