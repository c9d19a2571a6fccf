"""Contrasts: ancient woodland against matched other woodland, with years as the replicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.errors import TrendError
from monitoring.science import MatchRule, TrendTest
from monitoring.statistics.permutations import describe_orders, orders, share_at_least
from monitoring.trends.eras import ERAS, Era, without_each
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.matching import ALL_PARKS, BalanceRow, Matching, Unmatched, match
from monitoring.trends.sites import Site

__all__ = [
    "ALL_PARKS",
    "Contrast",
    "ContrastYear",
    "Contrasts",
    "EraSlope",
    "contrasts",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NAN = float("nan")
#: Fewest woodlands of a class: the mean of one is that woodland.
MIN_WOODLANDS = 2
#: A year counts when at least this share of either class has it.
MIN_SHARE_OF_WOODLANDS = 0.5
#: Two parameters and one spare.
MIN_YEARS_FOR_A_LINE = 3
#: Years at the start whose mean is a woodland's level in the balance table.
LEVEL_YEARS = 3
#: Parks up to which every pattern of signs is tried (2^20 of them), and the patterns drawn beyond.
EVERY_SIGN_UP_TO = 20
SIGN_PATTERNS = 99_999
#: Yearly differences whose orders are tried at a time.
SERIES_AT_A_TIME = 16
#: Statistics that differ by less, relative to their scale, are equal.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Contrast:
    """Trend of the yearly difference, ancient minus matched other woodland, in one park or in all."""

    park: str
    """Park, or `all parks`."""
    n_years: int
    n_ancient: int
    """Ancient woodlands with a complete record and a partner."""
    n_other: int
    """Other woodlands that are partner of at least one of them."""
    slope: float
    """Least-squares slope of the yearly difference, target's unit per year; NaN when there is none."""
    slope_low: float
    slope_high: float
    """Interval of the rule's confidence, Student t with n_years - 2 degrees of freedom."""
    p: float
    """Two-sided exact permutation p over years; NaN when it cannot be computed."""
    method: str
    reason: str = ""
    """Why there is no p; empty where there is one."""
    n_pairs: int = 0
    """Pairs of an ancient woodland and a partner; a partner may serve several."""
    n_unmatched: int = 0
    """Ancient woodlands left out, for want of a complete record or of a partner."""
    effective_other: float = 0.0
    """Other woodlands, equally weighted, that would be worth as much as the partners with their weights."""
    balance_worst: float = NAN
    """Largest absolute standardised difference left after matching; NaN where no property is known."""
    sign_flip_p: float = NAN
    """Two-sided p over signs of the parks' slopes, for all parks only: are the parks of one mind? It takes
    parks to be independent, which a sensor that all share denies; a second opinion, never the claim."""
    era_slope_low: float = NAN
    """Smallest and largest slope with one era of sensors left out; NaN where none could be."""
    era_slope_high: float = NAN
    is_era_stable: bool = False
    """True when the slope keeps its sign whichever era is left out, and in a record of one era only."""
    autocorrelation: float = NAN
    """Of consecutive years around the line, less what a short record without memory shows, so zero is none;
    the permutation p supposes none. NaN where no two years follow each other or nothing scatters."""


@dataclass(frozen=True)
class ContrastYear:
    """What was compared in one year: means of the matched woodlands."""

    park: str
    year: int
    ancient: float
    other: float
    """Weighted as the partners are."""

    @property
    def difference(self) -> float:
        """Ancient minus other: what the slope runs through."""
        return self.ancient - self.other


@dataclass(frozen=True)
class EraSlope:
    """The slope of a contrast with one era left out."""

    park: str
    era: str
    """Era left out."""
    n_years: int
    """Years left."""
    slope: float
    """NaN where fewer than three years are left."""


@dataclass(frozen=True)
class Contrasts:
    """One contrast per park and the one of all parks, with what lies behind them."""

    contrasts: tuple[Contrast, ...]
    """Parks in order of their names, then `all parks`."""
    balance: tuple[BalanceRow, ...]
    years: tuple[ContrastYear, ...]
    era_slopes: tuple[EraSlope, ...]
    unmatched: tuple[Unmatched, ...]
    """Ancient woodlands the contrast of all parks leaves out, ascending, with the reason."""


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
    scopes = [_in_scope(park, _of_park(whole, park), settings) for park in parks]
    slopes = np.array([one.contrast.slope for one in scopes])
    scopes.append(_in_scope(ALL_PARKS, whole, settings, slopes))
    return Contrasts(
        contrasts=tuple(one.contrast for one in scopes),
        balance=tuple(row for one in scopes for row in one.balance),
        years=tuple(year for one in scopes for year in one.years),
        era_slopes=tuple(slope for one in scopes for slope in one.era_slopes),
        unmatched=scopes[-1].unmatched,
    )


@dataclass(frozen=True)
class _Settings:
    rule: TrendTest
    matching: MatchRule
    seed: int
    eras: tuple[Era, ...]


@dataclass(frozen=True)
class _Records:
    """Values of W woodlands, ascending by id, on T common years, with their sites."""

    sites: tuple[Site, ...]
    years: Integers
    values: Floats
    """(W, T), NaN where a woodland lacks a year."""
    is_ancient: Flags


@dataclass(frozen=True)
class _Matched:
    """What is compared in one scope."""

    years: Integers
    ancient: Floats
    """(A, T) of the matched ancient woodlands, in order of `matching.ancient`."""
    partners: Floats
    """(A, T) mean over the partners of each."""
    matching: Matching
    incomplete: tuple[Unmatched, ...]
    """Ancient woodlands without a complete record."""


@dataclass(frozen=True)
class _Scope:
    """What is found in one scope."""

    contrast: Contrast
    balance: tuple[BalanceRow, ...]
    years: tuple[ContrastYear, ...]
    era_slopes: tuple[EraSlope, ...]
    unmatched: tuple[Unmatched, ...]


def records_of(series: Sequence[RichnessSeries], sites: Sequence[Site]) -> _Records:
    of = {site.woodland_id: site for site in sites}
    for one in series:
        if one.woodland_id not in of:
            raise TrendError(f"woodland {one.woodland_id}: its site is not given")
    ordered = sorted(series, key=lambda one: one.woodland_id)
    years, values = on_common_years(ordered)
    known = np.asarray(np.isfinite(values).any(axis=1))
    kept = tuple(of[one.woodland_id] for one, any_year in zip(ordered, known, strict=True) if any_year)
    return _Records(kept, years, values[known], np.array([site.is_ancient for site in kept], bool))


def _some(records: _Records, rows: Flags) -> _Records:
    sites = tuple(site for site, inside in zip(records.sites, rows, strict=True) if inside)
    return _Records(sites, records.years, records.values[rows], records.is_ancient[rows])


def _of_park(records: _Records, park: str) -> _Records:
    return _some(records, np.array([site.park == park for site in records.sites], bool))


def _in_scope(park: str, records: _Records, settings: _Settings, park_slopes: Floats | None = None) -> _Scope:
    compared = compare(park, records, settings.matching)
    left_out = sorted((*compared.incomplete, *compared.matching.unmatched))
    ancient, other = _class_means(compared)
    era_slopes = tuple(_era_slopes(park, compared.years, _difference(ancient, other), settings.eras))
    contrast = _contrast(park, compared, era_slopes, park_slopes, settings)
    means = zip(compared.years.tolist(), ancient.tolist(), other.tolist(), strict=True)
    years = tuple(ContrastYear(park, *of_year) for of_year in means) if len(compared.ancient) else ()
    return _Scope(contrast, compared.matching.balance, years, era_slopes, tuple(left_out))


def compare(park: str, records: _Records, rule: MatchRule) -> _Matched:
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
    return _Matched(years, own, matching.partner_means(others), matching, _incomplete(records, complete))


def _levels(sites: Sequence[Site], values: Floats) -> dict[str, float]:
    """Return the mean of the first years by woodland; empty where no year is compared."""
    if not values.shape[1]:
        return {}
    means = values[:, :LEVEL_YEARS].mean(axis=1).tolist()
    return {site.woodland_id: level for site, level in zip(sites, means, strict=True)}


def _usual_years(records: _Records) -> Flags:
    """Return (T,): the years that at least half of the woodlands of either class have."""
    usual = np.ones(len(records.years), bool)
    for one_class in (records.values[records.is_ancient], records.values[~records.is_ancient]):
        if len(one_class):
            usual &= np.isfinite(one_class).mean(axis=0) >= MIN_SHARE_OF_WOODLANDS
    return usual


def _incomplete(records: _Records, complete: Flags) -> tuple[Unmatched, ...]:
    reason = "no complete record of the years compared"
    gaps = np.flatnonzero(records.is_ancient & ~complete)
    return tuple(Unmatched(records.sites[row].woodland_id, reason) for row in gaps)


def _class_means(compared: _Matched) -> tuple[Floats, Floats]:
    """Return (T,) mean of the matched ancient woodlands and of what they are held against; NaN if none."""
    if not len(compared.ancient):
        nothing = np.full(len(compared.years), np.nan)
        return nothing, nothing
    return compared.ancient.mean(axis=0), compared.partners.mean(axis=0)


def _difference(ancient: Floats, other: Floats) -> Floats:
    """Return (T,) ancient minus other, constant where it varies by rounding alone: that is no trend."""
    difference = ancient - other
    if len(difference) and np.ptp(difference) <= ROUNDING * np.abs(ancient).max():
        return np.full(len(difference), difference.mean())
    return difference


def _contrast(
    park: str,
    compared: _Matched,
    era_slopes: Sequence[EraSlope],
    park_slopes: Floats | None,
    settings: _Settings,
) -> Contrast:
    matching, years, rule = compared.matching, compared.years, settings.rule
    counts = len(matching.ancient), len(matching.other)
    reason = _why_not(len(years), compared, rule)
    has_line = len(years) >= MIN_YEARS_FOR_A_LINE and min(counts) >= MIN_WOODLANDS
    difference = _difference(*_class_means(compared))
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


def _why_not(n_years: int, compared: _Matched, rule: TrendTest) -> str:
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


def least_squares(years: Integers, values: Floats, confidence: float) -> tuple[float, float]:
    """Return slope and half width of its interval, Student t with n - 2 degrees of freedom; n from three."""
    t, freedom = years - years.mean(), len(years) - 2
    slope = float(t @ values / (t @ t))
    residual = values - values.mean() - slope * t
    error = np.sqrt(residual @ residual / freedom / (t @ t))
    return slope, float(stats.t.isf((1 - confidence) / 2, freedom) * error)


def permutation_p(years: Integers, values: Floats, seed: int = 0) -> float:
    """Return the two-sided p of the least-squares slope over orders of the years."""
    return float(permutation_ps(years, values[None, :], seed)[0])


def permutation_ps(years: Integers, values: Floats, seed: int = 0) -> Floats:
    """Return (R,): the two-sided p of the slope over orders of the years, for (R, T) values."""
    t = years - years.mean()
    y = values - values.mean(axis=1, keepdims=True)
    ordered = np.ascontiguousarray(t[orders(len(years), seed)])
    scales = np.sqrt((y * y).sum(axis=1) * (t @ t))
    p = np.empty(len(y))
    for start in range(0, len(y), SERIES_AT_A_TIME):
        products = np.abs(y[start : start + SERIES_AT_A_TIME] @ ordered.T)
        for row, of_one in enumerate(products, start):
            p[row] = share_at_least(of_one, abs(float(y[row] @ t)), float(scales[row]))
    return p


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


def autocorrelation(years: Integers, values: Floats) -> float:
    """Return the correlation of consecutive years around their line, corrected for the length of the record.

    Residuals of a short line are negatively correlated where nothing is remembered. For independent normal
    noise the expectation is trace(M A) / (n - 2), M the residual maker and A half the adjacency of years that
    follow each other, exactly (a ratio of quadratic forms independent of its denominator); it is subtracted.
    """
    design = np.stack([np.ones(len(years)), years - years.mean()], axis=1)
    maker = np.eye(len(years)) - design @ np.linalg.pinv(design)
    adjacent = (np.abs(years[:, None] - years[None, :]) == 1) / 2
    residual = maker @ values
    squares = float(residual @ residual)
    centred = values - values.mean()
    if not adjacent.any() or squares <= ROUNDING**2 * max(float(centred @ centred), float(values @ values)):
        return NAN
    return float(residual @ adjacent @ residual / squares - np.trace(maker @ adjacent) / (len(years) - 2))


def sign_flip_p(slopes: Floats, seed: int = 0) -> float:
    """Return the two-sided p of the parks' mean slope over signs: every pattern up to twenty parks.

    Slopes that are NaN are left out; one park has no p. It supposes parks independent and symmetric around
    zero when nothing goes on, so the p of k parks is never below 2 / 2^k. Beyond twenty parks 99,999 seeded
    patterns beside the observed one are tried.
    """
    known = slopes[np.isfinite(slopes)]
    if len(known) < MIN_WOODLANDS:
        return NAN
    sums = _every_sum(known) if len(known) <= EVERY_SIGN_UP_TO else _drawn_sums(known, seed)
    return share_at_least(np.abs(sums), abs(float(known.sum())), float(np.abs(known).sum()))


def _every_sum(values: Floats) -> Floats:
    """Return the 2^k sums of the values under every pattern of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _drawn_sums(values: Floats, seed: int) -> Floats:
    signs = np.random.default_rng(seed).integers(0, 2, (SIGN_PATTERNS, len(values)), np.int8) * 2 - 1
    return np.concatenate([[values.sum()], signs @ values])
