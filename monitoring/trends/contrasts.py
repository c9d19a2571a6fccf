"""Contrasts: ancient woodland against matched other woodland, with years as the replicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitoring.science import MatchRule, TrendTest
from monitoring.statistics.permutations import describe_orders
from monitoring.trends.compared import (
    Compared,
    Records,
    class_means,
    compare,
    difference_of,
    of_park,
    records_of,
)
from monitoring.trends.contrast import Contrast, Contrasts, ContrastYear, EraSlope
from monitoring.trends.eras import ERAS, Era, without_each
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.matching import ALL_PARKS, BalanceRow, Matching, Unmatched
from monitoring.trends.sites import Site
from monitoring.trends.year_tests import (
    MIN_YEARS_FOR_A_LINE,
    autocorrelation,
    least_squares,
    permutation_p,
    sign_flip_p,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NAN = float("nan")
#: Fewest woodlands of a class: the mean of one is that woodland.
MIN_WOODLANDS = 2


def contrasts(
    series: Sequence[RichnessSeries],
    sites: Sequence[Site],
    rule: TrendTest,
    matching: MatchRule,
    seed: int = 0,
    eras: Sequence[Era] = ERAS,
) -> Contrasts:
    """Return the trend of ancient minus matched other woodland, per park and over all parks.

    Years are the replicates: woods share weather and sensors, and the two classes may feel them differently,
    so a test over woods would find differences that are not there. Each year gives one number, the mean over
    matched ancient woodlands of woodland minus mean of its partners; a line is laid through them. Years count
    that at least half of the woodlands of either class have; woodlands count that have every such year, so
    that none joins or leaves within the record, and those are matched (`matching.match`). The p compares the
    slope with its value under every order of the years (seeded shuffles beyond nine), which supposes years
    without memory. With fewer than `rule.min_years` years the slope stands without a p.

    A woodland that lies in no park is compared with nothing. The site of every series is needed; sites
    without a series are passed over. TrendError for a woodland without a site or given twice, and for years
    that repeat or run backwards.
    """
    whole = records_of(series, sites)
    settings = _Settings(rule, matching, seed, tuple(eras))
    parks = sorted({site.park for site in whole.sites} - {""})
    scopes = [_in_scope(park, of_park(whole, park), settings) for park in parks]
    slopes = np.array([one.contrast.slope for one in scopes])
    scopes.append(_in_scope(ALL_PARKS, whole, settings, slopes))
    return Contrasts(
        contrasts=tuple(one.contrast for one in scopes),
        balance=tuple(row for one in scopes for row in one.balance),
        years=tuple(year for one in scopes for year in one.years),
        era_slopes=tuple(slope for one in scopes for slope in one.era_slopes),
        unmatched=scopes[-1].unmatched,
    )


def contrast_of_all(
    series: Sequence[RichnessSeries],
    sites: Sequence[Site],
    rule: TrendTest,
    matching: MatchRule,
    seed: int = 0,
    eras: Sequence[Era] = ERAS,
    *,
    by_area: bool = False,
) -> Contrast:
    """Return the contrast of all parks alone, as in `contrasts`, without the signs of the parks' slopes.

    `by_area` weighs every ancient woodland, and so its partners, by its area, which must be known.
    """
    settings = _Settings(rule, matching, seed, tuple(eras), by_area)
    return _in_scope(ALL_PARKS, records_of(series, sites), settings).contrast


@dataclass(frozen=True)
class _Settings:
    rule: TrendTest
    matching: MatchRule
    seed: int
    eras: tuple[Era, ...]
    by_area: bool = False


@dataclass(frozen=True)
class _Scope:
    """What is found in one scope."""

    contrast: Contrast
    balance: tuple[BalanceRow, ...]
    years: tuple[ContrastYear, ...]
    era_slopes: tuple[EraSlope, ...]
    unmatched: tuple[Unmatched, ...]


def _in_scope(park: str, records: Records, settings: _Settings, park_slopes: Floats | None = None) -> _Scope:
    compared = compare(park, records, settings.matching)
    if settings.by_area:
        compared = replace(compared, weights=_areas(records.sites, compared.matching.ancient))
    left_out = sorted((*compared.incomplete, *compared.matching.unmatched))
    ancient, other = class_means(compared)
    era_slopes = tuple(_era_slopes(park, compared.years, difference_of(ancient, other), settings.eras))
    contrast = _contrast(park, compared, era_slopes, park_slopes, settings)
    means = zip(compared.years.tolist(), ancient.tolist(), other.tolist(), strict=True)
    years = tuple(ContrastYear(park, *of_year) for of_year in means) if len(compared.ancient) else ()
    return _Scope(contrast, compared.matching.balance, years, era_slopes, tuple(left_out))


def _areas(sites: Sequence[Site], ids: Sequence[str]) -> Floats:
    area_of = {site.woodland_id: site.area_ha for site in sites}
    return np.array([area_of[name] for name in ids])


def _contrast(
    park: str,
    compared: Compared,
    era_slopes: Sequence[EraSlope],
    park_slopes: Floats | None,
    settings: _Settings,
) -> Contrast:
    matching, years, rule = compared.matching, compared.years, settings.rule
    counts = len(matching.ancient), len(matching.other)
    reason = _why_not(len(years), compared, rule)
    has_line = len(years) >= MIN_YEARS_FOR_A_LINE and min(counts) >= MIN_WOODLANDS
    difference = difference_of(*class_means(compared))
    slope, half_width = least_squares(years, difference, rule.confidence) if has_line else (NAN, NAN)
    low, high, is_stable = _era_summary(slope, era_slopes) if has_line else (NAN, NAN, False)
    return Contrast(
        park=park,
        n_years=len(years),
        n_ancient=counts[0],
        n_other=counts[1],
        slope=slope,
        slope_low=slope - half_width,
        slope_high=slope + half_width,
        p=NAN if reason else permutation_p(years, difference, settings.seed),
        method=_method(len(years), matching, settings) if has_line else "none",
        reason=reason,
        n_pairs=matching.n_pairs,
        n_unmatched=len(matching.unmatched) + len(compared.incomplete),
        effective_other=matching.effective_other,
        balance_worst=matching.balance_worst,
        sign_flip_p=NAN if park_slopes is None else sign_flip_p(park_slopes, settings.seed),
        era_slope_low=low,
        era_slope_high=high,
        is_era_stable=is_stable,
        autocorrelation=autocorrelation(years, difference) if has_line else NAN,
    )


def _why_not(n_years: int, compared: Compared, rule: TrendTest) -> str:
    matching = compared.matching
    for count, kind in ((len(matching.ancient), "ancient"), (len(matching.other), "other")):
        if count < MIN_WOODLANDS:
            what = f"{count} {kind} woodlands with a complete record and a match, {MIN_WOODLANDS} needed"
            return f"{what}; {matching.unmatched[0].reason}" if matching.unmatched else what
    return "" if n_years >= rule.min_years else f"{n_years} common years, {rule.min_years} needed"


def _method(n_years: int, matching: Matching, settings: _Settings) -> str:
    rule = settings.matching
    limits = f"{rule.max_elevation_difference_m:g} m of elevation, factor {rule.max_area_ratio:g} in area"
    matched = (
        f"each ancient woodland minus the mean of its {rule.neighbours} nearest others, with replacement "
        f"(same park and leaf type, {limits})"
    )
    known = f"; {matching.unknown}" if matching.unknown else ""
    tested = f"least squares over years, two-sided over {describe_orders(n_years, settings.seed)}"
    return f"{matched}{known}; {tested}"


def _era_slopes(park: str, years: Integers, values: Floats, eras: Sequence[Era]) -> Iterator[EraSlope]:
    """Yield the slope without each era; nothing for an era that has all the years: no change lies in them."""
    for era, kept in without_each(years, eras):
        if len(kept):
            yield EraSlope(park, era.name, len(kept), _slope(kept, values[np.isin(years, kept)]))


def _slope(years: Integers, values: Floats) -> float:
    return least_squares(years, values, 0.5)[0] if len(years) >= MIN_YEARS_FOR_A_LINE else NAN


def _era_summary(slope: float, era_slopes: Sequence[EraSlope]) -> tuple[float, float, bool]:
    """Return smallest and largest slope with an era left out, and whether all have the sign of the whole."""
    left = np.array([one.slope for one in era_slopes])
    known = left[np.isfinite(left)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (NAN, NAN)
    return low, high, bool((np.sign(left) == np.sign(slope)).all())
