"""What a utility sets, read from the environment; the command line may override the database, the rules and the user."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from tariffs.errors import Problem

_YES, _NO = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no"})
_LONGEST_QUOTE = 3660


@dataclass(frozen=True, slots=True)
class Settings:
    """``one_person`` lifts the four-eyes rule for an office of one; ``quote_days`` bounds how long a quote holds."""

    db: str = "billing.db"
    rules: tuple[Path, ...] = ()
    utility: str = "main"
    user: str = ""
    locale: str = "en"
    timezone: str = "Asia/Shanghai"
    one_person: bool = False
    quote_days: int = 30
    largest_body: int = 1_000_000
    largest_batch: int = 20_000_000

    @property
    def url(self) -> str:
        """The database as SQLAlchemy names it; a plain path is SQLite."""
        return self.db if "://" in self.db else f"sqlite:///{self.db}"

    @property
    def shown_db(self) -> str:
        """The database as people may see it: without its password."""
        return without_password(self.db)

    @property
    def roots(self) -> list[Path] | None:
        """Rule roots for the library; None lets it use ``TARIFFS_RULES`` and its packaged rules."""
        return list(self.rules) or None


def without_password(db: str) -> str:
    """A database's path or URL as people may see it, also where it is no good URL."""
    hidden = re.sub(r"(://[^:@/?]*):.*@", r"\1:***@", db)
    return re.sub(r"([?&][^=&]*password=)[^&]*", r"\1***", hidden, flags=re.IGNORECASE)


def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
    """``docs/settings.md`` lists them. What is ``wrong`` stands as if it were not set; whoever opens a door refuses it first."""
    plain = Settings()
    days = env.get("BILLING_QUOTE_DAYS", "")
    return Settings(
        db=env.get("BILLING_DB") or plain.db,
        utility=env.get("BILLING_UTILITY") or plain.utility,
        user=env.get("BILLING_USER") or _whoever(),
        locale=env.get("BILLING_LOCALE") or plain.locale,
        timezone=env.get("BILLING_TIMEZONE") or plain.timezone,
        one_person=env.get("BILLING_ONE_PERSON", "").lower() in _YES,
        quote_days=int(days) if _is_count(days) else plain.quote_days,
    )


def wrong(env: Mapping[str, str] = os.environ, utility: str = "") -> list[Problem]:
    """Every setting of the environment that says nothing a setting can say; and the name of the utility that was asked for."""
    found = []
    if env.get("BILLING_QUOTE_DAYS") and not _is_count(env["BILLING_QUOTE_DAYS"]):
        found.append(_problem("setting-days", "BILLING_QUOTE_DAYS", env["BILLING_QUOTE_DAYS"], most=str(_LONGEST_QUOTE)))
    if env.get("BILLING_ONE_PERSON", "").lower() not in _YES | _NO:
        found.append(_problem("setting-yes-no", "BILLING_ONE_PERSON", env["BILLING_ONE_PERSON"]))
    if env.get("BILLING_TIMEZONE") and not _is_zone(env["BILLING_TIMEZONE"]):
        found.append(_problem("setting-timezone", "BILLING_TIMEZONE", env["BILLING_TIMEZONE"]))
    if utility and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", utility, re.ASCII):
        found.append(_problem("setting-utility", "BILLING_UTILITY", utility))
    return found


def _problem(code: str, name: str, value: str, **more: str) -> Problem:
    return Problem(code, {"name": name, "value": value[:100], **more})


def _is_count(days: str) -> bool:
    return re.fullmatch(r"[0-9]{1,4}", days, re.ASCII) is not None and 1 <= int(days) <= _LONGEST_QUOTE


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _whoever() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "unnamed"
