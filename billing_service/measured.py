"""Usage records -> measured facts, in columns; what they refuse, and a sample of what they give, is gathered again one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_service.problems import refused
from billing_service.terms import Period, Records, Terms
from tariffs import TariffVersion, UsageRecord
from tariffs.collect import collect
from tariffs.errors import Problem
from tariffs.gather import gather, measured
from tariffs.money import read_number, show
from tariffs.units import parse_unit

SAMPLE = 50  # rows a tariff that are done again one by one and compared
_WORD = re.compile(r"\w+")


def measures(version: TariffVersion) -> frozenset[str]:
    """The measures of usage records this version reads."""
    return frozenset(name for item in measured(version.model) if item.collect for name in (item.collect.measure, item.collect.weight) if name)


def all_measures(found: Iterable[TariffVersion]) -> frozenset[str]:
    """The measures that any of these versions reads."""
    return frozenset().union(*(measures(version) for version in found))


def collect_facts(
    version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None
) -> tuple[dict[str, dict[str, str]], dict[str, Sequence[Problem]]]:
    """Measured facts by account, as text; and for accounts whose records cannot be used, what is wrong with them."""
    if not measures(version) or not terms:
        return {}, {}
    accounts = [one.account for one in terms]
    mine = records.table.filter(pc.is_in(records.table["account"], value_set=pa.array(accounts, pa.string())))
    columns, wrong = collect(version.model, mine, period, known, accounts=accounts)
    bad: dict[str, list[str]] = {}
    for row in wrong.to_pylist():
        bad.setdefault(row["account"], []).append(row["code"])
    names = [name for name in columns.column_names if name != "account"]
    values = {name: columns[name].to_pylist() for name in names}
    measured = {account: {name: show(values[name][at]) for name in names if values[name][at] is not None} for at, account in enumerate(accounts)}
    good = [account for account in accounts if account not in bad]
    again = [*bad, *good[:: max(1, len(good) // SAMPLE)][:SAMPLE]]
    told: dict[str, Sequence[Problem]] = {}
    for account, (facts, problems) in _one_by_one(version, mine, again, period, known).items():
        # Columns tell a code and an English reason; ``gather`` tells the same with its values, readable in every language.
        codes = sorted(one.code for one in problems)
        if codes != sorted(bad.get(account, ())) or (not codes and facts != measured[account]):
            raise refused("evaluators-differ", version=version.model.name, account=account)
        if problems:
            told[account] = problems
    return measured, told


def _one_by_one(
    version: TariffVersion, table: pa.Table, accounts: Sequence[str], period: Period, known: date | None
) -> Mapping[str, tuple[Mapping[str, str], Sequence[Problem]]]:
    own: dict[str, list[UsageRecord]] = {account: [] for account in accounts}
    wanted = measures(version)
    for row in table.filter(pc.is_in(table["account"], value_set=pa.array(accounts, pa.string()))).to_pylist():
        if row["measure"] in wanted:
            own[row["account"]].append(record_of(row))
    found = {}
    for account, records in own.items():
        facts, problems = gather(version.model, records, {}, period, known=known)
        found[account] = ({name: show(value) for name, value in facts.items() if isinstance(value, Decimal)}, problems)
    return found


def record_of(row: Mapping[str, Any]) -> UsageRecord:
    """A record of the table as the library's own."""
    value = read_number(row["value"])
    assert value is not None, "imported values are numbers"
    return UsageRecord(
        id=row["id"],
        account=row["account"],
        measure=row["measure"],
        start=row["start"],
        end=row["end"],
        value=value,
        unit=parse_unit(row["unit"], _WORD.findall(row["unit"])),  # a name nobody knows may be one the rule declares
        point=row["point"],
        quality=row["quality"],
        replaces=row["replaces"],
        known=row["known"],
        below=row["below"],
    )
