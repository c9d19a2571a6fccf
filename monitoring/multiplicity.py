"""Many tests at once: the Benjamini-Hochberg adjustment over a declared family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the adjusted p of every test; NaN is not in the family and stays NaN.

    Rejecting where it is at most 0.05 keeps the expected share of false alarms among the alarms at 5 %, for
    independent or positively dependent tests (Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57:289).
    """
    q = np.full(p.shape, np.nan)
    family = np.flatnonzero(np.isfinite(p))
    order = family[np.argsort(p[family], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q
