"""Every sentence a user reads: looked up by key in the Babel catalogues, never built in code.

A catalogue is one ``.po`` file per topic and language (``locale/<language>/<topic>.po``). Message ids are
stable keys such as ``problem.below-minimum``; the English catalogue is complete like every other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LANGUAGES = ("en", "zh")
_FOLDER = Path(__file__).parent / "locale"


def language_of(locale: str) -> str:
    """The catalogue language for a locale name: ``zh_CN`` -> ``zh``; anything unknown is English."""
    short = locale.replace("-", "_").split("_")[0].lower()
    return short if short in LANGUAGES else "en"


@cache
def catalogue(folder: Path, language: str) -> Mapping[str, str]:
    """All messages of one language under ``folder``, by key."""
    found: dict[str, str] = {}
    for path in sorted((folder / language).glob("*.po")):
        with path.open("rb") as stream:
            for message in read_po(stream, locale=language):
                if message.id:
                    found[str(message.id)] = str(message.string)
    return found


def text(key: str, locale: str = "en", /, **values: object) -> str:
    """The sentence of ``key`` in ``locale``'s language with its places filled; an unknown key is our fault (KeyError)."""
    return catalogue(_FOLDER, language_of(locale))[key].format(**values)


def label(labels: Mapping[str, str], locale: str, fallback: str = "") -> str:
    """The label for ``locale``: its own language, else English, else Chinese, else ``fallback``."""
    for language in (language_of(locale), "en", "zh"):
        if labels.get(language):
            return labels[language]
    return fallback
