"""Ways to pay a sewage plant's operator, compared on one invented year; and the prices that keep a budget over many plants.

    python examples/contract_forms.py [--plants 70] [--seed 165] [--objective sum|max] [--locale zh] [--output out/contract_forms]

Tables on the screen and in ``contract_forms.txt``, pictures as SVG and PNG, numbers as CSV. Everything is illustrative: the
contracts are the sample parts of ``examples/operators``, the plants and prices are invented. Needs the extras ``plot`` and ``solve``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.contracts import pictures, tables
from examples.contracts.budget import NoPricesError
from examples.contracts.story import Story, tell
from examples.contracts.words import say
from tariffs.messages import LANGUAGES


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare contract forms on an invented year, and keep a budget over many plants. Illustrative throughout.")
    parser.add_argument("--plants", type=int, default=70, help="how many plants share the budget")
    parser.add_argument("--seed", type=int, default=165, help="the same seed gives the same year")
    parser.add_argument("--objective", choices=("sum", "max"), default="sum", help="least sum of all changes, or least greatest change of a plant")
    parser.add_argument("--locale", choices=LANGUAGES, default="en")
    parser.add_argument("--output", type=Path, default=Path("out/contract_forms"), help="the folder to write into")
    given = parser.parse_args(arguments)
    if given.plants < 1:
        parser.error("--plants: give at least 1")
    try:
        story = tell(given.plants, given.seed, given.objective)
    except NoPricesError as error:
        print(say("budget.none", given.locale, reason=error))
        return 1
    told = tables.text(story, given.locale)
    print(told)
    files = write(story, told, given.locale, given.output)
    if given.locale != "en" and not pictures.fonts():
        print(say("written.english", given.locale))
    print(say("written", given.locale, folder=given.output, files=", ".join(files)))
    return 0


def write(story: Story, told: str, locale: str, folder: Path) -> list[str]:
    """The story as text (``told``), tables and pictures; gives their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contract_forms.txt").write_text(told, encoding="utf-8")
    return ["contract_forms.txt", *tables.write_csv(story, folder), *pictures.draw(story, locale, folder)]


if __name__ == "__main__":
    raise SystemExit(main())
