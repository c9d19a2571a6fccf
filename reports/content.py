"""What a report is made of: plain values, with no path, model or query in sight.

Missing numbers are NaN and are printed as words, never as zero and never as "nan".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.errors import ReportError
from monitoring.science import Science
from reports.contrasted import ContrastLine
from reports.judged import AlertLine, ArtefactLine, Calibration, ParkTrendLine
from reports.made_by import Provenance
from reports.observed import Quality
from reports.woodland import WoodlandLine

#: What marks a year of extreme weather in a chart.
EXTREME = "hot and dry"


@dataclass(frozen=True)
class Target:
    """What the head predicts, in words for a sentence and for an axis."""

    name: str = "ectomycorrhizal richness"
    unit: str = "taxa per standard soil sample"
    slope_unit: str = "taxa per year"
    short_name: str = "richness"
    short_unit: str = "taxa"
    """For an axis and beside a figure."""
    meaning: str = "Expected number of taxa in one standard soil sample"
    """What one figure stands for: the beginning of a sentence."""


@dataclass(frozen=True)
class Summary:
    """The figures of the first page."""

    n_woodlands: int
    n_ancient: int
    n_other: int
    area_ha: float
    n_tested: int
    n_confirmed: int
    n_watch: int
    latest_year: int
    latest_mean: float
    latest_sd: float
    first_year: int
    first_mean: float
    first_sd: float


@dataclass(frozen=True)
class NotableYear:
    """A year the reader should bear in mind, such as a drought."""

    year: int
    label: str
    is_extreme: bool = False
    """True where heat and drought were extreme by the weather given."""


@dataclass(frozen=True)
class ReportContent:
    """Everything one report says."""

    title: str
    park: str
    """Name of the park, or `all parks`."""
    season: str
    """Season id, such as `2025-Q4`."""
    generated_at: datetime
    """Aware, UTC: the only clock in the report."""
    summary: Summary
    woodlands: tuple[WoodlandLine, ...]
    contrasts: tuple[ContrastLine, ...]
    quality: Quality
    provenance: Provenance
    target: Target = Target()
    science: Science = field(default_factory=Science)
    is_simulated: bool = False
    """True when the scenes or the encoder's training are simulated."""
    notable_years: tuple[NotableYear, ...] = ()
    calibration: Calibration | None = None
    provisional: tuple[AlertLine, ...] = ()
    """Unusual falls in a season that is not final: never a decline."""
    ended: tuple[AlertLine, ...] = ()
    """Alerts that were dismissed or have ended."""
    artefacts: tuple[ArtefactLine, ...] = ()
    """What the gates found; empty: none is recorded for this assessment."""
    park_trends: tuple[ParkTrendLine, ...] = ()

    def __post_init__(self) -> None:
        if self.generated_at.utcoffset() != timedelta(0):
            raise ReportError(f"generated_at {self.generated_at}: must be an aware time in UTC")
        if not self.woodlands:
            raise ReportError(f"report for {self.park}, {self.season}: it has no woodland")
        ids = [line.id for line in self.woodlands]
        if len(set(ids)) != len(ids):
            twice = next(item for item in ids if ids.count(item) > 1)
            raise ReportError(f"woodland {twice!r}: listed more than once")
