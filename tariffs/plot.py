"""Amount and marginal price against one input, several versions together, cliffs marked: SVG or PNG.

The amounts are those of ``explain``, computed beside every breakpoint and in between; they become binary floats only
where matplotlib draws them. The marginal price is the slope of the exact curve where there is one, else of the amounts.
Needs the extra ``plot``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from math import ceil, floor
from pathlib import Path
from typing import Any

from tariffs import cliffs, fonts, pieces
from tariffs import model as m
from tariffs.api import TariffVersion, period_holding
from tariffs.errors import FactsError, TariffError, fail
from tariffs.explain import explain
from tariffs.figures import figure
from tariffs.messages import text as say
from tariffs.money import EXACT, places, show
from tariffs.needs import needed, refused
from tariffs.pieces import NotLinear, Pieces, World
from tariffs.units import named

#: Points drawn across the range, beside those at breakpoints.
POINTS = 300
DRAWN = Context(prec=28)  # good enough to draw
#: Colours told apart by people who do not see all colours (Okabe and Ito), and by their dashes in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")

#: Cliffs of one version that are marked; more would hide the lines.
MOST_CLIFFS = 6

_Point = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Course:
    """One version along the input: unbroken stretches of amounts, cliffs as both their ends, stretches of marginal price."""

    version: m.Version
    stretches: tuple[tuple[_Point, ...], ...]
    cliffs: tuple[tuple[_Point, _Point], ...]
    marginal: tuple[tuple[_Point, _Point], ...]


def plot(
    versions: Sequence[TariffVersion],
    against: str,
    facts: Mapping[str, object],
    output: Path,
    *,
    upto: Decimal | None = None,
    locale: str = "en",
) -> fonts.Letters:
    """Draws ``versions`` against the input ``against``, the other facts given; the file's ending says SVG or PNG.

    A fact that only some of the versions ask for is given to those. What comes back says in which language it could be written.
    TariffError where the input or a fact is unknown.
    """
    if output.suffix.lower() not in (".svg", ".png"):
        raise fail(TariffError, "plot-kind", path=output)
    if find_spec("matplotlib") is None:
        raise fail(TariffError, "plot-extra")
    known = [{*version.model.choices, *(item.full_name for item in version.model.inputs)} for version in versions]
    strange = {name for name in facts if not any(name in names for names in known)}
    given = [{name: value for name, value in facts.items() if name in names | strange} for names in known]
    pairs = list(zip(versions, given, strict=True))
    top = upto or max(_range(version, against, own) for version, own in pairs) or EXACT.divide(max(_input(v.model, against).type.high for v in versions), 10)
    courses = [course(version, against, own, top) for version, own in pairs]
    return draw(courses, against, facts, output, locale)


# --- numbers ------------------------------------------------------------------------------------------------------


def course(version: TariffVersion, against: str, facts: Mapping[str, object], upto: Decimal) -> Course:
    """What one version asks along the input. FactsError where the other facts cannot be used."""
    model, item = version.model, _input(version.model, against)
    period = _period(version)
    world = _world(model, item, facts, period, Fraction(min(item.type.high, upto)))
    edges: list[Fraction] = []
    jumps: list[int] = []
    marginal = None
    try:
        curves = cliffs.amounts(model, world)
        whole = pieces.total(curves.lines.values(), world)
        jumps = [jump.at for jump in cliffs.jumps(curves, world)]
        edges = list(whole.at) if isinstance(whole, Pieces) else []
        marginal = _slopes(whole, world)
    except NotLinear:
        pass
    at = _places(world, edges, jumps)
    totals = {k: amount for k in at if (amount := _amount(version, item, facts, k)) is not None}
    if not totals:
        _explained(version, item, facts, at[0])  # says why
    return _course(model, item, totals, jumps, marginal)


def _input(model: m.Version, against: str) -> m.Input:
    found = next((item for item in model.inputs if item.full_name == against), None)
    if found is None:
        raise fail(TariffError, "plot-input", name=against, names=", ".join(i.full_name for i in model.inputs) or "-", version=model.name)
    return found


def _period(version: TariffVersion) -> tuple[date, date] | None:
    return period_holding(version.on or version.effective, version.model.period)


def _range(version: TariffVersion, against: str, facts: Mapping[str, object]) -> Decimal:
    """Where something happens: half as far again as the last edge or the fact given; 0 where nothing does."""
    item = _input(version.model, against)
    high, grid = Fraction(item.type.high), Fraction(item.type.grid)
    world = _world(version.model, item, facts, _period(version), high)
    far = [Fraction(0)]
    try:
        curves = cliffs.amounts(version.model, world)
        far += [x for curve in [*curves.lines.values(), curves.defined] if isinstance(curve, Pieces) for x in curve.at[1:-1] if x < world.high]
    except NotLinear:
        pass
    far += [6 * steps.every for steps in world.steps.values()]
    far += [Fraction(number) for number in [figure(against, facts.get(against), [])] if number is not None]
    return EXACT.multiply(Decimal(min(ceil(max(far) * Fraction(3, 2) / grid), floor(high / grid))), item.type.grid)


def _world(model: m.Version, item: m.Input, facts: Mapping[str, object], period: tuple[date, date] | None, top: Fraction) -> World:
    """The curve's world; numbers that cannot be read are left out, ``explain`` says what is wrong with them."""
    choices = {name: str(value) for name, value in facts.items() if name in model.choices}
    numbers = {name: Fraction(n) for name, value in facts.items() if name not in model.choices and (n := figure(name, value, [])) is not None}
    needs = needed(model, choices)
    usable = all(member in model.choices[name].members for name, member in choices.items()) and not refused(model.requires, choices)
    if not usable or not needs.choices <= choices.keys() or not needs.numbers <= numbers.keys() | {item.full_name}:
        explain(model, {**facts, item.full_name: item.type.low}, period if needs.period else None)  # says what is wrong
    if period is not None:
        months = (period[1].year - period[0].year) * 12 + period[1].month - period[0].month
        numbers |= {"period_days": Fraction((period[1] - period[0]).days), "period_months": Fraction(months)}
    grid = Fraction(item.type.grid)
    low = ceil(Fraction(item.type.low) / grid) * grid
    return World(item.full_name, low, max(floor(top / grid) * grid, low + grid), grid, choices, numbers, named(model.currency), Fraction(model.step))


def _slopes(whole: pieces.Curve, world: World) -> tuple[tuple[_Point, _Point], ...]:
    if isinstance(whole, Fraction):
        return (((_decimal(world.low), Decimal(0)), (_decimal(world.high), Decimal(0))),)
    flat = ((start, end, slope) for (start, end), (slope, _) in zip(pairwise(whole.at), whole.lines, strict=True))
    return tuple(((_decimal(start), _decimal(slope)), (_decimal(end), _decimal(slope))) for start, end, slope in flat)


def _decimal(value: Fraction) -> Decimal:
    return DRAWN.divide(value.numerator, value.denominator)


def _places(world: World, edges: Sequence[Fraction], jumps: Sequence[int]) -> list[int]:
    """Multiples of the grid to compute: evenly spread, more of them where there are treads, and both sides of whatever happens."""
    first, last = floor(world.low / world.grid), floor(world.high / world.grid)
    count = POINTS * (8 if world.steps else 1)
    spread = {first + (last - first) * i // count for i in range(count + 1)}
    near = {k for x in edges for k in (floor(x / world.grid), ceil(x / world.grid))} | {k for jump in jumps for k in (jump, jump + 1)}
    return sorted(k for k in spread | near if first <= k <= last)


def _explained(version: TariffVersion, item: m.Input, facts: Mapping[str, object], k: int) -> Decimal:
    choices = {name: str(value) for name, value in facts.items() if name in version.model.choices}
    period = _period(version) if needed(version.model, choices).period else None
    return version.explain({**facts, item.full_name: EXACT.multiply(Decimal(k), item.type.grid)}, period=period).total


def _amount(version: TariffVersion, item: m.Input, facts: Mapping[str, object], k: int) -> Decimal | None:
    try:
        return _explained(version, item, facts, k)
    except FactsError:
        return None


def _course(model: m.Version, item: m.Input, totals: Mapping[int, Decimal], jumps: Sequence[int], marginal: Any) -> Course:
    """Points joined where nothing jumps between them."""
    point = {k: (EXACT.multiply(Decimal(k), item.type.grid), amount) for k, amount in totals.items()}
    order = sorted(point)
    stretches: list[list[_Point]] = [[]]
    for k in order:
        stretches[-1].append(point[k])
        if k in jumps:
            stretches.append([])
    leaps = tuple((point[k], point[k + 1]) for k in jumps if k in point and k + 1 in point)
    if marginal is None:
        steps = [(a, c, DRAWN.divide(EXACT.subtract(d, b), EXACT.subtract(c, a))) for (a, b), (c, d) in pairwise(point[k] for k in order)]
        marginal = tuple(((a, slope), (c, slope)) for a, c, slope in steps)
    return Course(model, tuple(tuple(part) for part in stretches if part), leaps, marginal)


# --- drawing ------------------------------------------------------------------------------------------------------


def draw(courses: Sequence[Course], against: str, facts: Mapping[str, object], output: Path, locale: str) -> fonts.Letters:
    """Two panels over one axis: the amount, and below it what one more unit costs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    hand = fonts.letters(locale)
    with fonts.written(hand):
        canvas = Figure(figsize=(9, 6), layout="constrained")
        FigureCanvasAgg(canvas)
        upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(5, 2))
        for index, one in enumerate(courses):
            style = {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)]}
            _draw_amounts(upper, one, style, hand.locale)
            _draw_marginal(lower, one, style)
        _draw_cliffs(upper, courses, against, hand.locale)
        _words(canvas, upper, lower, courses, against, facts, hand)
        fonts.save(canvas, hand, output)
    return hand


def _axes(points: Sequence[_Point]) -> tuple[list[Decimal], list[Decimal]]:
    """The drawing door: matplotlib takes Decimals, and makes of them the binary floats a screen needs."""
    return [x for x, _ in points], [y for _, y in points]


def _draw_amounts(axes: Any, one: Course, style: Mapping[str, Any], locale: str) -> None:
    name = say("plot.version", locale, effective=one.version.effective)
    for index, stretch in enumerate(one.stretches):
        axes.plot(*_axes(stretch), **style, linewidth=2, label=name if index == 0 else "_")


def _draw_cliffs(axes: Any, courses: Sequence[Course], against: str, locale: str) -> None:
    """Each cliff as a full and an empty dot with a number, and beside the picture what it is."""
    told: list[str] = []
    for index, one in enumerate(courses):
        colour = COLOURS[index % len(COLOURS)]
        unit = _input(one.version, against).type.unit
        digits, steps = places(one.version.step), _input(one.version, against).type.places
        for before, after in one.cliffs[:MOST_CLIFFS]:
            (x, following), (low, high) = _axes((before, after))
            axes.plot([following, following], [low, high], color=colour, linewidth=1, linestyle=":")
            axes.plot([x], [low], "o", color=colour, markersize=6)
            axes.plot([following], [high], "o", markerfacecolor="white", color=colour, markersize=6)
            axes.annotate(str(len(told) + 1), (x, max(low, high)), xytext=(-4, 6), textcoords="offset points", fontsize=8, ha="right", color=colour)
            edge = f"{show(x, steps)} {unit}" if unit.powers else show(x, steps)
            told.append(say("plot.cliff", locale, number=len(told) + 1, edge=edge, before=show(low, digits), after=show(high, digits)))
    if told:
        box = {"facecolor": "white", "edgecolor": "#dddddd"}
        corner = {"xy": (1, 0), "xycoords": "axes fraction", "xytext": (-8, 10), "textcoords": "offset points"}
        axes.annotate("\n".join(told), **corner, ha="right", va="bottom", ma="left", fontsize=9, bbox=box)


def _draw_marginal(axes: Any, one: Course, style: Mapping[str, Any]) -> None:
    for start, end in one.marginal:
        axes.plot(*_axes((start, end)), **style, linewidth=2, solid_capstyle="butt")


def _words(canvas: Any, upper: Any, lower: Any, courses: Sequence[Course], against: str, facts: Mapping[str, object], hand: fonts.Letters) -> None:
    locale = hand.locale
    model = courses[0].version
    item = next(item for item in model.inputs if item.full_name == against)
    unit = str(item.type.unit) if item.type.unit.powers else ""
    units = {i.full_name: f" {i.type.unit}" for one in courses for i in one.version.inputs if i.type.unit.powers}
    others = ", ".join(f"{name} = {value}{units.get(name, '')}" for name, value in facts.items() if name != against)
    title = fonts.in_letters(model.title, hand, model.tariff)
    canvas.suptitle(title, fontsize=13, fontweight="bold")
    upper.set_title(others, fontsize=9, color="#444444") if others else None
    upper.set_ylabel(say("plot.amount", locale, unit=model.currency))
    lower.set_ylabel(say("plot.marginal", locale, unit=named(model.currency) / item.type.unit))
    canvas.align_ylabels([upper, lower])
    name = fonts.in_letters(item.label, hand, against)
    lower.set_xlabel(f"{name}, {unit}" if unit else name)
    if len(courses) > 1 or any(one.cliffs for one in courses):
        upper.legend(frameon=False, loc="upper left")
    for axes in (upper, lower):
        axes.yaxis.set_major_formatter("{x:,.10g}")
        axes.grid(visible=True, color="#e8e8e8", linewidth=1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    lower.xaxis.set_major_formatter("{x:,.10g}")
    lower.set_ylim(bottom=min(0, lower.get_ylim()[0]))
    upper.set_ylim(bottom=min(0, upper.get_ylim()[0]))
