"""Histories: annual values of many woodlands on common years, and the series no test may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError

#: Stands beyond the last year, equal to none.
NO_YEAR = np.iinfo(np.int64).min


@dataclass(frozen=True)
class RichnessSeries:
    """The annual history of one woodland: final seasons only, windows that do not overlap."""

    woodland_id: str
    years: NDArray[np.int64]
    """(n,) calendar years, ascending; years without an estimate, or outside, are absent."""
    mean: NDArray[np.float64]
    """(n,) in the target's unit."""
    sd: NDArray[np.float64]
    """(n,) standard deviation of `mean`."""
    outside: NDArray[np.int64] = field(default_factory=lambda: np.array([], np.int64))
    """(k,) years left out although they have an estimate: too little of it lies inside the area of
    applicability. They are no part of any test, and none is in `years`."""
    sd_year: NDArray[np.float64] = field(default_factory=lambda: np.array([]))
    """(n,) part of `sd` that varies from year to year, NaN where unknown; empty: unknown in every year.
    The rest stays with the place and cancels in a slope."""

    @property
    def estimated(self) -> NDArray[np.int64]:
        """The years with an estimate, inside or outside, ascending."""
        return np.sort(np.concatenate([self.years[np.isfinite(self.mean)], self.outside]))

    @property
    def ends_outside(self) -> bool:
        """True when the last year with an estimate lies outside the area of applicability."""
        return len(self.outside) > 0 and bool(self.estimated[-1] == self.outside.max())


def outside_words(series: RichnessSeries) -> str:
    """Return `3 of 9 years lie outside the area of applicability`; empty where none does."""
    if not len(series.outside):
        return ""
    verb = "lies" if len(series.outside) == 1 else "lie"
    years = f"{len(series.outside)} of {len(series.estimated)} years"
    return f"{years} {verb} outside the area of applicability"


def on_common_years(
    series: Sequence[RichnessSeries],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all years that occur, (T,), and the values on them, (W, T), NaN where a woodland has none.

    TrendError for a woodland given twice, years that repeat, run backwards or are outside as well, or an
    infinite value.
    """
    _refuse_repeats(series)
    for row in _suspects(series) if len(series) > 1 else range(len(series)):
        _refuse_bad(series[row])
    years = np.unique(_joined([one.years for one in series], np.int64))
    return years, placed_on(years, [(one.years, one.mean) for one in series])


def placed_on(
    years: NDArray[np.int64], rows: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]
) -> NDArray[np.float64]:
    """Return rows of (own years, own values) on common years, (R, T), NaN where one has none.

    years (T,) ascend. A value of a year that is not among them is left out.
    """
    placed = np.full((len(rows), len(years)), np.nan)
    of_rows = [own for own, _ in rows]
    own_years = _joined(of_rows, np.int64)
    row = np.repeat(np.arange(len(rows)), _lengths(of_rows))
    column = np.searchsorted(years, own_years)
    inside = np.append(years, NO_YEAR)[column] == own_years
    placed[row[inside], column[inside]] = _joined([values for _, values in rows], np.float64)[inside]
    return placed


def _lengths(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.fromiter(map(len, parts), np.int64, len(parts))


def _joined(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.array([], kind), *parts])


def _suspects(series: Sequence[RichnessSeries]) -> NDArray[np.intp]:
    """Return the rows that a glance over all together does not clear, in order; the rest need no look."""
    years, means = [one.years for one in series], [one.mean for one in series]
    n_years, n_means, n_sds = _lengths(years), _lengths(means), _lengths([one.sd for one in series])
    suspect = (n_years != n_means) | (n_years != n_sds) | (_lengths([one.outside for one in series]) > 0)
    of_year, of_mean = (np.repeat(np.arange(len(series)), lengths) for lengths in (n_years, n_means))
    backwards = np.diff(_joined(years, np.int64)) <= 0
    suspect[of_year[1:][backwards & (np.diff(of_year) == 0)]] = True
    suspect[of_mean[np.isinf(_joined(means, np.float64))]] = True
    return np.flatnonzero(suspect)


def _refuse_bad(series: RichnessSeries) -> None:
    if not len(series.years) == len(series.mean) == len(series.sd):
        raise TrendError(
            f"woodland {series.woodland_id}: {len(series.years)} years, {len(series.mean)} means and "
            f"{len(series.sd)} sds; they must be equally many"
        )
    both = np.intersect1d(series.years, series.outside) if len(series.outside) else series.outside
    if len(both):
        raise TrendError(
            f"woodland {series.woodland_id}: year {both[0]} is both tested and outside the area of "
            "applicability"
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
    for one in series if len({one.woodland_id for one in series}) < len(series) else ():
        if one.woodland_id in seen:
            raise TrendError(f"woodland {one.woodland_id}: given twice in one family")
        seen.add(one.woodland_id)
