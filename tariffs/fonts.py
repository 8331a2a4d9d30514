"""Letters for pictures: a Chinese font of the system, else the packaged one, and what is written where there is neither.

The package ``justmytype_intl_cjk`` (extra ``service``) carries Noto Sans SC; only here does anybody look for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tariffs.messages import label, language_of
from tariffs.model import Labels

SYSTEM = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Microsoft YaHei", "PingFang SC")
PACKED, _LATIN = "Noto Sans SC of the package", "DejaVu Sans"
#: The packaged font has its thinnest weight first, and matplotlib knows no other of a variable font: letters get an outline, in points.
_OUTLINE = {"normal": Decimal("0.5"), "bold": Decimal("1.1")}


@dataclass(frozen=True, slots=True)
class Letters:
    """``locale`` is the language a picture can be written in, ``chinese`` whether Chinese can stand in it; ``outlined`` letters are thin and get an outline."""

    locale: str
    families: tuple[str, ...]
    chinese: bool
    outlined: bool


@cache
def packaged() -> Path | None:
    """The variable font of simplified Chinese, where its package is installed."""
    if find_spec("justmytype_intl_cjk") is None:
        return None
    from justmytype_intl_cjk import get_font_pack  # type: ignore[import-untyped]

    return next((path for folder in get_font_pack().get_font_directories() for path in sorted(Path(folder).rglob("NotoSansSC*.ttf"))), None)


def letters(locale: str, also: str = "") -> Letters:
    """The reader's language where a font can write it, else English. ``also`` stands in the picture in any language, such as names of classes."""
    from matplotlib import font_manager

    have = {font.name for font in font_manager.fontManager.ttflist}
    own = tuple(name for name in SYSTEM if name in have)
    english = language_of(locale) == "en"
    if own:
        return Letters(locale, (*own, _LATIN), chinese=True, outlined=False)
    if english and also.isascii():
        return Letters(locale, (_LATIN,), chinese=False, outlined=False)
    if not _registered():
        return Letters(locale if english else "en", (_LATIN,), chinese=False, outlined=False)
    return Letters(locale, (_LATIN, PACKED) if english else (PACKED, _LATIN), chinese=True, outlined=not english)


@cache
def _registered() -> bool:
    """Whether matplotlib knows the packaged font, under a name of ours and in the weights we ask for, so that it does not complain that there is one only."""
    from matplotlib import font_manager

    path = packaged()
    if path is None:
        return False
    font_manager.fontManager.ttflist += [font_manager.FontEntry(fname=str(path), name=PACKED, weight=weight, size="scalable") for weight in (400, 700)]
    return True


@contextmanager
def written(hand: Letters) -> Iterator[None]:
    """Pictures drawn within are the same bytes each time, in these letters."""
    import matplotlib as mpl

    with mpl.rc_context({"font.family": list(hand.families), "svg.hashsalt": "tariffs", "svg.fonttype": "path", "axes.unicode_minus": False}):
        yield


def save(canvas: Any, hand: Letters, output: Path) -> None:
    """The figure as SVG or PNG, by the ending."""
    if hand.outlined:
        _thicken(canvas)
    canvas.savefig(output, dpi=150, metadata={"Date": None} if output.suffix.lower() == ".svg" else {"Software": None})


def _thicken(canvas: Any) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text

    canvas.draw_without_rendering()  # only now are all letters there
    for one in canvas.findobj(Text):
        wide = _OUTLINE["bold" if one.get_fontweight() == "bold" else "normal"]
        one.set_path_effects([withStroke(linewidth=wide, foreground=one.get_color())])


def in_letters(labels: Labels, hand: Letters, fallback: str) -> str:
    """As everywhere, but never Chinese where there is no font for it."""
    return label(labels, hand.locale, fallback) if language_of(hand.locale) == "zh" else labels.get("en", fallback)
