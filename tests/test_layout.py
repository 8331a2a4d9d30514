"""The layout of version and cases files: every fault of form at once, each at its place, in words of our own."""

import json
from datetime import date
from decimal import Decimal

import pytest

from tariffs.errors import PackError, Problem
from tariffs.layout import ChoiceInput, Layout, NumberInput, read_cases, read_layout, schema

GOOD = """\
language: 1
title: {zh: 示例费, en: Sample fee}
status: illustrative
source: {document: Sample document, issuer: Sample office}
until: 2027-01-01
currency: CNY
direction: receivable
period: month
units: {cage: {zh: 笼}}
dimensions: {pollutant: {COD: 化学需氧量, NH3N: {zh: 氨氮}}}
inputs:
  payer: {choices: {shop: 商店, school: School}, label: Payer}
  weight: {unit: t, step: 0.001, min: 0, max: 1000, collect: sum, measure: kitchen}
  conc: {unit: mg/L, step: 0.1, min: 0, max: 9000, by: pollutant, collect: weighted_mean, weight: flow, mode: half_up}
  cages: {unit: cage, step: 1, min: 0, max: 10, collect: top_mean(3), mode: half_even, empty: 0}
values:
  price: {value: 200, unit: CNY/t, clause: 2}
  edges: {list: [1, 2.5], unit: t}
  rates: {by: [payer, pollutant], table: {shop: {COD: 1, NH3N: 2}, school: {COD: [3, 4], NH3N: 5}}}
require:
  - {that: weight <= 500, say: {zh: 过重, en: too heavy}, clause: 三, when: payer == "shop"}
charges:
  fee:
    formula: |
      round(weight * price, 0.01)
  tax: {kind: included, formula: "round(fee * 6, 0.01)", unit: CNY, by: pollutant}
change: {usage: by_days, scale: [weight], partial: none}
assumptions: [one, {zh: 二, en: two}]
"""


def changed(*changes: tuple[str, str]) -> bytes:
    found = GOOD
    for old, new in changes:
        assert old in found, f"the good file holds {old!r}"
        found = found.replace(old, new, 1)
    return found.encode()


def faults(*changes: tuple[str, str]) -> list[Problem]:
    with pytest.raises(PackError) as caught:
        read_layout(changed(*changes), "x.yaml")
    return list(caught.value.problems)


def found(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.where).removeprefix("x.yaml:")) for problem in problems]


def read_good() -> Layout:
    return read_layout(GOOD.encode(), "x.yaml")[0]


def test_a_good_file_reads_as_plain_attributes_in_the_order_written() -> None:
    layout = read_good()
    assert layout.language == 1
    assert layout.until == date(2027, 1, 1)
    assert layout.known is None
    assert (layout.currency.code, layout.currency.step) == ("CNY", Decimal("0.01"))
    assert list(layout.inputs) == ["payer", "weight", "conc", "cages"]
    assert list(layout.charges) == ["fee", "tax"]
    assert layout.change is not None
    assert layout.change.scale == ("weight",)
    assert (layout.require[0].that, layout.require[0].clause, layout.require[0].when) == ("weight <= 500", "三", 'payer == "shop"')


def test_a_plain_text_label_speaks_every_language() -> None:
    layout = read_good()
    assert layout.dimensions["pollutant"] == {"COD": {"zh": "化学需氧量", "en": "化学需氧量"}, "NH3N": {"zh": "氨氮"}}
    assert layout.assumptions == ({"zh": "one", "en": "one"}, {"zh": "二", "en": "two"})


def test_an_input_is_a_choice_or_a_number() -> None:
    inputs = read_good().inputs
    payer, weight, conc = inputs["payer"], inputs["weight"], inputs["conc"]
    assert isinstance(payer, ChoiceInput)
    assert list(payer.choices) == ["shop", "school"]
    assert isinstance(weight, NumberInput)
    assert (weight.unit, weight.step, weight.min, weight.max) == ("t", Decimal("0.001"), Decimal(0), Decimal(1000))
    assert (weight.collect, weight.measure, weight.by, weight.mode) == ("sum", "kitchen", (), None)
    assert isinstance(conc, NumberInput)
    assert (conc.by, conc.weight, conc.mode) == (("pollutant",), "flow", "half_up")


def test_values_are_exact_numbers_as_written() -> None:
    values = read_good().values
    assert str(values["price"].value) == "200"
    assert values["edges"].list == (Decimal(1), Decimal("2.5"))
    assert values["rates"].by == ("payer", "pollutant")
    assert values["rates"].table == {"shop": {"COD": Decimal(1), "NH3N": Decimal(2)}, "school": {"COD": (Decimal(3), Decimal(4)), "NH3N": Decimal(5)}}


def test_the_document_leads_back_from_a_formula_to_its_line() -> None:
    document = read_layout(GOOD.encode(), "x.yaml")[1]
    path = ("charges", "fee", "formula")
    assert str(document.inside(path, document.data["charges"]["fee"]["formula"].index("price"))) == "x.yaml:25:22"


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "says"),
    [
        ("language: 1", "language: 2", "unknown-language", "1:11", "this release knows language 1"),
        ("status: illustrative\n", "", "missing-key", "1:1", "the key status is missing"),
        ("status: illustrative", "status: final", "not-one-of", "3:9", "final is not one of published, unverified, illustrative, draft"),
        ("status: illustrative", "status:", "empty-value", "3:1", "status is empty"),
        ("currency: CNY", "curency: CNY", "unknown-key-like", "6:1", "did you mean currency?"),
        ("currency: CNY", "zzz: 1\ncurrency: CNY", "unknown-key", "6:1", "the keys here are language, title"),
        ("currency: CNY", "currency: ZZZ", "unknown-currency", "6:11", "ZZZ is no ISO 4217 currency"),
        ("currency: CNY", "currency: {code: ZZZ}", "unknown-currency", "6:11", "step: 0.01"),
        ("currency: CNY", "currency: {code: CNY, step: 0}", "step-not-positive", "6:29", "not above 0"),
        ("until: 2027-01-01", "until: 2027-02-30", "not-a-date", "5:8", "2027-02-30 is not a date"),
        ("until: 2027-01-01", "until: 20270101", "not-a-date", "5:8", "write year-month-day"),
        ("period: month", "period: weekly", "not-a-period", "8:9", "weekly is no billing period"),
        ("period: month", "period: 0 months", "not-a-period", "8:9", "such as 2 months"),
        ("title: {zh: 示例费, en: Sample fee}", "title: [a]", "labels-expected", "2:8", "{zh: …, en: …}"),
        ("title: {zh: 示例费, en: Sample fee}", "title: {chinese: a}", "bad-label-language", "2:9", "chinese is not a language"),
        ("title: {zh: 示例费, en: Sample fee}", "title: {}", "empty-value", "2:8", "title is empty"),
        ("title: {zh: 示例费, en: Sample fee}", 'title: ""', "empty-value", "2:1", "title is empty"),
        ("source: {document: Sample document, ", "source: {", "missing-key-in", "4:1", "source has no document"),
        ("{document: Sample document, issuer: Sample office}", "Sample", "mapping-expected", "4:9", "source must be a mapping"),
        ("document: Sample document", "document: [a]", "text-expected", "4:20", "must be one text"),
        ("  payer:", "  class:", "keyword-name", "12:3", "class is a word of the formula language"),
        ("  payer:", "  2nd:", "bad-name", "12:3", "begin with a letter"),
        ("  payer:", "  用户:", "bad-name", "12:3", "belong in label"),
        ("  payer:", f"  {'p' * 61}:", "long-name", "12:3", "choose a shorter name"),
        ("{COD: ", "{C.O.D: ", "bad-name", "10:26", "C.O.D cannot be a name"),
        ("{shop: 商店, school: School}", "{}", "empty-value", "12:20", "inputs.payer.choices is empty"),
        ("{shop: 商店, school: School}", "[shop, school]", "mapping-expected", "12:20", "must be a mapping"),
        ("step: 0.001, ", "", "missing-input-key", "13:3", "inputs.weight has no step; a numeric input states unit, step, min and max"),
        ("{unit: t, step: 0.001, min: 0, max: 1000, collect: sum, measure: kitchen}", "{label: a}", "input-neither", "13:3", "choices: with its members"),
        ("step: 0.001", "step: 1e-3", "not-a-plain-number", "13:27", "1e-3 is not a plain number"),
        ("max: 1000", "max: 1_000", "not-a-plain-number", "13:47", "no separators"),
        ("max: 1000", "max: １０００", "not-a-plain-number", "13:47", "ASCII digits"),
        ("max: 1000", "max: 1" + "0" * 30, "not-a-plain-number", "13:47", "at most 30 digits"),
        ("max: 1000", "max: [1]", "text-expected", "13:47", "must be one text"),
        ("max: 1000", "max: 1000.0005", "bound-off-step", "13:47", "no whole multiple of the step 0.001"),
        ("max: 1000", "max: -1", "min-above-max", "13:39", "swap or correct"),
        ("step: 0.001", "step: -1", "step-not-positive", "13:27", "not above 0"),
        ("collect: sum", "collect: median", "not-a-collect", "13:62", "median is no way to collect"),
        ("mode: half_up", "mode: bankers", "not-one-of", "14:111", "bankers is not one of half_up"),
        (", mode: half_up", "", "mean-needs-mode", "14:76", "say how: mode: half_up"),
        (", weight: flow", "", "mean-needs-weight", "14:76", "names no weight"),
        ("collect: sum", "weight: flow, collect: sum", "needless-weight", "13:53", "weight means something only with"),
        ("collect: sum", "mode: up, collect: sum", "needless-mode", "13:53", "mode means something only with"),
        ("collect: sum, ", "", "needless-measure", "13:53", "measure means something only with collect"),
        ("collect: sum, measure: kitchen", "empty: 0", "needless-empty", "13:53", "empty means something only with collect"),
        ("value: 200, ", "value, ", "empty-value", "17:11", "values.price.value is empty"),
        ("until: 2027-01-01", "until:", "empty-value", "5:1", "until is empty"),
        (', when: payer == "shop"', ", when: ", "empty-value", "21:68", "require[1].when is empty"),
        ("value: 200, ", "", "value-needs-number", "17:3", "write value:, list: or table:"),
        ("value: 200, ", "value: 200, list: [1], ", "value-has-several", "17:23", "keep one of them"),
        ("by: [payer, pollutant], ", "", "table-needs-by", "19:11", "does not say by what"),
        ("list: [1, 2.5]", "list: [1, 2.5], by: payer", "by-needs-table", "18:27", "has no table"),
        ("list: [1, 2.5]", "list: []", "empty-value", "18:17", "values.edges.list is empty"),
        ("list: [1, 2.5]", "list: 1", "list-expected", "18:17", "must be a list"),
        ("NH3N: 5", "NH3N: five", "not-a-plain-number", "19:96", "values.rates.table.school.NH3N: five"),
        ("[3, 4]", "[3, x]", "not-a-plain-number", "19:86", "values.rates.table.school.COD[2]: x"),
        ("[3, 4]", "[3, [4]]", "number-expected", "19:86", "must be a number"),
        ("NH3N: 5", "NH3N: ", "empty-value", "19:90", "values.rates.table.school.NH3N is empty"),
        ("that: weight", "taht: weight", "unknown-key-like", "21:6", "did you mean that?"),
        ("say: {zh: 过重, en: too heavy}, ", "", "missing-key-in", "21:5", "require[1] has no say"),
        ("kind: included", "kind: tax", "not-one-of", "26:15", "tax is not one of line, working, included, refund"),
        ("    formula: |", "    formla: |", "unknown-key-like", "24:5", "did you mean formula?"),
        ("usage: by_days", "usage: days", "not-one-of", "27:17", "by_reading, old, new"),
        ("assumptions: [one,", "assumptions: [[one],", "labels-expected", "28:15", "must be a text or texts by language"),
    ],
)
def test_a_fault_of_form_is_named_at_its_place_with_its_cure(old: str, new: str, code: str, place: str, says: str) -> None:
    problems = faults((old, new))
    assert (code, place) in found(problems)
    sentence = next(problem.sentence() for problem in problems if problem.code == code)
    assert says in sentence
    assert next(problem.sentence("zh") for problem in problems if problem.code == code) != sentence


def test_one_fault_is_one_problem() -> None:
    assert len(faults(("title: {zh: 示例费, en: Sample fee}", 'title: ""'))) == 1
    assert len(faults(("{unit: t, step: 0.001, min: 0, max: 1000, collect: sum, measure: kitchen}", "{label: a}"))) == 1
    assert len(faults(("list: [1, 2.5]", "list: [1, x]"))) == 1


def test_all_faults_of_all_sections_are_reported_at_once_in_the_order_of_the_file() -> None:
    problems = faults(
        ("language: 1", "language: 9"), ("direction: receivable\n", ""), ("step: 0.001", "step: x"), ("value: 200", "value: 2O0"), ("usage: by_days, ", "")
    )
    assert [problem.code for problem in problems] == ["missing-key", "unknown-language", "not-a-plain-number", "not-a-plain-number", "missing-key-in"]


def test_all_missing_keys_are_listed() -> None:
    with pytest.raises(PackError) as caught:
        read_layout(b"language: 1\n", "x.yaml")
    assert [problem.values["name"] for problem in caught.value.problems] == ["title", "status", "source", "currency", "direction", "period", "charges"]


def test_a_fault_inside_a_charge_names_the_charge() -> None:
    assert [problem.charge for problem in faults(("kind: included", "kind: tax"))] == ["tax"]


@pytest.mark.parametrize("content", [b"hello\n", b"- a\n", b'""\n'])
def test_a_file_that_is_no_mapping_is_no_version(content: bytes) -> None:
    with pytest.raises(PackError) as caught:
        read_layout(content, "x.yaml")
    assert found(list(caught.value.problems)) == [("version-expected", "1:1")]


def test_a_file_full_of_faults_names_the_first_hundred() -> None:
    content = GOOD.encode() + b"".join(b"k%d: 1\n" % number for number in range(60_000))
    with pytest.raises(PackError) as caught:
        read_layout(content, "x.yaml")
    assert len(caught.value.problems) == 100


# --- cases --------------------------------------------------------------------------------------------------------

CASES = """\
- name: half the quota is still cheap
  on: 2022-10-31
  facts: {payer: shop, weight: 5.001, conc: {COD: 250}}
  expect: {fee: 1500.30, "tax[COD]": 1, total: 1500.30}
  origin: derived
- name: a negative weight is refused
  period: [2022-10-01, 2022-11-01]
  facts: {weight: -1}
  error: "weight: -1 is below 0"
"""


def test_golden_cases_read_in_order() -> None:
    first, second = read_cases(CASES.encode(), "x.yaml")[0]
    assert first.on == date(2022, 10, 31)
    assert first.facts == {"payer": "shop", "weight": "5.001", "conc": {"COD": "250"}}
    assert first.expect == {"fee": Decimal("1500.30"), "tax[COD]": Decimal(1), "total": Decimal("1500.30")}
    assert second.period == (date(2022, 10, 1), date(2022, 11, 1))
    assert (second.expect, second.error) == (None, "weight: -1 is below 0")


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("  origin: derived\n", "", "case-needs-origin", "1:3"),
        ("  error: ", "  expect: {fee: 1}\n  origin: derived\n  error: ", "case-has-both", "11:3"),
        ('  error: "weight: -1 is below 0"\n', "", "case-needs-expect", "6:3"),
        ("  on: 2022-10-31\n", "", "case-needs-day", "1:3"),
        ("[2022-10-01, 2022-11-01]", "[2022-11-01, 2022-11-01]", "case-period-empty", "7:11"),
        ("[2022-10-01, 2022-11-01]", "2022-10", "not-two-days", "7:11"),
        ("[2022-10-01, 2022-11-01]", "[2022-10-01, x]", "not-a-date", "7:24"),
        ("facts: {weight: -1}", "fact: {weight: -1}", "unknown-key-like", "8:3"),
        ("  facts: {weight: -1}\n", "", "missing-key-in", "6:3"),
        ("{weight: -1}", "{weight: }", "empty-value", "8:11"),
        ("{weight: -1}", "{weight: [1]}", "text-expected", "8:19"),
        ("fee: 1500.30", "fee: 1e3", "not-a-plain-number", "4:17"),
        ("origin: derived", "origin: guessed", "not-one-of", "5:11"),
    ],
)
def test_a_fault_of_a_case_is_named_at_its_place(old: str, new: str, code: str, place: str) -> None:
    assert old in CASES
    with pytest.raises(PackError) as caught:
        read_cases(CASES.replace(old, new, 1).encode(), "x.yaml")
    assert (code, place) in found(list(caught.value.problems))


def test_a_mapping_is_no_file_of_cases() -> None:
    with pytest.raises(PackError) as caught:
        read_cases(b"name: a\n", "x.yaml")
    assert found(list(caught.value.problems)) == [("cases-expected", "1:1")]


# --- JSON schema --------------------------------------------------------------------------------------------------


def test_the_schema_tells_an_editor_keys_choices_and_forms() -> None:
    found = json.loads(json.dumps(schema()))
    assert set(found["required"]) == {"language", "title", "status", "source", "currency", "direction", "period", "charges"}
    assert found["additionalProperties"] is False
    assert found["properties"]["status"]["enum"] == ["published", "unverified", "illustrative", "draft"]
    assert set(found["$defs"]["NumberInput"]["required"]) == {"unit", "step", "min", "max"}
    assert found["$defs"]["ChoiceInput"]["required"] == ["choices"]
    assert found["$defs"]["Charge"]["properties"]["kind"]["enum"] == ["line", "working", "included", "refund"]
    assert found["properties"]["language"] == {"enum": [1], "title": "Language"}
    assert [kind["type"] for kind in found["properties"]["currency"]["anyOf"]] == ["string", "object"]
    assert found["properties"]["charges"]["additionalProperties"] is False
    assert "null" not in json.dumps(found)
