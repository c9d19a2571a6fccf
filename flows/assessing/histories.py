"""Histories: all that is judged together, and what is known of it beside the estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.gates.seen import SeenYears
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site


@dataclass(frozen=True)
class Histories:
    """The annual histories of all woodlands of one assessment, wherever they come from."""

    series: tuple[RichnessSeries, ...]
    """One per woodland, by id; a woodland without any estimate has a series without years."""
    sites: Mapping[str, Site]
    """The site of every woodland of `series`, by its id."""
    seen: tuple[SeenYears, ...] = ()
    """Observations behind the estimates; empty where none are known."""
