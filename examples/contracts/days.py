"""An invented year of days at sewage plants, and what may happen to it: diluted sewers, a bad week, a bad year.

The same seed gives the same days on every machine: chance is drawn as whole numbers, and nothing is ever a float.
Concentrations are whole hundredths of mg/L until they become Decimals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

from tariffs.money import EXACT, Mode, round_fraction

YEAR = 2024  # 366 days
POLLUTANTS = ("COD", "NH3N", "TN", "TP")
INFLOW = {"COD": 26000, "NH3N": 2800, "TN": 3800, "TP": 420}  # a usual plant's, hundredths of mg/L
OUTFLOW = {"COD": 2400, "NH3N": 120, "TN": 950, "TP": 26}
BAD_WEEK = {"COD": Decimal(82), "NH3N": Decimal(14), "TN": Decimal(24), "TP": Decimal("0.95")}  # over the limits of class 1A
BAD_DAYS = (date(YEAR, 3, 11), date(YEAR, 3, 18))
WATER = (92, 90, 95, 99, 103, 109, 114, 112, 105, 99, 95, 93)  # per cent of a usual day, by month
STRENGTH = (107, 106, 104, 101, 97, 92, 88, 90, 95, 100, 104, 106)
WARMTH = (118, 115, 128, 155, 185, 212, 238, 242, 222, 190, 156, 130)  # tenths of a degree
RAIN = (3, 4, 6, 8, 12, 20, 24, 20, 12, 8, 5, 3)  # chance of a wet day, per cent
DILUTION = Fraction(21, 20)

Row = Mapping[str, date | Decimal]


@dataclass(frozen=True, slots=True)
class Plant:
    """What makes plants differ, in per cent of a usual one: the inflow's ``strength`` by pollutant, and what is ``left``. ``usual`` is m3 a day."""

    name: str
    usual: int
    strength: Mapping[str, int]
    left: int


@dataclass(frozen=True, slots=True)
class Month:
    """A month of one plant: a row for each day, as the stages of the contracts name its facts, and the supervisor's score."""

    period: tuple[date, date]
    rows: tuple[Row, ...]
    score: Decimal


Year = tuple[Month, ...]
SAMPLE = Plant("P000", 42_000, dict.fromkeys(POLLUTANTS, 100), 100)


def plants(count: int, seed: int) -> list[Plant]:
    """Plants of all sizes, behind good and bad sewers; what the factories of a place let out shifts one pollutant or another."""
    chance = Random(f"{seed}:plants")
    found = []
    for number in range(1, count + 1):
        usual = chance.choice((6, 10, 15, 20, 30, 40, 60, 90, 140)) * chance.randrange(850, 1150)
        sewers = chance.randrange(60, 95) + chance.randrange(45)
        strength = {key: sewers * chance.randrange(78, 123) // 100 for key in POLLUTANTS}
        found.append(Plant(f"P{number:03}", usual, strength, chance.randrange(70, 125)))
    return found


def year(plant: Plant, seed: int) -> Year:
    """Its twelve months."""
    chance = Random(f"{seed}:{plant.name}")
    return tuple(_month(chance, plant, number) for number in range(1, 13))


def _month(chance: Random, plant: Plant, number: int) -> Month:
    start, end = date(YEAR, number, 1), date(YEAR + number // 12, number % 12 + 1, 1)
    rows = tuple(_day(chance, plant, start + timedelta(days=day)) for day in range((end - start).days))
    return Month((start, end), rows, Decimal(chance.randrange(880, 1000)).scaleb(-1))


def _day(chance: Random, plant: Plant, day: date) -> Row:
    wet = chance.randrange(112, 150) if chance.randrange(100) < RAIN[day.month - 1] else 100
    flow = plant.usual * _season(WATER, day) * wet * chance.randrange(95, 106) // 1_000_000
    row: dict[str, date | Decimal] = {"start": day, "flow": Decimal(flow), "temperature": Decimal(_season(WARMTH, day) + chance.randrange(-8, 9)).scaleb(-1)}
    for key in POLLUTANTS:
        noise = chance.randrange(92, 109)
        inflow = INFLOW[key] * plant.strength[key] * _season(STRENGTH, day) * noise // (wet * 10_000)
        cold = 100 + max(0, 150 - _season(WARMTH, day)) * (4 if key == "NH3N" else 1)
        outflow = OUTFLOW[key] * plant.left * cold * chance.randrange(85, 116) // 1_000_000
        row[f"inflow[{key}]"] = Decimal(inflow).scaleb(-2)
        row[f"outflow[{key}]"] = Decimal(min(outflow, inflow)).scaleb(-2)
    return row


def _season(months: tuple[int, ...], day: date) -> int:
    """Between the middle of one month and the next."""
    place = day.month * 31 + day.day - 47
    this, along = divmod(place, 31)
    return (months[this % 12] * (31 - along) + months[(this + 1) % 12] * along) // 31


# --- what may happen ----------------------------------------------------------------------------------------------


def each_row(months: Year, change: Callable[[dict[str, date | Decimal]], None]) -> Year:
    """The year with every row changed."""
    return tuple(replace(month, rows=tuple(_changed(row, change) for row in month.rows)) for month in months)


def _changed(row: Row, change: Callable[[dict[str, date | Decimal]], None]) -> Row:
    own = dict(row)
    change(own)
    return own


def diluted(months: Year) -> Year:
    """5 % of clean water comes in through the sewers: more volume, thinner in and out; the same load, the same removal ratio."""

    def change(row: dict[str, date | Decimal]) -> None:
        _thin(row)
        row["flow"] = _times(row["flow"], DILUTION, "1")

    return each_row(months, change)


def weaker(months: Year) -> Year:
    """5 % of the sewage stays away and clean water takes its place: the same volume, thinner in and out, the same removal ratio."""
    return each_row(months, _thin)


def bad_week(months: Year) -> Year:
    """Seven days over every limit."""

    def change(row: dict[str, date | Decimal]) -> None:
        day = row["start"]
        assert isinstance(day, date), "a row has its day"
        if BAD_DAYS[0] <= day < BAD_DAYS[1]:
            row.update({f"outflow[{key}]": value for key, value in BAD_WEEK.items()})

    return each_row(months, change)


def bad_year(months: Year) -> Year:
    """All of it: diluted sewers, the bad week, and a score lower by twelve points in every month."""
    return tuple(replace(month, score=EXACT.subtract(month.score, Decimal(12))) for month in bad_week(diluted(months)))


def _thin(row: dict[str, date | Decimal]) -> None:
    row.update({name: _times(value, 1 / DILUTION, "0.01") for name, value in row.items() if name.startswith(("inflow", "outflow"))})


def _times(value: date | Decimal, by: Fraction, step: str) -> Decimal:
    assert isinstance(value, Decimal), "only the day is no number"
    return round_fraction(Fraction(value) * by, Decimal(step), Mode.HALF_UP)


def rows_of(years: Mapping[str, Year]) -> Iterator[tuple[str, Row]]:
    """Every row, with its plant."""
    for name, months in years.items():
        for month in months:
            for row in month.rows:
                yield name, row
