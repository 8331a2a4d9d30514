"""Whatever the shares, the parts of a meter are the whole, each within a step of its due, and the same for everybody who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal as D
from fractions import Fraction as F
from random import Random
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tariffs
from billing_service.shared import Divided, divide
from billing_service.terms import Meters, Records

RULE = """\
language: 1
title: {zh: 试, en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: month
inputs:
  water: {unit: UNIT, step: STEP, min: 0, max: 600000, collect: HOW}
values:
  price: {value: 2, unit: CNY/UNIT}
charges:
  fee: {formula: "round(water * price, 0.01)"}
"""
OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
TEXTS = ("id", "account", "point", "measure", "unit", "quality", "replaces", "value")
DAYS = ("start", "end", "known")
KINDS: dict[str, pa.DataType] = {**dict.fromkeys(TEXTS, pa.string()), **dict.fromkeys(DAYS, pa.date32()), "below": pa.bool_()}
SCHEMA = pa.schema(KINDS)


def rule(name: str, step: str = "1", unit: str = "m3", collect: str = "sum") -> tariffs.TariffVersion:
    text = RULE.replace("UNIT", unit).replace("STEP", step).replace("HOW", collect)
    return tariffs.parse(text.encode(), tariff=name, effective=date(2026, 1, 1))


def meters(shares: Mapping[str, D], records: Sequence[Mapping[str, Any]], tariff_of: Mapping[str, str]) -> Meters:
    rows = [SimpleNamespace(point="M", account=account, to=None, parts=parts, _mapping={"from": date(2020, 1, 1)}) for account, parts in sorted(shares.items())]
    plain = {"account": "H", "point": "M", "measure": "water", "unit": "m3", "quality": "actual", "replaces": "", "known": None, "below": False}
    sent = [{**plain, "start": OCTOBER[0], "end": OCTOBER[1], **one} for one in records]
    table = pa.Table.from_pylist(sent, SCHEMA)
    tariffs_of = {account: [tariff_of.get(account, "a")] for account in shares}
    return Meters(rows, Records(table, {one["id"]: ("f", 1) for one in sent}), tariffs_of, frozenset(shares))


def divided(shares: Mapping[str, D], *records: Mapping[str, Any], step: str = "1") -> dict[str, D]:
    found = divide(meters(shares, records, {}), {"a": (rule("a", step),)}, OCTOBER, None)
    assert not found.waiting
    (one,) = found.divisions
    return dict(one.values)


def wait(found: Divided) -> list[str]:
    return [one.wrong.code for one in found.waiting]


@given(
    st.dictionaries(st.text("abcXYZ09", min_size=1, max_size=4), st.integers(1, 10**12).map(lambda n: D(n).scaleb(-6)), min_size=1, max_size=300),
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=5),
    st.sampled_from(["1", "0.1", "0.001", "5"]),
    st.randoms(use_true_random=False),
)
def test_parts_add_up_and_are_within_a_step_of_their_due(shares: dict[str, D], units: list[int], step: str, random: Random) -> None:
    days = [date(2026, 10, 1 + at) for at in range(len(units) + 1)]
    records = [{"id": f"R{at}", "value": str(n * D(step)), "start": days[at], "end": days[at + 1]} for at, n in enumerate(units)]
    found = divided(shares, *records, step=step)
    whole, parts = sum(n * D(step) for n in units), sum(shares.values())
    assert sum(found.values()) == whole
    for account, part in found.items():
        assert part % D(step) == 0
        assert abs(F(part) - F(whole) * F(shares[account]) / F(parts)) < F(D(step))
    mixed = list(shares.items())
    random.shuffle(mixed)
    random.shuffle(records)
    assert divided(dict(mixed), *records, step=step) == found


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [
        ({"A": 7}, "13", {"A": 13}),
        ({"C": 1, "A": 1, "B": 1}, "100", {"A": 34, "B": 33, "C": 33}),
        ({"C": 1, "A": 1, "B": 1}, "101", {"A": 34, "B": 34, "C": 33}),
        ({"A": 1, "B": 1, "C": 1}, "-100", {"A": -34, "B": -33, "C": -33}),
        ({"A": 1, "B": 999}, "1", {"A": 0, "B": 1}),
        ({"A": 1, "B": 2}, "0", {"A": 0, "B": 0}),
        ({f"A{at:03}": 1 for at in range(400)}, "399", {f"A{at:03}": int(at < 399) for at in range(400)}),
    ],
)
def test_ties_go_by_account(shares: dict[str, int], total: str, expected: dict[str, int]) -> None:
    assert divided({account: D(parts) for account, parts in shares.items()}, {"id": "U", "value": total}) == expected


TWO = {"A": D(1), "B": D(1)}


def test_the_coarsest_step_of_all_counts_and_steps_that_do_not_fit_wait() -> None:
    asked = meters(TWO, [{"id": "U", "value": "15"}], {"B": "b"})
    found = divide(asked, {"a": (rule("a", "0.01"),), "b": (rule("b", "5"),)}, OCTOBER, None)
    assert [dict(one.values) for one in found.divisions] == [{"A": 10, "B": 5}]
    for other in (rule("b", "0.3"), rule("b", "1", "L")):
        assert wait(divide(asked, {"a": (rule("a", "0.2"),), "b": (other,)}, OCTOBER, None)) == ["meter-steps"]


def test_only_what_is_added_up_is_divided() -> None:
    asked = meters(TWO, [{"id": "U", "value": "15"}], {"B": "b"})
    assert wait(divide(asked, {"a": (rule("a"),), "b": (rule("b", collect="max"),)}, OCTOBER, None)) == ["meter-not-summed"]
    assert wait(divide(meters(TWO, [{"id": "U", "value": "15", "below": True}], {}), {"a": (rule("a"),)}, OCTOBER, None)) == ["below-limit"]
    assert wait(divide(meters(TWO, [{"id": "U", "value": "15", "unit": "t"}], {}), {"a": (rule("a"),)}, OCTOBER, None)) == ["record-unit"]
    nobody = meters(TWO, [{"id": "U", "value": "15"}], {"A": "c", "B": "c"})
    waste = rule("c").model
    assert waste.inputs[0].collect is not None
    gone = divide(
        nobody, {"a": (rule("a"),), "c": (tariffs.parse(waste.content.replace(b"water", b"waste"), tariff="c", effective=date(2026, 1, 1)),)}, OCTOBER, None
    )
    assert wait(gone) == ["meter-not-read"]


def test_units_of_records_are_the_tariffs() -> None:
    assert divided(TWO, {"id": "U", "value": "15000", "unit": "L"}) == {"A": 8, "B": 7}


def test_what_became_known_later_and_what_was_replaced_do_not_count() -> None:
    records: list[dict[str, Any]] = [{"id": "U", "value": "10"}, {"id": "V", "value": "20", "replaces": "U", "known": date(2026, 11, 20)}]
    for known, expected in ((date(2026, 11, 10), 5), (date(2026, 11, 20), 10), (None, 10)):
        found = divide(meters(TWO, records, {}), {"a": (rule("a"),)}, OCTOBER, known)
        assert dict(found.divisions[0].values) == {"A": expected, "B": expected}
        assert found.gone == {"U", "V"}
