"""Two versions in words: every kind of difference is told, in both languages, and the same text twice differs in nothing."""

from __future__ import annotations

from datetime import date

import tariffs
from tariffs import model as m
from tariffs.diff import Change, as_json, diff, text
from tariffs.load import history

OLD = """
language: 1
title: {en: trial fee, zh: 试行费}
status: unverified
source: {document: notice 1}
currency: CNY
direction: receivable
period: month
inputs:
  payer: {choices: {home: {en: home}, shop: {en: shop}}}
  use: {unit: t, step: 1, min: 0, max: 100, collect: sum}
  area: {unit: m2, step: 1, min: 0, max: 100}
values:
  standard: {value: 300, unit: CNY/t, label: {en: standard price, zh: 标准单价}}
  edges: {list: [10, 20], unit: t}
  by_payer: {by: payer, unit: CNY/t, table: {home: 1, shop: 2}}
  small: {value: 2, unit: CNY/m2}
require: [{that: use >= 0, say: {en: too little}}]
charges:
  fee: {formula: "round(blocks(use, edges, [standard, 2 * standard, 3 * standard]), 0.01)"}
  extra: {when: area > 0, formula: "round(area * small, 0.01)"}
  other: {formula: "round(use * by_payer[payer], 0.01)"}
assumptions: [{en: the old reading}]
"""
NEW = (
    OLD.replace("status: unverified", "status: published")
    .replace("notice 1", "notice 2")
    .replace("300", "320")
    .replace("[10, 20]", "[10, 25]")
    .replace("home: 1", "home: 1.5")
    .replace("max: 100, collect: sum", "max: 200, collect: max")
    .replace('  extra: {when: area > 0, formula: "round(area * small, 0.01)"}\n', "")
    .replace("  area: {unit: m2, step: 1, min: 0, max: 100}\n", "  lifts: {unit: lift, step: 1, min: 0, max: 9}\n")
    .replace("  small: {value: 2, unit: CNY/m2}", "  lift: {value: 4, unit: CNY/lift}")
    .replace("shop: {en: shop}}", "shop: {en: shop}, school: {en: school}}")
    .replace("shop: 2}", "shop: 2, school: 0}")
    .replace("use >= 0", "use > 0")
    .replace("  other: {formula:", '  lift_fee: {formula: "round(lifts * lift, 0.01)"}\n  other: {when: lifts > 0, clause: 第七条, formula:')
    .replace("old reading", "new reading")
    + "change: {usage: by_days}\nuntil: 2027-01-01\n"
)


def version(body: str, day: int) -> m.Version:
    return tariffs.parse(body.encode(), tariff="xx/trial", effective=date(2026, 1, day)).model


def test_every_difference_is_told_in_words() -> None:
    told = text(version(OLD, 1), version(NEW, 2))
    assert told.splitlines()[0] == "trial fee: xx/trial@2026-01-01 -> xx/trial@2026-01-02"
    for line in (
        "standard (standard price): 300 -> 320 CNY/t",
        "edges: 10, 20 -> 10, 25 t",
        "by_payer[home]: 1 -> 1.5 CNY/t",
        "by_payer[school]: - -> 0 CNY/t",
        "status: unverified -> published",
        "source: notice 1 -> notice 2",
        "valid until: - -> 2027-01-01",
        "payer: new member school",
        "input area is gone, it was in m2",
        "new input lifts, in lift",
        "use: maximum 100 -> 200 t",
        "use: collected as sum -> max",
        "value small is gone: 2 CNY/m2",
        "requirement is gone: use >= 0",
        "new requirement: use > 0",
        "charge extra is gone: round(area * small, 0.01)",
        "new charge lift_fee: round(lifts * lift, 0.01)",
        "other: applies now only when lifts > 0",
        "other: clause - -> 第七条",
        "when a period crosses into it: - -> usage: by_days",
        "assumption is gone: the old reading",
    ):
        assert f"  {line}\n" in told
    assert "  标准单价（standard）：300 → 320 CNY/t\n" in text(version(OLD, 1), version(NEW, 2), "zh")


def test_a_version_does_not_differ_from_itself() -> None:
    assert diff(version(OLD, 1), version(OLD, 2)) == []
    assert text(version(OLD, 1), version(OLD, 2)).splitlines()[1:] == ["  nothing that is rated or said differs"]


def test_back_and_forth_tells_the_same_differences() -> None:
    forth, back = diff(version(OLD, 1), version(NEW, 2)), diff(version(NEW, 2), version(OLD, 1))
    swapped = {"new": "gone", "gone": "new"}
    mirrored = {(code.rsplit("-", 1)[0] + "-" + swapped[end] if (end := code.rsplit("-", 1)[-1]) in swapped else code, name) for code, name in _names(back)}
    assert {(code, name) for code, name in _names(forth)} == mirrored


def _names(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.code, change.name) for change in changes]


def test_beijing_s_quota_came_with_the_second_version() -> None:
    old, new = history("cn/beijing/kitchen-waste")[:2]
    codes = {(change["code"], change["name"]) for change in as_json(old, new)["changes"]}
    assert {("charge-new", "quota_fee"), ("input-new", "quota"), ("when-new", "plain_fee"), ("change", "change")} <= codes
