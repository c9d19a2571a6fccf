"""Parks and the whole: one trend for all their woodland, with years as the replicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.science import TrendTest
from monitoring.statistics.permutations import (
    FORMS_COUNTED_UP_TO,
    ROUNDING,
    describe_orders,
    describe_shares,
    shares_of_pair_sums,
    shares_of_slopes,
)
from monitoring.statistics.regional import homogeneity, pooled_memory, regional_kendall, summed_signs
from monitoring.statistics.year_effects import departures
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.sites import Site
from monitoring.trends.year_tests import MIN_YEARS_FOR_A_LINE, least_squares

NAN = float("nan")
#: Values of `ParkTrend.scope`.
WHOLE, PARK = "whole", "park"
#: Values of `ParkTrend.woodland_class`.
ALL_WOODLAND, ANCIENT, OTHER = "all", "ancient", "other"
CLASSES = (ALL_WOODLAND, ANCIENT, OTHER)
#: Values of `ParkTrend.weighting`: a woodland counts by its area, or every woodland counts one.
BY_AREA, BY_WOODLAND = "area", "woodland"
WEIGHTINGS = (BY_AREA, BY_WOODLAND)
#: A year counts that this share of the woodlands has, a woodland that has this share of those years.
MIN_SHARE = 0.5
#: Memory from year to year above which orders of years are not equally likely.
MAX_MEMORY = 0.1


@dataclass(frozen=True)
class ParkTrend:
    """The trend of the woodland of one class in one park, or in all; NaN where nothing can be said."""

    scope: str
    """`park`, or `whole`: every woodland given, those outside parks included."""
    park: str
    """Empty for the whole."""
    woodland_class: str
    """`all`, `ancient` or `other`."""
    weighting: str
    """`area`: a woodland counts by its area; `woodland`: every woodland counts one."""
    n_woodlands: int
    n_years: int
    slope: float
    """Least-squares slope of the year series, target's unit per year. The year series is the weighted mean of
    the woodlands' departures from their own levels, so that none shifts it by being absent."""
    slope_low: float
    slope_high: float
    """Interval of the rule's confidence, Student t with n_years - 2 degrees of freedom."""
    p_permutation: float
    """Two-sided: share of the orders of years, the same for all woodlands, with a slope as steep."""
    s: float
    """Regional Kendall S, weights of mean one."""
    z: float
    """`s` over its standard deviation by Dietz & Killeen (1981), no continuity correction."""
    p_dietz_killeen: float
    """Two-sided, normal reference of `z`: rough for few years."""
    p_s_permutation: float
    """Two-sided: share of the orders of years with an S as far from zero."""
    homogeneity: float
    """Chi-square of van Belle & Hughes between woodlands, what they share in a year taken out first; NaN for
    one woodland."""
    p_homogeneity: float
    """Share of the orders of years with a statistic this large: small where woodlands go different ways."""
    homogeneity_of_parks: float
    """The same between the year series of the parks, one park one vote; the whole with two parks or more."""
    p_homogeneity_of_parks: float
    memory: float
    """First-order autocorrelation of the year series about their lines, pooled over the parks (of the whole
    where there is none) of this class and weighting."""
    warning: str
    """That memory makes the p of this trend too small; empty where it does not."""
    method: str
    reason: str = ""
    """Why there is no p, or no slope; empty where there is."""


def park_trends(
    series: Sequence[RichnessSeries], sites: Mapping[str, Site], rule: TrendTest, seed: int = 0
) -> tuple[ParkTrend, ...]:
    """Return the trends of the whole and of every park, in order of name, for each class and weighting.

    Years are the replicates: woodlands share weather and sensors, so no p counts woodlands. A year counts
    that at least half of the woodlands have, a woodland that has at least half of those years; one without
    a known area above zero counts only where every woodland counts one. What is left out stands in `method`.
    With fewer than `rule.min_years` years slope and S stand without p. TrendError for a woodland without a
    site, or given twice, and for years that repeat or run backwards.
    """
    if not series:
        return ()
    years, values = on_common_years(series)
    groups = _groups([_site(one, sites) for one in series])
    found: list[ParkTrend] = []
    for woodland_class in CLASSES:
        for weighting in WEIGHTINGS:
            found += _compared(years, values, groups, woodland_class, weighting, rule, seed)
    return tuple(sorted(found, key=lambda trend: (trend.scope == PARK, trend.park)))


@dataclass(frozen=True)
class _Groups:
    """Which woodlands belong where, all (W,)."""

    park: NDArray[np.str_]
    is_ancient: NDArray[np.bool_]
    area: NDArray[np.float64]

    def of_class(self, woodland_class: str) -> NDArray[np.bool_]:
        everything = np.ones(len(self.park), bool)
        return {ALL_WOODLAND: everything, ANCIENT: self.is_ancient, OTHER: ~self.is_ancient}[woodland_class]

    def weight(self, weighting: str) -> NDArray[np.float64]:
        """Return the weights; 0 where unknown."""
        if weighting == BY_WOODLAND:
            return np.ones(len(self.park))
        known = np.isfinite(self.area) & (self.area > 0)
        return np.where(known, self.area, 0.0)


def _site(series: RichnessSeries, sites: Mapping[str, Site]) -> Site:
    if series.woodland_id not in sites:
        raise TrendError(f"woodland {series.woodland_id}: no site among the {len(sites)} given")
    return sites[series.woodland_id]


def _groups(sites: Sequence[Site]) -> _Groups:
    return _Groups(
        park=np.array([site.park for site in sites], dtype=np.str_),
        is_ancient=np.array([site.is_ancient for site in sites], dtype=bool),
        area=np.array([site.area_ha for site in sites], dtype=np.float64),
    )


@dataclass(frozen=True)
class _Panel:
    """The woodlands and years of one trend."""

    park: str
    years: NDArray[np.int64]
    """(n,)"""
    values: NDArray[np.float64]
    """(W, n), NaN where a woodland has none."""
    weights: NDArray[np.float64]
    """(W,) with mean one."""
    departures: NDArray[np.float64]
    """(W, n)"""
    year_series: NDArray[np.float64]
    """(n,) their weighted mean."""
    left_out: str
    """Words on what was left out; empty where nothing was."""


def _compared(
    years: NDArray[np.int64],
    values: NDArray[np.float64],
    groups: _Groups,
    woodland_class: str,
    weighting: str,
    rule: TrendTest,
    seed: int,
) -> Iterator[ParkTrend]:
    """Yield the whole and every park, of one class and one weighting."""
    member, weight = groups.of_class(woodland_class), groups.weight(weighting)
    whole = _panel("", years, values[member], weight[member])
    parks = [
        _panel(park, years, values[inside], weight[inside])
        for park, inside in ((park, member & (groups.park == park)) for park in _names(groups))
    ]
    memory = _memory(years, parks or [whole])
    tags = {"woodland_class": woodland_class, "weighting": weighting}
    yield _trend(whole, memory, tags, rule, seed, parks=_year_series(years, parks))
    for panel in parks:
        yield _trend(panel, memory, tags, rule, seed)


def _names(groups: _Groups) -> list[str]:
    return [park for park in np.unique(groups.park).tolist() if park]


def _panel(
    park: str, years: NDArray[np.int64], values: NDArray[np.float64], weight: NDArray[np.float64]
) -> _Panel:
    known = np.isfinite(values)
    eligible = known.any(axis=1) & (weight > 0)
    usual = _at_least_half(known[eligible], axis=0)
    kept = eligible.copy()
    kept[eligible] = _at_least_half(known[np.ix_(eligible, usual)], axis=1)
    usual = usual & known[kept].any(axis=0)
    own, weights = values[np.ix_(kept, usual)], weight[kept] / (weight[kept].mean() if kept.any() else 1.0)
    apart = _without_rounding(departures(own), own)
    return _Panel(
        park=park,
        years=years[usual],
        values=own,
        weights=weights,
        departures=apart,
        year_series=_weighted_mean(apart, weights),
        left_out=_left_out(known, eligible, kept, usual),
    )


def _without_rounding(apart: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the departures, zero where they are no more than rounding: equal values have no order."""
    noise = ROUNDING * np.nanmax(np.abs(own), initial=0.0)
    return np.where(np.abs(apart) <= noise, 0.0, apart)


def _at_least_half(known: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return along the other axis where at least half, and not none, are known."""
    count = known.sum(axis=axis)
    enough: NDArray[np.bool_] = (count > 0) & (count >= MIN_SHARE * known.shape[axis])
    return enough


def _weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of every column over the rows that have a value; every column has one."""
    known = np.isfinite(values)
    mean: NDArray[np.float64] = weights @ np.where(known, values, 0.0) / (weights @ known)
    return mean


def _left_out(
    known: NDArray[np.bool_],
    eligible: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    usual: NDArray[np.bool_],
) -> str:
    has_year = known.any(axis=1)
    counts = (
        ((~has_year).sum(), "woodland", "without any year"),
        ((has_year & ~eligible).sum(), "woodland", "without a known area"),
        ((eligible & ~kept).sum(), "woodland", "with under half of the years"),
        ((known[eligible].any(axis=0) & ~usual).sum(), "year", "that under half of the woodlands have"),
    )
    return ", ".join(f"{_some(int(count), what)} {why}" for count, what, why in counts if count)


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _year_series(years: NDArray[np.int64], panels: Sequence[_Panel]) -> NDArray[np.float64]:
    """Return (panels, T) on all years, NaN where a panel has none."""
    found = np.full((len(panels), len(years)), np.nan)
    for row, panel in zip(found, panels, strict=True):
        row[np.searchsorted(years, panel.years)] = panel.year_series
    return found


def _memory(years: NDArray[np.int64], panels: Sequence[_Panel]) -> float:
    return pooled_memory(years, _year_series(years, panels))


def _trend(
    panel: _Panel,
    memory: float,
    tags: Mapping[str, str],
    rule: TrendTest,
    seed: int,
    parks: NDArray[np.float64] | None = None,
) -> ParkTrend:
    n = len(panel.years)
    reason = _why_not(panel, rule)
    has_line = n >= MIN_YEARS_FOR_A_LINE
    slope, half_width = (
        least_squares(panel.years, panel.year_series, rule.confidence) if has_line else (NAN, NAN)
    )
    kendall = regional_kendall(panel.values, panel.weights)
    woodlands = _homogeneity(panel.departures, panel.weights, seed)
    between = _homogeneity_of_parks(parks, seed)
    p_slope, p_s = (NAN, NAN) if reason else _permutation_ps(panel, seed)
    return ParkTrend(
        scope=WHOLE if parks is not None else PARK,
        park=panel.park,
        **tags,
        n_woodlands=len(panel.values),
        n_years=n,
        slope=slope,
        slope_low=slope - half_width,
        slope_high=slope + half_width,
        p_permutation=p_slope,
        s=kendall.s,
        z=kendall.z,
        p_dietz_killeen=NAN if reason else kendall.p,
        p_s_permutation=p_s,
        homogeneity=woodlands[0],
        p_homogeneity=NAN if reason else woodlands[1],
        homogeneity_of_parks=between[0],
        p_homogeneity_of_parks=NAN if reason else between[1],
        memory=memory,
        warning="" if reason else _warning(memory),
        method=_method(panel, tags["weighting"], seed),
        reason=reason,
    )


def _why_not(panel: _Panel, rule: TrendTest) -> str:
    if not len(panel.values):
        return "no woodland" + (f": left out {panel.left_out}" if panel.left_out else "")
    n = len(panel.years)
    return "" if n >= rule.min_years else f"{n} common years, {rule.min_years} needed"


def _permutation_ps(panel: _Panel, seed: int) -> tuple[float, float]:
    slope = shares_of_slopes(panel.years, panel.year_series, seed)
    s = shares_of_pair_sums(summed_signs(panel.values, panel.weights), seed)
    return slope.as_far, s.as_far


def _homogeneity(apart: NDArray[np.float64], weights: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Return statistic and p between series, after their common year series, trend included, is taken out."""
    if len(apart) < 2:
        return NAN, NAN
    remain = _rounded(
        apart - _weighted_mean(apart, weights), scale=float(np.nanmax(np.abs(apart), initial=0.0))
    )
    found = homogeneity(remain, weights, seed)
    return found.statistic, found.p


def _rounded(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return the values without the noise of rounding, so that woodlands that are alike differ by nothing."""
    unit = ROUNDING * scale
    return np.round(values / unit) if unit > 0 else values


def _homogeneity_of_parks(parks: NDArray[np.float64] | None, seed: int) -> tuple[float, float]:
    if parks is None:
        return NAN, NAN
    usable = parks[np.isfinite(parks).any(axis=1)]
    usable = usable[:, np.isfinite(usable).any(axis=0)]
    return _homogeneity(departures(usable), np.ones(len(usable)), seed)


def _warning(memory: float) -> str:
    if not memory > MAX_MEMORY:
        return ""
    return (
        f"years are not exchangeable: first-order autocorrelation {memory:.2f} of the year series is above "
        f"{MAX_MEMORY}, so p is too small"
    )


def _method(panel: _Panel, weighting: str, seed: int) -> str:
    if not len(panel.values):
        return "none"
    how = "weighted by area" if weighting == BY_AREA else "one woodland one vote"
    n, left_out = len(panel.years), f"; left out: {panel.left_out}" if panel.left_out else ""
    shuffled = f"; homogeneity over {describe_orders(n, seed)}" if n > FORMS_COUNTED_UP_TO else ""
    return (
        f"yearly mean departure of {_some(len(panel.values), 'woodland')}, {how}, least squares; "
        f"two-sided over {describe_shares(n, seed)}{shuffled}{left_out}"
    )
