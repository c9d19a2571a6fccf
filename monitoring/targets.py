"""Targets: what a head predicts, as configuration - unit, scale, bounds, sampling effort, label error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitoring.errors import SettingsError

#: Scales a head may work on; `moments` and intervals come back from them exactly.
TRANSFORMS = ("none", "sqrt", "log1p")
#: Scales on which a sampling effort enters.
EFFORT_SCALES = ("log", "none")
#: How the error of one label depends on its value.
LABEL_ERRORS = ("none", "constant", "proportional", "poisson")


def _refuse_unless(is_known: bool, what: str, value: str, known: tuple[str, ...]) -> None:
    if not is_known:
        raise SettingsError(f"{what} {value!r}: known are {', '.join(known)}")


@dataclass(frozen=True)
class Effort:
    """One covariate of sampling effort: more of it finds more, so predictions are made for a standard one."""

    name: str
    """`reads`, `depth_cm`."""
    columns: tuple[str, ...] = ()
    """Columns of a sample table that may hold it, the preferred first; its own name goes before them."""
    scale: str = "log"
    """`log` or `none`: how it enters the regression."""
    standard: float | None = None
    """Effort every prediction is made for, own unit; None = the median of the samples."""

    def __post_init__(self) -> None:
        _refuse_unless(self.scale in EFFORT_SCALES, f"effort {self.name}: scale", self.scale, EFFORT_SCALES)
        if self.standard is not None and not 0 < self.standard < math.inf:
            raise SettingsError(f"effort {self.name}: standard {self.standard:g}: must be above 0 and finite")


@dataclass(frozen=True)
class LabelError:
    """Error of one label about the truth of its cell, where replicates cannot tell it."""

    kind: str = "none"
    """`none`; `constant`: sd = value; `proportional`: sd = value x label;
    `poisson`: variance = value x label."""
    value: float = 0.0

    def __post_init__(self) -> None:
        _refuse_unless(self.kind in LABEL_ERRORS, "label_error: kind", self.kind, LABEL_ERRORS)
        if not (math.isfinite(self.value) and self.value >= 0):
            raise SettingsError(f"label_error: value {self.value}: must be finite and not below 0")

    def variance(self, label: float) -> float:
        """Return the variance of a label of this value, squared unit of the target."""
        return {
            "none": 0.0,
            "constant": self.value**2,
            "proportional": (self.value * label) ** 2,
            "poisson": self.value * label,
        }[self.kind]


@dataclass(frozen=True)
class SampleRules:
    """Which rows of a sample table are believed."""

    zero_needs_count: bool = False
    """A zero is refused where the column of observed counts is empty: it means missing there."""
    max_extrapolation: float | None = None
    """Largest believed ratio of an asymptotic estimate to the observed count it was extrapolated from."""
    refuse_all_singletons: bool = False
    """An estimate from as many reads as taxa is refused: Chao1 is (k^2 + 1) / 2 for k taxa read once each."""
    alike_from: float | None = None
    """Smallest value from which rows alike in all but the id are one sample under two ids; below it, and
    with None, they are two samples that coincide."""
    inside_stated_continent: bool = True
    """A row outside the continent it states is refused."""

    def __post_init__(self) -> None:
        if self.max_extrapolation is not None and not self.max_extrapolation >= 1:
            raise SettingsError(f"rules: max_extrapolation {self.max_extrapolation:g}: must be 1 or more")


@dataclass(frozen=True)
class Target:
    """What a head predicts."""

    name: str
    """Lower case words joined by `_`: `richness`."""
    unit: str
    """`taxa per standard sample`."""
    transform: str = "none"
    """Scale the head works on: `none`, `sqrt` or `log1p`."""
    low: float = 0.0
    high: float = 1e12
    """Bounds of a believable value, own unit, both included."""
    columns: tuple[str, ...] = ()
    """Columns of a sample table that may hold it, the preferred first; its own name goes before them."""
    count_columns: tuple[str, ...] = ()
    """Columns that may hold the observed count an estimate was extrapolated from."""
    effort: tuple[Effort, ...] = ()
    label_error: LabelError = LabelError()
    rules: SampleRules = SampleRules()

    def __post_init__(self) -> None:
        _refuse_unless(
            self.transform in TRANSFORMS, f"target {self.name}: transform", self.transform, TRANSFORMS
        )
        if not self.name.replace("_", "").isalnum() or self.name != self.name.lower():
            raise SettingsError(f"target {self.name!r}: a name is lower case letters, digits and _")
        if not self.low < self.high:
            raise SettingsError(f"target {self.name}: low {self.low:g} must be below high {self.high:g}")
        if self.transform != "none" and self.low < 0:
            raise SettingsError(f"target {self.name}: {self.transform} needs low >= 0, got {self.low:g}")
