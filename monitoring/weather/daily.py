"""Daily weather: what a table says of some places, day by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DayAxis = NDArray[np.datetime64]


@dataclass(frozen=True)
class DailyWeather:
    """Weather of C places on D days in a row; arrays (C, D), NaN where the table has no value."""

    days: DayAxis
    """(D,) datetime64[D], every day from the first to the last."""
    latitude: Array
    """(C,) degrees, north positive."""
    tmax_c: Array
    tmin_c: Array
    precip_mm: Array
    elevation_m: Array | None = None
    """(C,) metres above the sea; None where the table has none."""
    dewpoint_c: Array | None = None
    """Mean of the day; None where the table has none. So with the two below."""
    wind10_ms: Array | None = None
    """Mean speed at 10 m, m/s."""
    rs_mj: Array | None = None
    """Solar radiation on the ground, MJ per square metre and day."""

    def __post_init__(self) -> None:
        shape = (len(self.latitude), len(self.days))
        series = (self.tmax_c, self.tmin_c, self.precip_mm, self.dewpoint_c, self.wind10_ms, self.rs_mj)
        wrong = [each.shape for each in series if each is not None and each.shape != shape]
        if wrong:
            raise ValueError(f"weather of shape {wrong[0]}: {shape} (places, days) are needed")
