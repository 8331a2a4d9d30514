"""Events, keys, entitlements, shares, chunks, holds; append-only tables; on PostgreSQL a wall between utilities."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from billing_service.store.types import Exact, Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Rows come, and never change or go.
APPEND_ONLY = (
    "adoptions",
    "contracts",
    "events",
    "idempotency",
    "import_problems",
    "imports",
    "lines",
    "parts",
    "reliefs",
    "shares",
    "usage_records",
    "versions",
)
WALLED = (
    *APPEND_ONLY,
    "accounts",
    "api_keys",
    "billed",
    "documents",
    "exceptions",
    "holds",
    "run_chunks",
    "runs",
    "series",
)
#: Tables that are loaded by COPY, where no policy can hold.
LOADED = ("documents", "parts", "lines", "billed", "exceptions", "usage_records")
#: What stands about a document from its first moment; a draft may still get a state, a number and its day of issue.
_FIXED = ("utility", "id", "run", "kind", "account", "period_start", "period_end", "currency", "direction", "total", "corrects", "reason", "known")
_OPEN = "('draft', 'held')"
_NEW_TABLES = ("run_chunks", "holds", "reliefs", "shares", "events", "api_keys", "idempotency")


def upgrade() -> None:
    _columns()
    _tables()
    if op.get_bind().dialect.name == "sqlite":
        _triggers_of_sqlite()
    else:
        _triggers_of_postgresql()
        _walls()


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _execute(f"DROP TRIGGER {name}" for name in (*_sqlite_triggers(), "documents_stand", "documents_stay", "lines_before_issue", "parts_before_issue"))
    else:
        for table in (*WALLED, "utilities"):
            op.execute(f"DROP POLICY own ON {table}")
            op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
        for function in ("billing_refuse", "billing_refuse_late", "billing_refuse_foreign"):
            op.execute(f"DROP FUNCTION {function}() CASCADE")
    for table in reversed(_NEW_TABLES):
        op.drop_table(table)
    for index in ("ix_documents_account", "ix_documents_issued", "ix_documents_corrects"):
        op.drop_index(index, "documents")
    op.drop_index("ix_usage_records_account", "usage_records")
    for column in ("corrects", "reason", "known"):
        op.drop_column("documents", column)
    op.drop_column("runs", "options")
    op.drop_column("utilities", "settings")
    with op.batch_alter_table("contracts") as batch:
        batch.drop_constraint("pk_contracts", type_="primary")
        batch.drop_column("revision")
        batch.create_primary_key("pk_contracts", ["utility", "contract", "from"])


def _columns() -> None:
    op.add_column("utilities", _default("settings", "{}"))
    op.add_column("runs", _default("options", "{}"))
    op.add_column("documents", sa.Column("corrects", sa.Text()))
    op.add_column("documents", _default("reason", ""))
    op.add_column("documents", sa.Column("known", sa.Date()))
    op.create_index("ix_documents_account", "documents", ["utility", "account", "period_start", "id"])
    for name, columns in (("issued", ["utility", "issued_at", "id"]), ("corrects", ["utility", "corrects"])):
        there = sa.text(f"{columns[1]} IS NOT NULL")
        op.create_index(f"ix_documents_{name}", "documents", columns, sqlite_where=there, postgresql_where=there)
    op.create_index("ix_usage_records_account", "usage_records", ["utility", "account", "end"])
    with op.batch_alter_table("contracts") as batch:
        batch.add_column(sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch.drop_constraint("pk_contracts", type_="primary")
        batch.create_primary_key("pk_contracts", ["utility", "contract", "from", "revision"])


def _tables() -> None:
    op.create_table(
        "run_chunks",
        *_texts("utility", "run"),
        _whole("seq"),
        *_texts("first_account", "last_account"),
        _default("state", "waiting"),
        _default("worker", ""),
        sa.Column("lease_until", Instant()),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _default("counts", "{}"),
        _key("run_chunks", "utility", "run", "seq"),
        _reference("run_chunks", "runs", "run", "id"),
    )
    op.create_table(
        "holds",
        *_texts("utility", "document", "rule", "run", "values", "reason"),
        _default("state", "held"),
        sa.Column("by", sa.Text()),
        sa.Column("at", Instant()),
        _default("note", ""),
        _key("holds", "utility", "document", "rule"),
        _reference("holds", "documents", "document", "id"),
    )
    op.create_index("ix_holds_utility_run", "holds", ["utility", "run"])
    op.create_table(
        "reliefs",
        *_texts("utility", "id"),
        _revision(),
        *_texts("account"),
        _default("contract", ""),
        _default("tariff", ""),
        *_texts("facts"),
        sa.Column("from", sa.Date(), nullable=False),
        sa.Column("to", sa.Date()),
        *_texts("proof"),
        sa.Column("known", sa.Date()),
        *_recorded(),
        _key("reliefs", "utility", "id", "revision"),
        _reference("reliefs", "accounts", "account", "account"),
    )
    op.create_index("ix_reliefs_utility_account", "reliefs", ["utility", "account"])
    op.create_table(
        "shares",
        *_texts("utility", "point", "account"),
        sa.Column("from", sa.Date(), nullable=False),
        _revision(),
        sa.Column("to", sa.Date()),
        sa.Column("parts", Exact(6), nullable=False),
        _default("contract", ""),
        sa.Column("known", sa.Date()),
        *_recorded(),
        _key("shares", "utility", "point", "account", "from", "revision"),
        _reference("shares", "accounts", "account", "account"),
    )
    op.create_index("ix_shares_utility_account", "shares", ["utility", "account"])
    op.create_table(
        "events",
        *_texts("utility"),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        *_texts("actor", "kind", "subject", "data", "previous", "hash"),
        _key("events", "utility", "seq"),
        _utility("events"),
    )
    op.create_index("ix_events_utility_subject", "events", ["utility", "subject"])
    op.create_table(
        "api_keys",
        *_texts("utility", "id", "name", "hash", "scopes", "created_by"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant()),
        sa.Column("revoked_at", Instant()),
        _key("api_keys", "utility", "id"),
        _utility("api_keys"),
    )
    op.create_table(
        "idempotency",
        *_texts("utility", "method", "path", "key", "body_sha256"),
        _whole("status"),
        _default("headers", "{}"),
        *_texts("response"),
        sa.Column("at", Instant(), nullable=False),
        _key("idempotency", "utility", "method", "path", "key"),
        _utility("idempotency"),
    )


def _triggers_of_sqlite() -> None:
    _execute(_sqlite_triggers().values())
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _FIXED)
    op.execute(
        f"CREATE TRIGGER documents_stand BEFORE UPDATE ON documents WHEN OLD.state NOT IN {_OPEN} OR {changed} "
        "BEGIN SELECT RAISE(ABORT, 'documents: an issued or cancelled document stands, and so does the content of a draft'); END"
    )
    op.execute("CREATE TRIGGER documents_stay BEFORE DELETE ON documents BEGIN SELECT RAISE(ABORT, 'documents: rows stay'); END")
    for table in ("lines", "parts"):
        op.execute(
            f"CREATE TRIGGER {table}_before_issue BEFORE INSERT ON {table} "
            f"WHEN (SELECT state FROM documents WHERE utility = NEW.utility AND id = NEW.document) NOT IN {_OPEN} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: the document is no draft any more'); END"
        )


def _sqlite_triggers() -> dict[str, str]:
    return {
        f"{table}_{name}": f"CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table}: rows are only ever added'); END"
        for table in APPEND_ONLY
        for name, verb in (("stand", "UPDATE"), ("stay", "DELETE"))
    }


def _triggers_of_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION billing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    added = "EXECUTE FUNCTION billing_refuse('rows are only ever added')"
    for table in APPEND_ONLY:
        op.execute(f"CREATE TRIGGER {table}_stand BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {added}")
    for table in (*APPEND_ONLY, "documents"):
        op.execute(f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {added}")
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _FIXED)
    op.execute(
        f"CREATE TRIGGER documents_stand BEFORE UPDATE ON documents FOR EACH ROW WHEN (OLD.state NOT IN {_OPEN} OR {changed}) "
        "EXECUTE FUNCTION billing_refuse('an issued or cancelled document stands, and so does the content of a draft')"
    )
    op.execute("CREATE TRIGGER documents_stay BEFORE DELETE ON documents FOR EACH ROW EXECUTE FUNCTION billing_refuse('rows stay')")
    # Both look once a statement, over all rows it added: a look at each row by itself would halve the speed of COPY. They run
    # as the owner of the tables, since the role that loads in bulk may see nothing (and no policy holds for it).
    mine = "current_setting('billing.utility', true)"
    _function(
        "billing_refuse_late",
        # A look-up for each document, which no planner turns into a join: on tables without statistics it chose one over all pairs.
        "IF EXISTS (SELECT FROM (SELECT DISTINCT utility, document FROM added) one WHERE coalesce("
        f"(SELECT d.state FROM documents d WHERE d.utility = one.utility AND d.id = one.document AND d.utility = {mine}), '') NOT IN {_OPEN})",
        "the document is no draft of this utility",
    )
    _function("billing_refuse_foreign", f"IF EXISTS (SELECT FROM added WHERE utility IS DISTINCT FROM {mine})", "rows of another utility")
    for table in LOADED:
        name, function = ("before_issue", "billing_refuse_late") if table in {"lines", "parts"} else ("own", "billing_refuse_foreign")
        op.execute(
            f"CREATE TRIGGER {table}_{name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )


def _function(name: str, condition: str, said: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN {condition} THEN "
        f"RAISE EXCEPTION '%: {said}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NULL; END $$"
    )


def _walls() -> None:
    """Every row of another utility is invisible and out of reach, for the owner of the tables too; without a utility, all are."""
    for table in (*WALLED, "utilities"):
        key = "id" if table == "utilities" else "utility"
        mine = f"{key} = current_setting('billing.utility', true)"
        op.execute(f"CREATE POLICY own ON {table} USING ({mine}) WITH CHECK ({mine})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def _execute(statements: Iterable[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _default(name: str, value: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text(f"'{value}'"), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _revision() -> sa.Column[int]:
    return sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _recorded() -> list[sa.Column[object]]:
    return [sa.Column("recorded_by", sa.Text(), nullable=False), sa.Column("recorded_at", Instant(), nullable=False)]


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _reference(table: str, other: str, column: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["utility", column], [f"{other}.utility", f"{other}.{key}"], name=f"fk_{table}_utility_{column}_{other}")


def _utility(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["utility"], ["utilities.id"], name=f"fk_{table}_utility_utilities")
