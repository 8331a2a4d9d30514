"""A comparison as text for people and as JSON for machines (``docs/compare.md``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tariffs.compare import Change, Comparison, Crossing, Group, Relief, Stand, percent, relief
from tariffs.messages import label
from tariffs.messages import text as say
from tariffs.model import Rating, Version
from tariffs.money import EXACT, places, show
from tariffs.report import aligned, width
from tariffs.words import Sentence, called, quantity, reader, sentences

FORMAT = 1
#: Of a long chain of cases the last so many are told; the conditions before them do not hold.
REASONS = 3
_MINUS = "\N{MINUS SIGN}"


def text(found: Comparison, locale: str = "en") -> str:
    """Tables, one below the other: totals, what has to come in, who pays more and less, classes, the largest changes, refusals."""
    parts = [_head(found, locale), _totals(found, locale), _recovery(found, locale), _payers(found, locale), _deciles(found, locale)]
    parts += [_groups(found, locale), _largest(found, "rises", found.rises, locale), _largest(found, "falls", found.falls, locale)]
    parts += [_crossed(found, locale), _stands(found, locale), _relief(found, locale), _refused(found, locale)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def reason(change: Change, locale: str = "en") -> str:
    """Why, in one line: what each version made of the same facts."""
    return say("compare.reason", locale, old=_because(change.before, locale), new=_because(change.after, locale))


def _because(rating: Rating, locale: str) -> str:
    """How the largest line came about, blocks and what is rounded too; of the other lines what they come to: all of it is the amount of the row."""
    lines = [line for line in rating.lines if line.charge.kind == "line"]
    if not lines:
        return say("compare.no-line", locale)
    most = max(lines, key=lambda line: line.amount.copy_abs())
    who, joint = reader(rating.version, locale), say("compare.and", locale)
    words = _within(list(sentences(who, most.step)), locale)
    rest = [f"{called(who, line.charge.full_name)} {quantity(who, line.amount, who.money)}" for line in lines if line.amount and line is not most]
    if not rest:
        return words
    return say("compare.others", locale, line=called(who, most.charge.full_name), words=words, others=joint.join(rest))


def _within(told: Sequence[Sentence], locale: str) -> str:
    """The highest of these sentences in a row, each with those below it in brackets behind it."""
    top = min(depth for depth, _ in told)
    starts = [place for place, (depth, _) in enumerate(told) if depth == top]
    parts = []
    for start, end in zip(starts, [*starts[1:], len(told)], strict=True):
        below = told[start + 1 : end]
        parts.append(say("compare.below", locale, words=told[start][1], below=_within(below, locale)) if below else told[start][1])
    return say("compare.and", locale).join(parts if top or len(parts) <= REASONS else ["…", *parts[-REASONS:]])


# --- tables -------------------------------------------------------------------------------------------------------


def _money(found: Comparison, amount: Decimal) -> str:
    return show(amount, places(found.new.step))


def _signed(found: Comparison, amount: Decimal) -> str:
    """With its sign, as a change is written."""
    sign = "+" if amount > 0 else _MINUS if amount < 0 else ""
    return sign + _money(found, amount.copy_abs())


def _percent(part: Decimal | int, whole: Decimal | int) -> str:
    value = percent(part, whole)
    return "-" if value is None else f"{_MINUS if value < 0 else ''}{show(value.copy_abs(), 2)} %"


def _table(rows: Sequence[tuple[str, ...]], left: int = 1) -> list[str]:
    """Columns, the numbers (all but the first ``left``) flush right."""
    widths = [max(width(cell) for cell in column) for column in zip(*rows, strict=True)] if rows else []
    right = [tuple(cell if i < left else " " * (widths[i] - width(cell)) + cell for i, cell in enumerate(row)) for row in rows]
    return aligned([(f"  {first}", *rest) for first, *rest in right])


def _words(names: Sequence[str], locale: str) -> tuple[str, ...]:
    return tuple(say(f"compare.column.{name}", locale) for name in names)


def _head(found: Comparison, locale: str) -> list[str]:
    title = say("compare.title", locale, old=_named(found.old, locale), new=_named(found.new, locale))
    counted = say("compare.rows", locale, rows=found.rows, compared=found.compared, refused=found.rows - found.compared)
    period = [] if found.period is None else [say("compare.period", locale, start=found.period[0], end=found.period[1] - timedelta(days=1))]
    status = [say("compare.status", locale, version=v.name, status=say(f"cli.status.{v.status}", locale)) for v in (found.old, found.new)]
    return [title, counted, *period, *(line for line, v in zip(status, (found.old, found.new), strict=True) if v.status != "published")]


def _named(version: Version, locale: str) -> str:
    return f"{label(version.title, locale, version.tariff)} {version.name}"


def _totals(found: Comparison, locale: str) -> list[str]:
    rows = [("", *_words(("old", "new", "change", "percent"), locale)), _against(found, "total", found.old_total, found.new_total, locale)]
    if found.old_relief or found.new_relief:
        old, new = relief(found.old_relief), relief(found.new_relief)
        rows += [_against(found, "relief", old, new, locale)]
        rows += [_against(found, "kept", EXACT.subtract(found.old_total, old), EXACT.subtract(found.new_total, new), locale)]
    return [say("compare.totals", locale, currency=found.new.currency), *_table(rows)]


def _against(found: Comparison, name: str, old: Decimal, new: Decimal, locale: str) -> tuple[str, ...]:
    change = EXACT.subtract(new, old)
    return (say(f"compare.row.{name}", locale), _money(found, old), _money(found, new), _signed(found, change), _percent(change, old))


def _recovery(found: Comparison, locale: str) -> list[str]:
    if found.target is None:
        return []
    rows = [("", *_words(("old", "new"), locale))]
    sides = (found.old_total, relief(found.old_relief)), (found.new_total, relief(found.new_relief))
    rows.append((say("compare.row.recovered", locale), *(_percent(total, found.target) for total, _ in sides)))
    rows.append((say("compare.row.gap", locale), *(_signed(found, EXACT.subtract(total, found.target)) for total, _ in sides)))
    if found.old_relief or found.new_relief:
        rows.append((say("compare.row.recovered-kept", locale), *(_percent(EXACT.subtract(total, back), found.target) for total, back in sides)))
    return [say("compare.target", locale, target=_money(found, found.target), currency=found.new.currency), *_table(rows)]


def _payers(found: Comparison, locale: str) -> list[str]:
    rows = [("", *_words(("rows", "share", "sum"), locale))]
    for name, count, amount in (("more", found.more, found.more_sum), ("less", found.less, found.less_sum), ("same", found.same, Decimal(0))):
        rows.append((say(f"compare.row.{name}", locale), str(count), _percent(count, found.compared), _signed(found, amount)))
    return [say(f"compare.who.{found.new.direction}", locale), *_table(rows)]


def _deciles(found: Comparison, locale: str) -> list[str]:
    if not found.deciles:
        return []
    names = [say("compare.least", locale), *(f"{10 * part} %" for part in range(1, 10)), say("compare.greatest", locale)]
    return [say("compare.deciles", locale), *_table([(name, _signed(found, value)) for name, value in zip(names, found.deciles, strict=True)])]


def _groups(found: Comparison, locale: str) -> list[str]:
    if not found.by:
        return []
    rows = [(*found.by, *_words(("rows", "old", "new", "change", "percent", "more", "less", "refused"), locale))]
    for group in found.groups:
        change = EXACT.subtract(group.new, group.old)
        amounts = _money(found, group.old), _money(found, group.new), _signed(found, change), _percent(change, group.old)
        rows.append((*_members(found, group, locale), str(group.rows), *amounts, str(group.more), str(group.less), str(group.refused)))
    return [say(f"compare.groups.{found.new.direction}", locale, by=", ".join(found.by)), *_table(rows, len(found.by))]


def _members(found: Comparison, group: Group, locale: str) -> tuple[str, ...]:
    """Each member by its label, where one of the versions has one."""
    told = []
    for name, member in zip(found.by, group.members, strict=True):
        choice = found.new.choices.get(name) or found.old.choices.get(name)
        told.append("-" if member is None else label(choice.members.get(member, {}), locale, member) if choice else member)
    return tuple(told)


def _largest(found: Comparison, name: str, changes: Sequence[Change], locale: str) -> list[str]:
    if not changes:
        return []
    rows = [_words(("key", "old", "new", "change"), locale)]
    rows += [(c.key, _money(found, c.old), _money(found, c.new), _signed(found, EXACT.subtract(c.new, c.old))) for c in changes]
    head, *lines = _table(rows)
    told = (line for change, row in zip(changes, lines, strict=True) for line in (row, f"      {reason(change, locale)}"))
    return [say(f"compare.{name}", locale), head, *told]


def _crossed(found: Comparison, locale: str) -> list[str]:
    """Edges by the charge they stand in; what stood there before, and now."""
    rows = [
        (
            label(one.label, locale, one.charge),
            one.about,
            one.old if one.old == one.new else f"{one.old} → {one.new}",
            str(one.up),
            str(one.down),
            _signed(found, one.change),
        )
        for one in found.crossed
    ]
    if not rows:
        return [say("compare.crossed-none", locale)]
    return [say("compare.crossed", locale), *_table([_words(("charge", "about", "edges", "up", "down", "change"), locale), *rows], 3)]


def _stands(found: Comparison, locale: str) -> list[str]:
    """Edges of one version alone: nobody crossed them, so how many are on each side and what they pay."""
    if not found.stands:
        return []
    rows = [_words(("side", "charge", "about", "edges", "where", "rows", "old", "new", "change"), locale)]
    for one in found.stands:
        amounts = _money(found, one.old), _money(found, one.new), _signed(found, EXACT.subtract(one.new, one.old))
        named = (say(f"compare.column.{one.version}", locale), label(one.label, locale, one.charge), one.about, one.edges)
        rows.append((*named, _where(one, locale), str(one.rows), *amounts))
    return [say("compare.stands", locale), *_table(rows, 5)]


def _where(one: Stand, locale: str) -> str:
    return say("compare.band", locale, number=one.side + 1) if one.kind == "band" else say(f"compare.{'holds' if one.side else 'holds-not'}", locale)


def _relief(found: Comparison, locale: str) -> list[str]:
    rows = [
        (say(f"compare.column.{side}", locale), label(one.label, locale, one.name), str(one.rows), _money(found, one.amount))
        for side, all_ in (("old", found.old_relief), ("new", found.new_relief))
        for one in all_
    ]
    return [say("compare.reliefs", locale), *_table([("", *_words(("charge", "rows", "sum"), locale)), *rows], 2)] if rows else []


def _refused(found: Comparison, locale: str) -> list[str]:
    if not found.refused:
        return []
    rows = [_words(("side", "rows", "first", "why"), locale)]
    rows += [(say(f"compare.column.{one.side}", locale), str(one.rows), one.key, one.reason) for one in found.refused]
    lines = [say("compare.refused", locale, count=found.rows - found.compared), *aligned([(f"  {a}", *rest) for a, *rest in rows])]
    alone = (("old", found.only_old, found.old_alone), ("new", found.only_new, found.new_alone))
    return [*lines, *(f"  {say(f'compare.alone.{s}', locale, count=n, sum=_money(found, a), currency=found.new.currency)}" for s, n, a in alone if n)]


# --- JSON ---------------------------------------------------------------------------------------------------------


def as_json(found: Comparison, locale: str = "en") -> dict[str, Any]:
    """Format 1, described in ``docs/compare.md``; amounts and percentages are texts."""
    span = None if found.period is None else {"start": found.period[0].isoformat(), "end": found.period[1].isoformat()}
    sums = {"old": _said(found, found.old_total), "new": _said(found, found.new_total), "change": _said(found, found.difference)}
    return {
        "format": FORMAT,
        "old": _version(found.old),
        "new": _version(found.new),
        "currency": found.new.currency,
        "direction": found.new.direction,
        "period": span,
        "rows": found.rows,
        "compared": found.compared,
        "total": {**sums, "percent": _share(found.difference, found.old_total)},
        "payers": {
            "more": {"rows": found.more, "percent": _share(found.more, found.compared), "sum": _said(found, found.more_sum)},
            "less": {"rows": found.less, "percent": _share(found.less, found.compared), "sum": _said(found, found.less_sum)},
            "same": {"rows": found.same, "percent": _share(found.same, found.compared)},
        },
        "deciles": [_said(found, value) for value in found.deciles],
        "bars": [{"from": _ends(found, bar.start), "to": _ends(found, bar.end), "rows": bar.rows} for bar in found.bars],
        "by": list(found.by),
        "classes": [_class(found, group) for group in found.groups],
        "rises": [_changed(found, change, locale) for change in found.rises],
        "falls": [_changed(found, change, locale) for change in found.falls],
        "relief": {"old": _paid_back(found, found.old_relief), "new": _paid_back(found, found.new_relief)},
        "recovery": _recovered(found),
        "crossed": [_edges(found, one) for one in found.crossed],
        "edges_of_one": [_stand(found, one) for one in found.stands],
        "refused": {
            "rows": found.rows - found.compared,
            "reasons": [
                {"side": r.side, "code": r.code, "input": r.input, "rows": r.rows, "first": r.key, "message": r.reason} for r in found.refused
            ],
            "rated_by_old_only": {"rows": found.only_old, "sum": _said(found, found.old_alone)},
            "rated_by_new_only": {"rows": found.only_new, "sum": _said(found, found.new_alone)},
        },
    }  # fmt: skip


def _said(found: Comparison, amount: Decimal) -> str:
    return _money(found, amount)


def _ends(found: Comparison, end: Decimal | None) -> str | None:
    return None if end is None else _money(found, end)


def _share(part: Decimal | int, whole: Decimal | int) -> str | None:
    value = percent(part, whole)
    return None if value is None else show(value, 2)


def _version(version: Version) -> dict[str, Any]:
    return {
        "tariff": version.tariff,
        "effective": version.effective.isoformat(),
        "revision": version.revision,
        "digest": version.digest,
        "status": version.status,
        "title": dict(version.title),
    }


def _class(found: Comparison, group: Group) -> dict[str, Any]:
    change = EXACT.subtract(group.new, group.old)
    sums = {"old": _said(found, group.old), "new": _said(found, group.new), "change": _said(found, change), "percent": _share(change, group.old)}
    counts = {"rows": group.rows, "refused": group.refused, "more": group.more, "less": group.less, "same": group.rows - group.more - group.less}
    return {"class": dict(zip(found.by, group.members, strict=True)), **counts, **sums}


def _changed(found: Comparison, change: Change, locale: str) -> dict[str, Any]:
    amounts = {"old": _said(found, change.old), "new": _said(found, change.new), "change": _said(found, EXACT.subtract(change.new, change.old))}
    return {"key": change.key, "row": change.row + 1, **amounts, "reason": reason(change, locale)}


def _edges(found: Comparison, one: Crossing) -> dict[str, Any]:
    told = {"charge": one.charge, "label": dict(one.label), "kind": one.kind, "about": one.about, "old": one.old, "new": one.new}
    return {**told, "up": one.up, "down": one.down, "change": _said(found, one.change)}


def _stand(found: Comparison, one: Stand) -> dict[str, Any]:
    told = {"side": one.version, "charge": one.charge, "label": dict(one.label), "kind": one.kind, "about": one.about, "edges": one.edges, "at": one.side}
    sums = {"old": _said(found, one.old), "new": _said(found, one.new), "change": _said(found, EXACT.subtract(one.new, one.old))}
    return {**told, "rows": one.rows, **sums}


def _paid_back(found: Comparison, reliefs: Sequence[Relief]) -> dict[str, Any]:
    charges = [{"charge": one.name, "label": dict(one.label), "rows": one.rows, "sum": _said(found, one.amount)} for one in reliefs]
    return {"sum": _said(found, relief(reliefs)), "charges": charges}


def _recovered(found: Comparison) -> dict[str, Any] | None:
    if found.target is None:
        return None
    return {"target": _said(found, found.target), **dict(_sides(found, found.target))}


def _sides(found: Comparison, target: Decimal) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, total, reliefs in (("old", found.old_total, found.old_relief), ("new", found.new_total, found.new_relief)):
        kept = EXACT.subtract(total, relief(reliefs))
        yield name, {"percent": _share(total, target), "gap": _said(found, EXACT.subtract(total, target)), "percent_after_relief": _share(kept, target)}
