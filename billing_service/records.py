"""The usage records a period's ratings may look at, as columns for the library."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from billing_service.store import entitlements, ledger
from billing_service.store.connect import Connection
from billing_service.terms import Meters, Period, Records
from tariffs import TariffVersion
from tariffs.gather import measured
from tariffs.money import show

_TEXTS = ("id", "account", "point", "measure", "unit", "quality", "replaces")
_DAYS = ("start", "end", "known")
_ORDER = ("id", "account", "point", "measure", "start", "end", "value", "unit", "quality", "replaces", "known", "below")


def gather(conn: Connection, utility: str, period: Period, loaded: Iterable[TariffVersion], among: ledger.Among = ledger.EVERYBODY) -> Records:
    """The period's records of these accounts; with them every record they could overlap, correct or be corrected by, and earlier readings
    where a tariff asks for the previous one. Which of them count is the library's business.
    """
    start, end = period
    found = {row.id: row for row in ledger.usage_touching(conn, utility, start, end, among)}
    inputs = [item.collect for version in loaded for item in measured(version.model) if item.collect]
    previous = {how.measure for how in inputs if "previous" in (how.how, how.evidence.fill)}
    if previous:
        found |= {row.id: row for row in ledger.usage_before(conn, utility, start, previous, among)}
    _with_corrections(conn, utility, found, among)
    return _in_columns(found.values())


def meters(conn: Connection, utility: str, period: Period, known: date | None, as_of: datetime, among: ledger.Among, points: Collection[str]) -> Meters | None:
    """The shared meters that a chunk's accounts, or the ``points`` of their records, have to do with; None: no meter is shared.

    Shares are those recorded by ``as_of``, the run's clock; of the chunk's accounts all, also those with nothing else in it.
    """
    (start, end), arrived = period, ledger.Among(imports=among.imports)
    mine = entitlements.shares_among(conn, utility, end, known, as_of, ledger.Among(among.first, among.last))
    shares = entitlements.shares_at(conn, utility, {*points, *(row.point for row in mine)}, end, known, as_of)
    if not shares:
        return None
    found = {row.id: row for row in ledger.usage_at(conn, utility, {row.point for row in shares}, start, end, arrived)}
    while more := {row.id: row for row in ledger.usage_linked(conn, utility, found.values(), arrived) if row.id not in found}:
        found |= more
    tariffs: dict[str, list[str]] = {}
    for account, tariff in ledger.tariffs_by_account(conn, utility, {row.account for row in shares}, start, end, known, arrived):
        tariffs.setdefault(account, []).append(tariff)
    return Meters(shares, _in_columns(found.values()), tariffs, frozenset(row.account for row in mine))


def _in_columns(found: Iterable[Any]) -> Records:
    rows = sorted(found, key=lambda row: (row.account, row.measure, row.start, row.end, row.id))
    columns: dict[str, Any] = {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in _TEXTS}
    columns |= {name: pa.array([getattr(row, name) for row in rows], pa.date32()) for name in _DAYS}
    columns["value"] = pa.array([show(row.value) for row in rows], pa.string())
    columns["below"] = pa.array([row.below for row in rows], pa.bool_())
    return Records(pa.table({name: columns[name] for name in _ORDER}), {row.id: (row.file, row.line) for row in rows})


def _with_corrections(conn: Connection, utility: str, found: dict[str, Any], among: ledger.Among) -> None:
    """Follow ``replaces`` both ways until nothing new comes: a correction may lie in another period than what it corrects."""
    corrections = ledger.usage_replacing(conn, utility, among)
    while True:
        wanted = {row.replaces for row in found.values() if row.replaces} - found.keys()
        more = {row.id: row for row in corrections if row.replaces in found and row.id not in found}
        more |= {row.id: row for row in ledger.usage_by_id(conn, utility, wanted, among)}
        if not more:
            return
        found |= more
