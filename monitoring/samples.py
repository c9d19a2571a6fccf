"""Field samples: soil samples with sequenced taxa, what a head is fitted to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldSample:
    """One soil sample."""

    id: str
    longitude: float
    """Degrees, WGS 84."""
    latitude: float
    year: int
    """Calendar year of sampling."""
    richness: float
    """Number of EcM taxa found, as observed or rarefied by the source."""
    reads: float
    """Sequences behind the count (sampling effort); NaN where the source does not say."""
