"""Reasons: what led to an alert, in one sentence for the person who looks after the wood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics.change_points import Fall
from monitoring.statistics.theil_sen import theil_sen
from monitoring.trends.controls import Control
from monitoring.trends.family import Trend

#: Other woodland "held" when its own slope is under this share of the alerted woodland's.
HELD = 0.25
#: Confidence of the interval in a sentence, whatever the tables show: people meet one kind of interval.
CONFIDENCE = 0.95
#: How a target is called in a sentence; any other goes by its own name, `_` read as a space.
TARGET_WORDS = {"richness": "expected taxa"}


@dataclass(frozen=True)
class Evidence:
    """Everything that decides an alert's kind and level."""

    trend: Trend
    control: Control | None
    years: NDArray[np.int64]
    """(n,) years tested."""
    values: NDArray[np.float64]
    """(n,) what the test looked at: the woodland minus its control, or its own values without one."""
    step: Fall | None
    """The fall in one year, where it describes the series better than a line."""
    shared_step_years: frozenset[int]
    """Years in which most tested woodlands fall."""
    passes_family: bool
    """True when q passes the rule."""
    left_out: str = ""
    """Which years were not tested, and why; empty where all were."""

    @property
    def has_control(self) -> bool:
        """True when the trend was held to other woodland."""
        return self.control is not None and not self.control.reason

    @property
    def is_shared_step(self) -> bool:
        """True when most tested woodlands fall in the year of this one's step."""
        return self.step is not None and self.step.year in self.shared_step_years

    @property
    def is_confirmed(self) -> bool:
        """True when the family test passes and nothing else could explain it."""
        return self.passes_family and self.has_control and not self.is_shared_step


def sentence(evidence: Evidence, target: str) -> str:
    """Return the reason: loss, years, slopes with interval, n, q, what it is relative to, what holds it back
    and what was left out.

    It has the woodland as its subject: "lost 31 % of its expected taxa between 2017 and 2025 (-1.9 a year;
    against other woodland -2 a year, 95 % interval -2.4 to -1.5, 9 years, q 0.002) while other woodland in
    Hallin Fells held". The interval is that of the tested series, which q belongs to.
    """
    trend = evidence.trend
    words = TARGET_WORDS.get(target, target.replace("_", " "))
    years = f"between {trend.first_year} and {trend.last_year}"
    loss = f"lost {100 * trend.decline_fraction:.0f} % of its {words} {years}{_step(evidence.step)}"
    left_out = f"; left out: {evidence.left_out}" if evidence.left_out else ""
    return f"{loss} {_figures(evidence)} {_beside(evidence)}{_held_back(evidence)}{left_out}"


def _figures(evidence: Evidence) -> str:
    trend = evidence.trend
    line = theil_sen(evidence.years, evidence.values[None, :], CONFIDENCE)
    interval = (
        f"{100 * CONFIDENCE:.0f} % interval {_number(float(line.low[0]))} to {_number(float(line.high[0]))}"
    )
    relative = ""
    if evidence.has_control:
        relative = f"; against other woodland {_number(trend.relative_slope)} a year"
    return (
        f"({_number(trend.slope)} a year{relative}, {interval}, {trend.n} years, q {_probability(trend.q)})"
    )


def _step(step: Fall | None) -> str:
    return "" if step is None else f", in one step of {_number(step.change)} in {step.year}"


def _beside(evidence: Evidence) -> str:
    control = evidence.control
    if control is None or control.reason:
        why = "" if control is None else f" ({control.reason})"
        return f"with no other woodland to compare it with{why}"
    slope = float(theil_sen(control.years, control.values[None, :]).slope[0])
    if abs(slope) < HELD * abs(evidence.trend.slope):
        return f"while other woodland in {control.place} held"
    return f"while other woodland in {control.place} changed by {_number(slope)} a year"


def _held_back(evidence: Evidence) -> str:
    if evidence.step is not None and evidence.is_shared_step:
        return f"; most woodlands fall in {evidence.step.year}, so the sensor or the processing is suspected"
    if evidence.passes_family:
        return "" if evidence.has_control else "; bad years shared by all cannot be ruled out"
    return f"; likely by itself (p {_probability(evidence.trend.p)}), not confirmed over all woodlands tested"


def _number(value: float) -> str:
    """Return two significant digits, never in exponent form for whole numbers."""
    if not np.isfinite(value):
        return "unknown"
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _probability(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.2g}"
