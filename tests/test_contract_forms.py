"""The example of contract forms: budgets to the fen, changes of the expected sign, the same seed the same story, and never unmarked."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from examples import contract_forms
from examples.contracts import budget, days, forms, tables
from examples.contracts.story import EXPLAINED, Story, tell
from tariffs.decompose import CAUSES
from tariffs.explain import explain
from tariffs.money import is_multiple, total
from tests.test_messages import places

PLANTS, SEED = 8, 3
FOLDER = Path(contract_forms.__file__).parent / "contracts"


@pytest.fixture(scope="module")
def story() -> Story:
    return tell(PLANTS, SEED, "sum")


def test_a_year_has_366_days_and_a_seed_makes_it_again() -> None:
    year = days.year(days.SAMPLE, SEED)
    assert [len(month.rows) for month in year] == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert [row["start"] for month in year for row in month.rows] == sorted({row["start"] for month in year for row in month.rows})
    assert year == days.year(days.SAMPLE, SEED) != days.year(days.SAMPLE, SEED + 1)
    assert all(not isinstance(value, float) for month in year for row in month.rows for value in row.values())


def test_every_form_is_priced_to_the_same_year_but_for_the_step_of_a_price(story: Story) -> None:
    target = total(story.months["volume"])
    for form in story.forms:
        assert abs(total(story.months[form.name]) - target) < target / 5000
        assert all(is_multiple(Decimal(form.terms[name]), forms.STEP) for name in form.prices)


def test_columns_and_explanations_agree_to_the_fen(story: Story) -> None:
    for form in story.forms:
        for month, amount in zip(story.year, story.months[form.name], strict=True):
            versions = [forms.part(name) for name in form.parts]
            assert total(explain(v.model, forms.given(v, form.terms, month), month.period).total for v in versions) == amount


def test_what_happens_moves_each_form_as_it_should(story: Story) -> None:
    change = story.changes
    for by_water in ("volume", "guarantee", "two_part", "bands", "limits", "mixed"):
        assert change[by_water, "diluted"] > 0
    assert abs(change["removal", "diluted"]) < total(story.months["removal"]) / 5000, "the same load, the same removal"
    for blind in ("volume", "guarantee", "two_part", "limits"):
        assert change[blind, "weaker"] == 0
    assert change["removal", "weaker"] < change["mixed", "weaker"] < 0
    assert change["bands", "weaker"] <= 0
    for blind in ("volume", "guarantee", "two_part", "bands"):
        assert change[blind, "bad_week"] == 0
    assert change["limits", "bad_week"] == -7 * Decimal(forms.TERMS["fine"])
    assert change["removal", "bad_week"] < 0
    assert change["mixed", "bad_week"] < change["removal", "bad_week"]


def test_causes_add_up_and_name_the_right_party(story: Story) -> None:
    for form in story.forms:
        for happens in EXPLAINED:
            shares = story.causes[form.name, happens]
            assert set(shares) == set(CAUSES)
            assert total(shares.values()) == story.changes[form.name, happens]
    assert story.causes["removal", "bad_year"]["influent"] < 0
    assert story.causes["removal", "bad_year"]["removal"] < 0
    assert story.causes["limits", "bad_year"]["removal"] == story.changes["limits", "bad_week"]
    assert story.causes["mixed", "bad_year"]["score"] < 0
    assert abs(story.causes["removal", "diluted"]["removal"]) < 1000, "the network's doing is not laid at the plant's door"


def test_three_days_are_filled_and_a_fortnight_is_refused(story: Story) -> None:
    for form, readings in (("bands", 1), ("limits", 4), ("removal", 8), ("mixed", 8)):
        three, fortnight, meter = (story.gaps[form, silence] for silence in ("laboratory-3", "laboratory-14", "meter-14"))
        assert three.amount is not None
        assert three.filled == 3 * readings
        assert fortnight.amount is None
        assert len(fortnight.problems) == readings
        assert meter.amount is None
    assert story.gaps["volume", "laboratory-14"].amount == story.gaps["volume", "laboratory-14"].whole


def test_the_budget_is_kept_and_what_rounding_leaves_is_told(story: Story) -> None:
    found = story.neutral
    assert found.budget == forms.paid(forms.VOLUME, story.years) == total(change.before for change in found.changes)
    assert forms.paid(found.form, story.years) == total(change.after for change in found.changes) == found.budget + found.gap
    free = [name for name in budget.PRICES if Decimal(found.form.terms[name]) not in found.bounds[name]]
    steps = [forms.STEP * total(row[name] for row in budget._masses(story.years).values()) for name in free]
    assert abs(found.gap) <= min(steps) / 2 + PLANTS * 12 * len(budget.PRICES) * Decimal("0.01")
    for name, (low, high) in found.bounds.items():
        price = Decimal(found.form.terms[name])
        assert low <= price <= high
        assert is_multiple(price, forms.STEP)
    assert f"{found.gap:+,.2f}" in tables.text(story, "en")


def test_the_solver_changes_less_than_prices_in_proportion() -> None:
    years = {plant.name: days.year(plant, 165) for plant in days.plants(PLANTS, 165)}
    least, smallest = budget.neutral(years, "sum"), budget.neutral(years, "max")

    def moved(changes: tuple[budget.Change, ...]) -> Decimal:
        return total(abs(change.amount) for change in changes)

    def most(changes: tuple[budget.Change, ...]) -> Decimal:
        return max(abs(change.amount) / change.before for change in changes)

    assert moved(least.changes) < moved(least.plain)
    assert moved(least.changes) <= moved(smallest.changes) + 1000
    assert most(smallest.changes) <= most(least.changes) + Decimal("0.0001")


def test_winners_and_losers_are_explained_to_the_fen(story: Story) -> None:
    assert story.losers
    assert story.winners
    for change in (*story.losers, *story.winners):
        assert change.before + total(change.causes.values()) == change.after
        assert abs(change.causes["contract"]) < change.before / 1000, "at everybody's usual water the budget is kept"
    amounts = [change.amount for change in story.neutral.changes]
    assert story.losers[0].amount == min(amounts)
    assert story.winners[0].amount == max(amounts)


def test_bounds_within_which_no_budget_is_kept_are_refused() -> None:
    with pytest.raises(budget.NoPricesError):
        budget._solve([[Decimal(1)]], [Decimal(10)], [(Decimal(0), Decimal(1))], "sum")


@pytest.mark.parametrize(("locale", "mark"), [("en", "illustrative"), ("zh", "示意")])
def test_every_table_is_marked_illustrative(locale: str, mark: str, story: Story) -> None:
    said = tables.text(story, locale)
    titles = re.findall(r"^\d+\. .*$", said, re.MULTILINE)
    assert len(titles) == 10
    assert all(mark in title for title in titles)
    assert "…" not in said, "nothing is cut off"


def test_the_same_seed_prints_and_draws_the_same(story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert contract_forms.main(["--plants", str(PLANTS), "--seed", str(SEED), "--output", str(tmp_path / "one")]) == 0
    told = tables.text(story, "en")
    assert capsys.readouterr().out.startswith(told)
    contract_forms.write(story, told, "en", tmp_path / "two")  # told before, by itself
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 11
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)
    for name in ("months.csv", "plants.csv"):
        heads, *rows = (tmp_path / "one" / name).read_text().splitlines()
        assert heads.endswith(",status")
        assert all(row.endswith(",illustrative") for row in rows)


def test_both_languages_say_the_same_things() -> None:
    from tariffs.messages import catalogue

    english, chinese = (catalogue(FOLDER / "locale", language) for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    assert {key for key in english if places(english[key]) != places(chinese[key])} == set()
    assert {
        key for language in (english, chinese) for key, words in language.items() if key.startswith("chart.") and key.count(".") == 1 and not words
    } == set()
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (*FOLDER.glob("*.py"), Path(contract_forms.__file__)))
    stems = {key.split(".")[0] for key in english}
    assert {stem for stem in stems if f'"{stem}' not in sources} == set()
