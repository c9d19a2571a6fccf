"""A disturbance layer: what is said about it beforehand, and what reading it gives."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.corroboration.disturbances import KINDS, Disturbance
from monitoring.errors import SettingsError


@dataclass(frozen=True)
class DisturbanceLayer:
    """How a file is to be read; a column that is None is found by its name, or absent."""

    kind: str = ""
    """What every event is, one of `KINDS`; needed of a raster, and of a table without a kind column."""
    date_column: str | None = None
    start_column: str | None = None
    end_column: str | None = None
    kind_column: str | None = None
    layer: str | None = None
    """Of a GeoPackage with several."""
    encoding: str = "year"
    """Of a raster: `year`, `yyyymmdd`, `yydoy`, `radd` or `days since YYYY-MM-DD`."""

    def __post_init__(self) -> None:
        if self.kind and self.kind not in KINDS:
            raise SettingsError(f"disturbance kind {self.kind!r}: known are {', '.join(KINDS)}")


@dataclass(frozen=True)
class DisturbanceReading:
    """What a disturbance layer gave."""

    disturbances: tuple[Disturbance, ...]
    """By woodland in their order, then by kind and day."""
    notes: tuple[str, ...] = ()
    """What was left out and why, one line for each reason, with how many and the first."""
