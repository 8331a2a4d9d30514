"""The story as pictures, SVG and PNG. The drawing door: binary floats are made here, and nothing is computed from them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from examples.contracts.days import YEAR, Year
from examples.contracts.forms import TERMS, number
from examples.contracts.story import HAPPENS, Story
from examples.contracts.tables import CAUSES, CURRENCY, meaning
from examples.contracts.words import say
from tariffs.fonts import SYSTEM
from tariffs.money import total
from tariffs.plot import COLOURS

LOSS, GAIN = "#D55E00", "#0072B2"
STYLES = (("#000000", "-"), (COLOURS[0], "--"), (COLOURS[4], "-."), (COLOURS[5], "-"), (COLOURS[3], ":"), (COLOURS[2], "-"), (COLOURS[1], "-"))
CAUSE_COLOURS = dict(zip(CAUSES, (COLOURS[4], COLOURS[5], COLOURS[1], COLOURS[3], COLOURS[2], "#999999"), strict=True))
DRAWN = "bad_year"


def draw(story: Story, locale: str, folder: Path) -> list[str]:
    """Four pictures, each as SVG and PNG; their names. English words where no font of this machine can write Chinese."""
    chinese = fonts()
    locale = locale if chinese else "en"
    found = []
    settings: Any = {"font.family": [*chinese, "DejaVu Sans"], "svg.hashsalt": "tariffs", "svg.fonttype": "path", "axes.unicode_minus": False, "font.size": 10}
    with mpl.rc_context(settings):
        for name, paint in (("months", _months), ("sensitivity", _sensitivity), ("causes", _causes), ("plants", _plants)):
            canvas = Figure(figsize=(11, 6.5), layout="constrained")
            FigureCanvasAgg(canvas)
            paint(canvas, story, locale)
            for ending, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
                canvas.savefig(folder / f"{name}{ending}", dpi=130, metadata=metadata)
                found.append(f"{name}{ending}")
    return found


def fonts() -> list[str]:
    """The fonts of this machine that write Chinese."""
    have = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in SYSTEM if name in have]


def _points(values: Iterable[Decimal | Fraction], unit: int = 1) -> list[float]:
    return [float(Fraction(value) / unit) for value in values]


def _tidy(axes: Any, *, grid: str = "y") -> None:
    axes.grid(visible=True, axis=grid, color="#e8e8e8", linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _months(canvas: Any, story: Story, locale: str) -> None:
    """What each form pays by month, over what flowed in."""
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(5, 2))
    canvas.suptitle(say("chart.months", locale, year=YEAR), fontsize=13, fontweight="bold")
    place = list(range(1, 13))
    for form, (colour, dashes) in zip(story.forms, STYLES, strict=True):
        amounts = _points(story.months[form.name], 1_000_000)
        upper.plot(place, amounts, color=colour, linestyle=dashes, linewidth=2, marker="o", markersize=3, label=say(f"form.{form.name}", locale))
    upper.set_ylabel(say("chart.million", locale, currency=CURRENCY))
    upper.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    volumes = [total(number(row, "flow") for row in month.rows) for month in story.year]
    lower.bar(place, _points(volumes, 1_000_000), color="#bcd7ea", label=say("chart.water", locale))
    lower.set_ylabel(say("chart.water", locale))
    strength = lower.twinx()
    strength.plot(place, _points(_strength((month,)) for month in story.year), color=COLOURS[1], linewidth=2, marker="o", markersize=3)
    strength.set_ylabel(say("chart.strength", locale), color=COLOURS[1])
    edges = _points(Decimal(TERMS[f"edge[{name}]"]) for name in ("first", "second"))
    for edge in edges:
        strength.axhline(edge, color=COLOURS[1], linewidth=0.8, linestyle=":")
    strength.annotate(say("chart.bands", locale), (12.6, edges[1]), ha="right", va="bottom", fontsize=8, color=COLOURS[1])
    lower.set_xticks(place, [f"{month:02}" for month in place])
    lower.set_xlim(0.4, 12.6)
    _tidy(upper)
    lower.spines[["top"]].set_visible(False)
    strength.spines[["top"]].set_visible(False)


def _strength(months: Year) -> Fraction:
    """COD of the inflow, mean by volume."""
    rows = [row for month in months for row in month.rows]
    mass = sum((Fraction(number(row, "flow")) * Fraction(number(row, "inflow[COD]")) for row in rows), Fraction(0))
    return mass / Fraction(total(number(row, "flow") for row in rows))


def _sensitivity(canvas: Any, story: Story, locale: str) -> None:
    """A panel for each thing that happens, a bar for each form, all on one scale."""
    panels = canvas.subplots(1, len(HAPPENS), sharex=True, sharey=True)
    canvas.suptitle(say("chart.sensitivity", locale), fontsize=13, fontweight="bold")
    names = [say(f"form.{form.name}", locale) for form in story.forms]
    for axes, happens in zip(panels, HAPPENS, strict=True):
        shares = [Fraction(story.changes[form.name, happens]) * 100 / Fraction(total(story.months[form.name])) for form in story.forms]
        drawn = _points(shares)
        bars = axes.barh(names, drawn, color=[GAIN if value > 0 else LOSS for value in drawn], height=0.6)
        axes.bar_label(bars, [f"{value:+.1f}" if round(value, 1) else "0" for value in drawn], padding=3, fontsize=9)
        axes.axvline(0, color="#444444", linewidth=1)
        axes.set_title(say(f"happens.{happens}", locale), fontsize=11)
        axes.margins(x=0.22)
        _tidy(axes, grid="x")
        axes.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    canvas.supxlabel("\n".join(meaning(name, locale) for name in HAPPENS), fontsize=8, color="#444444")


def _causes(canvas: Any, story: Story, locale: str) -> None:
    """Each form's difference, its causes to the left and right of nothing, and where they end."""
    axes = canvas.subplots()
    title = say("chart.causes", locale, happens=say(f"happens.{DRAWN}", locale), currency=CURRENCY)
    canvas.suptitle(title, fontsize=13, fontweight="bold")
    names = [say(f"form.{form.name}", locale) for form in story.forms]
    ends = {True: [0.0] * len(names), False: [0.0] * len(names)}
    for cause in CAUSES:
        drawn = _points((story.causes[form.name, DRAWN][cause] for form in story.forms), 1000)
        if any(drawn):
            starts = [ends[value > 0][index] for index, value in enumerate(drawn)]
            axes.barh(names, drawn, left=starts, color=CAUSE_COLOURS[cause], height=0.55, edgecolor="white", label=say(f"cause.{cause}", locale))
            for index, value in enumerate(drawn):
                ends[value > 0][index] += value
    net = _points((total(story.causes[form.name, DRAWN].values()) for form in story.forms), 1000)
    axes.plot(net, names, "D", color="black", markersize=7, label=say("chart.net", locale))
    for name, value in zip(names, net, strict=True):
        axes.annotate(f"{value:+,.0f}", (value, name), xytext=(0, 17), textcoords="offset points", ha="center", fontsize=9)
    axes.axvline(0, color="#444444", linewidth=1)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    axes.margins(y=0.06)
    _tidy(axes, grid="x")
    axes.set_xlabel(say("happens.about.bad_year", locale), fontsize=9, color="#444444")


def _plants(canvas: Any, story: Story, locale: str) -> None:
    """Left: all plants in order of their change. Right: the change against the strength of their inflow."""
    left, right = canvas.subplots(1, 2, sharey=True)
    canvas.suptitle(say("chart.plants", locale), fontsize=13, fontweight="bold")
    order = sorted(story.neutral.changes, key=lambda one: Fraction(one.amount) / Fraction(one.before))
    shares = _points(Fraction(one.amount) * 100 / Fraction(one.before) for one in order)
    colours = [GAIN if value > 0 else LOSS for value in shares]
    left.bar(range(len(order)), shares, color=colours, width=0.8)
    left.set_xlabel(say("chart.sorted", locale))
    left.set_ylabel(say("chart.change", locale))
    left.set_xticks([])
    strengths = _points(_strength(story.years[one.plant]) for one in order)
    sizes = _points((one.before for one in order), 200_000)
    right.scatter(strengths, shares, s=sizes, c=colours, alpha=0.6, linewidths=0.5, edgecolors="white")
    right.set_xlabel(say("chart.cod", locale))
    told = {one.plant for one in (*story.losers, *story.winners)}
    for one, x, y, size in zip(order, strengths, shares, sizes, strict=True):
        if one.plant in told:
            right.annotate(one.plant, (x, y), xytext=(0, 3 + size**0.5 / 2), textcoords="offset points", ha="center", fontsize=7, color="#444444")
    for axes in (left, right):
        axes.axhline(0, color="#444444", linewidth=1)
        _tidy(axes)
