"""A month of a sample city, as its utility would export it: good rows and the faults that real files have.

    python -m examples.yangquan.generate --accounts 2000 --seed 165 --period 2026-10 --out DIR

The same seed gives the same bytes on every machine, and one account is written after the other, so a million accounts
need no more memory than one. A larger city begins with the smaller one.
Everything is invented. README.md beside this file documents columns and faults.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from examples.yangquan.draft import Draft, Month, Row, draft
from examples.yangquan.faults import BLOCK, Pending

ACCOUNTS = ("account", "name", "class", "address", "district")
CONTRACTS = ("contract", "account", "tariff", "from", "to", "facts")
USAGE = ("id", "account", "point", "measure", "start", "end", "value", "unit", "quality", "replaces", "known")
PLANTED = ("fault", "stage", "file", "line", "id", "account")


# --- writing ------------------------------------------------------------------------------------------------------


class _File:
    """One CSV file: rows go out as they come; a row's line is counted, for the list of planted faults."""

    def __init__(self, folder: Path, name: str, columns: Sequence[str], stack: ExitStack) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.columns, self.line = name, columns, 0
        self.writer = csv.writer(stack.enter_context(path.open("w", encoding="utf-8", newline="")), lineterminator="\n")
        self.write(columns)

    def write(self, cells: Sequence[object]) -> None:
        self.writer.writerow(cells)
        self.line += 1

    def row(self, row: Row) -> None:
        """A row by its columns; ``cut`` leaves off the last cells, as a broken export does."""
        cells = [";".join(f"{name}={value}" for name, value in cell.items()) if isinstance(cell := row[column], dict) else cell for column in self.columns]
        self.write(cells[: len(cells) - row.get("cut", 0)])


def write(accounts: int, seed: int, month: Month, out: Path) -> Counter[str]:
    """All files of a city into ``out``; how many of each fault were planted."""
    contract_numbers, record_numbers, correction_numbers = count(1), count(1), count(1)
    pending = Pending()
    planted: Counter[str] = Counter()
    with ExitStack() as stack:
        parts = {"accounts": ACCOUNTS, "contracts": CONTRACTS, "usage": USAGE}
        files = {name: _File(out, f"{name}.csv", columns, stack) for name, columns in parts.items()}
        files["corrections"] = _File(out, "late/corrections.csv", USAGE, stack)
        notes = _File(out, "planted.csv", PLANTED, stack)
        for number in range(1, accounts + 1):
            if number % BLOCK == 1:
                pending.refill()
            found = draft(number, seed, month)
            for row in found.contracts:
                row["contract"] = f"C{next(contract_numbers):06d}"
            for row in found.usage:
                row["id"] = f"U{month.start:%Y%m}-{next(record_numbers):06d}"
            pending.plant(found)
            for row in found.corrections:
                row["id"] = f"K{month.start:%Y%m}-{next(correction_numbers):06d}"
            for fault in _write_account(found, files, notes):
                planted[fault] += 1
    return planted


def _write_account(found: Draft, files: dict[str, _File], notes: _File) -> Iterator[str]:
    own = found.accounts[0]["account"]
    for name, rows in (("accounts", found.accounts), ("contracts", found.contracts), ("usage", found.usage), ("corrections", found.corrections)):
        file = files[name]
        for row in rows:
            file.row(row)
            if fault := row.get("fault"):
                notes.write((fault.name, fault.stage, file.name, file.line, row[file.columns[0]], row["account"]))
                yield fault.name
    for note in found.absent:
        notes.write((note["fault"].name, note["fault"].stage, "usage.csv", "", "", own))
        yield note["fault"].name


def read_month(text: str) -> Month:
    """``2026-10`` -> that month; ValueError for anything else."""
    start = date.fromisoformat(f"{text}-01")
    return Month(start, (start + timedelta(days=32)).replace(day=1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a sample city's month as CSV files.")
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=165)
    parser.add_argument("--period", type=read_month, default=read_month("2026-10"), help="a month, such as 2026-10")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    given = parser.parse_args()
    planted = write(given.accounts, given.seed, given.period, given.out)
    print(f"{given.accounts} accounts in {given.out}; {planted.total()} faults planted, listed in {given.out / 'planted.csv'}")


if __name__ == "__main__":
    main()
