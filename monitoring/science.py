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
    max_richness: float = 600.0
    """Above the largest rarefied richness ever reported (579, GlobalFungi Europe): implausible."""
    min_s2_observations: float = 3.0
    """Clear optical observations per pixel below which an estimate is quarantined."""


@dataclass(frozen=True)
class TrendTest:
    """How a decline is tested."""

    min_years: int = 8
    confidence: float = 0.95
    family: str = "all woodlands with enough years"
    control: str = "park-year median of other woodland"


@dataclass(frozen=True)
class AlertRule:
    """When a trend becomes an alert."""

    q_confirmed: float = 0.05
    p_watch: float = 0.05
    min_decline_fraction: float = 0.10
    """Loss over the record below which nobody is called, as a share of the first value."""


@dataclass(frozen=True)
class SceneRule:
    """Which scenes of a season are fit for use."""

    max_cloud_fraction: float = 1.0
    min_s2_scenes: int = 4
    """A block-season with fewer optical scenes is refused."""


@dataclass(frozen=True)
class Science:
    """Every scientific choice of a run."""

    version: str = "1"
    blocks: Blocks = Blocks()
    scenes: SceneRule = SceneRule()
    estimation: Estimation = Estimation()
    trend: TrendTest = TrendTest()
    alert: AlertRule = AlertRule()

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
    "min_coverage": (0, 1),
    "max_richness": (0, 1_000_000),
    "min_s2_observations": (0, 1000),
    "min_years": (5, 100),
    "confidence": (0.5, 0.9999),
    "q_confirmed": (0, 1),
    "p_watch": (0, 1),
    "min_decline_fraction": (0, 1),
}


def read_science(path: Path) -> Science:
    """Return the choices in a TOML file; unknown keys, wrong types and values out of bounds are refused."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"science file {path}: {error}") from error
    science: Science = _build(Science, content, str(path))
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
