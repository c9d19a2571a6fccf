"""Numbers and names as they are printed: a real minus, words where a number is missing, safe characters."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

MISSING = "–"
MINUS = "−"
NO_BREAK = "\u00a0"
SOFT_HYPHEN = "\u00ad"
ZERO_WIDTH_SPACE = "\u200b"
REPLACEMENT = "\ufffd"

#: Unicode categories PDF/A or the reader cannot show: control, format, private use, surrogate, unassigned.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
#: A word longer than this gets places to break, so that no cell overflows.
_LONGEST_WORD = 14

FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")


def font_directory() -> Path:
    """Return the folder of the fonts that come with matplotlib."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


@functools.cache
def _printable_codes() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    charmaps = [FT2Font(str(font_directory() / name)).get_charmap() for name in FONTS]
    return frozenset.intersection(*(frozenset(charmap) for charmap in charmaps))


def printable(text: str) -> str:
    """Return `text` on one line, with every character that the report's fonts cannot show replaced."""
    one_line = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(_printable(character) for character in one_line)


def _printable(character: str) -> str:
    if unicodedata.category(character) in _UNPRINTABLE:
        return "" if unicodedata.category(character) == "Cf" else REPLACEMENT
    return character if ord(character) in _printable_codes() else REPLACEMENT


def breakable(text: str) -> str:
    """Return printable `text` whose long words carry soft hyphens, so that they wrap in a narrow cell."""
    return _with_places_to_break(printable(text), SOFT_HYPHEN)


def exact(text: str) -> str:
    """Return printable `text` whose long words wrap without a hyphen: none gets into an identifier."""
    return _with_places_to_break(printable(text), ZERO_WIDTH_SPACE)


def _with_places_to_break(text: str, joint: str) -> str:
    step = _LONGEST_WORD // 2
    return re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: joint.join(_pieces(word[0], step)), text)


def _pieces(word: str, step: int) -> list[str]:
    return [word[i : i + step] for i in range(0, len(word), step)]


def shorten(text: str, length: int) -> str:
    """Return printable `text`, cut with an ellipsis where it is longer than `length` characters."""
    plain = printable(text)
    return plain if len(plain) <= length else plain[: length - 1].rstrip() + "…"


def number(value: float, digits: int = 1) -> str:
    """Return `value` with a real minus and thin grouping; a dash where it is missing."""
    if not math.isfinite(value):
        return MISSING
    text = f"{round(value, digits) + 0.0:,.{digits}f}"
    return text.replace(",", NO_BREAK).replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """Return `value` with its sign always shown, but for zero."""
    text = number(value, digits)
    return f"+{text}" if math.isfinite(value) and round(value, digits) > 0 else text


def percent(fraction: float, digits: int = 0) -> str:
    """Return a share 0-1 as a percentage; a dash where it is missing."""
    return f"{number(100 * fraction, digits)}{NO_BREAK}%" if math.isfinite(fraction) else MISSING


def probability(value: float) -> str:
    """Return a p or q with three decimals, `< 0.001` below that; a dash where it is missing."""
    if not math.isfinite(value):
        return MISSING
    return f"<{NO_BREAK}0.001" if value < 0.001 else f"{value:.3f}"


def plus_minus(mean: float, sd: float, digits: int = 1) -> str:
    """Return `mean ± sd`, the mean alone where the sd is missing, a dash where both are."""
    if not math.isfinite(mean):
        return MISSING
    spread = f"{NO_BREAK}±{NO_BREAK}{number(sd, digits)}" if math.isfinite(sd) else ""
    return number(mean, digits) + spread


def interval(low: float, high: float, digits: int = 2) -> str:
    """Return `low to high`; a dash where either is missing."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"{number(low, digits)} to {number(high, digits)}"


def count(n: int, one: str, many: str = "") -> str:
    """Return `1 woodland`, `no woodlands`, `1 234 woodlands`."""
    noun = one if n == 1 else many or f"{one}s"
    return f"{number(n, 0) if n else 'no'}{NO_BREAK}{noun}"


def listed(items: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def long_date(moment: datetime) -> str:
    """Return `15 January 2026`, in English whatever the locale."""
    months = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
    return f"{moment.day} {months[moment.month - 1]} {moment.year}"


def sentence(text: str) -> str:
    """Return `text` with a capital, a full stop and real minus signs; empty stays empty."""
    plain = re.sub(r"(?<![\w.,-])-(?=\d)", MINUS, printable(text))
    return plain and plain[0].upper() + plain[1:] + ("" if plain[-1] in ".!?" else ".")
