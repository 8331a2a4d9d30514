"""What a utility sets, read from the environment; the command line may override the database, the rules and the user."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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
    """``BILLING_DB``, ``BILLING_USER``, ``BILLING_LOCALE``, ``BILLING_TIMEZONE``, ``BILLING_ONE_PERSON``, ``BILLING_QUOTE_DAYS``."""
    plain = Settings()
    days = env.get("BILLING_QUOTE_DAYS", "")
    return Settings(
        db=env.get("BILLING_DB") or plain.db,
        user=env.get("BILLING_USER") or _whoever(),
        locale=env.get("BILLING_LOCALE") or plain.locale,
        timezone=env.get("BILLING_TIMEZONE") or plain.timezone,
        one_person=env.get("BILLING_ONE_PERSON", "").lower() in {"1", "true", "yes"},
        quote_days=int(days) if days.isascii() and days.isdigit() else plain.quote_days,
    )


def _whoever() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "unnamed"
