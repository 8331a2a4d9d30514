"""What if: the totals are the sums of ``explain``, the classes add up to them, and no row is dropped in silence."""

from __future__ import annotations

import json
import random
import re
from datetime import date
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import tariffs
from examples.yangquan import what_if
from tariffs import coins
from tariffs.cli import app
from tariffs.compare import explained_of, percent
from tariffs.compare_words import as_json, reason, text
from tariffs.errors import FactsError, TariffError
from tariffs.money import total
from tests.raw_texts import texts

ROOT = Path(__file__).parent.parent
YANGQUAN = ROOT / "examples" / "yangquan" / "rules"
OLD, NEW = "cn/beijing/kitchen-waste@2022-01-01", "cn/beijing/kitchen-waste@2022-10-31"


def beijing() -> tuple[tariffs.TariffVersion, tariffs.TariffVersion]:
    return tariffs.load("cn/beijing/kitchen-waste", on="2022-01-01"), tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")


def canteens(rows: int, seed: int = 5) -> dict[str, list[Any]]:
    chance = random.Random(seed)
    return {
        "account": [f"A{row:04d}" for row in range(rows)],
        "payer": [chance.choice(["quota_unit", "other"]) for _ in range(rows)],
        "weight": [str(D(chance.randrange(40_000)) / 1000) for _ in range(rows)],
        "quota": [str(chance.randrange(1, 30)) if chance.random() < 0.9 else None for _ in range(rows)],
    }


def test_whole_coins_are_read_from_decimals_of_every_width() -> None:
    wanted = [D("9999999.99"), None, D("-9999999.99"), D("0.01")]
    for kind in (pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 2), pa.decimal256(76, 2)):
        array: Any = pa.array([D(1), *wanted], kind).slice(1)
        values, rated = coins.coins_of(pa.chunked_array([array]), 9)  # times ten to seven: no longer 32 bits
        assert [int(value) for value in values] == [int((amount or D(0)).scaleb(9)) for amount in wanted]
        assert rated.tolist() == [True, False, True, True]


def test_texts_that_are_no_utf_8_are_groups_keys_and_refusals_like_any_other() -> None:
    old, new = beijing()
    bad = b"\xb5\xa5"
    columns = {
        name: texts(pa.string(), words)
        for name, words in {"account": [b"a", bad, b"c"], "payer": [b"other", b"other", bad], "district": [bad, b"x", b"y"]}.items()
    }
    found = tariffs.compare(old, new, pa.table(columns | {"weight": ["1", "2", "3"], "quota": pa.nulls(3)}), by=["payer", "district"], key="account")
    assert {group.members for group in found.groups} == {("other", str(bad)), ("other", "x"), (str(bad), "y")}
    assert text(found, "en").count(str(bad)) >= 3


def facts_of(frame: dict[str, list[Any]], row: int, *names: str) -> dict[str, Any]:
    return {name: frame[name][row] for name in names if frame[name][row] is not None}


def test_totals_are_the_sums_of_explain_over_rows_both_can_rate() -> None:
    old, new = beijing()
    frame = canteens(300)
    found = tariffs.compare(old, new, frame, by=["payer"], key="account", target=D(1_000_000))
    before, after, refused = [], [], []
    for row in range(300):
        try:
            after.append(new.explain(facts_of(frame, row, "payer", "weight", "quota")).total)
            before.append(old.explain(facts_of(frame, row, "weight")).total)
        except FactsError:
            refused.append(row)
    assert (found.old_total, found.new_total) == (total(before), total(after))
    assert (found.rows, found.compared) == (300, 300 - len(refused))
    changes = sorted(b - a for a, b in zip(before, after, strict=True))
    assert found.more_sum == total(c for c in changes if c > 0) and found.less_sum == total(c for c in changes if c < 0)
    assert (found.more, found.less, found.same) == (sum(c > 0 for c in changes), sum(c < 0 for c in changes), changes.count(D(0)))
    ranks = [max(1, -(-10 * part * len(changes) // 100)) for part in range(11)]
    assert list(found.deciles) == [changes[rank - 1] for rank in ranks]
    assert [one.new - one.old for one in found.rises] == changes[:-11:-1]
    assert [one.new - one.old for one in found.falls] == changes[:10]
    assert all(one.before.total == one.old and one.after.total == one.new for one in found.rises)
    assert sum(bar.rows for bar in found.bars) == found.more + found.less


def test_classes_add_up_and_hold_the_refused_too() -> None:
    old, new = beijing()
    found = tariffs.compare(old, new, canteens(400), by=["payer"])
    assert [group.members for group in found.groups] == [("quota_unit",), ("other",)], "in the order of the rule"
    assert sum(group.rows for group in found.groups) == found.compared
    assert sum(group.refused for group in found.groups) == found.rows - found.compared > 0
    assert total(group.old for group in found.groups) == found.old_total
    assert total(group.new for group in found.groups) == found.new_total
    assert [group.more for group in found.groups] == [found.more, 0]


def test_refused_rows_are_counted_by_reason_and_what_the_other_version_takes_is_told() -> None:
    old, new = beijing()
    frame = {"account": ["a", "b", "c", "d"], "payer": ["quota_unit", "other", "nobody", "quota_unit"], "weight": ["1", "-1", "2", "4"]}
    found = tariffs.compare(old, new, {**frame, "quota": [None, None, None, "9"]}, key="account")
    told = [(one.side, one.code, one.input, one.rows, one.key) for one in found.refused]
    assert sorted(told) == [
        ("new", "below-minimum", "weight", 1, "b"),
        ("new", "missing-fact", "quota", 1, "a"),
        ("new", "unknown-choice", "payer", 1, "c"),
        ("old", "below-minimum", "weight", 1, "b"),
    ]
    assert (found.compared, found.only_old, found.only_new, found.old_alone) == (1, 2, 0, D("900.00"))
    assert "3 refused" in text(found) and "quota: missing" in text(found)


def test_an_empty_frame_compares_nothing() -> None:
    old, new = beijing()
    found = tariffs.compare(old, new, {"weight": [], "payer": [], "quota": []}, by=["payer"], target=D(1))
    assert (found.rows, found.compared, found.old_total, found.new_total) == (0, 0, D(0), D(0))
    assert not any((found.deciles, found.groups, found.rises, found.falls, found.bars))
    assert as_json(found)["payers"]["more"]["percent"] is None
    assert text(found, "zh")


def test_all_rows_refused_are_all_told() -> None:
    old, new = beijing()
    found = tariffs.compare(old, new, {"weight": ["x", "-2"], "payer": ["other"] * 2, "quota": [None, None]}, by=["payer"])
    assert (found.compared, found.old_total, [(group.rows, group.refused) for group in found.groups]) == (0, D(0), [(0, 2)])
    assert {(one.side, one.code) for one in found.refused} == {(side, code) for side in ("old", "new") for code in ("not-a-number", "below-minimum")}
    assert text(found)


def test_of_equal_changes_the_earliest_rows_are_shown() -> None:
    old, new = beijing()
    rows = 25
    found = tariffs.compare(old, new, {"weight": ["4"] * rows, "payer": ["quota_unit"] * rows, "quota": ["8"] * 15 + ["4"] * 5 + ["2"] * 5})
    assert [one.row for one in found.falls] == list(range(10)), "half the quota pays 200, not 300"
    assert [one.row for one in found.rises] == [20, 21, 22, 23, 24]
    assert (found.more, found.less, found.same) == (5, 15, 5)
    assert [one.key for one in found.rises] == ["21", "22", "23", "24", "25"]
    assert len(set(found.deciles)) == 3


def test_sums_beyond_machine_words_stay_exact() -> None:
    old, new = beijing()
    rows = 3000
    found = tariffs.compare(old, new, {"weight": ["100000"] * rows, "payer": ["other"] * rows})
    assert found.old_total == D(100_000 * 300 * rows)
    assert percent(D(1), D(3)) == D("33.33") and percent(-1, 800) == D("-0.13") and percent(1, 0) is None


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_every_kind_of_frame_gives_the_same(kind: str) -> None:
    old, new = beijing()
    frame = canteens(200)
    if kind == "pandas":
        other: Any = pytest.importorskip("pandas").DataFrame(frame)
    else:
        other = pytest.importorskip("pyarrow").table(frame)
    one, two = (as_json(tariffs.compare(old, new, given, by=["payer"], key="account", target=D(5))) for given in (frame, other))
    assert one == two


BANDS = """
language: 1
title: {en: "bands (illustrative)", zh: 分档（示例）}
status: illustrative
source: {document: sample made for a test}
currency: CNY
direction: receivable
period: month
inputs:
  kind: {choices: {small: {en: small, zh: 小}, large: {en: large, zh: 大}}}
  weight: {unit: t, step: 1, min: 0, max: 100, collect: sum}
  quota: {unit: t, step: 1, min: 0, max: 100}
values:
  edge: {value: EDGE, unit: t}
  second: {value: 40, unit: t}
  low: {value: 1, unit: CNY/t}
  middle: {value: 2, unit: CNY/t}
  high: {value: 5, unit: CNY/t}
  flat_sum: {value: 7, unit: CNY}
charges:
  band_fee:
    when: kind == "large"
    formula: whole(weight, [upto(edge), upto(second)], [low, middle, high])
  extra:
    when: kind == "small" and weight > edge
    formula: flat_sum
  quota_fee:
    when: kind == "small"
    formula: weight * middle if weight <= quota else weight * high
"""


def banded(edge: int, words: str = BANDS) -> tariffs.TariffVersion:
    return tariffs.parse(words.replace("EDGE", str(edge)).encode(), tariff="xx/bands", effective=date(2026, 1, 1))


def test_accounts_that_change_sides_of_an_edge_are_counted() -> None:
    weights = list(range(60))
    frame = {"kind": ["large"] * 60 + ["small"] * 60, "weight": weights * 2, "quota": [10] * 120}
    found = tariffs.compare(banded(20), banded(15), frame)
    assert [(one.charge, one.kind, one.about, one.old, one.new, one.up, one.down, one.change) for one in found.crossed] == [
        ("band_fee", "band", "weight", "20 t, 40 t", "15 t, 40 t", 5, 0, D(16 + 17 + 18 + 19 + 20)),
        ("extra", "when", "weight", 'kind == "small" and weight > edge', 'kind == "small" and weight > edge', 5, 0, D(35)),
    ]
    assert "20 t, 40 t → 15 t, 40 t" in text(found)
    moved = tariffs.compare(banded(20), banded(20, BANDS.replace("weight <= quota", "weight < quota")), frame)
    assert [(one.kind, one.about, one.up, one.down, one.change) for one in moved.crossed] == [("if", "quota, weight", 0, 1, D(30))]
    assert tariffs.compare(banded(20), banded(20), frame).crossed == ()
    other_shape = banded(15, BANDS.replace("[low, middle, high])", "[low, middle, high]) if weight < second else weight * high"))
    reshaped = tariffs.compare(banded(20), other_shape, frame)
    assert [one.charge for one in reshaped.crossed] == ["extra"]
    assert {(one.version, one.charge, one.kind) for one in reshaped.stands} == {
        ("old", "band_fee", "band"),
        ("new", "band_fee", "if"),
        ("new", "band_fee", "band"),
    }


def test_edges_of_one_version_alone_tell_who_stands_on_which_side() -> None:
    old, new = beijing()
    frame = {"weight": ["4", "5", "6", "12", "9"], "payer": ["quota_unit"] * 4 + ["other"], "quota": ["10"] * 4 + [None]}
    found = tariffs.compare(old, new, frame)
    assert found.crossed == () and "Nobody is on another side of an edge that both versions have" in text(found)
    assert [(one.version, one.kind, one.edges, one.side, one.rows, one.old, one.new) for one in found.stands] == [
        ("new", "if", "weight <= half * quota", 0, 2, D(5400), D(6000)),
        ("new", "if", "weight <= half * quota", 1, 2, D(2700), D(1800)),
        ("new", "band", "quota", 0, 1, D(1800), D(1800)),
        ("new", "band", "quota", 1, 1, D(3600), D(4200)),
    ]
    assert [(one.version, one.rows) for one in tariffs.compare(new, old, frame).stands] == [("old", 2), ("old", 2), ("old", 1), ("old", 1)]
    assert as_json(found)["edges_of_one"][0] == {
        "side": "new", "charge": "quota_fee", "label": {"zh": "厨余垃圾处理费（定额管理）", "en": "Kitchen waste fee under quota"},
        "kind": "if", "about": "quota, weight", "edges": "weight <= half * quota", "at": 0, "rows": 2, "old": "5400.00", "new": "6000.00", "change": "600.00",
    }  # fmt: skip
    assert "不成立" in text(found, "zh") and "第 2 档" in text(found, "zh")


def test_a_condition_for_a_charge_does_not_hold_where_the_charge_is_for_others() -> None:
    frame = {"kind": ["large", "small", "small"], "weight": [30, 30, 10], "quota": [99] * 3}
    found = tariffs.compare(banded(20, BANDS.replace("  extra:", "  addition:")), banded(20), frame)
    told = [(one.version, one.charge, one.kind, one.side, one.rows, one.new) for one in found.stands]
    assert told == [
        (version, charge, "when", side, rows, amount)
        for version, charge in (("old", "addition"), ("new", "extra"))
        for side, rows, amount in ((0, 2, D(60 + 20)), (1, 1, D(60 + 7)))
    ]


def test_a_reason_has_every_block_and_what_all_other_lines_come_to() -> None:
    old, new = beijing()
    one = tariffs.compare(old, new, {"weight": ["12"], "payer": ["quota_unit"], "quota": ["10"]}).rises[0]
    assert reason(one).endswith(
        "so weight 12 t, each block at its own rate = 4200.00 CNY"
        " (up to quota 10 t: 10 t × standard 300 CNY/t = 3000.00 CNY; above 10 t: 2 t × excess 600 CNY/t = 1200.00 CNY)"
    )
    rows = list(what_if.households(40))
    frame = {name: [row.get(name) for row in rows] for name in what_if.COLUMNS}
    found = tariffs.compare(*pilot(), frame, key="account", period=("2026-10-01", "2026-11-01"))
    for change in (*found.rises, *found.falls):
        told = reason(change).partition(" → ")[2]
        assert total(D(amount) for amount in re.findall(r"([0-9.]+) CNY(?![/(])", told)) == change.new, "one line as it came about, the others as they are"


def test_of_a_long_chain_of_cases_the_last_are_told() -> None:
    cases = " else ".join(f"weight * middle if weight < e{n}" for n in range(1, 9)) + " else weight * high"
    edges = "".join(f"  e{n}: {{value: {n}, unit: t}}\n" for n in range(1, 9))
    words = (
        BANDS.replace("weight * middle if weight <= quota else weight * high", cases)
        .replace("values:\n", "values:\n" + edges)
        .replace("  quota: {unit: t, step: 1, min: 0, max: 100}\n", "")
    )
    found = tariffs.compare(banded(20), banded(20, words), {"kind": ["small"], "weight": [9], "quota": [99]})
    assert reason(found.rises[0]).rpartition(" → ")[2] == "…; weight 9 t < e7 7 t: no; weight 9 t < e8 8 t: no; so weight 9 t × high 5 CNY/t = 45.00 CNY"


def test_asking_for_sides_changes_no_refusal() -> None:
    words = BANDS.replace('  quota_fee:\n    when: kind == "small"', '  quota_fee:\n    when: kind == "large"')
    found = tariffs.compare(banded(20, words), banded(15, words), {"kind": ["small"] * 3, "weight": [10, 18, 30], "quota": [1] * 3})
    assert [(one.side, one.code, one.rows) for one in found.refused] == [("old", "nothing-applies", 2), ("new", "nothing-applies", 1)]


def test_what_cannot_be_compared_is_said() -> None:
    old, new = beijing()
    frame = canteens(3)
    with pytest.raises(FactsError, match="district: the accounts have no such column"):
        tariffs.compare(old, new, frame, by=["district"])
    with pytest.raises(TariffError, match="give a target above 0"):
        tariffs.compare(old, new, frame, target=D(0))
    with pytest.raises(FactsError, match="2022-09-30 cannot use these accounts"):
        tariffs.compare(old, new, {"weight": ["1"]})
    with pytest.raises(FactsError, match="B: no account of this key"):
        explained_of(old, new, frame, "B", key="account")


def test_the_command_says_how_far_it_is_and_leaves_with_one_where_rows_were_refused(tmp_path: Path) -> None:
    rows = tmp_path / "in.csv"
    for weights, code in (("4\n5", 0), ("4\n-1", 1), ("-1\n-2", 1)):
        rows.write_text("weight,payer\n" + weights.replace("\n", ",other\n") + ",other\n", encoding="utf-8")
        for more in ([], ["--json"]):
            said = CliRunner().invoke(app, ["compare", OLD, NEW, str(rows), "--locale", "en", "--progress", *more])
            assert said.exit_code == code, said.output
            told = ["2 rows read", "2 rows rated by the old version", "2 rows rated by the new version"]
            assert said.stderr.splitlines() == told and CliRunner().invoke(app, ["compare", OLD, NEW, str(rows), "--locale", "en"]).stderr == ""


def pilot() -> tuple[tariffs.TariffVersion, tariffs.TariffVersion]:
    return tariffs.load(what_if.FLAT, on="2026-01-01", rules=YANGQUAN), tariffs.load(what_if.PILOT, on="2026-07-01", rules=YANGQUAN)


def test_the_flat_fee_against_the_pilot_of_the_sample_city() -> None:
    old, new = pilot()
    rows = list(what_if.households(165))
    frame = {name: [row.get(name) for row in rows] for name in what_if.COLUMNS}
    found = tariffs.compare(old, new, frame, by=["relief", "district"], key="account", target=D(9000), period=("2026-10-01", "2026-11-01"))
    assert (found.compared, found.old_total) == (len(rows), D("4.50") * len(rows))
    assert [len(found.old_relief), len(found.new_relief)] == [1, 0], "the pilot forgets those with a low income"
    assert found.old_relief[0].amount == total(
        old.explain({name: row[name] for name in ("payer", "households", "relief", "refund_share") if row.get(name)}, period=("2026-10-01", "2026-11-01"))[
            "relief_refund"
        ]
        for row in rows
        if row["relief"] == "low_income"
    )
    assert found.period == tariffs.compare(old, tariffs.load(what_if.PILOT, on="2026-10-20", rules=YANGQUAN), frame).period, "the month of its day"
    before = tariffs.compare(old, new, frame, period=("2025-03-01", "2025-04-01"))
    assert before.new_total == found.new_total, "what if asks what a version would take, not whether it ruled"


def test_the_command_prints_tables_json_and_pictures(tmp_path: Path) -> None:
    accounts = tmp_path / "households.csv"
    what_if.main(["--out", str(accounts)])
    given = ["compare", f"{what_if.FLAT}@2026-01-01", f"{what_if.PILOT}@2026-07-01", str(accounts), "--rules", str(YANGQUAN)]
    given += ["--by", "relief", "--key", "account", "--target", "9000", "--period", "2026-10"]
    said = CliRunner().invoke(app, [*given, "--locale", "en", "--explain", "A000004"])
    assert said.exit_code == 0, said.output
    for words in ("Revenue by relief", "Largest rises", "Recovered", "low-income household", "Yangquan household waste by volume, pilot (illustrative)\n"):
        assert words in said.output
    as_data = json.loads(CliRunner().invoke(app, [*given, "--locale", "zh", "--json"]).output)
    assert as_data["format"] == 1 and as_data["total"]["old"] == "7366.50"
    assert [entry["class"]["relief"] for entry in as_data["classes"]] == ["ordinary", "low_income"]
    wrong = CliRunner().invoke(app, ["compare", "no-date", *given[2:], "--locale", "en"])
    assert wrong.exit_code == 2 and "ID@DATE" in wrong.output
    pytest.importorskip("matplotlib")
    for ending in ("svg", "png"):
        for name in "ab":
            assert CliRunner().invoke(app, [*given, "--locale", "en", "--plot", str(tmp_path / f"{name}.{ending}")]).exit_code == 0
        first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
        assert first == second
