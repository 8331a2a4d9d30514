"""Rules of the layout that hold between keys. They read plain data, so they speak even where other keys are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tariffs.errors import Problem
from tariffs.layout_faults import at, dotted
from tariffs.money import is_multiple, read_number, show
from tariffs.source import Document, Path

_MEANS = ("mean", "weighted_mean", "top_mean")


def version_rules(document: Document) -> list[Problem]:
    """All problems between the keys of a version file."""
    data = document.data
    stage = data.get("stage") if isinstance(data, dict) else None
    inputs = [*_entries(data, "inputs"), *((("stage", *path), entry) for path, entry in _entries(stage, "inputs"))]
    found = [problem for path, entry in inputs for problem in _input_rules(document, path, entry)]
    found += [problem for path, entry in _entries(data, "values") for problem in _value_rules(document, path, entry)]
    found += _empties(document, (), data)
    if isinstance(data, dict):
        found += _positive(document, ("currency", "step"), data.get("currency"))
    return found


def case_rules(document: Document) -> list[Problem]:
    """All problems between the keys of golden cases."""
    cases = document.data if isinstance(document.data, list) else []
    found = [problem for index, case in enumerate(cases) if isinstance(case, dict) for problem in _case_rules(document, (index,), case)]
    return [*found, *_empties(document, (), cases)]


def _empties(document: Document, path: Path, data: Any) -> list[Problem]:
    """Every key with nothing after it: no key means nothing by standing there. Depth is limited by ``source``."""
    if data is None:
        return [at(document, path, "empty-value", at_key=True, name=dotted(path))]
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [problem for key, value in inner for problem in _empties(document, (*path, key), value)]


def _entries(data: Any, section: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    entries = data.get(section) if isinstance(data, dict) else None
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            yield (section, name), entry


def _number(entry: Any, key: str) -> Decimal | None:
    written = entry.get(key) if isinstance(entry, dict) else None
    return read_number(written) if isinstance(written, str) else None


def _positive(document: Document, path: Path, entry: Any) -> list[Problem]:
    step = _number(entry, "step")
    return [at(document, path, "step-not-positive", value=show(step))] if step is not None and step <= 0 else []


# --- inputs -------------------------------------------------------------------------------------------------------


def _input_rules(document: Document, path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    yield from _positive(document, (*path, "step"), entry)
    low, high = _number(entry, "min"), _number(entry, "max")
    if low is not None and high is not None and low > high:
        yield at(document, (*path, "min"), "min-above-max", name=str(path[-1]), low=show(low), high=show(high))
    yield from _on_step(document, path, entry)
    if "choices" not in entry:
        yield from _collect_rules(document, path, entry)
        yield from _evidence_rules(document, path, entry)


def _on_step(document: Document, path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    step = _number(entry, "step")
    if step is None or step <= 0:
        return
    for key in ("min", "max", "empty"):
        bound = _number(entry, key)
        if bound is not None and not is_multiple(bound, step):
            yield at(document, (*path, key), "bound-off-step", name=dotted((*path, key)), value=show(bound), step=show(step))


def _collect_rules(document: Document, path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    collect = entry.get("collect")
    how = collect.partition("(")[0] if isinstance(collect, str) else ""
    if how in _MEANS and "mode" not in entry:
        yield at(document, (*path, "collect"), "mean-needs-mode", name=str(path[-1]), collect=str(collect))
    if how == "weighted_mean" and "weight" not in entry:
        yield at(document, (*path, "collect"), "mean-needs-weight", name=str(path[-1]))
    by_mean = "mode" in entry and isinstance(entry.get("missing"), dict) and entry["missing"].get("fill") == "period_mean"
    needless = {
        "mode": how in _MEANS or by_mean,
        "weight": how == "weighted_mean",
        "measure": "collect" in entry and "of" not in entry,
        "empty": "collect" in entry,
    }
    for name, used in needless.items():
        if name in entry and not used:
            yield at(document, (*path, name), f"needless-{name}", at_key=True, name=str(path[-1]))


def _evidence_rules(document: Document, path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    """What stands in for a missing or unmeasurable value is said for collected inputs only, and wholly."""
    for name in ("of", "below_limit", "missing", "samples"):
        if name in entry and "collect" not in entry:
            yield at(document, (*path, name), "evidence-needs-collect", at_key=True, name=str(path[-1]), key=name)
    missing = entry.get("missing")
    fill = missing.get("fill") if isinstance(missing, dict) else None
    if not isinstance(fill, str):
        return
    if fill not in ("previous", "period_mean", "refuse") and read_number(fill) is None:
        yield at(document, (*path, "missing", "fill"), "fill-unknown", value=fill)
    if fill != "refuse" and isinstance(missing, dict) and "at_most" not in missing:
        yield at(document, (*path, "missing"), "fill-unbounded", at_key=True, name=str(path[-1]))
    if fill == "period_mean" and "mode" not in entry:
        yield at(document, (*path, "missing", "fill"), "mean-needs-mode", name=str(path[-1]), collect=fill)


# --- values -------------------------------------------------------------------------------------------------------


def _value_rules(document: Document, path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    given = [key for key in ("value", "list", "table") if key in entry]
    if not given:
        yield at(document, path, "value-needs-number", at_key=True, name=str(path[1]))
    elif len(given) > 1:
        yield at(document, (*path, given[1]), "value-has-several", at_key=True, name=str(path[1]), keys=", ".join(given))
    elif given == ["table"] and "by" not in entry:
        yield at(document, (*path, "table"), "table-needs-by", at_key=True, name=str(path[1]))
    elif given != ["table"] and "by" in entry:
        yield at(document, (*path, "by"), "by-needs-table", at_key=True, name=str(path[1]))
    if isinstance(entry.get("table"), dict):
        yield from _cells(document, (*path, "table"), entry["table"])


def _cells(document: Document, path: Path, cell: Any) -> Iterator[Problem]:
    """Every cell that is neither a number nor a list of numbers; depth is limited by ``source``."""
    if isinstance(cell, dict) and cell:
        for key, inner in cell.items():
            yield from _cells(document, (*path, key), inner)
    elif isinstance(cell, list) and cell:
        for index, inner in enumerate(cell):
            yield from _cell_number(document, (*path, index), inner)
    else:
        yield from _cell_number(document, path, cell)


def _cell_number(document: Document, path: Path, cell: Any) -> Iterator[Problem]:
    if cell is None:
        return
    if cell in ("", {}, []):
        yield at(document, path, "empty-value", at_key=True, name=dotted(path))
    elif not isinstance(cell, str):
        yield at(document, path, "number-expected", name=dotted(path))
    elif read_number(cell) is None:
        yield at(document, path, "not-a-plain-number", name=dotted(path), value=cell)


# --- cases --------------------------------------------------------------------------------------------------------


def _case_rules(document: Document, path: Path, case: dict[str, Any]) -> Iterator[Problem]:
    if "expect" in case and "error" in case:
        yield at(document, (*path, "error"), "case-has-both", at_key=True)
    if "expect" not in case and "error" not in case:
        yield at(document, path, "case-needs-expect")
    if "expect" in case and "origin" not in case:
        yield at(document, path, "case-needs-origin")
    if "on" not in case and "period" not in case:
        yield at(document, path, "case-needs-day")
    period = case.get("period")
    if isinstance(period, list) and len(period) == 2 and all(isinstance(day, str) for day in period) and period[0] >= period[1]:
        yield at(document, (*path, "period"), "case-period-empty", start=period[0], end=period[1])
    yield from _fact_rules(document, (*path, "facts"), case.get("facts"))


def _fact_rules(document: Document, path: Path, facts: Any) -> Iterator[Problem]:
    """Facts are texts, or one mapping a family; the rows of a stage are a list of such facts."""
    for name, fact in facts.items() if isinstance(facts, dict) else ():
        if name == "stage" and isinstance(fact, list):
            for index, row in enumerate(fact):
                yield from _fact_rules(document, (*path, name, index), row)
            continue
        members = {(*path, name, member): inner for member, inner in fact.items()} if isinstance(fact, dict) else {(*path, name): fact}
        for place, inner in members.items():
            if inner is not None and not isinstance(inner, str):
                yield at(document, place, "text-expected", name=dotted(place))
