"""What was seen of a woodland in each year: the counts behind its estimates, which must not explain them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SeenYears:
    """Observations behind the annual estimates of one woodland; every array (n,), NaN where unknown."""

    woodland_id: str
    years: NDArray[np.int64]
    """Calendar years with an estimate, ascending, those outside the area of applicability included."""
    n_s2: Floats
    """Clear optical observations per pixel."""
    n_s1_ascending: Floats
    n_s1_descending: Floats
    leaf_on_share: Floats
    """Share of the clear optical dates that fell into the leaf-on part of the year, 0-1."""
    applicable_share: Floats
    """Share of the estimated area inside the area of applicability, 0-1."""
