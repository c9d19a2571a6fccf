"""A made-up but life-like report: two parks, 66 woodlands, nine years, twelve flagged."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from shapely import MultiPolygon, Polygon

from reports.content import (
    NAN,
    Calibration,
    ContrastLine,
    EncoderLine,
    GateLine,
    HeadLine,
    IndexYear,
    NotableYear,
    ObservationsOfYear,
    Provenance,
    Quality,
    QuarantinedLine,
    ReportContent,
    ScenesOfYear,
    SeasonSeen,
    UnderFloorLine,
    UnreadLine,
    WoodlandLine,
    YearValue,
)
from reports.document import Document, compose
from reports.gather import group_years, summary_of

YEARS = tuple(range(2017, 2026))
PARKS = {
    "Chalk Downs National Park": (-1.72, 51.42),
    "Forest of the Upper Evenlode and Windrush": (-1.52, 51.84),
}
FIRST = [
    "Great",
    "Little",
    "Upper",
    "Lower",
    "Old",
    "Hanging",
    "Long",
    "Burnt",
    "Kings",
    "Bishops",
    "Coldridge",
    "Foxbury",
    "Ash",
    "Hazel",
    "Birch",
]
SECOND = [
    "Wood",
    "Copse",
    "Hanger",
    "Coppice",
    "Grove",
    "Shaw",
    "Frith",
    "Plantation",
    "Dingle",
    "Bottom",
    "Spinney",
]
LONG_NAMES = (
    "The Duke's Vaunt and Thornhill Inclosures including Braydon Hook Plantation, Amity Oak 14b",
    "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogochwood",
    "Coed y Tŷ-newydd / “St Mary's” — North & South",
)


def blob(rng: np.random.Generator, longitude: float, latitude: float, area_ha: float) -> Polygon:
    """An irregular outline of about that area."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wobble = 1 + 0.25 * np.sin(2 * angles + rng.uniform(0, 6)) + 0.12 * np.sin(5 * angles + rng.uniform(0, 6))
    radius_m = math.sqrt(area_ha * 1e4 / math.pi) * wobble
    east = radius_m * np.cos(angles) / (111_320 * math.cos(math.radians(latitude)))
    return Polygon(np.column_stack([longitude + east, latitude + radius_m * np.sin(angles) / 111_320]))


def history(rng: np.random.Generator, start: float, slope: float) -> tuple[YearValue, ...]:
    """Nine years about a straight line, with a drought dip in 2018 and 2022."""
    dips = {2018: -3.0, 2022: -4.0}
    return tuple(
        YearValue(
            y,
            start + slope * (y - 2017) + dips.get(y, 0.0) + rng.normal(0, 1.2),
            6.0 + rng.uniform(0, 2),
            rng.uniform(0.86, 1.0),
            rng.uniform(18, 40),
        )
        for y in YEARS
    )


def woodland(rng: np.random.Generator, place: int, park: str, level: str = "") -> WoodlandLine:
    """One woodland near the park's centre; flagged ones lose, the others wander."""
    longitude, latitude = PARKS[park]
    x, y = longitude + rng.normal(0, 0.075), latitude + rng.normal(0, 0.04)
    area = float(np.exp(rng.normal(1.8, 1.1)))
    slope = {"CONFIRMED": -2.1, "WATCH": -1.3, "": 0.05}[level] + rng.normal(0, 0.2)
    geometry: Polygon | MultiPolygon = blob(rng, x, y, area)
    if place % 7 == 0:
        geometry = MultiPolygon([geometry, blob(rng, x + 0.012, y, area / 3)])
    status = ("ASNW", "PAWS", "other")[place % 3]
    values = history(rng, 64.0 if status != "other" else 52.0, slope)
    name = f"{FIRST[place % len(FIRST)]} {SECOND[place % len(SECOND)]}"
    return WoodlandLine(
        id=f"awi-{1100000 + 37 * place}",
        name=LONG_NAMES[place % 10] if place % 10 < len(LONG_NAMES) and place < 30 else name,
        park=park,
        status=status,
        is_ancient=status != "other",
        area_ha=area,
        geometry=geometry,
        history=values,
        control=tuple((v.year, 52.0 + {2018: -3.0, 2022: -4.0}.get(v.year, 0.0)) for v in values),
        slope=slope,
        slope_low=slope - 0.55,
        slope_high=slope + 0.55,
        p={"CONFIRMED": 0.0003, "WATCH": 0.021, "": 0.44}[level],
        q={"CONFIRMED": 0.009, "WATCH": 0.2, "": 0.8}[level],
        n=len(values),
        decline_fraction=-8 * slope / values[0].mean,
        minimum_detectable_slope=0.42 * 1.3 + rng.uniform(0, 0.3),
        level=level,
        kind=("step" if place % 5 == 0 else "decline") if level else "",
        alert_reason=(
            f"lost {-800 * slope / values[0].mean:.0f} % of its expected taxa between 2017 and 2025 "
            f"({slope:.1f} a year; against other woodland {slope - 0.1:.1f} a year, 95 % interval "
            f"{slope - 0.5:.1f} to {slope + 0.5:.1f}, 9 years, q 0.009) while other woodland in {park} held"
            if level
            else ""
        ),
    )


def woodlands(n: int = 66, n_alerts: int = 12) -> tuple[WoodlandLine, ...]:
    """`n` woodlands over two parks, the first `n_alerts` flagged, two of three confirmed; some not tested."""
    rng = np.random.default_rng(7)
    parks = tuple(PARKS)
    levels = ["WATCH" if i % 3 == 2 else "CONFIRMED" for i in range(n_alerts)] + [""] * (n - n_alerts)
    lines = [woodland(rng, i, parks[i % 2], level) for i, level in enumerate(levels)]
    return tuple(untested(line) if line.level == "" and i % 9 == 4 else line for i, line in enumerate(lines))


def untested(line: WoodlandLine, n: int = 4) -> WoodlandLine:
    """The same woodland with only its last `n` years, so without a trend."""
    return change(
        line,
        history=line.history[-n:] if n else (),
        control=(),
        slope=NAN,
        slope_low=NAN,
        slope_high=NAN,
        p=NAN,
        q=NAN,
        n=n,
        decline_fraction=NAN,
        minimum_detectable_slope=NAN,
        reason=f"{n} of the 8 annual values a test needs",
    )


def change(value: Any, **changes: object) -> Any:
    """The same frozen value with some fields changed."""
    return dataclasses.replace(value, **changes)


def observed(content: ReportContent) -> ReportContent:
    """The same report with the independent check of each woodland, and what was missed in each season."""
    lines = tuple(change(line, indices=indices(line)) for line in content.woodlands)
    kept = change(
        content.quality,
        seen=(
            *(
                SeasonSeen(f"{y}-Q4", 0.013 * (y % 4), 0.02, 0.0 if y < 2022 else NAN, 14, y == 2020, 14)
                for y in YEARS[:-1]
            ),
            SeasonSeen("2025-Q4", 0.21, 0.0, 0.33, 14, 2, 5),
        ),
        under_floor=tuple(
            UnderFloorLine(f"32630-e{n}-n287", f"{y}-Q4", 31, 73.0, 1 - 31 / 73, "s2: 31 of 73 passes")
            for n, y in ((4, 2020), (4, 2025), (5, 2025))
        ),
        unread=(
            UnreadLine(
                "S2B_MSIL2A_20250618T110619_R137_T30UXC_20250618T143052", "B8A", "2025-Q4", 12,
                "https://store.test/30/U/XC/2025/6/S2B_30UXC/B8A.tif: 404 Not Found", "given up",
            ),
            UnreadLine("S1A_IW_GRDH_1SDV_20250619T061533_rtc", "VH", "2025-Q4", 5, "truncated", "waiting"),
            UnreadLine("S1A_IW_GRDH_1SDV_20250607T061533_rtc", "VH", "2025-Q4", 5, "503", "recovered"),
        ),
    )  # fmt: skip
    made: ReportContent = change(content, woodlands=lines, quality=kept)
    return made


def indices(line: WoodlandLine) -> tuple[IndexYear, ...]:
    """Greenness that follows richness a little; the first two years without view angles."""
    return tuple(
        IndexYear(v.year, 0.78 + v.mean / 900, 0.2 + v.mean / 600, 14 + v.year % 5, v.year > 2018)
        for v in line.history
    )


def contrasts(lines: tuple[WoodlandLine, ...]) -> tuple[ContrastLine, ...]:
    """One tested contrast per park."""
    return tuple(
        ContrastLine(
            park,
            group_years([w for w in lines if w.park == park]),
            9,
            22,
            11,
            -0.31,
            -0.58,
            -0.04,
            0.031,
            "least squares of yearly differences, exact permutation of years",
        )
        for park in sorted({line.park for line in lines})
    )


def quality() -> Quality:
    """Nine years of scenes, two gates that failed something, a few rows kept out."""
    return Quality(
        scenes=tuple(ScenesOfYear(y, 70 + 3 * (y % 4), 58, 57 if y < 2022 or y > 2024 else 0) for y in YEARS),
        observations=tuple(
            ObservationsOfYear(y, 22.0 + y % 5, 29.0, 28.0 if y < 2022 or y > 2024 else 0.0) for y in YEARS
        ),
        quarantined=tuple(
            QuarantinedLine(
                f"Woodland awi-{1100000 + i}", f"{2017 + i}-Q4", "estimates", "coverage 0.31, at least 0.5"
            )
            for i in range(4)
        ),
        gates=(
            GateLine("scenes of a season", 36, 0),
            GateLine("estimates before loading", 590, 4, "coverage, observations, plausible range"),
            GateLine("trends before alerting", 66, 0),
        ),
    )


def make_content(lines: tuple[WoodlandLine, ...] | None = None, **changes: object) -> ReportContent:
    """The whole content of the made-up report."""
    lines = woodlands() if lines is None else lines
    content = ReportContent(
        title="What satellites see of the life beneath the woods",
        park="all parks",
        season="2025-Q4",
        generated_at=datetime(2026, 1, 15, 3, 0, tzinfo=UTC),
        summary=summary_of(lines),
        woodlands=lines,
        contrasts=contrasts(lines),
        quality=quality(),
        provenance=Provenance(
            code_version="0.1.0",
            config_hash="8a1c0ffee123",
            encoder=EncoderLine("small-simulated-1", "the simulated archive only", "9f" * 32, "Apache-2.0"),
            head=HeadLine(
                "richness-small-1", 640, 0.41, 9.3, 0.94, 0.55, 8.1, 0.95, "the simulated archive only"
            ),
            run_ids=("5a2d7c1e-0000-4000-8000-000000000001",),
            catalogue_source="simulated",
            counts=(("Scenes read", 1650), ("Woodland pixels", 61234), ("Estimates", 590)),
        ),
        is_simulated=True,
        notable_years=(NotableYear(2018, "drought"), NotableYear(2022, "drought")),
        calibration=Calibration(1000, 0.046, "66 woodlands, nine years"),
    )
    made: ReportContent = change(content, **changes)
    return made


@pytest.fixture(scope="session")
def document(content: ReportContent) -> Document:
    """The made-up report as strings and figures."""
    return compose(content)


@pytest.fixture(scope="session")
def content() -> ReportContent:
    """The made-up report's content."""
    return make_content()


@pytest.fixture(scope="session")
def observed_content(content: ReportContent) -> ReportContent:
    """The made-up report's content with what was observed."""
    return observed(content)
