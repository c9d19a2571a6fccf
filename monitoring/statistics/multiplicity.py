"""Many tests at once: the Benjamini-Hochberg adjustment over a declared family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the adjusted p of every test; NaN is not in the family and stays NaN.

    Rejecting where it is at most 0.05 keeps the expected share of false alarms among the alarms at 5 %, for
    independent or positively dependent tests (Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57:289).
    """
    from statsmodels.stats.multitest import multipletests  # a second to import, and only assessments need it

    q = np.full(p.shape, np.nan)
    family = np.isfinite(p)
    if family.any():
        q[family] = multipletests(p[family], method="fdr_bh")[1]
    return q
