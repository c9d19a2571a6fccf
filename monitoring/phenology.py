"""Observation counts: on how many dates each woodland was seen, with leaves and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitoring.clear import SNOW, ClearRule, clear_observations
from monitoring.estimates import weighted_mean
from monitoring.science import PhenologyRule
from monitoring.series import PixelSeries, SensorSeries

#: Days by which the southern year lags the northern one, and days of a year.
HALF_YEAR, YEAR = 182, 365
#: Error of a weighted mean of whole numbers.
ROUNDING = 1e-9


@dataclass(frozen=True)
class PixelObservations:
    """Dates on which each of N pixels was observed, (N,) each; several scenes of a date count once."""

    s2: NDArray[np.int64]
    """Clear, snow among them where the encoder's rule takes snow for clear."""
    snow: NDArray[np.int64]
    """Of these, under snow."""
    s1_ascending: NDArray[np.int64]
    s1_descending: NDArray[np.int64]
    leaf_on: NDArray[np.int64]
    """Clear and free of snow, leaves out."""
    leaf_off: NDArray[np.int64]
    """Clear and free of snow, leaves down."""


@dataclass(frozen=True)
class WoodlandObservations:
    """Dates on which a woodland was observed in a season: coverage-weighted means over its pixels."""

    woodland_id: str
    n_s2: float
    """Clear optical dates, those of snow among them."""
    n_snow: float
    """Of these, under snow."""
    n_s1_ascending: float
    n_s1_descending: float
    n_leaf_on: float
    """Clear dates without snow in the leafy season."""
    n_leaf_off: float
    """Clear dates without snow in the leafless season."""
    is_phenology_covered: bool
    """True where both seasons have the dates that the rule asks for."""


def observation_counts(
    woodland_ids: tuple[str, ...],
    coverage: sparse.csr_array,
    series: PixelSeries,
    latitude: float,
    clear: ClearRule,
    rule: PhenologyRule,
) -> tuple[WoodlandObservations, ...]:
    """Return what of each woodland was seen in a series, in the order of `woodland_ids`.

    coverage (W, N) share of each pixel's area inside each woodland; latitude: degrees, south negative, says
    which half of the year has leaves; clear: the encoder's rule. ModelError as `clear_observations`.
    """
    seen = pixel_observations(series, latitude, clear, rule)
    counts = (seen.s2, seen.snow, seen.s1_ascending, seen.s1_descending, seen.leaf_on, seen.leaf_off)
    means = [weighted_mean(coverage, count.astype(np.float64)).tolist() for count in counts]
    return tuple(
        WoodlandObservations(
            woodland_id, s2, snow, ascending, descending, on, off, _is_covered(on, off, rule)
        )
        for woodland_id, s2, snow, ascending, descending, on, off in zip(woodland_ids, *means, strict=True)
    )


def _is_covered(leaf_on: float, leaf_off: float, rule: PhenologyRule) -> bool:
    """True where both are enough, but for the rounding of a weighted mean; NaN (no area) is not."""
    return leaf_on >= rule.min_leaf_on - ROUNDING and leaf_off >= rule.min_leaf_off - ROUNDING


def pixel_observations(
    series: PixelSeries, latitude: float, clear: ClearRule, rule: PhenologyRule
) -> PixelObservations:
    """Return the dates on which each pixel was observed; at each date the first clear scene counts."""
    optical = series.s2
    is_clear = clear_observations(optical, clear)
    assert optical.scl is not None
    s2, snow, leaf_on, leaf_off = (np.zeros(series.n_pixels, np.int64) for _ in range(4))
    on, off = leaf_windows(optical.acquired_at, latitude, rule)
    pixel = np.arange(series.n_pixels)
    for scenes in _by_date(optical.acquired_at):
        seen = is_clear[scenes].any(axis=0)
        first = scenes[is_clear[scenes].argmax(axis=0)]
        is_snow = seen & (optical.scl[first, pixel] == SNOW)
        s2 += seen
        snow += is_snow
        leaf_on += seen & ~is_snow & on[scenes[0]]
        leaf_off += seen & ~is_snow & off[scenes[0]]
    ascending, descending = _radar_dates(series.s1_ascending), _radar_dates(series.s1_descending)
    return PixelObservations(s2, snow, ascending, descending, leaf_on, leaf_off)


def leaf_windows(
    acquired_at: NDArray[np.datetime64], latitude: float, rule: PhenologyRule
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (T,) twice: True where a moment is in the leafy season, and where it is in the leafless one."""
    days = acquired_at.astype("datetime64[D]")
    day = (days - days.astype("datetime64[Y]")).astype(np.int64) + 1
    if latitude < 0:
        day = (day + HALF_YEAR - 1) % YEAR + 1
    return (
        _between(day, rule.leaf_on_first_day, rule.leaf_on_last_day),
        _between(day, rule.leaf_off_first_day, rule.leaf_off_last_day),
    )


def _between(day: NDArray[np.int64], first: int, last: int) -> NDArray[np.bool_]:
    """True from the first day to the last, both included, through the turn of the year where first > last."""
    if first <= last:
        return (first <= day) & (day <= last)
    return (first <= day) | (day <= last)


def _radar_dates(radar: SensorSeries) -> NDArray[np.int64]:
    """Return (N,) on how many dates either polarisation was measured."""
    count = np.zeros(radar.values.shape[1], np.int64)
    for scenes in _by_date(radar.acquired_at):
        count += (radar.values[scenes] > 0).any(axis=(0, 2))
    return count


def _by_date(acquired_at: NDArray[np.datetime64]) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of each calendar date's scenes (UTC), in time order."""
    order = np.argsort(acquired_at, kind="stable")
    _, first = np.unique(acquired_at[order].astype("datetime64[D]"), return_index=True)
    yield from np.split(order, first[1:]) if len(order) else ()
