"""Evidence from elsewhere: what something other than richness says of a woodland's decline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What one piece of evidence says of a decline."""

    AGREES = "agrees"
    SILENT = "silent"
    """Looked, and found neither a loss nor a clear hold."""
    DISAGREES = "disagrees"
    """Shows with some certainty that nothing was lost."""


@dataclass(frozen=True)
class Corroboration:
    """One piece of evidence on one woodland."""

    woodland_id: str
    kind: str
    """`ndvi`, `nbr`, or of a disturbance layer: `felling`, `fire`, `storm`, `disease`, `disturbance`."""
    verdict: Verdict
    year: int
    """Year of the event; 0 where there is none, as for a slope."""
    share: float
    """Share of the woodland's area touched, 0-1; NaN where it does not apply."""
    text: str
    """One clause for the alert's sentence, such as `NBR falls too (-0.012 a year)`."""
    source: str = ""
    """File name and layer, or the index history."""
