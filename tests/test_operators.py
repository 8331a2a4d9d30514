"""Operators' contracts: every part gives its cases, says that it is made up, and a whole year is what plain Python makes of it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tariffs
from examples.operators.generate import CONTRACT, FINAL, POLLUTANTS, TERMS, USAGE, Day, days, records, scores, write
from tariffs import golden
from tariffs.gather import gather
from tariffs.layout import read_cases
from tariffs.units import parse_unit

ROOT = Path(__file__).parent.parent
RULES = ROOT / "examples" / "operators" / "rules"
FILES = [file for file in tariffs.versions(RULES) if file.path.is_relative_to(RULES)]
F = Fraction
CENT = F(1, 100)
YEAR = (date(2024, 1, 1), date(2025, 1, 1))
MONTHS = [(date(2024, month, 1), date(2024 + month // 12, month % 12 + 1, 1)) for month in range(1, 13)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.tariff)
def test_a_contract_part_gives_its_cases_by_both_evaluators(file: tariffs.VersionFile) -> None:
    assert golden.has_columns()
    checked = golden.check(file, RULES)
    assert [problem.text() for problem in checked.problems] == []
    assert checked.cases > 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.tariff)
def test_a_contract_part_says_that_it_is_made_up_and_what_it_chose(file: tariffs.VersionFile) -> None:
    version = tariffs.read(file)
    assert (version.status, version.model.direction) == ("illustrative", "payable")
    assert version.title["zh"].startswith("示范样本（虚构）")
    assert version.title["en"].startswith("Sample (illustrative)")
    assert len(version.model.assumptions) >= 2
    cases, _ = read_cases(file.path.with_suffix(".cases.yaml").read_bytes(), "")
    assert any(case.error for case in cases), "bad facts are refused too"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.tariff)
def test_a_contract_part_has_no_prices_of_its_own(file: tariffs.VersionFile) -> None:
    """Money comes with the contract: a value of a sample is a limit, an edge or a coefficient."""
    model = tariffs.read(file).model
    assert [value.name for value in model.values if "CNY" in str(value.unit) and value.name != "yuan"] == []


def test_the_page_on_contracts_knows_every_part() -> None:
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    assert {file.tariff.rsplit("/", 1)[1] for file in FILES} == set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))


# --- the whole contract, restated ---------------------------------------------------------------------------------


def half_up(value: Fraction, step: Fraction = CENT) -> Fraction:
    """To a whole multiple of a step, halves away from zero."""
    whole = abs(value) / step
    found = int(whole + F(1, 2)) * step
    return found if value >= 0 else -found


class Plant:
    """Readings as the sample contract takes them: half of a limit of detection, and the day before's where one is missing."""

    def __init__(self, number: int, seed: int) -> None:
        self.days = list(days(number, seed, 2024))
        self.scores = [F(score) for score in scores(number, seed, 2024)]
        self.read: dict[date, dict[str, Fraction]] = {}
        before: dict[str, Fraction] = {}
        for one in self.days:
            found = {f"{way}{name}": self.number(text) for way, given in (("in", one.inflow), ("out", one.outflow)) for name, text in given.items()}
            before = {name: before[name] if value is None else value for name, value in found.items()}
            self.read[one.day] = before

    @staticmethod
    def number(text: str) -> Fraction | None:
        if not text:
            return None
        return half_up(F(text[1:]) / 2) if text.startswith("<") else F(text)


def due(plant: Plant, period: tuple[date, date], score: Fraction) -> dict[str, Fraction]:
    """The sample contract in plain Python: what it pays for a period, line by line."""
    terms = {name: F(value) for name, value in TERMS.items()}
    inside = [one for one in plant.days if period[0] <= one.day < period[1]]
    paid = {one.day: min(F(one.flow), F("1.3") * 50_000) for one in inside}
    volume, guaranteed = sum(paid.values(), F(0)), terms["guarantee"] * len(inside)
    strength = half_up(sum((one.flow * plant.read[one.day]["inCOD"] for one in inside), F(0)) / sum(one.flow for one in inside))
    band = "weak" if strength < terms["edge[first]"] else "usual" if strength < terms["edge[second]"] else "strong"
    lines = {
        "guaranteed_fee": half_up(guaranteed * terms["price"]),
        "over_fee": half_up(max(volume - guaranteed, F(0)) * terms["over_price"]),
        "strength_fee": half_up(volume * terms[f"adder[{band}]"]),
    }
    for name in POLLUTANTS:
        grams = sum((paid[one.day] * (plant.read[one.day][f"in{name}"] - plant.read[one.day][f"out{name}"]) for one in inside), F(0))
        lines[f"removal_fee[{name}]"] = half_up(grams / 1000 * terms[f"kg_price[{name}]"])
    lines["limit_deduction"] = -terms["fine"] * sum(over(plant, one) for one in inside)
    lost = max(F(90) - score, F(0))
    coefficient = 1 - min(lost, F(10)) * F("0.005") - min(max(lost - 10, F(0)), F(10)) * F("0.01") - max(lost - 20, F(0)) * F("0.015")
    before = sum(lines.values())
    lines["score_deduction"] = half_up(before * max(coefficient, F(0))) - before
    lines["vat_fee"] = half_up(sum(lines.values()) * terms["vat"] / 100)
    return lines


def over(plant: Plant, one: Day) -> bool:
    limits = {"COD": F(50), "NH3N": F(8 if F(one.temperature) <= 12 else 5), "TN": F(15), "TP": F("0.5")}
    return any(plant.read[one.day][f"out{name}"] > limit for name, limit in limits.items())


@cache
def usage(number: int, seed: int) -> tuple[tariffs.UsageRecord, ...]:
    return tuple(_record(dict(zip(USAGE, row, strict=True))) for row in records(f"P{number}", number, seed, 2024))


def _record(cells: dict[str, str]) -> tariffs.UsageRecord:
    start, end = date.fromisoformat(cells["start"]), date.fromisoformat(cells["end"])
    value, unit = Decimal(cells["value"]), parse_unit(cells["unit"])
    return tariffs.UsageRecord(cells["id"], cells["account"], cells["measure"], start, end, value, unit, below=cells["below"] == "yes")


def facts_of(version: tariffs.TariffVersion, number: int, seed: int, period: tuple[date, date], **more: object) -> dict[str, Any]:
    facts, problems = gather(version.model, usage(number, seed), {"design": "50000", **TERMS, **more}, period)
    assert problems == ()
    return facts


@pytest.mark.parametrize(("number", "seed"), [(1, 165), (2, 165), (1, 7)])
def test_a_year_of_the_sample_contract_is_what_plain_python_makes_of_it(number: int, seed: int) -> None:
    version, plant = tariffs.load(CONTRACT, on=YEAR[0], rules=RULES), Plant(number, seed)
    for month, period in enumerate(MONTHS):
        rating = version.explain(facts_of(version, number, seed, period), period=period)
        lines = {line.charge.full_name: F(line.amount) for line in rating.lines if line.charge.kind == "line"}
        assert lines == due(plant, period, plant.scores[month])
        assert F(rating.total) == sum(lines.values())


def test_the_final_pays_the_years_computation_less_what_was_settled() -> None:
    version, plant = tariffs.load(FINAL, on=YEAR[0], rules=RULES), Plant(1, 165)
    rating = version.explain(facts_of(version, 1, 165, YEAR, settled="20000000.00"), period=YEAR)
    score = half_up(sum(plant.scores, F(0)) / 12, F(1, 10))
    lines = {line.charge.full_name: F(line.amount) for line in rating.lines if line.charge.kind == "line"}
    assert lines == {**due(plant, YEAR, score), "already_settled": F(-20_000_000)}


def test_columns_agree_with_explain_on_every_plant_month() -> None:
    version = tariffs.load(CONTRACT, on=YEAR[0], rules=RULES)
    plants = [(1, 165), (2, 165), (1, 7)]
    for period in MONTHS:
        given = [facts_of(version, number, seed, period) for number, seed in plants]
        names = [name for name in given[0] if name != "stage"]
        frame = {"account": [str(at) for at in range(len(given))], **{name: [facts[name] for facts in given] for name in names}}
        rows = [(str(at), row) for at, facts in enumerate(given) for row in facts["stage"]]
        columns = dict.fromkeys(name for _, row in rows for name in row if name != "filled")
        stage = {"account": [account for account, _ in rows], **{name: [row.get(name) for _, row in rows] for name in columns}}
        amounts = version.rate(frame, stage=stage, period=period, workings=True)
        for at, facts in enumerate(given):
            rating = version.explain(facts, period=period)
            found = {name: column[at] for name, column in amounts.items() if column[at] is not None and name != "account"}
            assert found == {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}


def test_the_sample_year_meets_the_edges_it_was_made_for(tmp_path: Path) -> None:
    """366 days; the cap, the limits and 12 degrees are met exactly and passed; readings below a limit, and gaps the rule fills."""
    plant = Plant(1, 165)
    assert [one.day for one in plant.days] == [YEAR[0] + timedelta(days=n) for n in range(366)]
    assert {65_000, 64_999, 65_001} <= {one.flow for one in plant.days}
    assert {"12.0", "11.9", "12.1"} <= {one.temperature for one in plant.days}
    assert {"50.00", "50.01"} <= {one.outflow["COD"] for one in plant.days}
    assert any(text.startswith("<") for one in plant.days for text in one.outflow.values())
    assert any(not text for one in plant.days for text in (*one.inflow.values(), *one.outflow.values()))
    bands = [due(plant, period, F(90))["strength_fee"] for period in MONTHS]
    assert min(bands) < 0 < max(bands)
    assert min(due(plant, period, F(90))["over_fee"] for period in MONTHS) == 0
    write(1, 165, 2024, tmp_path / "one")
    write(1, 165, 2024, tmp_path / "two")
    assert [path.read_bytes() for path in sorted((tmp_path / "one").iterdir())] == [path.read_bytes() for path in sorted((tmp_path / "two").iterdir())]
