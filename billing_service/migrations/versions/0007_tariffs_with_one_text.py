"""Two tariffs may have one text: it is kept once, and each has its own name, dates and adoption."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from billing_service.store.types import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ADOPTED = ["utility", "digest", "by", "at", "document"]
_ADOPTION = ", ".join(f'one."{name}"' for name in _ADOPTED)
_NAMES = ("utility", "tariff", "digest", "effective", "revision", "known", "end")


def upgrade() -> None:
    op.create_table(
        "version_names",
        sa.Column("utility", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("effective", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("known", sa.Date()),
        sa.Column("end", sa.Date()),
        sa.PrimaryKeyConstraint("utility", "tariff", "digest", name="pk_version_names"),
        sa.ForeignKeyConstraint(["utility", "digest"], ["versions.utility", "versions.digest"], name="fk_version_names_utility_digest_versions"),
    )
    _seen(True)
    names = ", ".join(f'"{name}"' for name in _NAMES)
    op.execute(f"INSERT INTO version_names ({names}) SELECT {names} FROM versions")
    same = "kept.utility = one.utility AND kept.digest = one.digest"
    rows = _rows(f"SELECT {_ADOPTION}, kept.tariff FROM adoptions one JOIN versions kept ON {same}")
    _seen(False)
    _adoptions_anew([*_ADOPTED, "tariff"], ["tariff", "digest"], "version_names", rows)
    _guard("version_names")


def downgrade() -> None:
    """Refused by the database where two tariffs with one text were adopted: the release before cannot tell them apart."""
    _seen(True)
    rows = _rows(f"SELECT {_ADOPTION} FROM adoptions one")
    _seen(False)
    _adoptions_anew(_ADOPTED, ["digest"], "versions", rows)
    op.drop_table("version_names")


def _rows(query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in op.get_bind().execute(sa.text(query)).mappings()]


def _adoptions_anew(columns: list[str], key: list[str], other: str, rows: list[dict[str, Any]]) -> None:
    """They are few, so they go through here: no database of ours alters the key of a table that others look at."""
    op.drop_table("adoptions")
    made = [sa.Column(name, Instant() if name == "at" else sa.Text(), nullable=False) for name in columns]
    reference = sa.ForeignKeyConstraint(
        ["utility", *key], [f"{other}.{name}" for name in ("utility", *key)], name=f"fk_adoptions_utility_{'_'.join(key)}_{other}"
    )
    op.create_table("adoptions", *made, sa.PrimaryKeyConstraint("utility", *key, name="pk_adoptions"), reference)
    if rows:
        names = ", ".join(f'"{name}"' for name in columns)
        op.get_bind().execute(sa.text(f"INSERT INTO adoptions ({names}) VALUES ({', '.join(f':{name}' for name in columns)})"), rows)  # noqa: S608
    _guard("adoptions")


def _seen(whole: bool) -> None:
    """On PostgreSQL let the owner see all utilities' rows for a moment: no policy names them all."""
    if op.get_bind().dialect.name == "postgresql":
        for table in ("versions", "adoptions"):
            op.execute(f"ALTER TABLE {table} {'NO FORCE' if whole else 'FORCE'} ROW LEVEL SECURITY")


def _guard(table: str) -> None:
    """Rows come and never change or go, and belong to one utility (0003)."""
    if op.get_bind().dialect.name == "sqlite":
        for name, verb in (("stand", "UPDATE"), ("stay", "DELETE")):
            op.execute(f"CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table}: rows are only ever added'); END")
        return
    added = "EXECUTE FUNCTION billing_refuse('rows are only ever added')"
    op.execute(f"CREATE TRIGGER {table}_stand BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {added}")
    op.execute(f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {added}")
    mine = "utility = current_setting('billing.utility', true)"
    op.execute(f"CREATE POLICY own ON {table} USING ({mine}) WITH CHECK ({mine})")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
