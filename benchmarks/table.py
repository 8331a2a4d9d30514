"""Writes the README's table and its plot from ``results.json``; nothing is measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import results

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- benchmarks: written by `python -m benchmarks table` -->", "<!-- end of benchmarks -->"
PLOT = Path("docs") / "speed.svg"
WORKS = (
    "W1: three blocks, a fixed charge and 6 % tax, each line rounded half up. W2: Beijing's quota rule. "
    "*Wrong*: invoices of 200,000 that miss the fen; their rows lie on edges and halves on purpose. "
    "*Narrowest*: a column in or out has 32 bits where the rule proves at most nine digits, else 64."
)
OURS, FLOOR, EXACT, INEXACT = "#0b6e4f", "#9aa5b1", "#4a6fa5", "#c0392b"


def run(readme: Path = ROOT / "README.md", plot: Path = ROOT / PLOT) -> None:
    """Puts the table between its markers, and draws the plot beside the documents."""
    found: dict[str, Any] = dict(results.read())
    if "rate" not in found:
        print("results.json has no section rate; measure it first: python -m benchmarks rate --rows 10000000 --record")
        raise SystemExit(1)
    text = readme.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"{readme.name} has no place for the table; put these two lines where it belongs:\n{BEGIN}\n{END}")
        raise SystemExit(1)
    before, rest = text.split(BEGIN, 1)
    readme.write_text(f"{before}{BEGIN}\n{written(found)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
    draw(best(found["rate"]["W1"]), plot)


def written(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of the two rules in memory, and every promise of every section."""
    rate, kinds = found["rate"], ("W1", "W2")
    machine = rate["machine"]
    tables = {kind: best(rate[kind]) for kind in kinds}
    where = f"{machine['cores']} cores of {machine['processor']}, {rate['when']}"
    lines = [
        f"In memory, {rate['rows']:,} rows, {where}; the fastest of a way's thread counts. {WORKS}",
        "",
        "| | W1, M rows/s | wrong | W2, M rows/s | wrong |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in [*tables["W1"], *(name for name in tables["W2"] if name not in tables["W1"])]:
        cells = [cell for kind in kinds for cell in _cells(tables[kind].get(name))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    promises = [promise for section in found.values() for promise in section.get("ratios", [])]
    return "\n".join([*lines, "", f"![rows a second]({PLOT.as_posix()})", "", *_promises(promises)])


def best(figures: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The fastest figure of each way, whatever its threads; the fastest first."""
    found: dict[str, Mapping[str, Any]] = {}
    for figure in sorted(figures, key=speed, reverse=True):
        found.setdefault(_called(figure["way"]), figure)
    return found


def speed(figure: Mapping[str, Any]) -> float:
    """Million rows a second."""
    return float(figure["rows"] / figure["seconds"] / 1e6)


def _called(way: str) -> str:
    parts = way.split(", ")
    return ", ".join(parts[: {"tariffs": 3, "DuckDB DECIMAL": 1, "chDB Decimal64": 1, "OpenFisca-Core": 3}.get(parts[0], 2)])


def _cells(figure: Mapping[str, Any] | None) -> tuple[str, str]:
    if figure is None:
        return "", ""
    wrong = "-" if figure["wrong"] is None else f"{figure['wrong']:,}"
    return f"{speed(figure):.3g}", wrong if figure["checked"] in (0, 200_000) else f"{wrong} of {figure['checked']:,}"


def _promises(promises: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [f"| {one['what']} | {one['value']:.2f} | {_bound(one)} | {'yes' if one['kept'] else '**no**'} |" for one in promises]
    return ["| ratio, both in the same run | measured | promised | kept |", "|---|--:|--:|---|", *rows]


def _bound(promise: Mapping[str, Any]) -> str:
    return f"at least {promise['at_least']:g}" if promise["at_least"] is not None else f"at most {promise['at_most']:g}"


def draw(figures: Mapping[str, Mapping[str, Any]], output: Path) -> None:
    """Bars of W1, on a scale of tens; the same results give the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    with mpl.rc_context({"svg.hashsalt": "benchmarks", "font.size": 9}):
        canvas = Figure(figsize=(8, 0.34 * len(figures) + 1.2), layout="constrained")
        FigureCanvasSVG(canvas)
        axes: Any = canvas.subplots()
        names = list(figures)[::-1]
        bars = axes.barh(names, [speed(figures[name]) for name in names], color=[_colour(name, figures[name]) for name in names])
        axes.bar_label(bars, [f"{speed(figures[name]):.3g}" for name in names], padding=3)
        axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.set_xlabel("million rows a second (W1: three blocks, fixed charge, tax; log scale)")
        axes.spines[["top", "right"]].set_visible(False)
        told = {"tariffs": OURS, "write limit": FLOOR, "others, exact": EXACT, "others, not exact": INEXACT}
        axes.legend([Patch(color=colour) for colour in told.values()], list(told), loc="lower right", frameon=False)
        canvas.savefig(output, format="svg", metadata={"Date": None})


def _colour(name: str, figure: Mapping[str, Any]) -> str:
    if name.startswith("tariffs"):
        return OURS
    return FLOOR if figure["wrong"] is None else INEXACT if figure["wrong"] else EXACT
