"""What a document corrects is held by the database: an issued one of the same utility, account, period, direction and currency."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SAID = "a correction names an issued document of its own account, period, direction and currency"
#: ``one`` is the new row. A difference stands beside all that was issued before and may name none of it.
_NAMES = "(one.corrects IS NOT NULL OR one.kind = 'credit_note')"
_SAME = " AND ".join(f"bill.{name} = one.{name}" for name in ("account", "period_start", "period_end", "direction", "currency"))
#: One look-up by key a row: an EXISTS might be turned into a walk over all documents.
_FITS = (
    "one.kind IN ('credit_note', 'difference') AND coalesce((SELECT bill.kind <> 'credit_note' AND bill.state IN ('issued', 'zero') AND "
    f"{_SAME} FROM documents bill WHERE bill.utility = one.utility AND bill.id = one.corrects), false)"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        names, fits = (part.replace("one.", "NEW.") for part in (_NAMES, _FITS))
        op.execute(
            f"CREATE TRIGGER documents_correct BEFORE INSERT ON documents WHEN {names} AND NOT ({fits}) BEGIN SELECT RAISE(ABORT, 'documents: {_SAID}'); END"
        )
        return
    # Once a statement, as the looks of 0003: a trigger before each row would take COPY its batches.
    op.execute(
        "CREATE FUNCTION billing_refuse_correction() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN "
        f"IF EXISTS (SELECT FROM added one WHERE {_NAMES} AND NOT ({_FITS})) THEN "
        f"RAISE EXCEPTION '%: {_SAID}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER documents_correct AFTER INSERT ON documents REFERENCING NEW TABLE AS added FOR EACH STATEMENT "
        "EXECUTE FUNCTION billing_refuse_correction()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER documents_correct")
    else:
        op.execute("DROP FUNCTION billing_refuse_correction() CASCADE")
