"""What is expected of scenes, estimates and trends, said once, from the scientific choices of a run.

A check names a Great Expectations expectation, its arguments, and the sentence a person reads when a row
fails it. Nothing here imports Great Expectations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.scenes import Sensor
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.targets import Target

#: Digital numbers a scene may carry as offset: none, and that of processing baseline 04.00 on.
KNOWN_OFFSETS = (0, 1000)
#: Slope beyond which a trend is a fault, not nature: a tenth of the target's believable range every year.
PLAUSIBLE_SLOPE_SHARE = 0.1
#: Allowed for sums of floating-point numbers that should be exact.
ROUNDING = 1e-9
#: Suffix of a working column that holds another plus ROUNDING.
ROUNDED_UP = "_rounded_up"
#: Columns of an estimate that count observations.
OBSERVATION_COLUMNS = ("n_s2", "n_s1_ascending", "n_s1_descending")
#: A slope through fewer values is no slope.
MIN_TREND_YEARS = 3

_BETWEEN = "ExpectColumnValuesToBeBetween"
_NOT_NULL = "ExpectColumnValuesToNotBeNull"
_NOT_BLANK = "ExpectColumnValuesToMatchRegex"
_IN_SET = "ExpectColumnValuesToBeInSet"
_UNIQUE = "ExpectColumnValuesToBeUnique"
_UNIQUE_TOGETHER = "ExpectCompoundColumnsToBeUnique"
_A_ABOVE_B = "ExpectColumnPairValuesAToBeGreaterThanB"
_ROW_COUNT = "ExpectTableRowCountToBeBetween"
_DISTINCT_COUNT = "ExpectColumnUniqueValueCountToBeBetween"


@dataclass(frozen=True)
class Check:
    """One expectation and what its failure means."""

    expectation: str
    """Class name in `great_expectations.expectations`."""
    columns: tuple[str, ...]
    """The columns it looks at."""
    reason: str
    """One sentence; `{column}` is replaced by the row's value, `{observed}` by the table's."""
    arguments: dict[str, Any] = field(default_factory=dict)
    otherwise: str = ""
    """The sentence when `reason` comes out empty."""
    where: tuple[str, str] | None = None
    """(column, value): only rows with that value are looked at."""
    decisive: bool = False
    """True: a row that fails this is not judged by anything else, which would only repeat it."""


@dataclass(frozen=True)
class Suite:
    """Everything expected of one table."""

    name: str
    text: tuple[str, ...]
    numbers: tuple[str, ...]
    times: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Columns that must be there, by kind (a note is text that may be empty); others are left alone."""
    rows: tuple[Check, ...] = ()
    """A row that fails is quarantined."""
    whole: tuple[Check, ...] = ()
    """Asked of the table as it comes; a failure refuses it."""
    sound: tuple[Check, ...] = ()
    """Asked of the rows that passed; a failure refuses the whole table."""
    rounded_up: tuple[str, ...] = ()
    """Columns whose working copy plus ROUNDING the checks use."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be there."""
        return self.text + self.numbers + self.times + self.notes


def scene_suite(season: Season, science: Science) -> Suite:
    """Return what is expected of the scenes of one block in one season."""
    return Suite(
        name="scenes",
        text=("id", "collection", "source", "sensor", "platform", "acquisition"),
        numbers=("offset_dn", "epsg", "cloud_fraction"),
        times=("acquired_at",),
        rows=(
            *_named("id", "scene has no id"),
            _unique("id", "scene id {id} occurs more than once"),
            *_named("acquisition", "acquisition is not named"),
            _unique("acquisition", "acquisition {acquisition} occurs more than once, as copies of one scene"),
            _one_of("sensor", tuple(str(sensor) for sensor in Sensor), "sensor {sensor} is not known"),
            *_named("sensor", "sensor is not named"),
            *_named("source", "source is not named"),
            _between("cloud_fraction", 0.0, 1.0, "cloud fraction {cloud_fraction:g} is not within 0 to 1"),
            *_not_too_cloudy(science.scenes.max_cloud_fraction),
            *_within_season(season),
            _one_of("offset_dn", KNOWN_OFFSETS, "offset {offset_dn:g} is not one of 0 and 1000"),
            _not_null("offset_dn", "offset is not known"),
            _between("epsg", 1, None, "coordinate reference system {epsg:g} is not an EPSG code"),
            _not_null("epsg", "coordinate reference system is not known"),
        ),
        sound=(_enough_optical(season, science), _one_source(season)),
    )


def estimate_suite(season: Season, science: Science, target: Target, uncounted: Sequence[str] = ()) -> Suite:
    """Return what is expected of the estimates of one season before they are stored.

    The target's bounds are those of its mean. Nothing is expected of the `uncounted` observation columns, nor
    how much lies inside the area of applicability: that is stored, and decides what is tested.
    """
    rule = science.estimation
    least = rule.min_coverage
    key = ("woodland_id", "season", "target")
    return Suite(
        name="estimates",
        text=key,
        notes=("reason",),
        numbers=(
            "mean",
            "sd",
            "sd_place",
            "sd_year",
            "coverage",
            "applicable_share",
            "n_pixels",
            *OBSERVATION_COLUMNS,
        ),
        rows=(
            Check(
                _NOT_NULL, ("mean",), "{reason}", {}, "no estimate, and no reason was given", decisive=True
            ),
            *_named("woodland_id", "woodland has no id"),
            _one_of("season", (season.id,), f"season {{season}} is not {season}"),
            *_named("season", "season is not named"),
            _one_of("target", (target.name,), f"target {{target}} is not {target.name}"),
            *_named("target", "target is not named"),
            Check(
                _UNIQUE_TOGETHER,
                key,
                "woodland {woodland_id} has more than one estimate of {target} in {season}",
            ),
            _not_below("mean", target.low),
            _not_above("mean", target.high),
            _not_null("sd", "sd is missing"),
            _between("sd", 0.0, None, "sd {sd:g} is not above 0", strict_min=True),
            _not_above("sd", target.high - target.low),
            _not_null("sd_place", "sd_place is missing"),
            _not_below("sd_place", 0.0),
            _not_null("sd_year", "sd_year is missing"),
            _not_below("sd_year", 0.0),
            _not_null("applicable_share", "share inside the area of applicability is missing"),
            _between(
                "applicable_share",
                0.0,
                1.0 + ROUNDING,
                "share inside the area of applicability {applicable_share:.6g} is not within 0 to 1",
            ),
            _not_null("coverage", "coverage is missing"),
            _between("coverage", least, None, f"coverage {{coverage:.3g}} is below {least:g}"),
            _between("coverage", None, 1.0 + ROUNDING, "coverage {coverage:.6g} is above 1"),
            _not_null("n_pixels", "number of pixels is missing"),
            _between("n_pixels", 1, None, "{n_pixels:g} pixels carry the estimate, at least 1 must"),
            *(
                check
                for check in _enough_observations(rule.min_s2_observations)
                if not set(check.columns) & set(uncounted)
            ),
        ),
        whole=(Check(_ROW_COUNT, (), f"there are no estimates of {season}", {"min_value": 1}),),
    )


def trend_suite(season: Season, target: Target) -> Suite:
    """Return what is expected of the trends up to one season before anybody is alerted."""
    return Suite(
        name="trends",
        text=("woodland_id",),
        notes=("reason",),
        numbers=("n", "first_year", "last_year", "slope", "slope_low", "slope_high", "p", "q"),
        rounded_up=("q", "slope", "slope_high"),
        rows=(
            Check(
                _BETWEEN,
                ("n",),
                "{reason}",
                {"min_value": MIN_TREND_YEARS},
                f"{{n:g}} annual values, a slope needs {MIN_TREND_YEARS}",
                decisive=True,
            ),
            _not_null("n", "number of years is missing"),
            *_named("woodland_id", "woodland has no id"),
            _unique("woodland_id", "woodland {woodland_id} has more than one trend"),
            _between("last_year", None, season.year, f"last year {{last_year:g}} is after season {season}"),
            _above("last_year", "first_year", "first year {first_year:g} is after last year {last_year:g}"),
            _not_null("slope", "slope is missing"),
            _plausible_slope(target),
            _above("slope" + ROUNDED_UP, "slope_low", "slope {slope:g} is below its interval, {slope_low:g}"),
            _above(
                "slope_high" + ROUNDED_UP, "slope", "slope {slope:g} is above its interval, {slope_high:g}"
            ),
            _between("p", 0.0, 1.0, "p {p:g} is not within 0 to 1"),
            _between("q", 0.0, 1.0, "q {q:g} is not within 0 to 1"),
            _above("q" + ROUNDED_UP, "p", "q {q:g} is below p {p:g}, an adjustment cannot do that"),
            *(
                Check(_NOT_NULL, (name,), f"{name} is missing, and no reason was given", where=("reason", ""))
                for name in ("p", "slope_low", "slope_high")
            ),
        ),
    )


def _named(column: str, reason: str) -> tuple[Check, Check]:
    return _not_null(column, reason), Check(_NOT_BLANK, (column,), reason, {"regex": r"\S"})


def _not_null(column: str, reason: str) -> Check:
    return Check(_NOT_NULL, (column,), reason)


def _unique(column: str, reason: str) -> Check:
    return Check(_UNIQUE, (column,), reason)


def _one_of(column: str, known: tuple[Any, ...], reason: str) -> Check:
    return Check(_IN_SET, (column,), reason, {"value_set": list(known)})


def _between(column: str, low: float | None, high: float | None, reason: str, **strict: bool) -> Check:
    return Check(_BETWEEN, (column,), reason, {"min_value": low, "max_value": high, **strict})


def _not_below(column: str, low: float) -> Check:
    return _between(column, low, None, f"{column} {{{column}:g}} is below {low:g}")


def _not_above(column: str, high: float) -> Check:
    return _between(column, None, high, f"{column} {{{column}:g}} is above {high:g}")


def _plausible_slope(target: Target) -> Check:
    steepest = PLAUSIBLE_SLOPE_SHARE * (target.high - target.low)
    reason = (
        f"slope {{slope:g}} ({target.unit}) per year is steeper than {steepest:g}, which is not plausible"
    )
    return _between("slope", -steepest, steepest, reason)


def _above(upper: str, lower: str, reason: str) -> Check:
    either = {"or_equal": True, "ignore_row_if": "either_value_is_missing"}
    return Check(_A_ABOVE_B, (upper, lower), reason, either)


def _not_too_cloudy(most: float) -> tuple[Check, ...]:
    if most >= 1:
        return ()
    return (_between("cloud_fraction", None, most, f"cloud fraction {{cloud_fraction:g}} is above {most:g}"),)


def _within_season(season: Season) -> tuple[Check, Check]:
    window = {"min_value": season.start, "max_value": season.end, "strict_max": True}
    outside = f"acquired at {{acquired_at:%Y-%m-%d %H:%M}}, outside season {season}"
    return (
        _not_null("acquired_at", "moment of acquisition is missing"),
        Check(_BETWEEN, ("acquired_at",), outside, window),
    )


def _enough_observations(least: float) -> tuple[Check, ...]:
    radar = ("n_s1_ascending", "n_s1_descending")
    return (
        _not_null("n_s2", "number of optical observations is missing"),
        _between("n_s2", least, None, f"{{n_s2:.3g}} clear optical observations a pixel, {least:g} needed"),
        *(_not_null(name, f"{name} is missing") for name in radar),
        *(_between(name, 0.0, None, f"{name} {{{name}:g}} is below 0") for name in radar),
    )


def _enough_optical(season: Season, science: Science) -> Check:
    least = science.scenes.min_s2_scenes
    reason = f"{{observed}} usable optical scenes in {season}, at least {least} needed"
    return Check(_ROW_COUNT, (), reason, {"min_value": least}, where=("sensor", str(Sensor.S2)))


def _one_source(season: Season) -> Check:
    reason = f"{{observed}} sources of scenes in {season}, they must not be mixed"
    return Check(_DISTINCT_COUNT, ("source",), reason, {"max_value": 1})
