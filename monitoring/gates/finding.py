"""What a gate found: one row with its figures, whatever the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Outcome of one gate in one scope."""

    PASSED = "passed"
    RED = "red"
    """What looks like a decline may be an artefact: alerts of this scope are held and say so."""
    NOT_JUDGED = "not judged"
    """What the gate looks at is not there, such as reference sites; shown beside the alerts, holds none."""


class Scope(StrEnum):
    """How far a finding reaches."""

    ALL = "all"
    PARK = "park"
    BLOCK = "block"
    WOODLAND = "woodland"


@dataclass(frozen=True)
class GateFinding:
    """One gate, in one scope, of one assessment."""

    gate: str
    """`G1` to `G6`."""
    name: str
    """What it looks at, in words, such as `reference sites`."""
    scope: Scope
    of: str
    """Park, block or woodland id; empty for all."""
    state: State
    reason: str
    """One sentence with the figures, also where the gate passed."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figures by name, units in the name; NaN where one could not be computed."""

    @property
    def is_red(self) -> bool:
        """True where it holds alerts back."""
        return self.state is State.RED
