"""The scientific choices, as one frozen value whose hash is stored with every run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.errors import SettingsError


@dataclass(frozen=True)
class Blocks:
    """How woodlands are grouped for processing."""

    size_m: int = 10_000


@dataclass(frozen=True)
class Estimation:
    """What makes an estimate fit to be stored."""

    target: str = "richness"
    min_coverage: float = 0.5
    """A woodland-season with a smaller share of its area estimated is quarantined."""
    min_s2_observations: float = 3.0
    """Clear optical observations per pixel below which an estimate is quarantined."""
    min_applicable_share: float = 0.8
    """Share of the estimated area inside the area of applicability below which a year takes part in no trend:
    an estimate may be stored without it, no alert may rest on it."""


@dataclass(frozen=True)
class TrendTest:
    """How a decline is tested."""

    min_years: int = 8
    confidence: float = 0.95
    family: str = "all woodlands with enough years"
    control: str = "park-year median of other woodland"
    min_effect_fraction: float = 0.001
    """Decline per year, as a share of the woodland's level, that a slope must exceed with certainty."""
    correction: str = "BH"
    """Over the family: `BH` (Benjamini-Hochberg), or `BY` (Benjamini-Yekutieli) under any dependence."""
    spending: str = "inverse square"
    """How the error is spent over yearly looks: q / k^2 at look k, or `harmonic`, or `none`."""


@dataclass(frozen=True)
class MatchRule:
    """Which other woodland an ancient one may be compared with: same park and leaf type, and ..."""

    neighbours: int = 3
    """Other woodlands matched to each ancient one at most."""
    max_elevation_difference_m: float = 100.0
    max_area_ratio: float = 5.0
    max_standardised_difference: float = 0.1
    """Difference of a property between the classes, in standard deviations, that counts as balanced."""


@dataclass(frozen=True)
class AlertRule:
    """When a trend becomes an alert."""

    q_confirmed: float = 0.05
    min_decline_fraction: float = 0.10
    """Loss over the record below which nobody is called, as a share of the first value."""
    watch_probability: float = 0.8
    """Of a slope below minus the minimum effect, after shrinkage, from which a woodland is watched."""
    exit_q: float = 0.2
    """An alert ends when q is above this at two yearly looks in a row."""
    provisional_per_1000: float = 1.0
    """False PROVISIONAL alerts allowed among 1,000 woodlands in a year."""


@dataclass(frozen=True)
class GateRule:
    """When an artefact may explain a decline."""

    min_reference_sites: int = 200
    """Sites that should not change, below which gate G1 is not judged."""
    gate_error: float = 0.01
    """p below which a gate's test speaks."""
    min_artefact_share: float = 0.1
    """Share of the loss that matters which an artefact has to explain before a gate holds alerts back."""
    min_embedding_shift: float = 0.1
    """Move of the reference sites' mean embedding, in sd between sites, that holds alerts."""
    min_applicable_fall: float = 0.05
    """Fall of the applicable share over the record below which it does not count as falling."""


@dataclass(frozen=True)
class WeatherRule:
    """Which days are extreme, and which years."""

    extreme_share: float = 0.01
    """Share of all days that count as hot, and as dry."""
    min_run_days: int = 3
    """Compound days count in runs at least this long."""
    extreme_days: int = 1
    """Compound days from which a year counts as extreme."""
    max_missing_days: int = 5
    """Days of a calendar year without weather above which the year is left out."""
    max_gap_days: int = 10
    """Days in a row that a weather table may lack; a longer gap is refused."""
    max_distance_km: float = 15.0
    """From a woodland to the cell or station that stands for it; a cell of ERA5-Land is 9 km."""
    course_p: float = 0.10
    """Two-sided p without the extreme years below which a decline is sustained."""
    dip_mads: float = 2.0
    """How far below the line of the other years the extreme ones lie in a dip, in their median absolute
    departures, each taken as a standard deviation."""


@dataclass(frozen=True)
class CorroborationRule:
    """When other evidence agrees with a decline."""

    corroboration_p: float = 0.05
    """One-sided p at which an index falls."""
    min_disturbed_share: float = 0.05
    """Share of a woodland's area that a disturbance has to touch."""
    min_index_loss: float = 0.05
    """Fall of an index over the record, share of its level, that an index has to rule out to disagree."""


@dataclass(frozen=True)
class SceneRule:
    """Which scenes of a season are fit for use."""

    max_cloud_fraction: float = 1.0
    min_s2_scenes: int = 4
    """A block-season with fewer optical scenes is refused."""
    max_cloud_probability: int = 100
    """Per cent of the product's own cloud probability above which an observation is not clear; nothing is
    above 100, so the scene classes alone decide and no probability is read."""
    grace_days: int = 30
    """Days after a season's end in which late scenes still enter it; then it is frozen."""
    overlap_days: int = 2
    """How far a look into a catalogue reaches back before the last one: catalogues index out of order."""


@dataclass(frozen=True)
class RadiometryRule:
    """When a scene's own pixels contradict the offset that was subtracted."""

    dark_percentile: float = 2.0
    """Percentile of a band over the scene's clear woodland pixels that stands for its darkest canopy."""
    min_judged_pixels: int = 200
    """Clear woodland pixels a scene is judged on at least, or ..."""
    min_judged_share: float = 0.05
    """... this share of the block's pixels where that is fewer (never fewer than 20 pixels)."""
    neighbour_days: int = 60
    """Scenes this near in time are neighbours; where they are too few, this near in the day of the year."""
    min_neighbours: int = 4
    max_step_dn: float = 500.0
    """Half the offset of baseline 04.00: a scene that is more than this off its neighbours in every band is
    nearer to a wrong offset than to them. Reflectance x 10000."""
    max_dark_dn: float = 1000.0
    """No closed canopy is this bright in blue, green, red and SWIR at once. Reflectance x 10000."""
    max_clamped_share: float = 0.5
    """Share of clear woodland at the smallest value in blue, green and red that no canopy has."""


@dataclass(frozen=True)
class GeolocationRule:
    """When a radar scene lies elsewhere than the other scenes of its orbit."""

    max_shift_px: float = 0.5
    """Pixels of 10 m."""
    min_orbit_scenes: int = 5
    """Scenes of an orbit below which there is no reference to compare with."""
    min_peak: float = 5.0
    """Height of the correlation peak over chance, standard deviations, below which nothing is decided."""
    max_shift_error_px: float = 0.35
    """Standard error of the shift above which nothing is decided."""


@dataclass(frozen=True)
class CompletenessRule:
    """How many of the expected passes a final season has at least."""

    floor: float = 0.5
    """Share of the expected passes, optical and radar each on its own."""


@dataclass(frozen=True)
class PhenologyRule:
    """When a woodland was seen with and without leaves; northern days, in the south half a year later."""

    leaf_on_first_day: int = 135
    """15 May."""
    leaf_on_last_day: int = 273
    """30 September."""
    leaf_off_first_day: int = 305
    """1 November."""
    leaf_off_last_day: int = 90
    """31 March."""
    min_leaf_on: float = 2.0
    """Clear dates, mean over the woodland's pixels."""
    min_leaf_off: float = 1.0


@dataclass(frozen=True)
class Science:
    """Every scientific choice of a run."""

    version: str = "1"
    blocks: Blocks = Blocks()
    scenes: SceneRule = SceneRule()
    radiometry: RadiometryRule = RadiometryRule()
    geolocation: GeolocationRule = GeolocationRule()
    completeness: CompletenessRule = CompletenessRule()
    phenology: PhenologyRule = PhenologyRule()
    estimation: Estimation = Estimation()
    trend: TrendTest = TrendTest()
    matching: MatchRule = MatchRule()
    alert: AlertRule = AlertRule()
    gates: GateRule = GateRule()
    weather: WeatherRule = WeatherRule()
    corroboration: CorroborationRule = CorroborationRule()

    @property
    def digest(self) -> str:
        """Twelve hex digits that name this set of choices."""
        content = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


#: Smallest and largest sensible value of every number, by its key in the file.
BOUNDS = {
    "size_m": (10, 100_000),
    "max_cloud_fraction": (0, 1),
    "min_s2_scenes": (0, 1000),
    "max_cloud_probability": (0, 100),
    "grace_days": (0, 366),
    "overlap_days": (0, 366),
    "dark_percentile": (0, 50),
    "min_judged_pixels": (1, 1_000_000),
    "min_judged_share": (0, 1),
    "neighbour_days": (1, 183),
    "min_neighbours": (2, 1000),
    "max_step_dn": (100, 900),
    "max_dark_dn": (500, 5000),
    "max_clamped_share": (0, 1),
    "max_shift_px": (0, 4),
    "min_orbit_scenes": (3, 1000),
    "min_peak": (0, 1000),
    "max_shift_error_px": (0, 1),
    "floor": (0, 1),
    "leaf_on_first_day": (1, 366),
    "leaf_on_last_day": (1, 366),
    "leaf_off_first_day": (1, 366),
    "leaf_off_last_day": (1, 366),
    "min_leaf_on": (0, 1000),
    "min_leaf_off": (0, 1000),
    "min_coverage": (0, 1),
    "min_s2_observations": (0, 1000),
    "min_applicable_share": (0, 1),
    "min_years": (5, 100),
    "confidence": (0.5, 0.9999),
    "q_confirmed": (0, 1),
    "min_effect_fraction": (0, 0.1),
    "neighbours": (1, 100),
    "max_elevation_difference_m": (0, 10_000),
    "max_area_ratio": (1, 1_000_000),
    "max_standardised_difference": (0, 10),
    "min_decline_fraction": (0, 1),
    "watch_probability": (0.5, 1),
    "exit_q": (0, 1),
    "provisional_per_1000": (0, 1000),
    "min_reference_sites": (2, 100_000),
    "gate_error": (0, 0.5),
    "min_artefact_share": (0, 1),
    "min_embedding_shift": (0, 10),
    "min_applicable_fall": (0, 1),
    "extreme_share": (0, 0.5),
    "min_run_days": (1, 60),
    "extreme_days": (1, 366),
    "max_missing_days": (0, 366),
    "max_gap_days": (0, 366),
    "max_distance_km": (0.1, 1000),
    "course_p": (0, 1),
    "dip_mads": (0, 100),
    "corroboration_p": (0, 0.5),
    "min_disturbed_share": (0, 1),
    "min_index_loss": (0.001, 1),
}


def read_science(path: Path) -> Science:
    """Return the choices in a TOML file; unknown keys, wrong types and values out of bounds are refused."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"science file {path}: {error}") from error
    science: Science = _build(Science, content, str(path))
    return science


def science_of(choices: dict[str, Any], where: str) -> Science:
    """Return the choices that a run recorded; what it did not know yet is as built in.

    where: what the recorded choices are of, for the SettingsError about one that is not known any more.
    """
    science: Science = _build(Science, choices, where)
    return science


def _build(kind: Any, content: dict[str, Any], where: str) -> Any:
    types_of = typing.get_type_hints(kind)
    unknown = sorted(set(content) - set(types_of))
    if unknown:
        raise SettingsError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(types_of))}")
    values = {key: _value(types_of[key], value, f"{where}: {key}") for key, value in content.items()}
    for key in sorted(values.keys() & BOUNDS.keys()):
        low, high = BOUNDS[key]
        if not low <= values[key] <= high:
            raise SettingsError(f"{where}: {key} {values[key]}: must be from {low} to {high}")
    return kind(**values)


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise SettingsError(f"{where}: expected a table, got {value!r}")
        return _build(kind, value, where)
    accepted: type | types.UnionType = int | float if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise SettingsError(f"{where}: expected {kind.__name__}, got {value!r}")
    return kind(value)
