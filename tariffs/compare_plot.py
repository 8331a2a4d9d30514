"""A comparison as a picture: how many pay how much more or less, and what each class brings in. Needs the extra ``plot``.

The numbers are those of the comparison; they become binary floats only where matplotlib draws them.
"""

from __future__ import annotations

from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import Any

from tariffs import fonts
from tariffs.compare import Comparison, Group, percent
from tariffs.errors import TariffError, fail
from tariffs.fonts import Letters
from tariffs.messages import text as say
from tariffs.model import Version
from tariffs.money import EXACT, show
from tariffs.plot import COLOURS

#: Classes drawn, the largest first by what they bring in; the tables have them all.
MOST = 12
#: A class's name is broken after so many signs, and cut after so many lines.
WIDE, LINES = 26, 3
LESS, MORE, OLD, NEW = COLOURS[0], COLOURS[1], "#9a9a9a", COLOURS[2]


def draw(found: Comparison, output: Path, locale: str = "en") -> Letters:
    """The histogram of changes, and below it revenue by class (in total where none was asked for); the file's ending says SVG or PNG.

    What comes back says in which language it could be written, and whether names of classes could be.
    """
    if output.suffix.lower() not in (".svg", ".png"):
        raise fail(TariffError, "plot-kind", path=output)
    if find_spec("matplotlib") is None:
        raise fail(TariffError, "plot-extra")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    hand = fonts.letters(locale, "".join(member for group in found.groups for member in group.members if member))
    with fonts.written(hand):
        count = max(1, min(MOST, len(found.groups)))
        canvas = Figure(figsize=(9, 5 + count // 2), layout="constrained")
        FigureCanvasAgg(canvas)
        upper, lower = canvas.subplots(2, 1, height_ratios=(7, 2 + count))
        canvas.suptitle(say("compare.plot.title", hand.locale, old=_title(found.old, hand), new=_title(found.new, hand)), fontsize=12, fontweight="bold")
        _draw_changes(upper, found, hand.locale)
        _draw_classes(lower, found, hand)
        for axes in (upper, lower):
            axes.grid(visible=True, color="#e8e8e8", linewidth=1)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        fonts.save(canvas, hand, output)
    return hand


def _title(version: Version, hand: Letters) -> str:
    return f"{fonts.in_letters(version.title, hand, version.tariff)}, {version.effective}"


def _draw_changes(axes: Any, found: Comparison, locale: str) -> None:
    """A bar for each span of changes; the outermost, where they gather all that lies beyond, are hatched."""
    inner = [bar for bar in found.bars if bar.start is not None and bar.end is not None]
    for bar in found.bars:
        width = EXACT.subtract(inner[0].end or 0, inner[0].start or 0)
        start = bar.start if bar.start is not None else EXACT.subtract(bar.end or 0, width)
        colour = LESS if start < 0 else MORE
        axes.bar(start, bar.rows, width=width, align="edge", color=colour, edgecolor="white", hatch=None if bar in inner else "////")
    axes.axvline(0, color="#444444", linewidth=1)
    said = {name: show(percent(rows, found.compared) or Decimal(0), 2) for name, rows in (("less", found.less), ("same", found.same), ("more", found.more))}
    axes.set_title(say("compare.plot.shares", locale, rows=found.compared, **said), fontsize=9, color="#444444")
    axes.set_xlabel(say("compare.plot.change", locale, currency=found.new.currency))
    axes.set_ylabel(say("compare.plot.rows", locale))
    for one in (axes.xaxis, axes.yaxis):
        one.set_major_formatter("{x:,.10g}")


def _draw_classes(axes: Any, found: Comparison, hand: Letters) -> None:
    from matplotlib.ticker import MaxNLocator

    locale = hand.locale
    shown = _shown(found)
    names = [_called(found, group, hand) for group in shown] or [say("compare.row.total", locale)]
    old = [group.old for group in shown] or [found.old_total]
    new = [group.new for group in shown] or [found.new_total]
    half, quarter = Decimal("0.38"), Decimal("0.19")
    axes.barh([EXACT.subtract(place, quarter) for place in range(len(names))], old, height=half, color=OLD, label=say("compare.column.old", locale))
    axes.barh([EXACT.add(place, quarter) for place in range(len(names))], new, height=half, color=NEW, label=say("compare.column.new", locale))
    axes.set_yticks(range(len(names)), ["\n".join(wrap(name, WIDE)[:LINES]) for name in names], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(say(f"compare.plot.sum.{found.new.direction}", locale, currency=found.new.currency))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def _shown(found: Comparison) -> list[Group]:
    return sorted(found.groups, key=lambda group: max(group.old, group.new), reverse=True)[:MOST]


def _called(found: Comparison, group: Group, hand: Letters) -> str:
    """The class by its labels; by its place in the table where no font here can write it."""
    told = []
    for name, member in zip(found.by, group.members, strict=True):
        choice = found.new.choices.get(name) or found.old.choices.get(name)
        told.append("-" if member is None else fonts.in_letters(choice.members.get(member, {}), hand, member) if choice else member)
    words = " / ".join(told)
    return words if words.isascii() or hand.chinese else f"#{found.groups.index(group) + 1}"


def numbered(found: Comparison, hand: Letters) -> bool:
    """Whether a class stands in the picture by its place in the table, since no font here can write its name."""
    return any(_called(found, group, hand).startswith("#") for group in _shown(found))
