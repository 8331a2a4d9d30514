"""A year of invented days of sewage plants, as their laboratories and meters would send them, for `billing import`.

    python -m examples.operators.generate --plants 1 --seed 165 --year 2024 --out DIR

The same seed gives the same bytes on every machine. Days crowd where contracts have their edges: the cap of 1.3 times the design,
exactly a limit, 12 degrees. A few readings lie below the limit of detection (a laboratory writes ``<0.05``), a few are missing, fewer than the sample
contract lets be filled. Everything is invented.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

POLLUTANTS = ("COD", "NH3N", "TN", "TP")
CONTRACT, FINAL = "cn/sample/operators/full-contract", "cn/sample/operators/full-contract-final"
ACCOUNTS = ("account", "name", "class", "address", "district")
CONTRACTS = ("contract", "account", "tariff", "from", "to", "facts")
USAGE = ("id", "account", "point", "measure", "start", "end", "value", "unit", "quality", "replaces", "known", "below")

#: Terms of the sample contract: invented, like everything here.
TERMS = {
    "guarantee": "40000",
    "price": "1.05",
    "over_price": "0.63",
    "edge[first]": "150",
    "edge[second]": "260",
    "adder[weak]": "-0.03",
    "adder[usual]": "0",
    "adder[strong]": "0.05",
    "kg_price[COD]": "0.42",
    "kg_price[NH3N]": "2.1",
    "kg_price[TN]": "1.3",
    "kg_price[TP]": "6.5",
    "fine": "8000",
    "vat": "6",
}
_DESIGN = 50_000
_LIMITS = {"COD": 5000, "NH3N": 500, "TN": 1500, "TP": 50}  # hundredths of mg/L
_IN = {"COD": (9000, 34000), "NH3N": (1200, 4500), "TN": (1800, 6000), "TP": (120, 700)}
_OUT = {"COD": (1200, 4600), "NH3N": (20, 420), "TN": (600, 1400), "TP": (8, 46)}
_DETECTED = {"NH3N": 5, "TP": 1}  # the limit of detection, hundredths


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one plant. Concentrations are as a laboratory writes them, ``<0.05`` below its limit; "" was not measured."""

    day: date
    flow: int
    inflow: Mapping[str, str]
    outflow: Mapping[str, str]
    temperature: str


def days(plant: int, seed: int, year: int) -> Iterator[Day]:
    """The days of a plant's year."""
    chance = Random(f"{seed}:{plant}:{year}")
    day = date(year, 1, 1)
    while day.year == year:
        yield _day(chance, day)
        day += timedelta(days=1)


def scores(plant: int, seed: int, year: int) -> list[str]:
    """The twelve scores the supervisor gave."""
    chance = Random(f"{seed}:{plant}:{year}:scores")
    return [chance.choice(("100", "95.5", "90", "89.9", "84.5", "80", "79.9", "72", "66.5")) for _ in range(12)]


def _day(chance: Random, day: date) -> Day:
    cap = _DESIGN * 13 // 10
    holiday = 6 if day.month == 2 else 10  # little water in February
    edge = chance.random() < 0.15
    flow = chance.choice((cap - 1, cap, cap + 1, cap + 4000)) if edge else chance.randrange(30_000, 62_000) * holiday // 10
    warm = 120 - abs(day.timetuple().tm_yday - 205)  # tenths of a degree around the year's mean
    temperature = 120 + chance.choice((-1, 0, 1)) if chance.random() < 0.1 else 150 + warm + chance.randrange(-15, 16)
    rain = 6 if day.month in (6, 7, 8) else 14 if day.month in (1, 12) else 10  # sewers are diluted in summer, strong in winter
    inflow = {name: _text(chance.randrange(*_IN[name]) * rain // 10) for name in POLLUTANTS}
    outflow = {name: _text(_let_out(chance, name)) for name in POLLUTANTS}
    for name, detected in _DETECTED.items():
        if chance.random() < 0.02:
            outflow[name] = f"<{_text(detected)}"
    if day.day in (9, 10) and day.month % 4 == 2:
        outflow["TN"] = ""
    if day.day == 17 and day.month % 3 == 0:
        inflow["COD"] = ""
    if day.day == 3 and day.month == 3:
        outflow["TP"] = "9.9"  # more out than in
    return Day(day, flow, inflow, outflow, _tenths(temperature))


def _let_out(chance: Random, name: str) -> int:
    """Mostly within the limit, sometimes exactly on it, just above, or far above."""
    limit = _LIMITS[name]
    if chance.random() < 0.04:
        return chance.choice((limit - 1, limit, limit + 1, limit * 8 // 5, limit * 2))
    return chance.randrange(*_OUT[name])


def _text(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _tenths(number: int) -> str:
    return str(Decimal(number).scaleb(-1))


# --- as files -----------------------------------------------------------------------------------------------------


def write(plants: int, seed: int, year: int, out: Path) -> int:
    """``accounts.csv``, ``contracts.csv`` and ``usage.csv`` into ``out``; how many records there are."""
    out.mkdir(parents=True, exist_ok=True)
    names = [f"P{number:04d}" for number in range(1, plants + 1)]
    facts = ";".join(f"{name}={value}" for name, value in {"design": str(_DESIGN), **TERMS}.items())
    _file(out / "accounts.csv", ACCOUNTS, ((name, f"Plant {name} (sample)", "operator", "", "") for name in names))
    terms = ((f"{name}-{kind}", name, tariff, f"{year}-01-01", "", facts) for name in names for kind, tariff in (("M", CONTRACT), ("Y", FINAL)))
    _file(out / "contracts.csv", CONTRACTS, terms)
    return _file(out / "usage.csv", USAGE, (row for number, name in enumerate(names, 1) for row in records(name, number, seed, year)))


def records(account: str, plant: int, seed: int, year: int) -> Iterator[tuple[str, ...]]:
    """A plant's usage records, as rows of ``usage.csv``."""
    for month, score in enumerate(scores(plant, seed, year), 1):
        start, end = date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
        yield _record(account, "score", start, end, score, "1")
    for one in days(plant, seed, year):
        measured = {"flow": (str(one.flow), "m3"), "temperature": (one.temperature, "degC")}
        measured |= {f"{way}[{name}]": (found[name], "mg/L") for way, found in (("inflow", one.inflow), ("outflow", one.outflow)) for name in POLLUTANTS}
        for measure, (value, unit) in measured.items():
            if value:
                yield _record(account, measure, one.day, one.day + timedelta(days=1), value, unit)


def _record(account: str, measure: str, start: date, end: date, value: str, unit: str) -> tuple[str, ...]:
    below = "yes" if value.startswith("<") else ""
    return f"{account}-{start:%Y%m%d}-{measure}", account, "", measure, str(start), str(end), value.lstrip("<"), unit, "actual", "", "", below


def _file(path: Path, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for count, row in enumerate(rows, 1):  # noqa: B007  the last count is the number of rows
            writer.writerow(row)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a year of sample plants as CSV files.")
    parser.add_argument("--plants", type=int, default=1)
    parser.add_argument("--seed", type=int, default=165)
    parser.add_argument("--year", type=int, default=2024)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    given = parser.parse_args()
    count = write(given.plants, given.seed, given.year, given.out)
    print(f"{given.plants} plants in {given.out}: {count} records")


if __name__ == "__main__":
    main()
