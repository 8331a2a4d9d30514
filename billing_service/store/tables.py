"""The tables. Every one carries its utility; dates are DATE, instants UTC, decimals exact, texts of unknown shape JSON.

What the database itself enforces beyond keys (append-only tables, and on PostgreSQL a wall between utilities) is in the
migrations; ``docs/postgresql.md`` lists it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    text,
)

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


def _with_default(name: str, value: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text(f"'{value}'"))


# ``settings``: what a utility decides for itself, as JSON; a run keeps the ones it started with.
utilities = Table("utilities", metadata, Column("id", Text, primary_key=True), _text("name"), _with_default("settings", "{}"))

# The complete text of every version that was adopted or billed by, once: an auditor re-rates from here. Its tariff and dates are
# those of the first that had this text; ``version_names`` has every tariff that has it, each with its own.
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

version_names = Table(
    "version_names",
    metadata,
    _text("utility"),
    _text("tariff"),
    _text("digest"),
    _date("effective"),
    _whole("revision"),
    _date("known", optional=True),
    _date("end", optional=True),
    PrimaryKeyConstraint("utility", "tariff", "digest"),
    ForeignKeyConstraint(["utility", "digest"], ["versions.utility", "versions.digest"]),
)

adoptions = Table(
    "adoptions",
    metadata,
    _text("utility"),
    _text("digest"),
    _text("by"),
    Column("at", Instant, nullable=False),
    _text("document"),
    _text("tariff"),
    PrimaryKeyConstraint("utility", "tariff", "digest"),
    ForeignKeyConstraint(["utility", "tariff", "digest"], ["version_names.utility", "version_names.tariff", "version_names.digest"]),
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

# An account as it was first sent: what contracts, records and documents point at.
accounts = Table(
    "accounts",
    metadata,
    _text("utility"),
    _text("account"),
    _text("name"),
    _text("class"),
    _text("address"),
    _text("district"),
    _date("known", optional=True),
    _whole("import_id"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "account"),
    ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"]),
)

# What changed about it since, whole: ``revision`` from 2, each with the day it became known. ``store/accounts.py`` reads both.
account_revisions = Table(
    "account_revisions",
    metadata,
    _text("utility"),
    _text("account"),
    _whole("revision"),
    _text("name"),
    _text("class"),
    _text("address"),
    _text("district"),
    _date("known"),
    _whole("import_id"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "account", "revision"),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    ForeignKeyConstraint(["utility", "import_id"], ["imports.utility", "imports.id"]),
)

# One row per contract and day from which its terms hold: a change of terms is a further row, never an edit. A correction of
# terms that were recorded wrongly is the next ``revision`` of the same day, with the day it became known; of those known, the
# highest holds. A revision whose ``to`` is its ``from`` withdraws the row: those terms never held.
contracts = Table(
    "contracts",
    metadata,
    _text("utility"),
    _text("contract"),
    _date("from"),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    _date("to", optional=True),
    _text("account"),
    _text("tariff"),
    _text("facts"),
    _date("known", optional=True),
    _whole("import_id"),
    _text("file"),
    _whole("line"),
    PrimaryKeyConstraint("utility", "contract", "from", "revision"),
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
    Index("ix_usage_records_account", "utility", "account", "end"),
    Index("ix_usage_records_point", "utility", "point", "end"),
)

# ``as_of`` is the run's own clock; ``known`` the day up to which it knows (empty: all that had arrived); ``options`` what else
# it fixed when it began, as JSON: rules for holding bills, size of its chunks, versions by digest.
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
    _with_default("options", "{}"),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)

# A run in pieces: the accounts from ``first_account`` to ``last_account``, both included; each done in one transaction by
# whichever worker holds its lease. ``counts``: what it gave, as JSON; ``failure``: why it could not be done, until it is.
run_chunks = Table(
    "run_chunks",
    metadata,
    _text("utility"),
    _text("run"),
    _whole("seq"),
    _text("first_account"),
    _text("last_account"),
    _with_default("state", "waiting"),
    _with_default("worker", ""),
    Column("lease_until", Instant),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _with_default("counts", "{}"),
    _with_default("failure", ""),
    PrimaryKeyConstraint("utility", "run", "seq"),
    ForeignKeyConstraint(["utility", "run"], ["runs.utility", "runs.id"]),
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

# ``kind``: invoice, difference, settlement or credit_note. ``corrects``: the document it takes back or mends; ``known``: the day
# up to which its facts were known. Only a draft (or one held back) can change, and then only its state and number.
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
    _text("corrects", optional=True),
    _with_default("reason", ""),
    _date("known", optional=True),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility", "run"], ["runs.utility", "runs.id"]),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    Index("ix_documents_run", "utility", "run", "account"),
    Index("uq_documents_number", "utility", "number", unique=True),
    Index("ix_documents_period", "utility", "period_start", "state"),
    Index("ix_documents_account", "utility", "account", "period_start", "id"),
    Index("ix_documents_issued", "utility", "issued_at", "id", sqlite_where=text("issued_at IS NOT NULL"), postgresql_where=text("issued_at IS NOT NULL")),
    Index("ix_documents_corrects", "utility", "corrects", sqlite_where=text("corrects IS NOT NULL"), postgresql_where=text("corrects IS NOT NULL")),
)

# What one contract gave to a document: digest + facts reproduce its lines for ever. ``seq``: where the period was split (a new
# version, other terms), its parts in the order of their days, from 1.
parts = Table(
    "parts",
    metadata,
    _text("utility"),
    _text("document"),
    _text("tariff"),
    _text("contract"),
    _text("digest"),
    _text("facts"),
    Column("seq", Integer, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("utility", "document", "tariff", "seq"),
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

# Bills that look odd wait here for a person, one row a rule that spoke.
holds = Table(
    "holds",
    metadata,
    _text("utility"),
    _text("document"),
    _text("rule"),
    _text("run"),
    _text("values"),
    _text("reason"),
    _with_default("state", "held"),
    _text("by", optional=True),
    Column("at", Instant),
    _with_default("note", ""),
    PrimaryKeyConstraint("utility", "document", "rule"),
    ForeignKeyConstraint(["utility", "document"], ["documents.utility", "documents.id"]),
    Index(None, "utility", "run"),
)

# An entitlement with its proof: while it is valid its ``facts`` overlay the standing facts of the contract it names, or of all
# contracts of the account on the tariff it names (both empty: all of the account's). Revisions as in ``contracts``.
reliefs = Table(
    "reliefs",
    metadata,
    _text("utility"),
    _text("id"),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    _text("account"),
    _with_default("contract", ""),
    _with_default("tariff", ""),
    _text("facts"),
    _date("from"),
    _date("to", optional=True),
    _text("proof"),
    _date("known", optional=True),
    _text("recorded_by"),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("utility", "id", "revision"),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    Index(None, "utility", "account"),
)

# Who shares the meter at ``point``: each account's use is its ``parts`` of the sum of all parts. Revisions as in ``contracts``.
shares = Table(
    "shares",
    metadata,
    _text("utility"),
    _text("point"),
    _text("account"),
    _date("from"),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    _date("to", optional=True),
    Column("parts", Exact(USAGE_PLACES), nullable=False),
    _with_default("contract", ""),
    _date("known", optional=True),
    _text("recorded_by"),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("utility", "point", "account", "from", "revision"),
    ForeignKeyConstraint(["utility", "account"], ["accounts.utility", "accounts.account"]),
    Index(None, "utility", "account"),
)

# What happened, one chain of hashes a utility; ``docs/events.md`` says how an outsider checks it.
events = Table(
    "events",
    metadata,
    _text("utility"),
    Column("seq", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    _text("actor"),
    _text("kind"),
    _text("subject"),
    _text("data"),
    _text("previous"),
    _text("hash"),
    PrimaryKeyConstraint("utility", "seq"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
    Index(None, "utility", "subject"),
)

# ``hash`` is of the secret; the key a client sends names its utility and id in clear, so that it is looked up behind the wall.
api_keys = Table(
    "api_keys",
    metadata,
    _text("utility"),
    _text("id"),
    _text("name"),
    _text("hash"),
    _text("scopes"),
    _text("created_by"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    PrimaryKeyConstraint("utility", "id"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)

# The first answer to a write, for ever.
idempotency = Table(
    "idempotency",
    metadata,
    _text("utility"),
    _text("method"),
    _text("path"),
    _text("key"),
    _text("body_sha256"),
    _whole("status"),
    _with_default("headers", "{}"),
    _text("response"),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("utility", "method", "path", "key"),
    ForeignKeyConstraint(["utility"], ["utilities.id"]),
)
