"""Weather years: how many days of each kind a woodland had, and the years that stand out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]


@dataclass(frozen=True)
class WeatherYears:
    """Days of heat and drought at one woodland by calendar year; every array (n,)."""

    woodland_id: str
    years: NDArray[np.int64]
    """Calendar years wholly covered by the weather table, ascending."""
    hot_days: Days
    dry_days: Days
    compound_days: Days
    """Days both hot and dry, in runs of at least the setting's length."""
    place: str = ""
    """Which cell or station of the weather table stands for the woodland."""
