"""A period that crosses into a new version, or whose terms change, has several parts of one tariff on one document."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: SQLite makes the table anew, and its triggers go with the old one (0003).
_TRIGGERS = (
    "CREATE TRIGGER parts_stand BEFORE UPDATE ON parts BEGIN SELECT RAISE(ABORT, 'parts: rows are only ever added'); END",
    "CREATE TRIGGER parts_stay BEFORE DELETE ON parts BEGIN SELECT RAISE(ABORT, 'parts: rows are only ever added'); END",
    "CREATE TRIGGER parts_before_issue BEFORE INSERT ON parts "
    "WHEN (SELECT state FROM documents WHERE utility = NEW.utility AND id = NEW.document) NOT IN ('draft', 'held') "
    "BEGIN SELECT RAISE(ABORT, 'parts: the document is no draft any more'); END",
)


def upgrade() -> None:
    with op.batch_alter_table("parts") as batch:
        batch.add_column(sa.Column("seq", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch.drop_constraint("pk_parts", type_="primary")
        batch.create_primary_key("pk_parts", ["utility", "document", "tariff", "seq"])
    _triggers()


def downgrade() -> None:
    """Refused by the database where a document has two parts of a tariff: the release before cannot read it."""
    with op.batch_alter_table("parts") as batch:
        batch.drop_constraint("pk_parts", type_="primary")
        batch.drop_column("seq")
        batch.create_primary_key("pk_parts", ["utility", "document", "tariff"])
    _triggers()


def _triggers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for statement in _TRIGGERS:
            op.execute(statement)
