"""Two versions in words: ``standard (fee): 300 -> 320 CNY/t``, charges that came and went, conditions that changed.

What is compared is what the files say, name by name; a renamed value is one that went and one that came. A family is
compared once where all its members say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tariffs.messages import label
from tariffs.messages import text as say
from tariffs.model import Charge, Input, Labels, Require, Value, Version, full_name
from tariffs.money import show

FORMAT = 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: ``code`` names its sentence (``diff.<code>``), ``values`` fill it; labels are kept in all languages."""

    code: str
    name: str
    values: Mapping[str, str]
    labels: Labels

    def text(self, locale: str = "en") -> str:
        """The difference as a sentence."""
        word = label(self.labels, locale)
        called = say("diff.called", locale, name=self.name, label=word) if self.name and word and word != self.name else self.name or word
        return say(f"diff.{self.code}", locale, name=called, **self.values)


def diff(old: Version, new: Version) -> list[Change]:
    """What ``new`` says otherwise than ``old``, from the head of the file to its end."""
    return [
        *_head(old, new),
        *_choices(old, new),
        *_inputs(old, new),
        *_values(old, new),
        *_requires(old, new),
        *_charges(old, new),
        *_tail(old, new),
    ]


def text(old: Version, new: Version, locale: str = "en") -> str:
    """All differences, one a line, under the names of both versions."""
    lines = [f"  {change.text(locale)}" for change in diff(old, new)] or [f"  {say('diff.none', locale)}"]
    return "\n".join([say("diff.head", locale, title=label(new.title, locale, new.tariff), old=old.name, new=new.name), *lines]) + "\n"


def as_json(old: Version, new: Version, locale: str = "en") -> dict[str, Any]:
    """Format 1, described in ``docs/proof.md``."""
    ends = {
        side: {"tariff": v.tariff, "effective": v.effective.isoformat(), "revision": v.revision, "digest": v.digest} for side, v in (("old", old), ("new", new))
    }
    changes = [{"code": c.code, "name": c.name, **c.values, "message": c.text(locale)} for c in diff(old, new)]
    return {"format": FORMAT, **ends, "changes": changes}


# --- parts --------------------------------------------------------------------------------------------------------


def _changed(code: str, name: str, old: object, new: object, labels: Labels | None = None, **more: str) -> Iterator[Change]:
    """One change where the two differ; what is empty is written as a dash."""
    if old != new:
        yield Change(code, name, {"old": str(old) or "-", "new": str(new) or "-", **more}, labels or {})


def _pairs(old: Mapping[str, _T], new: Mapping[str, _T], kind: str, labels: Callable[[_T], Labels], what: Callable[[_T], str]) -> Iterator[Change]:
    """What went and what came, by name; ``what`` describes it."""
    for name in old.keys() - new.keys():
        yield Change(f"{kind}-gone", name, {"what": what(old[name])}, labels(old[name]))
    for name in new.keys() - old.keys():
        yield Change(f"{kind}-new", name, {"what": what(new[name])}, labels(new[name]))


def _sorted(changes: Iterable[Change], order: Sequence[str]) -> list[Change]:
    """In the order of the file, what went first."""
    return sorted(changes, key=lambda change: order.index(change.name) if change.name in order else -1)


def _head(old: Version, new: Version) -> Iterator[Change]:
    for language in sorted({*old.title, *new.title}):
        yield from _changed("title", language, old.title.get(language, ""), new.title.get(language, ""))
    yield from _changed("status", "status", old.status, new.status)
    yield from _changed("source", "source", old.source.document, new.source.document)
    yield from _changed("until", "until", old.until or "", new.until or "")
    for name in ("language", "currency", "step", "direction", "period"):
        yield from _changed("setting", name, getattr(old, name), getattr(new, name))


def _choices(old: Version, new: Version) -> list[Change]:
    found = list(_pairs(old.choices, new.choices, "choice", lambda c: c.label, lambda c: ", ".join(c.members)))
    for name, choice in new.choices.items():
        if name in old.choices:
            before = old.choices[name].members
            found += [Change("member-gone", name, {"member": member}, choice.label) for member in before if member not in choice.members]
            found += [Change("member-new", name, {"member": member}, choice.label) for member in choice.members if member not in before]
    return _sorted(found, list(new.choices))


def _inputs(old: Version, new: Version) -> list[Change]:
    before, after = _by_name(old.inputs), _by_name(new.inputs)
    found = list(_pairs(before, after, "input", lambda found: found[0].label, lambda found: str(found[0].type.unit)))
    for name in before.keys() & after.keys():
        (one, *_), (other, *_) = before[name], after[name]
        yield_ = [
            _changed("members", name, _keys(before[name]), _keys(after[name]), other.label),
            _changed("unit", name, one.type.unit, other.type.unit, other.label),
            _changed("input-step", name, show(one.type.grid), show(other.type.grid), other.label, unit=_unit(other)),
            _changed("minimum", name, show(one.type.low), show(other.type.low), other.label, unit=_unit(other)),
            _changed("maximum", name, show(one.type.high), show(other.type.high), other.label, unit=_unit(other)),
            _changed("collect", name, one.collect.how if one.collect else "", other.collect.how if other.collect else "", other.label),
        ]
        found += [change for changes in yield_ for change in changes]
    return _sorted(found, list(after))


def _by_name(items: Sequence[Input]) -> dict[str, list[Input]]:
    found: dict[str, list[Input]] = {}
    for item in items:
        found.setdefault(item.name, []).append(item)
    return found


def _keys(family: Sequence[Input]) -> str:
    return ", ".join(full_name("", item.key).strip("[]") for item in family)


def _unit(item: Input) -> str:
    return f" {item.type.unit}" if item.type.unit.powers else ""


def _values(old: Version, new: Version) -> list[Change]:
    before, after = ({value.name: value for value in version.values} for version in (old, new))
    found = list(_pairs(before, after, "value", lambda value: value.label, _all_numbers))
    for name in before.keys() & after.keys():
        found += _value(before[name], after[name])
    return _sorted(found, [full for value in new.values for full in (value.name, *(full_name(value.name, key) for key in value.cells))])


def _value(old: Value, new: Value) -> Iterator[Change]:
    """Numbers that changed, cell by cell; a change of unit is told beside them."""
    yield from _changed("unit", new.name, old.unit, new.unit, new.label)
    for key in dict.fromkeys([*old.cells, *new.cells]):
        one, other = (_numbers(cells.cells.get(key, ())) for cells in (old, new))
        yield from _changed("value", full_name(new.name, key), one, other, new.label, unit=f" {new.unit}" if new.unit.powers else "")


def _numbers(cell: Sequence[Any]) -> str:
    return ", ".join(show(number) for number in cell)


def _all_numbers(value: Value) -> str:
    cells = [f"{full_name('', key)} {_numbers(cell)}".strip() for key, cell in value.cells.items()]
    return "; ".join(cells) + (f" {value.unit}" if value.unit.powers else "")


def _requires(old: Version, new: Version) -> Iterator[Change]:
    before, after = ({_condition(require): require for require in version.requires} for version in (old, new))
    yield from (Change("require-gone", words, {}, {}) for words in before if words not in after)
    yield from (Change("require-new", words, {}, {}) for words in after if words not in before)


def _condition(require: Require) -> str:
    words = _line(require.that.text)
    return f"{words} [{_line(require.when.text)}]" if require.when else words


def _line(words: str) -> str:
    return " ".join(words.split())


def _charges(old: Version, new: Version) -> list[Change]:
    before, after = ({charge.name: charge for charge in reversed(version.charges)} for version in (old, new))
    found = list(_pairs(before, after, "charge", lambda charge: charge.label, lambda charge: _line(charge.text)))
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        for code, part in _PARTS:
            found += _changed(code, name, part(one), part(other), other.label)
        found += _condition_changed(one, other)
    found = _sorted(found, [charge.name for charge in new.charges])
    both = [name for name in dict.fromkeys(charge.name for charge in new.charges) if name in before]
    return [*found, *_changed("order", "charges", ", ".join(dict.fromkeys(c.name for c in old.charges if c.name in after)), ", ".join(both))]


_PARTS: tuple[tuple[str, Callable[[Charge], str]], ...] = (
    ("formula", lambda charge: _line(charge.text)),
    ("kind", lambda charge: charge.kind),
    ("clause", lambda charge: charge.clause),
)


def _condition_changed(old: Charge, new: Charge) -> Iterator[Change]:
    before, after = (_line(charge.when.text) if charge.when else "" for charge in (old, new))
    code = "when" if before and after else "when-new" if after else "when-gone"
    return _changed(code, new.name, before, after, new.label)


def _tail(old: Version, new: Version) -> Iterator[Change]:
    """The days a period crosses, and what the text leaves open."""
    yield from _changed("change", "change", _settings(old), _settings(new))
    before, after = ([tuple(sorted(words.items())) for words in version.assumptions] for version in (old, new))
    yield from (Change("assumption-gone", "", {}, dict(words)) for words in before if words not in after)
    yield from (Change("assumption-new", "", {}, dict(words)) for words in after if words not in before)


def _settings(version: Version) -> str:
    return ", ".join(f"{name}: {', '.join(value) if isinstance(value, (list, tuple)) else value}" for name, value in version.change.items() if value)
