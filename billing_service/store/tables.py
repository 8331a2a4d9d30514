"""The tables. Every one carries its utility; dates are DATE, instants UTC, decimals exact, texts of unknown shape JSON."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text, false

from billing_service.store.types import Exact, Instant

MONEY_PLACES = 4
USAGE_PLACES = 6
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)


def _text(name: str, *, optional: bool = False) -> Column[str]:
    return Column(name, Text, nullable=optional)


def _date(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, Date, nullable=optional)


def _whole(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


utilities = Table("utilities", metadata, Column("id", Text, primary_key=True), _text("name"))

# The complete text of every version that was adopted or billed by, once: an auditor re-rates from here.
versions = Table(
    "versions",
    metadata,
    _text("utility"),
    _text("digest"),
    _text("tariff"),
    _date("effective"),
    _whole("revision"),
    _date("known", optional=True),
    _date("end", optional=True),
    _whole("language"),
    _text("status"),
    _text("title"),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("utility", "digest"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)

adoptions = Table(
    "adoptions",
    metadata,
    _text("utility"),
    _text("digest"),
    _text("by"),
    Column("at", Instant, nullable=False),
    _text("document"),
    PrimaryKeyConstraint("utility", "digest"),
    ForeignKeyConstraint(["utility", "digest"], ["versions.utility", "versions.digest"]),
)

imports = Table(
    "imports",
    metadata,
    _text("utility"),
    _whole("id"),
    _text("file"),
    _text("sha256"),
    _text("by"),
    Column("at", Instant, nullable=False),
    _whole("new"),
    _whole("same"),
    _whole("bad"),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)

import_problems = Table(
    "import_problems",
    metadata,
    _text("utility"),
    _whole("import_id"),
    _whole("line"),
    _text("file"),
    _text("code"),
    _text("values"),
    _text("reason"),
    ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"]),
    Index(None, "utility", "import_id"),
)

accounts = Table(
    "accounts",
    metadata,
    _text("utility"),
    _text("account"),
    _text("name"),
    _text("class"),
    _text("address"),
    _text("district"),
    _whole("import_id"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "account"),
    ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"]),
)

# One row per contract and day from which its terms hold: a change of terms is a further row, never an edit.
contracts = Table(
    "contracts",
    metadata,
    _text("utility"),
    _text("contract"),
    _date("from"),
    _date("to", optional=True),
    _text("account"),
    _text("tariff"),
    _text("facts"),
    _date("known", optional=True),
    _whole("import_id"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "contract", "from"),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"]),
    Index(None, "utility", "account"),
)

# Append-only: a correction is a record that replaces another. ``below``: the laboratory found less than ``value``, its limit of detection.
usage_records = Table(
    "usage_records",
    metadata,
    _text("utility"),
    _text("id"),
    _text("account"),
    _text("point"),
    _text("measure"),
    _date("start"),
    _date("end"),
    Column("value", Exact(USAGE_PLACES), nullable=False),
    _text("unit"),
    _text("quality"),
    _text("replaces"),
    _date("known", optional=True),
    Column("below", Boolean, nullable=False, server_default=false()),
    _whole("import_id"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"]),
    Index(None, "utility", "end"),
    Index(None, "utility", "replaces"),
)

# ``as_of`` is the run's own clock; ``known`` the day up to which it knows (empty: all that had arrived).
runs = Table(
    "runs",
    metadata,
    _text("utility"),
    _text("id"),
    _date("period_start"),
    _date("period_end"),
    _text("kind"),
    _text("state"),
    Column("as_of", Instant, nullable=False),
    _date("known", optional=True),
    _text("created_by"),
    _text("reviewed_by", optional=True),
    Column("reviewed_at", Instant),
    _text("approved_by", optional=True),
    Column("approved_at", Instant),
    _text("issued_by", optional=True),
    Column("issued_at", Instant),
    _text("cancelled_by", optional=True),
    Column("cancelled_at", Instant),
    _text("counts"),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)

series = Table(
    "series",
    metadata,
    _text("utility"),
    _text("kind"),
    _whole("year"),
    _whole("next"),
    PrimaryKeyConstraint("utility", "kind", "year"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)

documents = Table(
    "documents",
    metadata,
    _text("utility"),
    _text("id"),
    _text("run"),
    _text("kind"),
    _text("account"),
    _date("period_start"),
    _date("period_end"),
    _text("currency"),
    _text("direction"),
    Column("total", Exact(MONEY_PLACES), nullable=False),
    _text("state"),
    _text("series", optional=True),
    _text("number", optional=True),
    Column("issued_at", Instant),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility", "run"], ["runs.utility", "runs.id"]),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    Index("ix_documents_run", "utility", "run", "account"),
    Index("uq_documents_number", "utility", "number", unique=True),
    Index("ix_documents_period", "utility", "period_start", "state"),
)

# What one contract gave to a document: digest + facts reproduce its lines for ever.
parts = Table(
    "parts",
    metadata,
    _text("utility"),
    _text("document"),
    _text("tariff"),
    _text("contract"),
    _text("digest"),
    _text("facts"),
    PrimaryKeyConstraint("utility", "document", "tariff"),
    ForeignKeyConstraint(["utility", "document"], ["documents.utility", "documents.id"]),
    ForeignKeyConstraint(["utility", "digest"], ["versions.utility", "versions.digest"]),
)

lines = Table(
    "lines",
    metadata,
    _text("utility"),
    _text("document"),
    _whole("seq"),
    _text("tariff"),
    _text("digest"),
    _text("charge"),
    _text("kind"),
    _text("label"),
    _text("clause"),
    Column("amount", Exact(MONEY_PLACES), nullable=False),
    PrimaryKeyConstraint("utility", "document", "seq"),
    ForeignKeyConstraint(["utility", "document"], ["documents.utility", "documents.id"]),
    ForeignKeyConstraint(["utility", "digest"], ["versions.utility", "versions.digest"]),
)

# Who is billed for what and when, once: the database itself refuses a second bill. A cancelled run gives its rows back.
billed = Table(
    "billed",
    metadata,
    _text("utility"),
    _text("account"),
    _text("tariff"),
    _date("period_start"),
    _date("period_end"),
    _text("run"),
    PrimaryKeyConstraint("utility", "account", "tariff", "period_start", "period_end"),
    ForeignKeyConstraint(["utility", "run"], ["runs.utility", "runs.id"]),
    Index(None, "utility", "run"),
)

exceptions = Table(
    "exceptions",
    metadata,
    _text("utility"),
    _text("run"),
    _whole("seq"),
    _text("account"),
    _text("contract"),
    _text("tariff"),
    _text("code"),
    _text("values"),
    _text("reason"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "run", "seq"),
    ForeignKeyConstraint(["utility", "run"], ["runs.utility", "runs.id"]),
)
