"""An amount of renminbi in capital numerals (大写金额), as bills in China state it beside the figures.

The published rule: 整 after 元, allowed after 角, never after 分; one 零 for a row of zeros; 零 after 元 where jiao are 0 and fen are not.
Where it leaves a choice we write 整 after 角, and no 零 before 万, 元 or 角 where the digit before them alone is 0 (107000.53: 壹拾万柒仟元伍角叁分).
"""

from __future__ import annotations

from decimal import Decimal

from tariffs.money import EXACT, is_multiple

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("仟", "佰", "拾", "")
_FEN = Decimal("0.01")


def renminbi(amount: Decimal) -> str:
    """``16409.02`` -> 人民币壹万陆仟肆佰零玖元零贰分. Any size; a negative amount has 负 before the number; no part of a fen."""
    assert is_multiple(amount, _FEN), "an amount in yuan ends with the fen"
    yuan, fen = divmod(abs(int(EXACT.scaleb(amount, 2))), 100)
    sign = "负" if amount < 0 else ""
    return f"人民币{sign}{_yuan(yuan, fen)}{_coins(yuan, fen)}"


def _yuan(yuan: int, fen: int) -> str:
    if yuan:
        return f"{_whole(yuan)}元"
    return "" if fen else "零元"


def _coins(yuan: int, fen: int) -> str:
    jiao, rest = divmod(fen, 10)
    if not fen:
        return "整"
    if not rest:
        return f"{_DIGITS[jiao]}角整"
    if not jiao:
        return f"{'零' if yuan else ''}{_DIGITS[rest]}分"
    return f"{_DIGITS[jiao]}角{_DIGITS[rest]}分"


def _whole(number: int) -> str:
    """By 亿, then by 万, then by the four places below it; 零 where a part that follows another begins with zeros."""
    for unit, word in ((10**8, "亿"), (10**4, "万")):
        high, low = divmod(number, unit)
        if high:
            gap = "零" if 0 < low < unit // 10 else ""
            return f"{_whole(high)}{word}{gap}{_whole(low) if low else ''}"
    found, zero = "", False
    for digit, place in zip(f"{number:04}", _PLACES, strict=True):
        if digit == "0":
            zero = bool(found)
        else:
            found += f"{'零' if zero else ''}{_DIGITS[int(digit)]}{place}"
            zero = False
    return found
