"""Column types that lose nothing: exact decimals and instants."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric
from sqlalchemy.types import TypeDecorator, TypeEngine

from tariffs.money import EXACT

_LARGEST = 2**63 - 1


class Exact(TypeDecorator[Decimal]):
    """A decimal with a fixed number of places: a scaled integer on SQLite (whose own decimals are floats), NUMERIC elsewhere.

    Compare, order and SUM in SQL; never multiply there: a product would be scaled twice.
    """

    impl = BigInteger
    cache_ok = True

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(19 + self.places, self.places))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        scaled = scale(value, self.places)
        if scaled is None:
            raise ValueError(f"{value!r} is no decimal of {self.places} places within 64 bits")
        return scaled if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return EXACT.scaleb(Decimal(value), -self.places) if dialect.name == "sqlite" else Decimal(value)


def scale(value: object, places: int) -> int | None:
    """``value`` as a whole number of 10**-places; None where it is no decimal, lies off that grid or beyond 64 bits."""
    if not isinstance(value, Decimal) or not value.is_finite():
        return None
    scaled = EXACT.scaleb(value, places)
    whole = int(scaled)
    return whole if whole == scaled and -_LARGEST <= whole <= _LARGEST else None


class Instant(TypeDecorator[datetime]):
    """A moment in UTC; one without a zone is refused, so that no local time slips in."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy calls it so
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
