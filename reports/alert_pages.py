"""The page of one flagged woodland, in words: its figures, its years, and what to check on the ground."""

from __future__ import annotations

import math
from typing import Any

from reports.content import ReportContent, Target
from reports.flags import flag_of, name_of, park_of
from reports.grounds import beside_words, how_tested, standing_words
from reports.places import degrees_text, grid_reference
from reports.summary import slope_words
from reports.woodland import WoodlandLine
from reports.wording import (
    MISSING,
    breakable,
    exact,
    listed,
    number,
    percent,
    plus_minus,
    printable,
    probability,
    sentence,
)

STATUS_WORDS = {
    "ASNW": "ancient semi-natural woodland",
    "PAWS": "plantation on an ancient woodland site",
    "AWP": "ancient wood pasture and parkland",
    "other": "woodland not on the ancient inventory",
}

_FIRST = (
    "Records: felling, thinning, planting, fire or storm since the record began; a boundary drawn wrongly.",
)
_STEP = (
    "The canopy: gaps, windthrow, clear-fell or new rides that date from the year of the step.",
    "The ground: wheel ruts, drains, tracks or building work that came with it.",
)
_SLOW = (
    "The host trees (oak, beech, birch, hazel, hornbeam, pine): crown dieback, browsing of young trees, "
    "loss to trees that host other fungi.",
    "The ground: compaction by vehicles, feet or stock; rhododendron or dense bramble; piled brash.",
    "Around it: livestock housing, slurry or fertiliser next to the edge (nitrogen); lowered water table.",
)
_SOIL = (
    "Soil: take the standard sample at several points inside and, to compare, in an unflagged wood of its "
    "kind nearby.",
)


def ground_checks(line: WoodlandLine) -> list[str]:
    """Return what a person should look at, in order: records, then the wood itself, then its soil."""
    return [*_FIRST, *(_STEP if line.kind == "step" else _SLOW), *_SOIL]


def facts(line: WoodlandLine, target: Target) -> list[list[str]]:
    """Return (what, figure) pairs of one woodland."""
    point = line.geometry.representative_point()
    grid = grid_reference(point.x, point.y)
    place = degrees_text(point.x, point.y)
    latest = next((v for v in reversed(line.history) if math.isfinite(v.mean)), None)
    return [
        ["Standing", STATUS_WORDS.get(line.status, printable(line.status))],
        ["Park", breakable(park_of(line))],
        ["Area", f"{number(line.area_ha)} ha"],
        ["A point inside", f"{grid} ({place})" if grid else place],
        [f"Latest, {latest.year}" if latest else "Latest", _latest(line)],
        [f"Slope, {target.slope_unit}", slope_words(line)],
        ["Loss over the record", _words(percent(line.decline_fraction))],
        ["q (p)", f"{probability(line.q)} ({probability(line.p)}), {line.n} annual values"],
        *_outside(line),
        ["Detectable decline", _detectable(line, target)],
        ["Identifier", exact(line.id)],
    ]


def _latest(line: WoodlandLine) -> str:
    values = [v for v in line.history if math.isfinite(v.mean)]
    return plus_minus(values[-1].mean, values[-1].sd) if values else "no estimate"


def _outside(line: WoodlandLine) -> list[list[str]]:
    """Return the row that names the years left out of the trend; none where all were tested."""
    shares = [f"{v.year} ({percent(v.applicable_share)} inside)" for v in line.history if not v.is_applicable]
    return [["Years outside, left out", listed(shares)]] if shares else []


def _words(text: str) -> str:
    return "not enough years" if text == MISSING else text


def _detectable(line: WoodlandLine, target: Target) -> str:
    known = math.isfinite(line.minimum_detectable_slope)
    return f"{number(line.minimum_detectable_slope, 2)} {target.slope_unit}" if known else "not known"


def year_rows(line: WoodlandLine) -> list[list[str]]:
    """Return one row per year: year, mean ± sd, coverage, clear optical observations."""
    return [
        [str(v.year), plus_minus(v.mean, v.sd), percent(v.coverage), number(v.n_s2)] for v in line.history
    ]


def history_alt(line: WoodlandLine, target: Target) -> str:
    """Return in words what the history chart shows."""
    known = [v for v in line.history if math.isfinite(v.mean)]
    if not known:
        return f"Chart of {target.name} at {printable(name_of(line))}: no year has an estimate."
    ends = " and ".join(f"{plus_minus(v.mean, v.sd)} in {v.year}" for v in (known[0], known[-1]))
    return (
        f"Line chart of yearly {target.name} at {printable(name_of(line))}, {target.unit}: {ends}; "
        f"slope {slope_words(line)} per year. The yearly values are in the table on the same page."
    )


def alert_page(line: WoodlandLine, place: int, content: ReportContent) -> dict[str, Any]:
    """Return everything the page of one flagged woodland prints, but for its figures."""
    return {
        "number": str(place),
        "name": breakable(name_of(line)),
        "flag": flag_of(line).value + (", in one step" if line.kind == "step" else ""),
        "confirmed": line.level == "CONFIRMED",
        "reason": sentence(line.alert_reason) or "No reason was recorded.",
        "facts": facts(line, content.target),
        "test": how_tested(line, content),
        "standing": standing_words(line),
        "beside": beside_words(line, content),
        "years": year_rows(line),
        "checks": ground_checks(line),
    }
