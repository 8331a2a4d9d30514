"""No row takes another's place in SQLite, whatever a connection has set; who signed a run and what a person decided stand.

``INSERT OR REPLACE`` removes the row it replaces, and SQLite tells no DELETE trigger of it unless the connection has set
``recursive_triggers``. So a trigger before each INSERT refuses a key that is there, the hidden ``rowid`` too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: Nothing is ever replaced in these: what stays (0003, 0007), and what is changed in few ways (below).
ONCE = (
    "adoptions",
    "billed",
    "contracts",
    "documents",
    "events",
    "exceptions",
    "holds",
    "idempotency",
    "import_problems",
    "imports",
    "lines",
    "parts",
    "reliefs",
    "runs",
    "shares",
    "usage_records",
    "version_names",
    "versions",
)
_ADDED = "rows are only ever added"
_RUN_STANDS = "what a run bills by and who signed it stand, and its steps follow each other"
_RUN_STAYS = "a run stays once it is billed"
_HOLD_STANDS = "what was decided stands, and so does why a bill was held"
_BILLED = "what was issued is billed"
_STEPS = {
    "running": "('draft', 'empty', 'cancelled')",
    "draft": "('reviewed', 'cancelled')",
    "reviewed": "('approved', 'cancelled')",
    "approved": "('issuing', 'cancelled')",
    "issuing": "('issued')",
}
#: Set once, in the step that leads to this state.
_SIGNED = {"reviewed": "reviewed", "approved": "approved", "issued": "issuing", "cancelled": "cancelled"}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, table, when, condition, said in _of_sqlite():
            op.execute(f"CREATE TRIGGER {name} BEFORE {when} ON {table} {f'WHEN {condition} ' if condition else ''}BEGIN SELECT RAISE(ABORT, '{table}: {said}'); END")
        return
    for name, table, when, condition, said in _guards("IS DISTINCT FROM"):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {when} ON {table} FOR EACH ROW {f'WHEN ({condition}) ' if condition else ''}EXECUTE FUNCTION billing_refuse('{said}')"
        )
    for table in _GUARDED:
        op.execute(f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('{_ADDED}')")
    # Once a statement: a run of a million is taken back by one.
    op.execute(
        "CREATE FUNCTION billing_refuse_release() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN "
        "IF EXISTS (SELECT FROM (SELECT DISTINCT utility, run FROM gone) one WHERE "
        "(SELECT state FROM runs WHERE runs.utility = one.utility AND runs.id = one.run) IN ('issuing', 'issued')) THEN "
        f"RAISE EXCEPTION '%: {_BILLED}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER billed_stay AFTER DELETE ON billed REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_release()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, *_ in _of_sqlite():
            op.execute(f"DROP TRIGGER {name}")
        return
    for name, table, *_ in _guards("IS DISTINCT FROM"):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for table in _GUARDED:
        op.execute(f"DROP TRIGGER {table}_not_emptied ON {table}")
    op.execute("DROP FUNCTION billing_refuse_release() CASCADE")


_GUARDED = ("billed", "exceptions", "holds", "runs")


def _guards(differs: str) -> list[tuple[str, str, str, str, str]]:
    """(name, table, when, condition, what is said), the same on both databases; ``differs`` compares also nothing with something."""

    def changed(*names: str) -> str:
        return " OR ".join(f'OLD."{name}" {differs} NEW."{name}"' for name in names)

    steps = " OR ".join(f"(OLD.state = '{before}' AND NEW.state IN {after})" for before, after in _STEPS.items())
    signed = " OR ".join(
        f"(({changed(f'{name}_by', f'{name}_at')}) AND NOT (OLD.{name}_by IS NULL AND OLD.state <> NEW.state AND NEW.state = '{state}'))"
        for name, state in _SIGNED.items()
    )
    fixed = changed("utility", "id", "period_start", "period_end", "as_of", "known", "created_by")
    closed = f"(OLD.state IN ('issued', 'cancelled', 'empty')) OR (OLD.state <> 'running' AND ({changed('kind', 'counts')}))"
    late = f"(OLD.state <> 'approved' AND ({changed('options')}))"
    run = f"{fixed} OR {closed} OR {late} OR {signed} OR (OLD.state <> NEW.state AND NOT ({steps}))"
    hold = f"OLD.state <> 'held' OR {changed('utility', 'document', 'rule', 'run', 'values', 'reason')}"
    return [
        ("runs_stand", "runs", "UPDATE", run, _RUN_STANDS),
        ("runs_stay", "runs", "DELETE", "OLD.state <> 'running'", _RUN_STAYS),
        ("holds_stand", "holds", "UPDATE", hold, _HOLD_STANDS),
        ("holds_stay", "holds", "DELETE", "", _ADDED),
        ("billed_stand", "billed", "UPDATE", "", _ADDED),
        ("exceptions_stand", "exceptions", "UPDATE", "", _ADDED),
        ("exceptions_stay", "exceptions", "DELETE", "", _ADDED),
    ]


def _of_sqlite() -> list[tuple[str, str, str, str, str]]:
    found = _guards("IS NOT")
    state = "(SELECT state FROM runs WHERE utility = OLD.utility AND id = OLD.run)"
    found.append(("billed_stay", "billed", "DELETE", f"{state} IN ('issuing', 'issued')", _BILLED))
    # An UPDATE takes another's place by its key: documents get a number, and any row may be given a rowid.
    taken = "NEW.number IS NOT NULL AND NEW.number IS NOT OLD.number AND EXISTS (SELECT 1 FROM documents WHERE utility = NEW.utility AND number = NEW.number)"
    found.append(("documents_apart", "documents", "UPDATE", f"OLD.rowid IS NOT NEW.rowid OR ({taken})", "no row takes the place of another"))
    found += [(f"{table}_apart", table, "UPDATE", "OLD.rowid IS NOT NEW.rowid", "no row takes the place of another") for table in ("holds", "runs")]
    for table in ONCE:
        # A row without a rowid of its own asks with -1 here, and gets the next one after.
        there = [f"NEW.rowid <> -1 AND EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid)"]
        for key in _keys(table):
            same = " AND ".join(f'"{name}" = NEW."{name}"' for name in key)
            there.append(f"EXISTS (SELECT 1 FROM {table} WHERE {same})")
        found.append((f"{table}_once", table, "INSERT", " OR ".join(f"({one})" for one in there), _ADDED))
    return found


def _keys(table: str) -> list[tuple[str, ...]]:
    """The columns of every unique key, as the database has them."""
    conn = op.get_bind()
    unique = [row.name for row in conn.execute(sa.text(f"PRAGMA index_list({table})")) if row.unique]
    return [tuple(row.name for row in conn.execute(sa.text(f"PRAGMA index_info({name})"))) for name in sorted(unique)]
