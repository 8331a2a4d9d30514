"""A changed account is its next revision: name, class and address are never overwritten, and the first row stands too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ADDED = "rows are only ever added"
_KEYS = {"accounts": ("utility", "account"), "account_revisions": ("utility", "account", "revision")}


def upgrade() -> None:
    op.add_column("accounts", sa.Column("known", sa.Date()))
    op.create_table(
        "account_revisions",
        sa.Column("utility", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "class", "address", "district")),
        sa.Column("known", sa.Date(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("utility", "account", "revision", name="pk_account_revisions"),
        sa.ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"], name="fk_account_revisions_utility_account_accounts"),
        sa.ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"], name="fk_account_revisions_utility_import_id_imports"),
    )
    for table, key in _KEYS.items():
        _guard(table, key)
    if op.get_bind().dialect.name == "postgresql":
        mine = "utility = current_setting('billing.utility', true)"
        op.execute(f"CREATE POLICY own ON account_revisions USING ({mine}) WITH CHECK ({mine})")
        op.execute("ALTER TABLE account_revisions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """What changed about accounts goes with its table: the release before has their first rows alone."""
    op.drop_table("account_revisions")
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in ("stand", "stay", "once") if sqlite else ("stand", "not_emptied"):
        op.execute(f"DROP TRIGGER accounts_{name}{'' if sqlite else ' ON accounts'}")
    op.drop_column("accounts", "known")


def _guard(table: str, key: tuple[str, ...]) -> None:
    """Rows come, and never change, go or take another's place (0003)."""
    if op.get_bind().dialect.name == "sqlite":
        same = " AND ".join(f"{name} = NEW.{name}" for name in key)
        # REPLACE tells no DELETE trigger; a row without a rowid of its own asks with -1 here.
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {same}) OR (NEW.rowid <> -1 AND EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid))"
        for name, when in (("stand", "UPDATE"), ("stay", "DELETE"), ("once", "INSERT")):
            condition = f"WHEN {there} " if name == "once" else ""
            op.execute(f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} {condition}BEGIN SELECT RAISE(ABORT, '{table}: {_ADDED}'); END")
        return
    said = f"EXECUTE FUNCTION billing_refuse('{_ADDED}')"
    op.execute(f"CREATE TRIGGER {table}_stand BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {said}")
    op.execute(f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {said}")
