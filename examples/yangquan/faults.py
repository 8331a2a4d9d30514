"""What goes wrong in real files, planted on purpose. Each block of accounts gets every fault once, where an account of its kind comes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from examples.yangquan.draft import CITY, Draft, Row, tonnes

BLOCK = 1000
HOUSEHOLD = ("household",)
METERED = ("shop", "restaurant", "institution", "office")
WEIGHED = ("restaurant", "institution")
Plant = Callable[[Draft], Row | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """``stage`` says where it must show up: ``import`` (the row is refused), ``run`` (the bill is an exception),
    ``same`` (taken once), ``other-month`` (kept, not billed in this month) or ``late`` (a later correction).
    """

    name: str
    stage: str
    kinds: tuple[str, ...]
    plant: Plant


class Pending:
    """The faults still to be planted in this block."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def refill(self) -> None:
        """Another round of every fault."""
        self._waiting += FAULTS

    def plant(self, draft: Draft) -> None:
        """At most one fault an account; households come in plenty, so most of them are left in peace."""
        if draft.kind in HOUSEHOLD and draft.random.randrange(20):
            return
        for fault in self._waiting:
            if draft.kind in fault.kinds and self._planted(fault, draft):
                self._waiting.remove(fault)
                return

    @staticmethod
    def _planted(fault: Fault, draft: Draft) -> bool:
        row = fault.plant(draft)
        if row is not None:
            row["fault"] = fault
        return row is not None


# --- what each fault does; None where it does not fit the account -------------------------------------------------


def _cell(column: str, *values: str) -> Plant:
    """The account's first record with one cell spoilt."""

    def plant(draft: Draft) -> Row | None:
        row = draft.usage[0]
        row[column] = draft.random.choice(values)
        return row

    return plant


def _cut_record(draft: Draft) -> Row | None:
    draft.usage[0]["cut"] = draft.random.randint(2, 6)
    return draft.usage[0]


def _backwards(draft: Draft) -> Row | None:
    row = draft.usage[0]
    row["start"], row["end"] = row["end"], row["start"]
    return row


def _stranger_record(draft: Draft) -> Row | None:
    row = draft.usage[0]
    return _added(draft.usage, row | {"id": row["id"] + "S", "account": "Z" + row["account"][1:]})


def _stranger_contract(draft: Draft) -> Row | None:
    row = draft.contracts[0]
    return _added(draft.contracts, row | {"contract": row["contract"] + "S", "account": "Z" + row["account"][1:]})


def _added(rows: list[Row], row: Row) -> Row:
    rows.append(row)
    return row


def _duplicate(draft: Draft) -> Row | None:
    return _added(draft.usage, dict(draft.usage[0]))


def _conflict(draft: Draft) -> Row | None:
    row = draft.usage[0]
    return _added(draft.usage, row | {"value": str(int(row["value"]) + 1)})


def _nameless(draft: Draft) -> Row | None:
    row = draft.accounts[0]
    return _added(draft.accounts, row | {"account": row["account"] + "X", "name": ""})


def _cut_account(draft: Draft) -> Row | None:
    row = draft.accounts[0]
    return _added(draft.accounts, row | {"account": row["account"] + "X", "cut": 2})


def _contract_date(draft: Draft) -> Row | None:
    row = draft.contracts[-1]
    row["from"] = draft.random.choice(("2026/1/1", "2026-02-30", "20260101"))
    return row


def _moved_in(draft: Draft) -> Row | None:
    row = draft.contracts[-1]
    row["from"] = draft.month.start + timedelta(days=15)
    return row


def _other_meter(draft: Draft) -> Row | None:
    row = draft.usage[0]
    return _added(draft.usage, row | {"id": row["id"] + "H", "point": "H" + row["account"][1:], "measure": "hot_water"})


def _contract_colon(draft: Draft) -> Row | None:
    row = draft.contracts[-1]
    row["facts"] = ";".join(f"{name}:{value}" for name, value in row["facts"].items())
    return row


def _unknown_tariff(draft: Draft) -> Row | None:
    row = draft.contracts[-1]
    row["tariff"] = CITY + "market-stall-waste"
    return row


def _fact(tariff: str, name: str, value: str | None, rename: str = "") -> Plant:
    """A standing fact of one contract changed, taken away (None) or misspelt."""

    def plant(draft: Draft) -> Row | None:
        for row in draft.contracts:
            if row["tariff"] == CITY + tariff and name in row["facts"]:
                old = row["facts"].pop(name)
                if rename or value is not None:
                    row["facts"][rename or name] = old if value is None else value
                return row
        return None

    return plant


def _above_cap(draft: Draft) -> Row | None:
    return _fact("reclaimed-water", "agreed", "4.20")(draft)


def _contract_twice(draft: Draft) -> Row | None:
    row = draft.contracts[0]
    return _added(draft.contracts, row | {"contract": row["contract"] + "D"})


def _no_reading(draft: Draft) -> Row | None:
    fault = {"absent": True}
    draft.usage = [row for row in draft.usage if row["measure"] != "water"]
    draft.absent.append(fault)
    return fault


def _grams(draft: Draft) -> Row | None:
    """The weighbridge wrote kilograms and called them tonnes, on every pick-up of one measure."""
    measure = draft.usage[-1]["measure"]
    rows = [row for row in draft.usage if row["measure"] == measure]
    for row in rows:
        if row["unit"] == "t":
            whole, _, part = row["value"].partition(".")
            row["value"] = str(int(whole + part))
        row["unit"] = "t"
    return rows[0]


def _last_month(draft: Draft) -> Row | None:
    row = draft.usage[-1]
    day = draft.month.start - timedelta(days=1)
    return _added(draft.usage, row | {"id": row["id"] + "P", "start": day, "end": draft.month.start})


def _late(change: Callable[[Row, int], Row], pick: int) -> Plant:
    """A record learnt in the following month that replaces one of this month."""

    def plant(draft: Draft) -> Row | None:
        row = draft.usage[pick]
        known = draft.month.end + timedelta(days=11)
        return _added(draft.corrections, row | change(row, draft.random.randint(2, 5)) | {"replaces": row["id"], "known": known})

    return plant


def _read_after_all(row: Row, more: int) -> Row:
    return {"value": str(int(row["value"]) + more), "quality": "actual"}


def _read_too_high(row: Row, less: int) -> Row:
    return {"value": str(max(0, int(row["value"]) - less))}


def _weighed_again(row: Row, more: int) -> Row:
    whole, point, part = row["value"].partition(".")
    kg = int(whole + part) + 10 * more
    return {"value": tonnes(kg) if point else str(kg)}


FAULTS = (
    Fault("bad-number", "import", HOUSEHOLD, _cell("value", "12,5", "１２", "1.2.3", "十二")),
    Fault("bad-date", "import", HOUSEHOLD, _cell("end", "2026/11/01", "2026-11-31", "11月1日")),
    Fault("end-before-start", "import", HOUSEHOLD, _backwards),
    Fault("missing-value", "import", HOUSEHOLD, _cell("value", "")),
    Fault("unknown-unit", "import", HOUSEHOLD, _cell("unit", "方", "m³")),
    Fault("cut-record", "import", HOUSEHOLD, _cut_record),
    Fault("unknown-account", "import", HOUSEHOLD, _stranger_record),
    Fault("conflicting-duplicate", "import", HOUSEHOLD, _conflict),
    Fault("account-without-name", "import", HOUSEHOLD, _nameless),
    Fault("cut-account", "import", HOUSEHOLD, _cut_account),
    Fault("contract-bad-date", "import", HOUSEHOLD, _contract_date),
    Fault("contract-facts-unreadable", "import", HOUSEHOLD, _contract_colon),
    Fault("contract-unknown-account", "import", HOUSEHOLD, _stranger_contract),
    Fault("exact-duplicate", "same", HOUSEHOLD, _duplicate),
    Fault("missing-reading", "run", HOUSEHOLD, _no_reading),
    Fault("negative-usage", "run", HOUSEHOLD, _cell("value", "-3", "-120")),
    Fault("part-of-a-step", "run", HOUSEHOLD, _cell("value", "12.5", "7.25")),
    Fault("wrong-unit", "run", HOUSEHOLD, _cell("unit", "t", "kWh")),
    Fault("contract-from-mid-month", "run", HOUSEHOLD, _moved_in),
    Fault("record-nobody-charges", "run", HOUSEHOLD, _other_meter),
    Fault("unknown-tariff", "run", ("shop",), _unknown_tariff),
    Fault("unknown-class", "run", METERED, _fact("sewage", "user", "agriculture")),
    Fault("contract-twice", "run", METERED, _contract_twice),
    Fault("misspelt-fact", "run", ("shop",), _fact("domestic-waste", "area", None, "aera")),
    Fault("missing-quota", "run", ("restaurant",), _fact("non-residential-waste", "kitchen_quota", None)),
    Fault("agreed-above-cap", "run", ("factory",), _above_cap),
    Fault("missing-agreed-price", "run", ("factory",), _fact("reclaimed-water", "agreed", None)),
    Fault("kilograms-as-tonnes", "run", WEIGHED, _grams),
    Fault("previous-month", "other-month", WEIGHED, _last_month),
    Fault("late-reading", "late", HOUSEHOLD, _late(_read_after_all, 0)),
    Fault("late-lower-reading", "late", METERED, _late(_read_too_high, 0)),
    Fault("late-weighing", "late", WEIGHED, _late(_weighed_again, -1)),
)
