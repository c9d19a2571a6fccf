"""Many tests at once: p adjusted over a declared family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import SettingsError

#: Our names of the corrections, and statsmodels'.
CORRECTIONS = {"BH": "fdr_bh", "BY": "fdr_by"}


def adjusted_p(p: NDArray[np.float64], correction: str = "BH") -> NDArray[np.float64]:
    """Return the adjusted p of every test; NaN is not in the family and stays NaN.

    Rejecting where it is at most 0.05 keeps the expected share of false alarms among the alarms at 5 %: `BH`
    for independent or positively dependent tests (Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57:289), `BY`
    whatever their dependence (Benjamini & Yekutieli 2001, Ann. Stat. 29:1165). SettingsError for another.
    """
    from statsmodels.stats.multitest import multipletests  # a second to import, and only assessments need it

    if correction not in CORRECTIONS:
        raise SettingsError(f"trend correction {correction!r}: must be one of {', '.join(CORRECTIONS)}")
    q = np.full(p.shape, np.nan)
    family = np.isfinite(p)
    if family.any():
        q[family] = multipletests(p[family], method=CORRECTIONS[correction])[1]
    return q
