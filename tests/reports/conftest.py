"""A made-up but life-like report: two parks, 66 woodlands, nine years, twelve flagged."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from shapely import MultiPolygon, Polygon

from reports.content import NotableYear, ReportContent
from reports.contrasted import ContrastLine
from reports.document import Document, compose
from reports.gather import group_years, summary_of
from reports.judged import (
    NAN,
    AlertLine,
    ArtefactLine,
    BalanceLine,
    CalibratedLine,
    Calibration,
    EvidenceLine,
    HowTested,
    ParkTrendLine,
)
from reports.made_by import EncoderLine, HeadLine, Provenance
from reports.observed import (
    GateLine,
    ObservationsOfYear,
    Quality,
    QuarantinedLine,
    ScenesOfYear,
    SeasonSeen,
    UnderFloorLine,
    UnreadLine,
)
from reports.woodland import IndexYear, WoodlandLine, YearValue

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


def judged(content: ReportContent) -> ReportContent:
    """The same report by a service that records tests, gates, evidence, lives, parks and weather."""
    flags = [line.id for line in content.woodlands if line.level]
    lines = tuple(
        change(
            line,
            tested=None if line.reason else tested(line),
            alert=alert(line, flags.index(line.id)) if line.level else None,
            has_weather=True,
            extreme_years=(2018, 2022) if line.park == "Chalk Downs National Park" else (2022,),
        )
        for line in content.woodlands
    )
    low, gone = lines[-1], lines[-2]
    made: ReportContent = change(
        content,
        woodlands=lines,
        contrasts=matched(content.contrasts),
        provisional=(
            AlertLine(
                low.id, "PROVISIONAL", "2026-Q1", kind="fall", decline_fraction=0.22, severity="low",
                raised_season="2026-Q1",
                reason="stands 22 % of its expected taxa below the same season of 2025",
            ),
        ),
        ended=(
            AlertLine(
                gone.id, "WATCH", "2024-Q4", kind="decline", state="dismissed", raised_season="2023-Q4",
                last_note="thinned in 2023, seen by the ranger",
            ),
        ),
        artefacts=artefacts(lines),
        park_trends=park_trends(),
        calibration=calibration(),
    )  # fmt: skip
    return made


def calibration() -> Calibration:
    """Three figures, one of which misses what is promised."""
    return Calibration(
        1000, 0.046, "66 woodlands, nine years", 0.63, "as given, 5 % decline by 0.6 sd a year",
        "3 January 2026", "underwood calibrate --seed 1", True,
        (
            CalibratedLine("families that have a CONFIRMED", "as given", 9, 1000, 0.046, 0.07),
            CalibratedLine("share of the declining that is CONFIRMED", "t4 noise", 9, 1000, 0.63, 0.7, False),
            CalibratedLine(
                "false PROVISIONAL among 1,000 woodlands", "as given", 9, 1000, 0.8, 1, is_count=True
            ),
        ),
    )  # fmt: skip


def tested(line: WoodlandLine) -> HowTested:
    """A moderated t at the second look."""
    is_flag = bool(line.level)
    return HowTested(
        slope=line.slope - 0.1, se=0.21, degrees_of_freedom=14.3, memory=0.12, look=2, q_allowed=0.0125,
        p_mann_kendall=0.0004 if is_flag else 0.4, decline_probability=0.996 if is_flag else 0.2,
        posterior_slope=0.9 * line.slope, posterior_sd=0.2, method="moderated t",
    )  # fmt: skip


def alert(line: WoodlandLine, place: int) -> AlertLine:
    """Alerts in turn corroborated, alone and contradicted; of those on watch every other held by a gate."""
    confidence = ("corroborated", "richness alone", "contradicted")[place % 3]
    evidence = {
        "corroborated": (EvidenceLine("nbr", "agrees", "NBR falls too (-0.012 a year)", "index history"),),
        "contradicted": (EvidenceLine("ndvi", "disagrees", "NDVI holds (0.000 a year)", "index history"),),
    }
    return AlertLine(
        line.id, line.level, "2025-Q4", line.alert_reason, line.kind, line.decline_fraction,
        severity="high" if line.level == "CONFIRMED" else "moderate",
        confidence=confidence,
        course=("sustained", "extreme-year dip", "uncertain")[place % 3],
        held_by="G2, G4" if place == 5 else "",
        cause="felling of 12 % of it in 2021" if place == 3 else "",
        state="assigned" if place == 0 else "open",
        assignee="J. Moss" if place == 0 else "",
        raised_season="2024-Q4",
        evidence=evidence.get(confidence, ()),
    )  # fmt: skip


def artefacts(lines: tuple[WoodlandLine, ...]) -> tuple[ArtefactLine, ...]:
    """Every gate once, one red for a park, and the gates of single woodlands, two of them red."""
    park = min(PARKS)
    return (
        ArtefactLine("G1", "reference sites", "all", "", "not judged", "no reference sites are known"),
        ArtefactLine("G2", "observation counts", "park", park, "red", "explain 60 % of the loss, p 0.008"),
        ArtefactLine("G2", "observation counts", "park", max(PARKS), "passed", "explain 2 % of the loss"),
        ArtefactLine("G3", "thinning replay", "all", "", "not judged", "no year was replayed"),
        *(
            ArtefactLine("G4", "eras", "woodland", line.name, "red" if place < 2 else "passed", "no 2022")
            for place, line in enumerate(lines[:12])
        ),
        ArtefactLine("G5", "tile seam", "block", "32630-e55-n287", "passed", "no step of its own"),
        ArtefactLine("G6", "area of applicability", "park", park, "passed", "share 0.97, does not fall"),
    )


def park_trends() -> tuple[ParkTrendLine, ...]:
    """The whole and both parks, in every class and weighting; other woodland of one park without a p."""
    return tuple(
        ParkTrendLine(
            park, kind, weighting, 66 if not park else 33, 9,
            slope=-0.31 + 0.05 * place, slope_low=-0.62, slope_high=0.11,
            p_permutation=NAN if kind == "other" and place == 1 else 0.041,
            p_dietz_killeen=0.034, p_homogeneity=0.21,
            p_homogeneity_of_parks=NAN if park else 0.02, memory=0.05,
            warning="autocorrelation 0.21: the p is too small" if place == 2 else "",
            reason="7 common years, 8 needed" if kind == "other" and place == 1 else "",
        )
        for place, park in enumerate(("", *sorted(PARKS)))
        for kind in ("all", "ancient", "other")
        for weighting in ("area", "woodland")
    )  # fmt: skip


def matched(lines: tuple[ContrastLine, ...]) -> tuple[ContrastLine, ...]:
    """The contrasts of matched woodlands, and that of all parks together."""
    balance = (
        BalanceLine("elevation_m", 212.0, 174.0, 0.52, 208.0, 205.0, 0.04, True, True),
        BalanceLine("level", 61.0, 52.0, 1.1, 60.8, 53.1, 0.94, False, False),
    )
    parks = tuple(
        change(
            line, n_pairs=51, n_unmatched=2, era_slope_low=-0.44, era_slope_high=-0.12, autocorrelation=0.02,
            balance=balance,
        )
        for line in lines
    )  # fmt: skip
    whole = change(parks[0], park="all parks", sign_flip_p=0.5, autocorrelation=0.31, is_era_stable=False)
    return (*parks, whole)


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
def small_content() -> ReportContent:
    """The same of twelve woodlands, four of them flagged: every part of a report, at a fifth of the size."""
    return make_content(woodlands(12, 4))


@pytest.fixture(scope="session")
def observed_content(small_content: ReportContent) -> ReportContent:
    """The small report's content with what was observed."""
    return observed(small_content)


@pytest.fixture(scope="session")
def judged_content(content: ReportContent) -> ReportContent:
    """The made-up report's content with all that a full assessment records."""
    return judged(observed(content))


@pytest.fixture(scope="session")
def judged_document(judged_content: ReportContent) -> Document:
    """The same as strings and figures."""
    return compose(judged_content)
