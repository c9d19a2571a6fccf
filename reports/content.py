"""What a report is made of: plain values, with no path, model or query in sight.

Missing numbers are NaN and are printed as words, never as zero and never as "nan".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shapely import MultiPolygon, Polygon

from monitoring.errors import ReportError
from monitoring.science import Science
from reports.judged import (
    AlertLine,
    ArtefactLine,
    BalanceLine,
    Calibration,
    HowTested,
    ParkTrendLine,
)

NAN = float("nan")

#: What `WoodlandLine.level` may be: not flagged, or a level of a decline.
LEVELS = ("", "WATCH", "CONFIRMED")
#: The name under which the contrast of every park together is recorded: no park has it.
ALL_PARKS = "all parks"
#: What marks a year of extreme weather in a chart.
EXTREME = "hot and dry"

#: What `WoodlandLine.park` may leave out: the name under which woodland of no park is gathered.
NO_PARK = "Woodland outside the parks"


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


@dataclass(frozen=True)
class GroupYear:
    """Ancient and other woodland of one park in one year; NaN where a group has no value."""

    year: int
    ancient: float
    ancient_sd: float
    other: float
    other_sd: float
    difference: float
    """Ancient minus other as the contrast used it: of matched woodlands where they were matched."""


@dataclass(frozen=True)
class ContrastLine:
    """Ancient against other woodland in one park, with years as the replicates."""

    park: str
    years: tuple[GroupYear, ...]
    n_years: int = 0
    n_ancient: int = 0
    n_other: int = 0
    slope: float = NAN
    """Slope of the yearly difference, target's unit per year, with its 95 % interval."""
    slope_low: float = NAN
    slope_high: float = NAN
    p: float = NAN
    method: str = ""
    reason: str = ""
    """Why it could not be tested; empty where it was."""
    n_pairs: int = 0
    """Matched pairs; 0 where nothing was matched, as in older versions."""
    n_unmatched: int = 0
    """Ancient woodlands left out."""
    balance: tuple[BalanceLine, ...] = ()
    sign_flip_p: float = NAN
    """Over signs of the parks' slopes, for all parks only."""
    era_slope_low: float = NAN
    """Smallest and largest slope with one era of the sensors left out."""
    era_slope_high: float = NAN
    is_era_stable: bool = True
    autocorrelation: float = NAN
    """Of the yearly differences; the p supposes none."""

    @property
    def is_whole(self) -> bool:
        """True for the contrast of all parks, which is no park's."""
        return self.park == ALL_PARKS


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
class ScenesOfYear:
    """Scenes used in one year, by sensor."""

    year: int
    s2: int
    s1_ascending: int
    s1_descending: int


@dataclass(frozen=True)
class ObservationsOfYear:
    """Clear observations per woodland pixel in one year, mean by sensor; NaN where not known."""

    year: int
    s2: float
    s1_ascending: float
    s1_descending: float


@dataclass(frozen=True)
class QuarantinedLine:
    """Something a quality gate kept out of the warehouse."""

    subject: str
    """What it is: a woodland, a scene, a season."""
    season: str
    gate: str
    reason: str


@dataclass(frozen=True)
class GateLine:
    """One quality gate and what came of it."""

    name: str
    passed: int
    failed: int
    note: str = ""


@dataclass(frozen=True)
class SeasonSeen:
    """What was observed in one season: shares of expected passes that are missing, 0-1, NaN where unknown."""

    season: str
    s2: float
    s1_ascending: float
    s1_descending: float
    n_blocks: int = 0
    """Blocks of neighbouring woodlands that were looked at."""
    n_under_floor: int = 0
    """Blocks with too few of the expected passes: their year is not final."""
    n_frozen: int = 0
    """Blocks that no late scene enters any more."""


@dataclass(frozen=True)
class UnderFloorLine:
    """One block-season with too few of the expected passes."""

    block: str
    season: str
    found: int
    expected: float
    missing_share: float
    """0-1; NaN where unknown."""
    reason: str


@dataclass(frozen=True)
class UnreadLine:
    """One asset that could not be read, at once or at all."""

    scene: str
    band: str
    season: str
    attempts: int
    error: str
    state: str
    """`waiting`, `recovered` or `given up`."""


@dataclass(frozen=True)
class Quality:
    """What went in and what was kept out."""

    scenes: tuple[ScenesOfYear, ...] = ()
    observations: tuple[ObservationsOfYear, ...] = ()
    quarantined: tuple[QuarantinedLine, ...] = ()
    gates: tuple[GateLine, ...] = ()
    seen: tuple[SeasonSeen, ...] = ()
    """By season; empty: nobody looked for missing passes."""
    under_floor: tuple[UnderFloorLine, ...] = ()
    unread: tuple[UnreadLine, ...] = ()


@dataclass(frozen=True)
class EncoderLine:
    """The encoder's card, as far as a reader needs it."""

    id: str
    training_domain: str
    weights_sha256: str
    licence: str = ""


@dataclass(frozen=True)
class HeadLine:
    """The head's card: how well it predicts, tested near and far from its field samples."""

    id: str
    n_samples: int
    r2_spatial: float = NAN
    rmse_spatial: float = NAN
    coverage_spatial: float = NAN
    """Share of held-out samples inside the 90 % interval, 0-1."""
    r2_random: float = NAN
    rmse_random: float = NAN
    coverage_random: float = NAN
    training_domain: str = ""


@dataclass(frozen=True)
class Provenance:
    """What made these numbers, so that they can be made again."""

    code_version: str
    config_hash: str
    encoder: EncoderLine
    head: HeadLine
    run_ids: tuple[str, ...]
    catalogue_source: str
    counts: tuple[tuple[str, int], ...] = ()
    """(what, how many) pairs in the order to print them."""


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
