"""What a cell says of a measurement: a number, a number it lies below, nothing, or why it cannot be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from billing_service.laboratory.cells import Cell
from billing_service.laboratory.words import NO_VALUE, NOT_FOUND, UNITS, Scale, unit_key
from tariffs.money import EXACT, read_number

#: A double keeps 15 digits of a decimal; one that needs more was computed, not written.
MAX_DIGITS = 15
_NUMBER = r"(-?[0-9]+(?:[, ][0-9]+)*(?:\.[0-9]+)?)"
_UNIT = r"\s?([^\s0-9.,()<>-][^()<>]*)?"
_PLAIN = re.compile(_NUMBER + _UNIT)
_BELOW = re.compile(r"(?:(?:nd|n\.d\.?|未检出)\s?\(?\s?<?|<)\s?" + _NUMBER + _UNIT + r"\s?\)?", re.IGNORECASE)
_LIMIT_L = re.compile(_NUMBER + r"\s?L")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?|[1-9][0-9]{0,2}(?: [0-9]{3})+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """``value`` in the unit of records, None where the cell says there is none; ``wrong`` is the code of what cannot be told."""

    value: Decimal | None = None
    below: bool = False
    wrong: str = ""


def read_value(cell: Cell, scale: Scale, limit: Decimal | None, *, commas_are_unclear: bool = False) -> Reading:
    """``limit`` is the column's limit of detection in the unit of records."""
    match cell.kind:
        case "number":
            return _number(cell.text, scale)
        case "text":
            return _text(cell.text.replace("〈", "<"), scale, limit, commas_are_unclear=commas_are_unclear)
        case "formula":
            return Reading(wrong="lab-formula")
        case "error":
            return Reading(wrong="lab-error-cell")
        case _:
            return Reading(wrong="lab-not-a-number")


def _number(text: str, scale: Scale) -> Reading:
    if sum(sign.isdigit() for sign in text.strip("-").lstrip("0.")) > MAX_DIGITS:
        return Reading(wrong="lab-too-many-digits")
    return _scaled(text, scale, below=False)


def _text(text: str, scale: Scale, limit: Decimal | None, *, commas_are_unclear: bool) -> Reading:
    short = text.casefold().replace(" ", "")
    if short in NO_VALUE:
        return Reading()
    if short in NOT_FOUND:
        return Reading(wrong="lab-no-limit") if limit is None else Reading(limit, below=True)
    match = _LIMIT_L.fullmatch(text) or _BELOW.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is None:
        return Reading(wrong="lab-not-a-number")
    unit = match[2] if match.re is not _LIMIT_L else None
    if unit and UNITS.get(unit_key(unit)) != scale:
        return Reading(wrong="lab-cell-unit" if unit_key(unit) in UNITS else "lab-not-a-number")
    number = _ungrouped(match[1], commas_are_unclear=commas_are_unclear)
    if number is None:
        return Reading(wrong="lab-comma")
    return _scaled(number, scale, below=match.re is not _PLAIN)


def _ungrouped(text: str, *, commas_are_unclear: bool) -> str | None:
    """``1,234.5`` as 1234.5; None where the comma may be a decimal point."""
    if "," not in text and " " not in text:
        return text
    if not _GROUPED.fullmatch(text) or ("," in text and commas_are_unclear):
        return None
    return text.replace(",", "").replace(" ", "")


def _scaled(text: str, scale: Scale, *, below: bool) -> Reading:
    value = read_number(text)
    if value is None:
        return Reading(wrong="lab-not-a-number")
    if value < 0:
        return Reading(wrong="lab-negative")
    if below and value == 0:
        return Reading(wrong="lab-below-zero")
    return Reading(EXACT.multiply(value, scale.times), below=below)
