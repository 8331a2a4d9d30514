"""The service's own sentences, by key; the library's for its own problems. Never built in code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tariffs import messages as library

_FOLDER = Path(__file__).parent / "locale"


def text(key: str, locale: str = "en", /, **values: object) -> str:
    """The sentence of ``key`` from the service's catalogues; an unknown key is our fault (KeyError)."""
    return library.catalogue(_FOLDER, library.language_of(locale))[key].format(**values)


def known(key: str) -> bool:
    """Whether the service has a sentence of its own for ``key``."""
    return key in library.catalogue(_FOLDER, "en")


def stored_label(labels: str, locale: str, fallback: str) -> str:
    """The label a stored line shows: kept as JSON by language, so a document reads in either."""
    found: Mapping[str, str] = json.loads(labels)
    return library.label(found, locale, fallback)
