"""What if every household paid by volume? The accounts for ``tariffs compare``, from this folder's data.

    python -m examples.yangquan.what_if --seed 165 --out households.csv

One row a household on the flat fee, with its standing facts, and the bags and bins of a household of the pilot, drawn
by chance: what the others throw away nobody has measured. The same seed gives the same bytes. Everything is invented.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

DATA = Path(__file__).parent / "data"
FLAT, PILOT = "cn/yangquan/domestic-waste", "cn/yangquan/domestic-waste-by-volume"
SIZES = ("filled[bag15]", "filled[bag30]", "filled[bin120]")
COLUMNS = ("account", "district", "payer", "households", "relief", "refund_share", *SIZES)
Row = Mapping[str, str]


def _read(name: str) -> Iterator[Row]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield {key: value or "" for key, value in row.items()}


def pilot_months(month: str = "2026-10") -> list[Row]:
    """What each household of the pilot put out in the month, by size, in the order of their accounts."""
    found: dict[str, dict[str, int]] = {row["account"]: dict.fromkeys(SIZES, 0) for row in _read("contracts") if row["tariff"] == PILOT}
    for row in _read("usage"):
        if row["account"] in found and row["measure"] in SIZES and row["start"].startswith(month):
            found[row["account"]][row["measure"]] += int(row["value"])
    return [{size: str(count) for size, count in bags.items()} for bags in found.values()]


def households(seed: int) -> Iterator[Row]:
    """Every household whose contract for the flat fee can be read, under the bags of a household of the pilot."""
    random, months = Random(seed), pilot_months()
    districts = {row["account"]: row["district"] for row in _read("accounts")}
    for row in _read("contracts"):
        facts = dict(fact.split("=") for fact in row["facts"].split(";") if fact.count("=") == 1)
        if row["tariff"] == FLAT and facts.get("payer") == "household" and row["account"] in districts:
            yield {"account": row["account"], "district": districts[row["account"]], **facts, **random.choice(months)}


def write(rows: Iterator[Row], out: Path) -> int:
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow([row.get(name, "") for name in COLUMNS])
    return count


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=165)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(given)
    print(f"{asked.out}: {write(households(asked.seed), asked.out)} households")


if __name__ == "__main__":
    main()
