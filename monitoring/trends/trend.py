"""A trend as a value: what is shown of one woodland's years, and how it was tested."""

from __future__ import annotations

from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True)
class Trend:
    """Slope with interval, exact p, and how it was tested, for one woodland up to one season."""

    woodland_id: str
    n: int
    """Number of annual values."""
    first_year: int
    last_year: int
    s: int
    """Mann-Kendall S of the tested (control-differenced) series."""
    slope: float
    """Theil-Sen slope of the woodland's own series, target's unit per year; NaN below three values."""
    slope_low: float
    slope_high: float
    relative_slope: float
    """Theil-Sen slope of the series minus its park control: what the test looks at, same unit."""
    p: float
    """One-sided p of a decline faster than the minimum effect in the tested series; NaN when not tested."""
    q: float
    """p adjusted over the declared family; NaN when not in the family."""
    decline_fraction: float
    """Fitted loss over the record as a share of the fitted first value; negative for a gain."""
    minimum_detectable_slope: float
    """Decline per year this series would show with 80 % power, target's unit per year."""
    method: str
    """Names test, control and family, such as `moderated t (14 df), autocorrelation 0.12, park-year control
    median (12 other woodlands in Hallin Fells), BH over 64 woodlands`, and how many years were left out as
    outside the area of applicability."""
    reason: str = ""
    """Why no test was made; empty where one was."""
    p_mann_kendall: float = NAN
    """Exact one-sided Mann-Kendall p of a decline in the tested series: shown, not what `q` rests on."""
    tested_slope: float = NAN
    """Generalised least-squares slope of the tested series, target's unit per year."""
    tested_se: float = NAN
    """Its standard error: moderated scatter, autocorrelation and prediction variance included."""
    degrees_of_freedom: float = NAN
    """Of that standard error; infinite where all woodlands scatter alike."""
    memory: float = NAN
    """First-order autocorrelation of yearly noise, pooled over the family."""
    posterior_slope: float = NAN
    """Tested slope shrunk towards zero by how those of the family spread, target's unit per year."""
    posterior_sd: float = NAN
    decline_probability: float = NAN
    """That the slope lies below minus the minimum effect, after shrinkage, 0-1."""
    look: int = 0
    """Which yearly look at this family this was, from 1; the error is spent over looks. 0: not counted."""
    q_allowed: float = NAN
    """What `q` had to reach at this look."""
