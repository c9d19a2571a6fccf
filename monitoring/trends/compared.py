"""What is compared: woodlands with a complete record of common years, ancient beside their partners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.science import MatchRule
from monitoring.statistics.permutations import ROUNDING
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.matching import Matching, Unmatched, match
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: A year counts when at least this share of either class has it.
MIN_SHARE_OF_WOODLANDS = 0.5
#: Years at the start whose mean is a woodland's level in the balance table.
LEVEL_YEARS = 3


@dataclass(frozen=True)
class Records:
    """Values of W woodlands, ascending by id, on T common years, with their sites."""

    sites: tuple[Site, ...]
    years: Integers
    values: Floats
    """(W, T), NaN where a woodland lacks a year."""
    is_ancient: Flags


@dataclass(frozen=True)
class Compared:
    """What is compared in one scope."""

    years: Integers
    ancient: Floats
    """(A, T) of the matched ancient woodlands, in order of `matching.ancient`."""
    partners: Floats
    """(A, T) mean over the partners of each."""
    matching: Matching
    incomplete: tuple[Unmatched, ...]
    """Ancient woodlands without a complete record."""
    weights: Floats | None = None
    """(A,) of the ancient woodlands in the means; None: one wood, one vote."""


def records_of(series: Sequence[RichnessSeries], sites: Sequence[Site]) -> Records:
    """Return the values of all woodlands with any, beside their sites; TrendError for one without a site."""
    of = {site.woodland_id: site for site in sites}
    for one in series:
        if one.woodland_id not in of:
            raise TrendError(f"woodland {one.woodland_id}: its site is not given")
    ordered = sorted(series, key=lambda one: one.woodland_id)
    years, values = on_common_years(ordered)
    known = np.asarray(np.isfinite(values).any(axis=1))
    kept = tuple(of[one.woodland_id] for one, any_year in zip(ordered, known, strict=True) if any_year)
    return Records(kept, years, values[known], np.array([site.is_ancient for site in kept], bool))


def _some(records: Records, rows: Flags) -> Records:
    sites = tuple(site for site, inside in zip(records.sites, rows, strict=True) if inside)
    return Records(sites, records.years, records.values[rows], records.is_ancient[rows])


def of_park(records: Records, park: str) -> Records:
    """Return the records of the woodlands that lie in one park."""
    return _some(records, np.array([site.park == park for site in records.sites], bool))


def compare(park: str, records: Records, rule: MatchRule) -> Compared:
    """Return the ancient woodlands with a complete record and a partner, beside the mean of their partners.

    Years count that at least half of the woodlands of either class have. `park` is what the balance rows call
    the whole of the records.
    """
    usual = _usual_years(records)
    complete = np.asarray(np.isfinite(records.values[:, usual]).all(axis=1))
    years = records.years[usual]
    panel = _some(records, complete)
    values = panel.values[:, usual]
    row_of = {site.woodland_id: row for row, site in enumerate(panel.sites)}
    matching = match(panel.sites, rule, _levels(panel.sites, values), park)
    own, others = (
        values[[row_of[name] for name in ids]] if ids else np.zeros((0, len(years)))
        for ids in (matching.ancient, matching.other)
    )
    return Compared(years, own, matching.partner_means(others), matching, _incomplete(records, complete))


def _levels(sites: Sequence[Site], values: Floats) -> dict[str, float]:
    """Return the mean of the first years by woodland; empty where no year is compared."""
    if not values.shape[1]:
        return {}
    means = values[:, :LEVEL_YEARS].mean(axis=1).tolist()
    return {site.woodland_id: level for site, level in zip(sites, means, strict=True)}


def _usual_years(records: Records) -> Flags:
    """Return (T,): the years that at least half of the woodlands of either class have."""
    usual = np.ones(len(records.years), bool)
    for one_class in (records.values[records.is_ancient], records.values[~records.is_ancient]):
        if len(one_class):
            usual &= np.isfinite(one_class).mean(axis=0) >= MIN_SHARE_OF_WOODLANDS
    return usual


def _incomplete(records: Records, complete: Flags) -> tuple[Unmatched, ...]:
    reason = "no complete record of the years compared"
    gaps = np.flatnonzero(records.is_ancient & ~complete)
    return tuple(Unmatched(records.sites[row].woodland_id, reason) for row in gaps)


def class_means(compared: Compared) -> tuple[Floats, Floats]:
    """Return (T,) mean of the matched ancient woodlands and of what they are held against; NaN if none."""
    if not len(compared.ancient):
        nothing = np.full(len(compared.years), np.nan)
        return nothing, nothing
    if compared.weights is None:
        return compared.ancient.mean(axis=0), compared.partners.mean(axis=0)
    shares = compared.weights / compared.weights.sum()
    return shares @ compared.ancient, shares @ compared.partners


def difference_of(ancient: Floats, other: Floats) -> Floats:
    """Return (T,) ancient minus other, constant where it varies by rounding alone: that is no trend."""
    difference = ancient - other
    if len(difference) and np.ptp(difference) <= ROUNDING * np.abs(ancient).max():
        return np.full(len(difference), difference.mean())
    return difference
