"""Evidence: all that an assessment may look at beside the histories; what is not there is empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.corroboration.disturbances import Disturbance
from monitoring.gates.reference_sites import PanelEmbeddings, ReferenceSite
from monitoring.gates.replay import ReplayDifference
from monitoring.weather.years import WeatherYears


@dataclass(frozen=True)
class Evidence:
    """What else is known, of the same woodlands and years."""

    references: tuple[ReferenceSite, ...] = ()
    """Sites that should not change."""
    embeddings: PanelEmbeddings | None = None
    """Their mean embeddings."""
    replayed: tuple[ReplayDifference, ...] = ()
    """Rich years embedded again as if they were poor."""
    weather: tuple[WeatherYears, ...] = ()
    index_rows: tuple[Mapping[str, Any], ...] = ()
    """Yearly vegetation indices of the woodlands, rows of `index_history` up to the season judged."""
    disturbances: tuple[Disturbance, ...] = ()
    """Felling, fire and the like, from layers the user points to."""


NOTHING = Evidence()
