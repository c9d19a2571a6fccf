"""Grounds: everything that decides what is said of one woodland, gathered before anything is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.alert import Confidence, Course
from monitoring.corroboration.evidence import Corroboration
from monitoring.gates.finding import GateFinding
from monitoring.statistics.change_points import Fall
from monitoring.trends.controls import Control
from monitoring.trends.trend import Trend


@dataclass(frozen=True)
class Grounds:
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
    is_large: bool
    """True when the loss over the record reaches the rule's minimum."""
    held_by: tuple[GateFinding, ...] = ()
    """The red gates that reach this woodland."""
    course: Course = Course.UNKNOWN
    confidence: Confidence = Confidence.ALONE
    cause: str = ""
    evidence: tuple[Corroboration, ...] = ()
    """What something other than richness says, the telling first."""
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
    def passes_family(self) -> bool:
        """True when q reaches what this look allows."""
        return self.trend.q <= self.trend.q_allowed

    @property
    def is_confirmed(self) -> bool:
        """True when the family test and the minimum loss pass and nothing else could explain the fall."""
        is_sound = self.has_control and not self.is_shared_step and not self.held_by
        return self.passes_family and self.is_large and is_sound


@dataclass(frozen=True)
class Beside:
    """What is known of woodlands beside their trends; a woodland left out has none of it."""

    gates: Sequence[GateFinding] = ()
    courses: tuple[tuple[str, Course], ...] = ()
    """(woodland id, course of its decline)."""
    evidence: tuple[tuple[str, tuple[Corroboration, ...]], ...] = ()
    """(woodland id, what something other than richness says)."""
