"""Every pack, a million rows on its own edges and halves: the decimal loop against every path of ``rate``, and against ``explain``.

``python -m soak packs --rows 1000000 [--jobs N] [--tariff X] [--everywhere]``; exit code 1 where a single amount or refusal differs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import tariffs
from soak.decimal_loop import Answer, Loop, build, source
from soak.differential import as_decimals, as_texts, compare
from soak.pack_paths import Halves, Tally, Way, Wrong, by_explain, by_loop, counting, differences, ways
from soak.pack_rows import Study, draw, number, periods_of, scale_of, study
from soak.pack_tables import FORMS, Tables, facts_at, period_at, tables
from tariffs.model import Version

ROOT = Path(__file__).parent.parent
FRAME = 2**16  # rows drawn and compared at a time
NOT_TAKEN = ("fused-absent", "fused-wide")  # what a path says of a version it does not rate
STAGED = 2**11  # the same of a version whose rows have rows of their own


def run(rows: int, seed: int, *, explained: int = 10_000, tariff: str = "", everywhere: bool = False, show: bool = False, jobs: int = 1) -> int:
    """Prints a line a pack; 1 where one differs. ``tariff`` is a part of a tariff's id; ``jobs``: how many processes take a version each."""
    files = [file for file in packs(everywhere) if tariff in file.tariff]
    tallies = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) if jobs > 1 else nullcontext() as pool:
        for tally, file in zip((map if pool is None else pool.map)(partial(_soak_file, rows, explained, seed), files), files, strict=True):
            if show:
                print(source(tariffs.read(file).model))
            tallies.append(tally)
            print(line(tally), flush=True)
    wrong = sum(tally.wrong for tally in tallies)
    print(f"packs: {len(tallies)} of {len(files)} versions, {_counts(tallies)}")
    return 1 if wrong or not tallies else 0


def _soak_file(rows: int, explained: int, seed: int, file: tariffs.VersionFile) -> Tally:
    return soak(tariffs.read(file), rows, explained, seed)


def packs(everywhere: bool) -> Iterator[tariffs.VersionFile]:
    """The packs of the library; with ``everywhere`` those of the examples and the tests too."""
    yield from tariffs.versions()
    for root in sorted([*ROOT.glob("examples/*/rules"), ROOT / "tests" / "rules"]) if everywhere else []:
        yield from (file for file in tariffs.versions(root) if file.path.is_relative_to(root))


def soak(version: tariffs.TariffVersion, rows: int, explained: int, seed: int, *, seconds: int = 6, frame: int = FRAME) -> Tally:
    """One version; where it has a stage there is an account for thirty of the ``rows``."""
    tally, halves = Tally(version.model.name), Halves()
    made = study(version.model, seed, seconds=seconds, wanted=min(400, 20 + rows // 100))
    loop, paths = build(version.model, counting(halves)), ways(version.model)
    random = np.random.default_rng([seed, *version.model.name.encode()])
    size, left = (frame, rows) if version.model.stage is None else (min(frame, STAGED), -(-rows // 30))
    with tempfile.TemporaryDirectory() as folder:
        turn = 0
        while left > 0:
            drawn = draw(made, random, min(size, left))
            given = tables(made, drawn, random, FORMS[turn % len(FORMS)])
            _one_frame(version, made, loop, paths, given, tally, min(explained - tally.explained, drawn.count), Path(folder))
            turn, left = turn + 1, left - drawn.count
    tally.halves = halves.count
    return tally


def _one_frame(
    version: tariffs.TariffVersion, made: Study, loop: Loop, paths: Mapping[str, Way], given: Tables, tally: Tally, explained: int, folder: Path
) -> None:
    answers, seconds = by_loop(loop, made, given)
    tally.rows += len(answers)
    tally.stage_rows += 0 if given.stage is None else given.stage.num_rows
    tally.refused += sum(isinstance(answer, str) for answer in answers)
    tally.seconds["loop"] = tally.seconds.get("loop", 0) + seconds
    for name, path in paths.items():
        if name in tally.without:
            continue
        try:
            found = path(version, given, folder)
        except tariffs.TariffError as error:
            if error.problems[0].code not in NOT_TAKEN:
                raise
            tally.without[name] = error.problems[0].code
            continue
        tally.seconds[name] = tally.seconds.get(name, 0) + found.seconds
        _note(version, made, given, answers, differences(name, loop, answers, found), tally)
    told = {row: by_explain(version, facts_at(made, given, row), period_at(given, row), loop) for row in range(explained)}
    wrong = [row for row, answer in told.items() if answer != answers[row]]
    tally.explained += explained
    _note(version, made, given, answers, Wrong("explain", wrong, told) if wrong else None, tally)


def _note(version: tariffs.TariffVersion, made: Study, given: Tables, answers: list[Answer], wrong: Wrong | None, tally: Tally) -> None:
    """Counts a difference, keeps the shortest set of facts that shows one, and asks that path no more."""
    if wrong is None:
        return
    tally.without[wrong.path] = "wrong"
    tally.wrong += max(1, len(wrong.rows))
    row = min(wrong.rows[:1000], key=lambda row: len(str(facts_at(made, given, row))), default=0)
    facts, period = facts_at(made, given, row), period_at(given, row)
    told = by_explain(version, facts, period, made.loop)
    tally.reproducer += (
        f"\n  {wrong.path} differs in {len(wrong.rows)} rows; facts {facts!r}, period {period}"
        f"\n    {wrong.path} says {wrong.told.get(row)}"
        f"\n    loop    {_named(made.loop, answers[row])}\n    explain {_named(made.loop, told)}"
    )


def _named(loop: Loop, answer: Answer) -> Any:
    return answer if isinstance(answer, str) else {name: str(amount) for name, amount in zip(loop.outputs, answer, strict=True) if amount is not None}


def line(tally: Tally) -> str:
    """Rows, halves, refused, wrong, and thousands of rows a second by path."""
    speeds = ", ".join(f"{path} {tally.rows / seconds / 1000:,.0f}" for path, seconds in tally.seconds.items() if seconds)
    without = "".join(f"; {path}: {code}" for path, code in tally.without.items())
    return f"{tally.name}: {_counts([tally])}; k rows/s: {speeds}{without}{tally.reproducer}"


def _counts(tallies: list[Tally]) -> str:
    """Their sums in words."""
    names = ("rows", "stage_rows", "halves", "refused", "explained", "wrong")
    rows, staged, halves, refused, explained, wrong = (sum(getattr(tally, name) for tally in tallies) for name in names)
    inner = f" ({staged:,} of stages)" if staged else ""
    return f"{rows:,} rows{inner}, {halves:,} exact halves, {refused:,} refused, {explained:,} explained, {wrong} wrong"


# --- text and objects ---------------------------------------------------------------------------------------------


def compare_pack(file: tariffs.VersionFile, rows: int, seed: int) -> bool:
    """``explain`` against ``rate`` over facts given as objects, as text and as Decimals; False where no whole period fits or a stage needs rows."""
    version = tariffs.read(file)
    periods = periods_of(version.model)
    if not periods or version.model.stage is not None:
        return False
    random = Random(f"{seed} {version.model.name}")
    marks = sorted({number for value in version.model.values for cell in value.cells.values() for number in cell} | {Decimal(0)})
    facts = [_facts(version.model, random, marks) for _ in range(rows)]
    period: tuple[date, date] = periods[0]
    for given in (facts, as_texts(facts), as_decimals(facts)):
        compare(version, given, period, version.model.content)
    return True


def _facts(version: Version, random: Random, marks: list[Decimal]) -> Mapping[str, object]:
    """Choices at random, numbers on the rule's own and beside; now and then something that is none."""
    found: dict[str, object] = {name: random.choice(list(choice.members)) for name, choice in version.choices.items()}
    for item in version.inputs:
        scale = scale_of(item, marks)
        found[item.full_name] = number(scale, random.choice([int(random.choice(scale.marks)), random.randint(0, scale.count)]))
    if found and random.randrange(10) == 0:
        found[random.choice(list(found))] = random.choice([None, "x", -(10**12), Decimal("0.00001")])
    return found
