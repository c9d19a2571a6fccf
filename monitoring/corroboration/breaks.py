"""Breaks: on which day a dense series of one woodland fell, by how much, and whether it fell at once.

The values before are held to a seasonal model of the woodland's own stable history; what is left after it is
searched for one change of level. How surprising the change is comes from simulated series without one, with
the scatter and the memory that the stable history shows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.corroboration.noise import Noise, fitted_noise
from monitoring.corroboration.stable_history import seasonal_regressors, stable_start, years_since_first
from monitoring.errors import TrendError

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

#: Waves per year in the seasonal model: one cannot follow a spring that is faster than the autumn.
HARMONICS = 2
#: Fewest values and years of stable history a seasonal model is fitted on.
MIN_HISTORY, MIN_HISTORY_YEARS = 12, 1.0
#: Fewest values at the new level.
MIN_AFTER = 4
#: Values further than this many median absolute deviations from the model are cloud that was missed.
OUTLIER_MADS = 6.0
#: Standard deviations per median absolute deviation of a normal distribution.
SD_PER_MAD = 1.4826
#: Years a change may take, and those within which it counts as abrupt: a felling takes weeks or months.
TRANSITIONS_YEARS = (0.0, 0.5, 1.0, 2.0, 4.0)
ABRUPT_WITHIN_YEARS = 0.5
#: Simulated series without a break: the p has a floor of 1/1,000.
SIMULATIONS = 999
#: p at which a break is taken for real.
BREAK_P = 0.05
#: Names of the months, whatever the machine's language.
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
#: A change smaller than this, in units of an index, is rounding.
_ROUNDING = 1e-7
#: Two-sided 95 % of the normal distribution.
_Z95 = 1.959964


@dataclass(frozen=True)
class Break:
    """One change of level in a dense series; days are NaT and figures NaN where `reason` says why."""

    last_day_before: np.datetime64
    """Last acquisition at the old level: the change lies between it and `first_day`."""
    first_day: np.datetime64
    """First acquisition on the way to, or at, the new level."""
    size: float
    """New level minus old, unit of the series, season taken out; negative for a fall."""
    p: float
    """Share of simulated series without a break in which some day shows as strong a change."""
    transition_years: float
    """How long the change took, the likeliest of `TRANSITIONS_YEARS`: 0 for a fire."""
    method: str = ""
    reason: str = ""

    @property
    def is_abrupt(self) -> bool:
        """True for a change that is real and took half a year at most."""
        return self.p <= BREAK_P and self.transition_years <= ABRUPT_WITHIN_YEARS


def find_break(
    days: Days,
    values: Floats,
    look_from: np.datetime64,
    look_to: np.datetime64 | None = None,
    seed: int = 0,
) -> Break:
    """Return the strongest change of level of a series between two days (half-open; to the end without one).

    days (n,) ascending, repeats allowed; values (n,), NaN a gap. What lies before `look_from` is the history;
    its unstable start is cut off. Single values far from the model are left out as missed cloud. TrendError
    for days that run backwards.
    """
    _refuse_backwards(days)
    known = np.isfinite(values) & ((days < look_to) if look_to is not None else True)
    days, values = days[known].astype("datetime64[D]"), values[known]
    start = _history_start(days, values, look_from)
    days, values = days[start:], values[start:]
    history = days < look_from
    why_not = _why_not(days[history], int((~history).sum()))
    if why_not:
        return _no_break(why_not)
    return _break(days, values, int(history.sum()), seed)


def break_of(days: Days, values: Floats, year: int, seed: int = 0) -> Break:
    """Return the change behind a step of the annual series whose first year at the new level is `year`.

    Looked for from January of the year before, since a growing season's median may already hold half of it,
    to the end of `year`. Monthly medians do as well as acquisitions; the day is then that of its month.
    """
    return find_break(
        days, values, np.datetime64(f"{year - 1}-01-01"), np.datetime64(f"{year + 1}-01-01"), seed
    )


def break_words(found: Break, word: str) -> str:
    """Return `NBR fell by 0.62 in March 2024`, or over how long it fell; empty where no fall is real."""
    if not found.p <= BREAK_P or found.size >= 0:
        return ""
    fell = f"{word} fell by {abs(found.size):.2g}"
    if found.transition_years > 0:
        return f"{fell} over {_years(found.transition_years)} from {_month(found.first_day)}"
    first, last = _month(found.last_day_before), _month(found.first_day)
    return f"{fell} in {last}" if first == last else f"{fell} between {first} and {last}"


def _years(length: float) -> str:
    names = {0.5: "half a year", 1.0: "a year"}
    return f"about {names.get(length, f'{length:g} years')}"


def _month(day: np.datetime64) -> str:
    year, month = str(day.astype("datetime64[M]")).split("-")
    return f"{MONTHS[int(month) - 1]} {year}"


def _refuse_backwards(days: Days) -> None:
    at = np.flatnonzero(np.diff(days) < np.timedelta64(0))
    if len(at):
        raise TrendError(f"series of {len(days)} days: {days[at[0] + 1]} follows {days[at[0]]}")


def _history_start(days: Days, values: Floats, look_from: np.datetime64) -> int:
    history = days < look_from
    return stable_start(seasonal_regressors(days[history], HARMONICS), values[history])


def _why_not(history: Days, n_after: int) -> str:
    span = float(years_since_first(history)[-1]) if len(history) else 0.0
    if len(history) < MIN_HISTORY or span < MIN_HISTORY_YEARS:
        return (
            f"stable history of {len(history)} values over {span:.1f} years: at least {MIN_HISTORY} "
            f"over {MIN_HISTORY_YEARS} are needed"
        )
    return "" if n_after >= MIN_AFTER else f"{n_after} values to look at, at least {MIN_AFTER} are needed"


def _no_break(reason: str) -> Break:
    never, nan = np.datetime64("NaT", "D"), float("nan")
    return Break(never, never, nan, nan, nan, reason=reason)


def _break(days: Days, values: Floats, n_history: int, seed: int) -> Break:
    design = seasonal_regressors(days, HARMONICS)
    kept = _without_outliers(design, values, n_history)
    n_history = int(kept[:n_history].sum())
    days, values, design = days[kept], values[kept], design[kept]
    if len(days) - n_history < MIN_AFTER:
        return _no_break(f"{len(days) - n_history} values to look at, at least {MIN_AFTER} are needed")
    left_over = _leaving_season_out(design, n_history)
    residuals = left_over @ values
    splits = np.arange(n_history, len(days) - MIN_AFTER + 1)
    transition, split, size = _transition(days, residuals, splits)
    change = _ramp(years_since_first(days), split, transition)
    noise = fitted_noise(days, values, np.column_stack([design, change]))
    strength = np.abs(_step_strength(residuals[None, :], splits))[0]
    p = _simulated_p(days, left_over, noise, splits, float(strength.max()), seed)
    return Break(days[split - 1], days[split], size, p, transition, _method(n_history, noise, seed))


def _without_outliers(design: Floats, values: Floats, n_history: int) -> NDArray[np.bool_]:
    """Return (n,) False where one value alone strays from the model and its neighbours do not follow."""
    residuals = _leaving_season_out(design, n_history) @ values
    history = residuals[:n_history]
    limit = OUTLIER_MADS * float(np.median(np.abs(history - np.median(history))))
    padded = np.concatenate([residuals[:1], residuals, residuals[-1:]])
    neighbours = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    kept: NDArray[np.bool_] = np.abs(residuals - neighbours) <= limit
    return kept if limit > 0 else np.ones(len(values), bool)


def _leaving_season_out(design: Floats, n_history: int) -> Floats:
    """Return (n, n): turns values into what the seasonal model of the history leaves of them."""
    matrix = np.eye(len(design))
    matrix[:, :n_history] -= design @ np.linalg.pinv(design[:n_history])
    return matrix


def _step_strength(residuals: Floats, splits: NDArray[np.int64]) -> Floats:
    """Return (K, splits): mean from the split on minus mean before, x sqrt(k (n - k) / n)."""
    n = residuals.shape[1]
    before = np.cumsum(residuals, axis=1)[:, splits - 1]
    total = residuals.sum(axis=1, keepdims=True)
    return np.asarray(
        ((total - before) / (n - splits) - before / splits) * np.sqrt(splits * (n - splits) / n)
    )


def _simulated_p(
    days: Days, left_over: Floats, noise: Noise, splits: NDArray[np.int64], observed: float, seed: int
) -> float:
    """Return the share of series of noise alone, the season fitted and taken out of each, that reach it."""
    if noise.sd == 0:
        return 1.0 if observed <= _ROUNDING else 1 / (SIMULATIONS + 1)
    drawn = np.random.default_rng(seed).standard_normal((SIMULATIONS, len(days)))
    root = np.linalg.cholesky(noise.covariance(days) + 1e-12 * noise.sd**2 * np.eye(len(days)))
    strongest = np.abs(_step_strength(drawn @ (left_over @ root).T, splits)).max(axis=1)
    return float((1 + np.sum(strongest >= observed)) / (SIMULATIONS + 1))


def _transition(days: Days, residuals: Floats, splits: NDArray[np.int64]) -> tuple[float, int, float]:
    """Return (years the change took, position of its first value, size) of the best fit by least squares."""
    at = years_since_first(days)
    fits = [
        (*_fit(_ramp(at, int(split), length), residuals), length, int(split))
        for length, split in itertools.product(TRANSITIONS_YEARS, splits)
    ]
    _, size, length, split = min(fits, key=lambda fit: fit[0])
    return length, split, size


def _ramp(at: Floats, split: int, length: float) -> Floats:
    """Return (n,) 0 before the split, then rising to 1 within `length` years."""
    if length == 0:
        return np.asarray(np.arange(len(at)) >= split, np.float64)
    return np.asarray(np.clip((at - at[split]) / length, 0, 1))


def _fit(shape: Floats, residuals: Floats) -> tuple[float, float]:
    """Return (sum of squares left, change by the last value) of a level plus a multiple of the shape."""
    centred, y = shape - shape.mean(), residuals - residuals.mean()
    power = float(centred @ centred)
    size = float(centred @ y) / power if power > 0 else 0.0
    return float(np.sum((y - size * centred) ** 2)), size * float(shape[-1])


def _method(n_history: int, noise: Noise, seed: int) -> str:
    memory = f"{100 * noise.remembered:.0f} % remembered for {noise.memory_days:.0f} days"
    return (
        f"step against a seasonal model of {n_history} values of stable history; "
        f"p of {SIMULATIONS} simulated series (sd {noise.sd:.2g}, {memory}, seed {seed})"
    )


@dataclass(frozen=True)
class Step:
    """Change of level at a day that was known beforehand, with its 95 % interval."""

    size: float
    low: float
    high: float


def step_at(days: Days, values: Floats, day: np.datetime64) -> Step:
    """Return the change of a series at a given day, the season taken out, with its interval.

    days (n,) ascending; values (n,), NaN a gap. Least squares over all values; the interval knows the memory
    of the residuals. TrendError with fewer than `MIN_HISTORY` values on either side.
    """
    known = np.isfinite(values)
    days, values = days[known].astype("datetime64[D]"), values[known]
    after = days >= day
    if min(after.sum(), (~after).sum()) < MIN_HISTORY:
        raise TrendError(f"step at {day}: {(~after).sum()} values before, {after.sum()} after")
    design = np.column_stack([after * 1.0, seasonal_regressors(days, HARMONICS)])
    weights = np.linalg.pinv(design)
    coefficients = weights @ values
    noise = fitted_noise(days, values, design)
    error = _Z95 * float(np.sqrt(weights[0] @ noise.covariance(days) @ weights[0]))
    size = float(coefficients[0])
    return Step(size, size - error, size + error)
