"""Year effects: what each year did to many woodlands at once, robust to the few that decline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Sweeps of the additive fit; records without gaps need one, records with gaps settle in a few.
_SWEEPS = 20


def departures(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each woodland's departures (W, T) from its own level, NaN where it has no value.

    Levels and year effects are fitted in turn (level = mean over years, year effect = median over woodlands),
    so that a woodland absent in a drought year is not taken for one that stands higher.
    """
    year_effect = np.zeros(values.shape[1])
    for _ in range(_SWEEPS):
        level = _mean_of_known(values - year_effect)
        previous, year_effect = year_effect, _about_zero(_median_of_known(values - level[:, None]))
        if np.allclose(year_effect, previous, rtol=0, atol=1e-9):
            break
    return values - level[:, None]


def _about_zero(effect: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effects with mean zero, which keeps levels and year effects from trading a constant."""
    known = np.isfinite(effect)
    return np.where(known, effect - (effect[known].mean() if known.any() else 0.0), 0.0)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _median_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each column, NaN left out; nanmedian without its warnings, which threads share."""
    ordered, count = np.sort(values, axis=0), np.isfinite(values).sum(axis=0)
    if len(ordered) == 0:
        return np.full(values.shape[1], np.nan)
    middle = [
        np.take_along_axis(ordered, np.maximum(position, 0)[None, :], axis=0)[0]
        for position in ((count - 1) // 2, count // 2)
    ]
    return np.where(count > 0, (middle[0] + middle[1]) / 2, np.nan)


def median_by_year(values: NDArray[np.float64], at_least: int) -> NDArray[np.float64]:
    """Return the median over woodlands, (T,); NaN in a year with fewer than `at_least` values."""
    enough = np.isfinite(values).sum(axis=0) >= at_least
    return np.where(enough, _median_of_known(values), np.nan)


def median_without_each(values: NDArray[np.float64], at_least: int) -> NDArray[np.float64]:
    """Return (W, T): for every woodland the yearly median over all the others, NaN with too few of them."""
    ordered = np.sort(values, axis=0)
    rank = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
    known = np.isfinite(values)
    others = known.sum(axis=0) - known
    # Leaving out rank r moves every position from r on up by one.
    middle = [_shifted(ordered, position, rank) for position in ((others - 1) // 2, others // 2)]
    return np.where(others >= max(1, at_least), (middle[0] + middle[1]) / 2, np.nan)


def _shifted(
    ordered: NDArray[np.float64], position: NDArray[np.int64], left_out: NDArray[np.int64]
) -> NDArray[np.float64]:
    place = np.clip(position + (position >= left_out), 0, len(ordered) - 1)
    return np.take_along_axis(ordered, place, axis=0)
