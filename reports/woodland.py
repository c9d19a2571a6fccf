"""One woodland in a report: where it is, its history, its trend, and whether it is flagged."""

from __future__ import annotations

from dataclasses import dataclass

from shapely import MultiPolygon, Polygon

from monitoring.errors import ReportError
from reports.judged import NAN, AlertLine, HowTested

#: What `WoodlandLine.level` may be: not flagged, or a level of a decline.
LEVELS = ("", "WATCH", "CONFIRMED")
#: What `WoodlandLine.park` may leave out: the name under which woodland of no park is gathered.
NO_PARK = "Woodland outside the parks"


@dataclass(frozen=True)
class YearValue:
    """One woodland in one final season."""

    year: int
    mean: float
    """NaN where the year has no estimate."""
    sd: float
    """Standard deviation of `mean`."""
    coverage: float = NAN
    """Share of the woodland's area with an estimate, 0-1."""
    n_s2: float = NAN
    """Clear optical observations per pixel."""
    applicable_share: float = NAN
    """Share of the estimated area inside the model's area of applicability, 0-1; NaN where not stated."""
    is_applicable: bool = True
    """False where that share is too small for a test: the year is shown and left out of the trend."""


@dataclass(frozen=True)
class IndexYear:
    """Vegetation indices of one growing season: medians over its acquisitions; NaN where there is none."""

    year: int
    ndvi: float
    nirv: float
    n: int = 0
    """Acquisitions behind the medians."""
    is_nbar: bool = True
    """False where some reflectances were not brought to nadir view first."""


@dataclass(frozen=True)
class WoodlandLine:
    """One woodland: where it is, its history, its trend and whether it is flagged."""

    id: str
    name: str
    park: str
    """Empty where it lies in no park."""
    status: str
    """`ASNW`, `PAWS`, `AWP` or `other`."""
    is_ancient: bool
    area_ha: float
    geometry: Polygon | MultiPolygon
    """Longitude and latitude, WGS 84."""
    history: tuple[YearValue, ...] = ()
    """Final seasons in year order."""
    control: tuple[tuple[int, float], ...] = ()
    """(year, value) of how other woodland changed, drawn at this woodland's level; empty: not shown."""
    slope: float = NAN
    """Theil-Sen slope, target's unit per year, with its 95 % interval."""
    slope_low: float = NAN
    slope_high: float = NAN
    p: float = NAN
    q: float = NAN
    n: int = 0
    """Annual values the trend rests on."""
    decline_fraction: float = NAN
    """Fitted loss over the record as a share of its start; negative for a gain."""
    minimum_detectable_slope: float = NAN
    """Decline per year this series would show with 80 % power, target's unit per year."""
    reason: str = ""
    """Why no trend was tested; empty where one was."""
    level: str = ""
    """Empty, `WATCH` or `CONFIRMED`."""
    alert_reason: str = ""
    """The alert's sentence."""
    kind: str = ""
    """`decline` or `step`; empty where not flagged."""
    tested: HowTested | None = None
    """How it was tested; None where it was not, or where an older version tested it."""
    alert: AlertLine | None = None
    """The alert behind `level`, with its evidence and its life; None where not flagged or not recorded."""
    extreme_years: tuple[int, ...] = ()
    """Years of extreme heat and drought here; empty where none was or no weather is known."""
    has_weather: bool = False
    indices: tuple[IndexYear, ...] = ()
    """An independent check that the model never sees, in year order; empty: not shown."""

    @property
    def years_outside(self) -> tuple[int, ...]:
        """Years with an estimate too much of which lies outside the model's area of applicability."""
        return tuple(value.year for value in self.history if not value.is_applicable)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ReportError(
                f"woodland {self.id!r}: level {self.level!r} is not one of {', '.join(LEVELS[1:])}"
            )
        for what, values in (("history", self.history), ("index", self.indices)):
            years = [value.year for value in values]
            if years != sorted(set(years)):
                raise ReportError(f"woodland {self.id!r}: {what} years {years} are not in order, each once")
