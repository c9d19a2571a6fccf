"""Ancient against other woodland in words and rows: what was compared, how alike it was, what came of it."""

from __future__ import annotations

import math

from monitoring.trends.parks import MAX_MEMORY
from reports.contrasted import ContrastLine
from reports.judged import BalanceLine
from reports.wording import breakable, count, interval, number, printable, probability, sentence, signed

_PROPERTIES = {
    "elevation_m": "elevation, m",
    "log_area": "log of area",
    "level": "level in the first years",
}


def contrast_place(contrast: ContrastLine) -> str:
    """Return the park, or that it is all of them together."""
    return "All parks together" if contrast.is_whole else contrast.park


def contrast_text(contrast: ContrastLine, slope_unit: str) -> str:
    """Return what one contrast says, in plain words."""
    groups = f"{contrast.n_ancient} ancient and {count(contrast.n_other, 'other woodland')}"
    if contrast.n_pairs:
        groups += f" in {count(contrast.n_pairs, 'matched pair')}"
    if contrast.reason or not math.isfinite(contrast.slope):
        return f"Not tested ({groups}): {sentence(contrast.reason or 'not enough years')}"
    between = interval(contrast.slope_low, contrast.slope_high)
    figures = f"{signed(contrast.slope)} {slope_unit} (95 % interval {between}; p {probability(contrast.p)}; "
    figures += f"{contrast.n_years} years; {groups})"
    parts = [f"{_direction(contrast)} Slope of the difference: {figures}.", *_beside(contrast)]
    return " ".join(part for part in parts if part)


def _direction(contrast: ContrastLine) -> str:
    if contrast.slope_high < 0:
        return "Ancient woodland has lost ground against other woodland."
    if contrast.slope_low > 0:
        return "Ancient woodland has gained on other woodland."
    return "The years do not show that ancient and other woodland move apart."


def _beside(contrast: ContrastLine) -> list[str]:
    return [_unmatched(contrast.n_unmatched), _eras(contrast), _signs(contrast), _memory(contrast)]


def _unmatched(n: int) -> str:
    left = count(n, "ancient woodland", "ancient woodlands")
    return f"{left} without a partner or a complete record left out." if n else ""


def _eras(contrast: ContrastLine) -> str:
    if not math.isfinite(contrast.era_slope_low):
        return ""
    between = interval(contrast.era_slope_low, contrast.era_slope_high)
    verdict = "the sign holds" if contrast.is_era_stable else "the sign does not hold: sensors may make it"
    return f"With any one era of the sensors left out: {between}; {verdict}."


def _signs(contrast: ContrastLine) -> str:
    if not math.isfinite(contrast.sign_flip_p):
        return ""
    return (
        f"Are the parks of one mind? p over the signs of their slopes: {probability(contrast.sign_flip_p)}."
    )


def _memory(contrast: ContrastLine) -> str:
    if not contrast.autocorrelation > MAX_MEMORY:
        return ""
    return (
        f"The yearly differences remember the year before (autocorrelation "
        f"{number(contrast.autocorrelation, 2)}): the p is too small."
    )


def balance_rows(contrast: ContrastLine) -> list[list[str]]:
    """Return how alike the two kinds are, one row per property, before and after matching."""
    return [_balance_row(contrast, line) for line in contrast.balance]


def _balance_row(contrast: ContrastLine, line: BalanceLine) -> list[str]:
    used = "matched on" if line.is_matched_on else "only looked at"
    verdict = "balanced" if line.is_balanced else "not balanced"
    return [
        breakable(contrast_place(contrast)),
        breakable(_PROPERTIES.get(line.property, printable(line.property))),
        f"{number(line.ancient_before, 2)} / {number(line.other_before, 2)}",
        signed(line.difference_before),
        f"{number(line.ancient, 2)} / {number(line.other, 2)}",
        signed(line.difference),
        f"{used}, {verdict}" if math.isfinite(line.difference) else used,
    ]
