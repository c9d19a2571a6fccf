"""Histories: annual values of many woodlands on common years, and the series no test may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError


@dataclass(frozen=True)
class RichnessSeries:
    """The annual history of one woodland: final seasons only, windows that do not overlap."""

    woodland_id: str
    years: NDArray[np.int64]
    """(n,) calendar years, ascending; years without an estimate are absent."""
    mean: NDArray[np.float64]
    """(n,) expected taxa per standard sample."""
    sd: NDArray[np.float64]
    """(n,) standard deviation of `mean`."""


def on_common_years(
    series: Sequence[RichnessSeries],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all years that occur, (T,), and the values on them, (W, T), NaN where a woodland has none.

    TrendError for a woodland given twice, years that repeat or run backwards, or an infinite value.
    """
    _refuse_repeats(series)
    for one in series:
        _refuse_bad(one)
    years = np.unique(np.concatenate([np.array([], np.int64), *(one.years for one in series)]))
    values = np.full((len(series), len(years)), np.nan)
    for row, one in enumerate(series):
        values[row, np.searchsorted(years, one.years)] = one.mean
    return years, values


def _refuse_bad(series: RichnessSeries) -> None:
    if not len(series.years) == len(series.mean) == len(series.sd):
        raise TrendError(
            f"woodland {series.woodland_id}: {len(series.years)} years, {len(series.mean)} means and "
            f"{len(series.sd)} sds; they must be equally many"
        )
    backwards = np.flatnonzero(np.diff(series.years) <= 0)
    if len(backwards):
        year, following = series.years[backwards[0] : backwards[0] + 2]
        raise TrendError(
            f"woodland {series.woodland_id}: year {following} follows {year}; "
            "a trend needs one value per calendar year, in order"
        )
    if np.isinf(series.mean).any():
        raise TrendError(f"woodland {series.woodland_id}: an infinite value; NaN means no estimate")


def _refuse_repeats(series: Sequence[RichnessSeries]) -> None:
    seen: set[str] = set()
    for one in series:
        if one.woodland_id in seen:
            raise TrendError(f"woodland {one.woodland_id}: given twice in one family")
        seen.add(one.woodland_id)
