"""The layout of a version file and of a cases file: which keys stand where, and what form each has.

Nothing is said here about meaning (names, units, formulas): ``check`` does that, on a layout that is whole. Data comes
in as text only (see ``source``), so every number and date is read by our own strict readers.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from tariffs import money
from tariffs.errors import PackError
from tariffs.layout_faults import faults, in_order
from tariffs.layout_rules import case_rules, version_rules
from tariffs.source import Document, Path, read

LANGUAGES = (1,)
#: Longest name, in characters: names stand in columns, messages and documents.
MAX_NAME = 60

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COLLECT = re.compile(r"sum|mean|weighted_mean|min|max|last|previous|count|top_mean\([1-9][0-9]{0,2}\)")
_PERIOD = re.compile(r"day|month|quarter|year|any|[1-9][0-9]{0,2} months")
_OF = re.compile(r"stage\.[A-Za-z][A-Za-z0-9_]*")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_NAME = r"[A-Za-z][A-Za-z0-9_]*"


# --- readers of one text; each raises what ``layout_faults`` turns into a problem ----------------------------------


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return value


def _number(value: Any) -> Decimal:
    found = money.read_number(_text_of(value))
    if found is None:
        raise PydanticCustomError("not-a-plain-number", "{value}", {"value": value})
    return found


def _date(value: Any) -> date:
    written = _text_of(value)
    try:
        if _DATE.fullmatch(written):
            return date.fromisoformat(written)
    except ValueError:
        pass
    raise PydanticCustomError("not-a-date", "{value}", {"value": written})


def _language(value: Any) -> int:
    written = _text_of(value)
    if written not in {str(language) for language in LANGUAGES}:
        raise PydanticCustomError("unknown-language", "{value}", {"value": written})
    return int(written)


def _one_of(pattern: re.Pattern[str], code: str) -> Callable[[Any], str]:
    def read_one(value: Any) -> str:
        written = _text_of(value)
        if not pattern.fullmatch(written):
            raise PydanticCustomError(code, "{value}", {"value": written})
        return written

    return read_one


def _count(value: Any) -> int:
    return int(_one_of(_COUNT, "not-a-count")(value))


def _labels(value: Any) -> Any:
    if isinstance(value, str) and value:
        return {"zh": value, "en": value}
    if not isinstance(value, dict):
        raise PydanticCustomError("labels-expected", "")
    return value


def _by(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _currency(value: Any) -> Any:
    found = {"code": value} if isinstance(value, str) else value
    if isinstance(found, dict) and isinstance(code := found.get("code"), str) and "step" not in found:
        step = money.currency_step(code)
        if step is None:
            raise PydanticCustomError("unknown-currency", "{value}", {"value": code})
        return {**found, "step": str(step)}
    return found


def _name(value: Any) -> str:
    written = _text_of(value)
    if keyword.iskeyword(written):
        raise PydanticCustomError("keyword-name", "{value}", {"value": written})
    if not re.fullmatch(_NAME, written):
        raise PydanticCustomError("bad-name", "{value}", {"value": written})
    if len(written) > MAX_NAME:
        raise PydanticCustomError("long-name", "{value}", {"value": written, "limit": MAX_NAME})
    return written


def _cells(value: Any) -> Any:
    """A table's nested mappings down to numbers or lists of numbers. Cells that are none become None:
    ``layout_rules`` names each of them. Depth is limited by ``source``.
    """
    if not isinstance(value, dict):
        raise PydanticKnownError("dict_type")
    return {key: _cell(inner) for key, inner in value.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cell(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_cell(inner) for inner in value)
    return money.read_number(value) if isinstance(value, str) else None


def _two_days(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise PydanticCustomError("not-two-days", "")
    return value


_NUMBER_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}]}
_LABELS_SCHEMA = {"anyOf": [{"type": ["string", "number"]}, {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}]}
_TABLE_SCHEMA = {"type": "object", "minProperties": 1}
_CODE_SCHEMA = {"type": "string", "pattern": "^[A-Z]{3}$"}
_CURRENCY_PARTS = {"code": _CODE_SCHEMA, "step": _NUMBER_SCHEMA}
_CURRENCY_SCHEMA = {"anyOf": [_CODE_SCHEMA, {"type": "object", "properties": _CURRENCY_PARTS, "required": ["code"], "additionalProperties": False}]}
_BY_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}

Text = Annotated[str, StringConstraints(min_length=1), WithJsonSchema({"type": ["string", "number"], "minLength": 1})]
Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
Number = Annotated[Decimal, BeforeValidator(_number), WithJsonSchema(_NUMBER_SCHEMA)]
Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})]
LabelLanguage = Annotated[str, BeforeValidator(_one_of(re.compile("[a-z]{2}"), "bad-label-language"))]
Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9999}, {"type": "string", "pattern": f"^{_COUNT.pattern}$"}]}),
]
Labels = Annotated[dict[LabelLanguage, Text], BeforeValidator(_labels), Field(min_length=1), WithJsonSchema(_LABELS_SCHEMA)]
By = Annotated[tuple[Text, ...], BeforeValidator(_by), Field(min_length=1), WithJsonSchema(_BY_SCHEMA)]
CollectText = Annotated[str, BeforeValidator(_one_of(_COLLECT, "not-a-collect")), WithJsonSchema({"type": "string", "pattern": f"^({_COLLECT.pattern})$"})]
ModeName = Literal["half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"]
Members = Annotated[dict[Name, Labels], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where the rule is published."""

    document: Text
    issuer: Text = ""
    note: Text = ""


class Currency(_Part):
    """Code and smallest amount; ISO 4217 gives the step where the file does not."""

    code: Annotated[str, BeforeValidator(_one_of(re.compile("[A-Z]{3}"), "unknown-currency"))]
    step: Number


class ChoiceInput(_Part):
    """An input that takes one of named members."""

    choices: Members
    label: Labels = {}


class Missing(_Part):
    """What may stand in for a missing value: ``previous``, ``period_mean``, ``refuse`` or a fixed number."""

    fill: Text
    at_most: Count | None = None


class NumberInput(_Part):
    """A numeric input; without ``collect`` a standing fact. A mean rounds to the input's own ``step`` by ``mode``."""

    unit: Text
    step: Number
    min: Number
    max: Number
    label: Labels = {}
    by: By = ()
    collect: CollectText | None = None
    measure: Text = ""
    weight: Text = ""
    mode: ModeName | None = None
    empty: Number | None = None
    of: Annotated[str, BeforeValidator(_one_of(_OF, "not-of-stage")), WithJsonSchema({"type": "string", "pattern": f"^{_OF.pattern}$"})] | None = None
    below_limit: Literal["limit", "half", "zero"] | None = None
    missing: Missing | None = None
    samples: Count | None = None


def _input_kind(value: Any) -> str:
    return "<choice>" if isinstance(value, dict) and "choices" in value else "<number>"


Input = Annotated[Annotated[ChoiceInput, Tag("<choice>")] | Annotated[NumberInput, Tag("<number>")], Discriminator(_input_kind)]
Cell = Any  # nested dicts down to Decimal or tuple[Decimal, ...]


class Value(_Part):
    """A number with a legal meaning; exactly one of ``value``, ``list`` and ``table`` is not None."""

    unit: Text = "1"
    value: Number | None = None
    list: Annotated[tuple[Number, ...], Field(min_length=1)] | None = None
    table: Annotated[Mapping[str, Cell], BeforeValidator(_cells), Field(min_length=1), WithJsonSchema(_TABLE_SCHEMA)] | None = None
    by: By = ()
    label: Labels = {}
    clause: Text = ""


class Require(_Part):
    """A refusal with its reason."""

    that: Text
    say: Labels
    clause: Text = ""
    when: Text | None = None


class Charge(_Part):
    """One named amount."""

    formula: Text
    kind: Literal["line", "working", "included", "refund"] = "line"
    label: Labels = {}
    clause: Text = ""
    when: Text | None = None
    unit: Text | None = None
    by: By = ()


class Change(_Part):
    """What happens when a period crosses into this version."""

    usage: Literal["by_days", "by_reading", "old", "new"]
    scale: tuple[Text, ...] = ()
    partial: Literal["whole", "by_days", "none"] | None = None


class Stage(_Part):
    """One inner stage: rated once a record, day or month; its charges are workings that outer inputs collect."""

    grain: Literal["record", "day", "month"]
    inputs: Annotated[dict[Name, NumberInput], Field(min_length=1)]
    charges: dict[Name, Charge] = {}


class Layout(_Part):
    """A version file as written. Mappings keep the file's order; labels have at least one language."""

    language: Annotated[int, BeforeValidator(_language), WithJsonSchema({"enum": list(LANGUAGES)})]
    title: Labels
    status: Literal["published", "unverified", "illustrative", "draft"]
    source: Source
    until: Day | None = None
    known: Day | None = None
    currency: Annotated[Currency, BeforeValidator(_currency), WithJsonSchema(_CURRENCY_SCHEMA)]
    direction: Literal["receivable", "payable"]
    period: Annotated[str, BeforeValidator(_one_of(_PERIOD, "not-a-period")), WithJsonSchema({"type": "string", "pattern": f"^({_PERIOD.pattern})$"})]
    units: dict[Name, Labels] = {}
    dimensions: dict[Name, Members] = {}
    inputs: dict[Name, Input] = {}
    values: dict[Name, Value] = {}
    stage: Stage | None = None
    require: tuple[Require, ...] = ()
    charges: Annotated[dict[Name, Charge], Field(min_length=1)]
    change: Change | None = None
    assumptions: tuple[Labels, ...] = ()


class Case(_Part):
    """A golden case: what facts must give (``expect``), or the start of the sentence they are refused with (``error``)."""

    name: Text
    on: Day | None = None
    known: Day | None = None
    period: Annotated[tuple[Day, Day], BeforeValidator(_two_days)] | None = None
    facts: dict[str, Any]
    expect: Annotated[dict[str, Number], Field(min_length=1)] | None = None
    error: Text | None = None
    origin: Literal["published", "derived"] | None = None
    source: Text = ""


_CASES = TypeAdapter(tuple[Case, ...])
_PARTS: Mapping[str, type[BaseModel]] = {
    "source": Source,
    "currency": Currency,
    "values": Value,
    "require": Require,
    "charges": Charge,
    "change": Change,
}


def read_layout(content: bytes, file: str) -> tuple[Layout, Document]:
    """The version file in ``content``; PackError with all problems of form."""
    document = read(content, file)
    layout, problems = None, []
    try:
        layout = Layout.model_validate(document.data)
    except ValidationError as error:
        problems = faults(document, error, _version_keys)
    problems += version_rules(document)
    if layout is None or problems:
        raise PackError(in_order(problems))
    return layout, document


def read_cases(content: bytes, file: str) -> tuple[list[Case], Document]:
    """The golden cases in ``content``, in order; PackError with all problems of form."""
    document = read(content, file)
    cases, problems = None, []
    try:
        cases = _CASES.validate_python(document.data)
    except ValidationError as error:
        problems = faults(document, error, lambda path: tuple(Case.model_fields))
    problems += case_rules(document)
    if cases is None or problems:
        raise PackError(in_order(problems))
    return list(cases), document


def schema() -> dict[str, Any]:
    """The JSON schema of version files, for editors. Numbers may stand bare or quoted there; our readers decide."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_strict(Layout.model_json_schema())}


def _strict(part: Any) -> Any:
    """As the readers are: nothing is null, and a mapping of names holds names only."""
    if isinstance(part, list):
        return [_strict(inner) for inner in part if inner != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    found = {key: _strict(inner) for key, inner in part.items() if not (key == "default" and inner is None)}
    return {**found, "additionalProperties": False} if "patternProperties" in found else found


def _version_keys(path: Path) -> tuple[str, ...]:
    """The keys a version file may have in the mapping at ``path``."""
    if not path:
        return tuple(Layout.model_fields)
    if path[0] == "stage":
        return tuple(Stage.model_fields) if len(path) == 1 else _version_keys(path[1:])
    if path[0] == "inputs":
        return tuple((Missing if path[-1] == "missing" else ChoiceInput if "<choice>" in path else NumberInput).model_fields)
    return tuple(_PARTS[str(path[0])].model_fields)
