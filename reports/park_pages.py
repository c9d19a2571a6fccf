"""Parks and the whole in words and rows: slopes with years as the replicates, under both weightings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reports.content import ReportContent
from reports.judged import ParkTrendLine
from reports.wording import breakable, interval, listed, number, printable, probability, sentence, signed

WHOLE_NAME = "The whole"
CLASS_WORDS = {"all": "all woodland", "ancient": "ancient", "other": "other"}
WEIGHTING_WORDS = {"area": "area", "woodland": "one each"}
#: p below which woodlands, or parks, are said to go different ways.
_DIFFERENT = 0.05
TEXT = (
    "Mean departure of the woodlands from their own levels, by year, with a line through it. Years are the "
    "replicates: woodlands share weather and sensors, so no p counts them. No control is taken off, so a "
    "drought or a sensor can make such a trend. Weighted by area, or one each. p: the share of all orders of "
    "the years with a slope as steep; beside it the regional Kendall test (Dietz and Killeen). Alike: p that "
    "the woodlands go the same way, small where they do not."
)


def place_of(line: ParkTrendLine) -> str:
    """Return the park, or the name of the whole."""
    return line.park or WHOLE_NAME


def park_section(content: ReportContent) -> dict[str, Any]:
    """Return text, rows and notes of the trends of parks; all empty where none is recorded."""
    trends = content.park_trends
    return {
        "text": f"{_whole_words(trends, content.target.slope_unit)}{TEXT}" if trends else "",
        "rows": [_row(line) for line in trends],
        "notes": _notes(trends),
    }


def _whole_words(trends: Sequence[ParkTrendLine], unit: str) -> str:
    """Return what the whole says, every woodland counting one; empty without a slope."""
    for line in trends:
        is_whole = not line.park and line.woodland_class == "all" and line.weighting == "woodland"
        if is_whole and math.isfinite(line.slope):
            between = interval(line.slope_low, line.slope_high)
            figures = f"95 % interval {between}; p {probability(line.p_permutation)}; {line.n_years} years"
            return f"All woodland together: {signed(line.slope)} {unit} ({figures}). {_parks_alike(line)}"
    return ""


def _parks_alike(line: ParkTrendLine) -> str:
    if not math.isfinite(line.p_homogeneity_of_parks):
        return ""
    p = probability(line.p_homogeneity_of_parks)
    if line.p_homogeneity_of_parks < _DIFFERENT:
        return f"The parks go different ways (p {p}): read them one by one. "
    return f"The parks are not shown to go different ways (p {p}). "


def _row(line: ParkTrendLine) -> list[str]:
    return [
        breakable(place_of(line)),
        CLASS_WORDS.get(line.woodland_class, printable(line.woodland_class)),
        WEIGHTING_WORDS.get(line.weighting, printable(line.weighting)),
        number(line.n_woodlands, 0),
        number(line.n_years, 0),
        signed(line.slope),
        interval(line.slope_low, line.slope_high),
        probability(line.p_permutation),
        probability(line.p_dietz_killeen),
        probability(line.p_homogeneity),
    ]


def _notes(trends: Sequence[ParkTrendLine]) -> list[str]:
    """Return every warning and every reason for a missing p once, with the places it is of."""
    places: dict[str, dict[str, None]] = {}
    for line in trends:
        for said in (line.warning, line.reason):
            if said:
                where = CLASS_WORDS.get(line.woodland_class, line.woodland_class)
                places.setdefault(said, {})[f"{place_of(line)} ({where})"] = None
    return [f"{sentence(said)[:-1]}: {printable(listed(list(where)))}." for said, where in places.items()]


def forest_alt(trends: Sequence[ParkTrendLine], unit: str) -> str:
    """Return in words what the figure of slopes shows."""
    parts = [
        f"{place_of(line)}, {CLASS_WORDS.get(line.woodland_class, line.woodland_class)}: "
        f"{signed(line.slope)} ({interval(line.slope_low, line.slope_high)})"
        for line in trends
        if math.isfinite(line.slope)
    ]
    return f"Slopes with their 95 % intervals, {unit}, every woodland counting one. {'; '.join(parts)}."
