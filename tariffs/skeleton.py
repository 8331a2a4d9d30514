"""A first version and its first cases, written for a rule author to change: ``tariffs new``.

The skeleton passes ``tariffs check`` as it is written, so whatever fails later is the author's last change; it is a
``draft``, so its made-up price can never be billed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from string import Template

from tariffs import layout
from tariffs.check import is_tariff_id
from tariffs.errors import PackError, TariffError, fail
from tariffs.load import versions
from tariffs.messages import text
from tariffs.money import currency_step, show

SCHEMA_NAME = "version.schema.json"

#: ``##`` explains; what stands behind a single ``#`` becomes part of the rule when the mark is deleted.
_VERSION = """\
# yaml-language-server: $$schema=$schema
## $head
## $marks
language: 1
title:
  zh: 待填：收费名称
  en: "FILL IN: the name of the fee"
## $status
status: draft
source:
  document: "$document"
  # issuer: "$issuer"
## $until
# until: $later
## $known
# known: $on
## $currency_note
currency: $currency
## $direction
direction: receivable
## $period
period: month
inputs:
  ## $measured
  weight: {unit: t, step: 0.001, min: 0, max: 100000, collect: sum, label: {zh: 垃圾量, en: waste collected}}
  ## $standing
  # quota: {unit: t, step: 0.001, min: 0, max: 100000, label: {zh: 定额, en: quota}}
  ## $choice
  # payer:
  #   choices:
  #     school: {zh: 学校, en: school}
  #     other: {zh: 其他, en: other}
  #   label: {zh: 缴费人类别, en: class of payer}
values:
  ## $value
  price: {value: 1, unit: $currency/t, label: {zh: 标准, en: fee}}
  # excess: {value: 2, unit: $currency/t, label: {zh: 超定额标准, en: fee above the quota}}
  ## $table
  # factor: {by: payer, table: {school: 0.5, other: 1}, label: {zh: 系数, en: factor}}
## $require
# require:
#   - that: quota > 0
#     when: payer == "other"
#     say: {zh: 请先核定定额, en: the quota has not been set yet}
charges:
  ## $charge
  waste_fee:
    label: {zh: 垃圾处理费, en: Waste fee}
    ## $clause
    # clause: "$clause_number"
    ## $rounding
    formula: round(weight * price, $step)
  ## $when
  # quota_fee:
  #   label: {zh: 超定额加价, en: Fee above the quota}
  #   when: payer == "other"
  #   formula: round(max(weight - quota, 0) * excess * factor[payer], $step)
## $change
# change: {usage: by_days, scale: [quota]}
## $assumptions
assumptions:
  - {zh: 待填：金额四舍五入；文件未载明。, en: "FILL IN: amounts are rounded half up; the text does not say how."}
"""

_CASES = """\
## $cases
## $edges
- name: "$first_case"
  on: $on
  facts: {weight: 1}
  expect: {waste_fee: 1, total: 1}
  ## $origin
  origin: derived
  source: "$document"
- name: "$second_case"
  on: $on
  facts: {weight: 0}
  expect: {total: 0}
  origin: derived
  source: "$document"
- name: "$third_case"
  on: $on
  facts: {weight: -1}
  ## $error
  error: "weight: -1 is below 0"
"""


def new(tariff: str, on: date, rules: Sequence[Path], locale: str) -> tuple[Path, ...]:
    """Write a version of ``tariff`` in force from ``on``, and its cases; the files written, the version first.

    They go into the first of ``rules``, else the first folder of ``TARIFFS_RULES``, else ``rules`` in the current
    folder. Nothing is ever overwritten: TariffError says what stands in the way.
    """
    if not is_tariff_id(tariff):
        raise fail(TariffError, "not-a-tariff-id", tariff=tariff)
    root = _root(rules)
    _one_home(tariff, root, [folder for folder in (root, *rules) if folder.is_dir()])
    path = root / tariff / f"{on}.yaml"
    schema = _schema_beside(root)
    names = _names(tariff, on, os.path.relpath(schema, path.parent).replace(os.sep, "/"), locale)
    content = {path: _filled(_VERSION, names, locale), path.with_name(f"{on}.cases.yaml"): _filled(_CASES, names, locale)}
    for target in content:
        if target.exists():
            raise fail(TariffError, "already-written", path=target)
    if not schema.exists():
        content[schema] = schema_text()
    for target, written in content.items():
        write(target, written)
    return tuple(content)


def schema_text() -> str:
    """The JSON schema of version files as a file holds it."""
    return json.dumps(layout.schema(), ensure_ascii=False, indent=2) + "\n"


def write(path: Path, content: str) -> None:
    """A file in a folder that is made for it; TariffError where the machine refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise fail(TariffError, "file-unwritten", path=path, reason=error.strerror or type(error).__name__) from error


def _root(rules: Sequence[Path]) -> Path:
    named = [Path(root) for root in os.environ.get("TARIFFS_RULES", "").split(os.pathsep) if root]
    return [*rules, *named, Path("rules")][0]


def _one_home(tariff: str, root: Path, given: Sequence[Path]) -> None:
    """An id lives in one root, so a new version stands beside the old ones."""
    home = next((file.path for file in versions(given) if file.tariff == tariff), None)
    if home is not None and not home.resolve().is_relative_to(root.resolve()):
        first = home.parents[len(Path(tariff).parts)]
        raise fail(PackError, "id-in-two-roots", tariff=tariff, first=first, second=root)


def _schema_beside(root: Path) -> Path:
    """The schema an editor reads: a checkout keeps one in ``docs``, another root gets its own."""
    kept = root.absolute().parent / "docs" / SCHEMA_NAME
    return kept if kept.is_file() else root / SCHEMA_NAME


def _names(tariff: str, on: date, schema: str, locale: str) -> dict[str, str]:
    currency = _currency(tariff, on)
    step = currency_step(currency)
    assert step is not None, "the currency was chosen because it has one"
    return {
        "schema": schema,
        "on": str(on),
        "later": f"{on.year + 1 if on.year < date.max.year else on.year}-12-31",
        "currency": currency,
        "step": show(step),
        "head": text("skeleton.head", locale, tariff=tariff, on=on),
    }


def _currency(tariff: str, on: date) -> str:
    """What the country an id begins with paid in on that day; CNY where it begins with none."""
    from babel.numbers import get_territory_currencies

    found = [code for code in get_territory_currencies(tariff.partition("/")[0].upper(), start_date=on) if currency_step(code) is not None]
    return found[0] if found else "CNY"


def _filled(template: str, names: dict[str, str], locale: str) -> str:
    """The template with its names, and a sentence for every other place."""
    known = Template(template)
    said = {name: text(f"skeleton.{name}", locale) for name in known.get_identifiers() if name not in names}
    return known.substitute(names | said)
