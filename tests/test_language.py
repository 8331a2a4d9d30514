"""The language, one construct a test: what a formula means, shown by what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal as D

import pytest

import tariffs
from tariffs.errors import PackError

HEAD = """\
language: 1
title: {zh: 试, en: trial}
status: illustrative
source: {document: made for a test}
currency: %s
direction: receivable
period: %s
"""


@dataclass(frozen=True)
class Both:
    """A version whose every rating is made by both evaluators, which must agree."""

    version: tariffs.TariffVersion

    def explain(self, facts: Mapping[str, object] | None = None, /, *, period: tuple[str, str] | None = None, **more: object) -> tariffs.Rating:
        rating = self.version.explain(facts, period=period, **more)
        frame = {"row": [0], **{name: [value] for name, value in rating.facts.items()}}
        columns = self.version.rate(frame, period=period, workings=True)
        assert {name: column[0] for name, column in columns.items() if column[0] is not None} == {
            **{line.charge.full_name: line.amount for line in rating.lines},
            "total": rating.total,
        }
        return rating

    def rate(self, frame: Mapping[str, list[object]]) -> dict[str, list[D]]:
        found: dict[str, list[D]] = self.version.rate(frame)
        return found


def version(body: str, currency: str = "CNY", period: str = "month") -> Both:
    return Both(parse(body, currency, period))


def parse(body: str, currency: str = "CNY", period: str = "month") -> tariffs.TariffVersion:
    return tariffs.parse((HEAD % (currency, period) + body).encode(), tariff="xx/trial", effective=date(2026, 1, 1))


def codes(body: str) -> list[str]:
    with pytest.raises(PackError) as caught:
        version(body)
    for problem in caught.value.problems:
        assert problem.where is not None
        assert problem.where.line > 0
        assert problem.text("en")
        assert problem.text("zh")
    return [problem.code for problem in caught.value.problems]


def test_mg_per_litre_times_m3_times_price_per_kg_is_money_exactly() -> None:
    removal = version("""
inputs:
  flow: {unit: m3, step: 1, min: 0, max: 10000000}
  inflow: {unit: mg/L, step: 0.1, min: 0, max: 5000}
  outflow: {unit: mg/L, step: 0.1, min: 0, max: 5000}
values: {price: {value: 1.37, unit: CNY/kg}}
charges:
  removed: {kind: working, unit: kg, formula: "flow * (inflow - outflow)"}
  fee: {formula: "round(removed * price, 0.01)"}
""")
    rating = removal.explain(flow=1_000_000, inflow=250, outflow=30)
    assert rating["removed"] == D(220000)
    assert rating.total == D("301400.00")


def test_austin_s_own_factor_gives_the_published_20_20() -> None:
    """Identical names cancel and nothing else happens: 8.34 lb*L/(Mgal*mg) stays the ordinance's number."""
    austin = version(
        """
inputs:
  volume: {unit: Mgal, step: 0.0001, min: 0, max: 1000}
  bod: {unit: mg/L, step: 1, min: 0, max: 100000}
values:
  weight: {value: 8.34, unit: lb*L/(Mgal*mg)}
  rate: {value: 0.5043, unit: USD/lb}
  allowed: {value: 200, unit: mg/L}
charges:
  bod_surcharge: {formula: "round(volume * weight * rate * max(bod - allowed, 0), 0.01)"}
""",
        "USD",
    )
    assert austin.explain(volume="0.0116", bod=614).total == D("20.20")


def test_families_tables_and_each() -> None:
    tax = version("""
dimensions: {pollutant: {COD: {zh: 化学需氧量}, SS: {zh: 悬浮物}, TP: {zh: 总磷}}}
inputs:
  place: {choices: {city: {zh: 市}, county: {zh: 县}}}
  load: {unit: kg, step: 0.1, min: 0, max: 1000000, by: pollutant}
values:
  equivalent: {by: pollutant, unit: kg, table: {COD: 1, SS: 4, TP: 0.25}}
  rate: {by: place, unit: CNY, table: {city: 2.1, county: 1.4}}
charges:
  units: {by: pollutant, kind: working, formula: "divide(load[pollutant], equivalent[pollutant], 0.01)"}
  tax: {formula: "round(top(2, each(pollutant, units[pollutant])) * rate[place], 0.01)"}
  shown: {by: pollutant, when: 'pollutant != "SS" and load[pollutant] > load["SS"]', kind: included, formula: "round(units[pollutant] * rate[place], 0.01)"}
""")
    rating = tax.explain({"place": "city", "load": {"COD": "10", "SS": "8", "TP": "1.1"}})
    assert [rating[f"units[{p}]"] for p in ("COD", "SS", "TP")] == [D("10.00"), D("2.00"), D("4.40")]
    assert rating.total == D("30.24")
    assert rating["shown[COD]"] == D("21.00")
    with pytest.raises(KeyError):
        rating["shown[SS]"]
    with pytest.raises(KeyError):
        rating["shown[TP]"]


def test_a_charge_by_a_choice_input_applies_to_the_member_chosen() -> None:
    fee = version(
        """
inputs:
  class: {choices: {a: {zh: 甲}, b: {zh: 乙}}}
  area: {unit: m2, step: 1, min: 0, max: 1000}
values: {rate: {by: kind, unit: CNY/m2, table: {a: 1.20, b: 2}}}
charges:
  fee: {by: kind, formula: "area * rate[kind]"}
""".replace("class:", "kind:")
    )
    assert fee.explain(kind="b", area=3)["fee[b]"] == D(6)
    assert fee.explain(kind="a", area=3).total == D("3.60")


def test_money_on_the_grid_of_its_factors_needs_no_rounding() -> None:
    body = """
inputs: {weight: {unit: t, step: STEP, min: 0, max: 100}}
values: {price: {value: 300, unit: CNY/t}}
charges: {fee: {formula: "weight * price"}}
"""
    assert version(body.replace("STEP", "0.001")).explain(weight="5.001").total == D("1500.3")
    assert codes(body.replace("STEP", "0.00001")) == ["money-unrounded"]


@pytest.mark.parametrize(
    ("formula", "weight", "expected"),
    [
        ("round(blocks(weight, [10, 20], [1, 2, 3]) * one, 0.01)".replace("10", "ten").replace("20", "twenty"), "25", "45.00"),
        ("round(whole(weight, [upto(ten), below(twenty)], [1, 2, 3]) * one, 0.01)", "10", "10.00"),
        ("round(whole(weight, [below(ten), below(twenty)], [1, 2, 3]) * one, 0.01)", "10", "20.00"),
        ("flat(weight, [upto(ten), below(twenty)], [small, big, 0])", "10.001", "9.00"),
        ("flat(weight, [upto(ten), below(twenty)], [small, big, 0])", "20", "0"),
        ("divide(weight, ten, 1, up) * small", "10.001", "10.00"),
        ("round(weight * one, 0.5)", "14.25", "14.5"),
        ("round(weight * one, 0.01, half_even)", "0.125", "0.12"),
        ("floor(weight * one, 10)", "19.999", "10"),
        ("ceil(weight * one, 0.1)", "0.001", "0.1"),
        ("round(divide(small, weight, 0.0001) * weight if weight > 0 else small, 0.01)", "0", "5.00"),
    ],
)
def test_bands_and_rounding(formula: str, weight: str, expected: str) -> None:
    values = {
        "ten": "{value: 10, unit: t}",
        "twenty": "{value: 20, unit: t}",
        "one": "{value: 1, unit: CNY/t}",
        "small": "{value: 5.00, unit: CNY}",
        "big": "{value: 9, unit: CNY}",
    }
    used = "\n".join(f"  {name}: {text}" for name, text in values.items() if name in formula)
    body = f"inputs: {{weight: {{unit: t, step: 0.001, min: 0, max: 1000}}}}\nvalues:\n{used}\ncharges:\n  fee: {{formula: '{formula}'}}\n"
    assert version(body).explain(weight=weight).total == D(expected)


def test_edges_may_grow_with_a_fact_or_be_ordered_by_a_require() -> None:
    body = """
inputs:
  use: {unit: m3, step: 1, min: 0, max: 1000}
  first: {unit: m3, step: 1, min: 0, max: 500}
  second: {unit: m3, step: 1, min: 0, max: 500}
values: {low: {value: 1, unit: CNY/m3}, high: {value: 3, unit: CNY/m3}}
%s
charges: {fee: {formula: "blocks(use, [first, second], [low, high, low])"}}
"""
    assert codes(body % "") == ["edges-order"]
    ordered = version(body % "require: [{that: first <= second, say: {zh: 次序}}]")
    assert ordered.explain(use=100, first=10, second=20).total == D(10 + 30 + 80)
    with pytest.raises(tariffs.FactsError) as caught:
        ordered.explain(use=1, first=3, second=2)
    assert [p.code for p in caught.value.problems] == ["refused"]
    grown = body.replace("second: {unit: m3, step: 1, min: 0, max: 500}", "").replace("[first, second]", "[first, 2 * first]")
    assert version(grown % "").explain(use=100, first=10).total == D(10 + 30 + 80)


def test_a_table_covers_every_key_that_can_be_reached() -> None:
    body = """
inputs:
  kind: {choices: {a: {zh: 甲}, b: {zh: 乙}}}
  area: {unit: m2, step: 1, min: 0, max: 1000}
values: {rate: {by: kind, unit: CNY/m2, table: {a: 1}}}
charges: {fee: {%s formula: "area * rate[kind]"}}
"""
    assert codes(body % "") == ["table-gap"]
    assert version(body % "when: 'kind == \"a\"',").explain(kind="a", area=2).total == D(2)
    refused = body.replace("charges:", "require: [{that: 'kind != \"b\"', say: {zh: 无}}]\ncharges:")
    assert version(refused % "").explain(kind="a", area=2).total == D(2)


def test_months_and_days_never_convert() -> None:
    body = """
inputs: {bed: {unit: bed, step: 1, min: 0, max: 1000}}
values: {fee: {value: 2.50, unit: CNY/(bed*%s)}}
charges: {bill: {formula: "bed * fee * %s"}}
"""
    assert codes(body % ("day", "period_months")) == ["not-money"]
    daily = version(body % ("day", "period_days"))
    assert daily.explain({"bed": 10}, period=("2026-02-01", "2026-03-01")).total == D("700.00")
    monthly = version(body % ("month", "period_months"), period="quarter")
    assert monthly.explain({"bed": 10}, period=("2026-01-01", "2026-04-01")).total == D("75.00")


def test_temperatures_compare_and_subtract_and_their_differences_are_ordinary() -> None:
    body = """
inputs: {warm: {unit: degC, step: 0.1, min: -5, max: 40}}
values: {limit: {value: 12, unit: degC}, fee: {value: 3, unit: CNY}, slope: {value: 0.1, unit: CNY/delta_degC}}
charges: {bill: {formula: "%s"}}
"""
    assert version(body % "round((warm - limit) * slope, 0.01) if warm > limit else fee").explain(warm="14.5").total == D("0.25")
    assert codes(body % "(warm + limit) * slope * 0 + fee") == ["point-arithmetic"]


def test_all_problems_of_one_file_come_together() -> None:
    found = codes("""
inputs: {weight: {unit: tt, step: 0.001, min: 0, max: 100}}
values: {price: {value: 300, unit: CNY/t}, other: {value: 3}}
charges:
  one: {formula: "wieght * price"}
  two: {formula: "round(price, 0.01) + later"}
  later: {formula: "1 / 2"}
""")
    assert found == ["unit-unknown", "unknown-name-like", "charge-order", "formula-division"]


def test_needed_facts_follow_the_choices() -> None:
    fee = version("""
inputs:
  payer: {choices: {metered: {zh: 计量}, fixed: {zh: 定额}}}
  weight: {unit: t, step: 0.001, min: 0, max: 100}
  households: {unit: household, step: 1, min: 0, max: 100}
values: {price: {value: 300, unit: CNY/t}, fee: {value: 5, unit: CNY/household}}
charges:
  by_weight: {when: 'payer == "metered"', formula: "weight * price"}
  by_household: {when: 'payer == "fixed"', formula: "households * fee"}
""")
    rating = fee.explain(payer="metered", weight="1.5", households=3)
    assert rating.total == D("450.0")
    assert rating.surplus == ("households",)
    with pytest.raises(tariffs.FactsError) as caught:
        fee.explain(payer="fixed", weight=1)
    assert [(p.code, p.values["name"]) for p in caught.value.problems] == [("missing-fact", "households")]


def test_a_sum_may_be_guarded_as_a_whole() -> None:
    """The cure the error names works: a divisor written out is guarded by the same words in the condition."""
    body = """
inputs:
  black: {unit: gal, step: 1, min: 0, max: 1000}
  blue: {unit: gal, step: 1, min: 0, max: 1000}
values: {price: {value: 2.50, unit: USD}}
charges:
  share: {kind: working, unit: "%%", formula: "divide(blue, black + blue, 1) %s"}
  fee: {formula: "round(price * share, 0.01)"}
"""
    assert codes((body % "").replace("USD", "CNY")) == ["divisor-zero"]
    discount = version(body % "if black + blue > 0 else 0", "USD")
    assert discount.explain(black=96, blue=32).total == D("0.63")
    assert discount.explain(black=0, blue=0).total == D(0)
    assert discount.rate({"black": [96, 0], "blue": [32, 0]})["total"] == [D("0.63"), D("0.00")]


def test_a_broken_charge_is_reported_once() -> None:
    """Charges that name it are not blamed for having no number."""
    found = codes("""
inputs: {weight: {unit: t, step: 0.001, min: 0, max: 100}}
charges:
  one: {kind: working, formula: "weight / 2"}
  two: {kind: working, formula: "one * 2"}
  fee: {formula: "two * 3"}
""")
    assert found == ["formula-division"]


def test_a_list_value_inside_brackets_gives_all_its_parts() -> None:
    """Fees of the bands stand in the file as one list, and a computed amount follows them."""
    fee = version("""
inputs: {daily: {unit: kg/day, step: 0.1, min: 0, max: 1000}}
values:
  edges: {list: [5, 10], unit: kg/day}
  last: {value: 30, unit: kg/day}
  fees: {list: [18, 36], unit: CNY}
  more: {value: 3.60, unit: CNY*day/kg}
  prices: {list: [1, 2], unit: CNY*day/kg}
charges:
  banded: {formula: "flat(daily, [upto(edges)], [fees, daily * more])"}
  sliced: {formula: "blocks(daily, [edges, last], [prices, more, 0])"}
""")
    assert [fee.explain(daily=kg)["banded"] for kg in ("5", "10", "10.1")] == [D(18), D(36), D("36.36")]
    assert fee.explain(daily="40")["sliced"] == D(5 + 10 + 72)


@pytest.mark.parametrize(("x", "y", "expected"), [("7", "-2", "-4"), ("-7", "-2", "4"), ("5", "-10", "-1"), ("-5", "-3", "2")])
def test_a_divisor_may_be_negative(x: str, y: str, expected: str) -> None:
    ratio = version("""
inputs: {x: {unit: kg, step: 1, min: -100, max: 100}, y: {unit: kg, step: 1, min: -100, max: -1}}
values: {one: {value: 1, unit: CNY}}
charges: {fee: {formula: "divide(x, y, 1) * one"}}
""")
    assert ratio.explain(x=x, y=y).total == D(expected)


def test_a_table_by_two_choices_finds_every_cell() -> None:
    cells = {(a, b): 10 * i + j for i, a in enumerate("pqr", 1) for j, b in enumerate("stuv", 1)}
    rows = ", ".join(f"{a}: {{{', '.join(f'{b}: {cells[a, b]}' for b in 'stuv')}}}" for a in "pqr")
    fee = version(f"""
inputs:
  a: {{choices: {{p: {{zh: 甲}}, q: {{zh: 乙}}, r: {{zh: 丙}}}}}}
  b: {{choices: {{s: {{zh: 子}}, t: {{zh: 丑}}, u: {{zh: 寅}}, v: {{zh: 卯}}}}}}
values: {{rate: {{by: [a, b], unit: CNY, table: {{{rows}}}}}}}
charges: {{fee: {{formula: "rate[a, b]"}}, swapped: {{kind: working, formula: 'rate["r", b] + rate[a, "s"]'}}}}
""")
    for (a, b), number in cells.items():
        rating = fee.explain(a=a, b=b)
        assert rating.total == D(number)
        assert rating["swapped"] == D(cells["r", b] + cells[a, "s"])


def test_edges_of_the_rule_ascend() -> None:
    body = """
inputs: {use: {unit: m3, step: 1, min: 0, max: 1000}}
values: {edges: {list: %s, unit: m3}, rates: {list: [1, 2, 3], unit: CNY/m3}}
charges: {fee: {formula: "blocks(use, edges, rates)"}}
"""
    assert version(body % "[10, 20]").explain(use=25).total == D(10 + 20 + 15)
    assert codes(body % "[20, 10]") == ["edges-order"]
    assert codes(body % "[10, 10]") == ["edges-order"]
    assert codes(body % "[10, 20, 30]") == ["band-count"]


def test_months_quarters_and_years_convert_and_rates_may_be_yearly() -> None:
    yearly = version(
        """
values: {rate: {value: 120, unit: CNY/year}, quarterly: {value: 30, unit: CNY/quarter}}
charges: {fee: {formula: "divide(rate * period_months, one, 0.01) + divide(quarterly * period_months, one, 0.01)"}}
""".replace("values: {", "values: {one: {value: 1}, "),
        period="quarter",
    )
    assert yearly.explain(period=("2026-01-01", "2026-04-01")).total == D("60.00")


def test_a_table_by_a_dimension_and_a_choice_is_looked_up_by_what_is_open() -> None:
    """With one axis settled, what is left finds its cell by its own place among the axes."""
    fee = version(
        """
dimensions: {waste: {wet: {zh: 湿}, dry: {zh: 干}}}
inputs:
  place: {choices: {city: {zh: 市}, town: {zh: 镇}, village: {zh: 村}}}
values: {rate: {by: [waste, place], unit: CNY, table: {wet: {city: 1, town: 2, village: 3}, dry: {city: 10, town: 20, village: 30}}}}
charges:
  fee: {by: waste, formula: "rate[waste, place]"}
  one: {kind: working, formula: 'rate["dry", place]'}
  all: {kind: working, formula: "sum(each(waste, rate[waste, place]))"}
""".replace("  all:", "  both:")
    )
    rating = fee.explain(place="town")
    assert (rating["fee[wet]"], rating["fee[dry]"], rating["one"], rating["both"]) == (D(2), D(20), D(20), D(22))


def test_blocks_price_from_zero_up() -> None:
    body = """
inputs: {use: {unit: m3, step: 1, min: -5, max: 1000}}
values: {edges: {list: [10], unit: m3}, rates: {list: [1, 2], unit: CNY/m3}}
charges: {fee: {formula: "blocks(%s, edges, rates)"}}
"""
    assert codes(body % "use") == ["quantity-negative"]
    assert version(body % "max(use, 0)").explain(use=-5).total == D(0)
