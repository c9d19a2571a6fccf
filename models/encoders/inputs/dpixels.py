"""D-pixels: the observations of N pixels in one season, in the encoder family's units."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monitoring.clear import ClearRule, clear_observations
from monitoring.errors import ModelError
from monitoring.scenes import S2_BANDS, Sensor
from monitoring.series import PixelSeries, SensorSeries

#: What TESSERA takes for clear.
TESSERA_CLEAR = ClearRule()
#: Radar scale of TESSERA: the decibels of an amplitude formula applied to power, plus this, times the step.
RADAR_OFFSET_DB, RADAR_STEPS_PER_DB, RADAR_MAX = 50.0, 200.0, 32767.0
#: Last ordinal day of a leap year.
LAST_DAY = 366


@dataclass(frozen=True)
class DPixels:
    """Everything an encoder is told about N pixels. Arrays may be memory maps."""

    bands: NDArray[np.uint16]
    """(T, N, 10) reflectance x 10000, baseline offset removed, bands in the order of S2_BANDS."""
    clear: NDArray[np.bool_]
    """(T, N) True = use."""
    doys: NDArray[np.int64]
    """(T,) day of year, 1-366."""
    sar_ascending: NDArray[np.int16]
    """(Ta, N, 2) VV, VH on the encoder's radar scale; 0, 0 = missing."""
    sar_ascending_doys: NDArray[np.int64]
    """(Ta,) day of year, 1-366."""
    sar_descending: NDArray[np.int16]
    """(Td, N, 2)."""
    sar_descending_doys: NDArray[np.int64]
    """(Td,)."""

    def __post_init__(self) -> None:
        _refuse_shape("bands", self.bands, np.uint16, (len(self.doys), self.n_pixels, len(S2_BANDS)))
        _refuse_shape("clear", self.clear, np.bool_, (len(self.doys), self.n_pixels))
        for orbit in ("ascending", "descending"):
            days = getattr(self, f"sar_{orbit}_doys")
            expected = (len(days), self.n_pixels, 2)
            _refuse_shape(f"sar_{orbit}", getattr(self, f"sar_{orbit}"), np.int16, expected)
            _refuse_days(f"sar_{orbit}_doys", days)
        _refuse_days("doys", self.doys)

    @property
    def n_pixels(self) -> int:
        """Length of the pixel axis."""
        return int(self.bands.shape[1])

    def pixels(self, chosen: slice | NDArray[np.int64]) -> DPixels:
        """Return the same times at some of the pixels."""
        return DPixels(
            self.bands[:, chosen],
            self.clear[:, chosen],
            self.doys,
            self.sar_ascending[:, chosen],
            self.sar_ascending_doys,
            self.sar_descending[:, chosen],
            self.sar_descending_doys,
        )

    def forget(self) -> None:
        """Let the system take back what was read of memory maps; arrays in memory stay as they are."""
        for array in (self.bands, self.clear, self.sar_ascending, self.sar_descending):
            _forget(array)


def _forget(array: NDArray[np.generic]) -> None:
    """Drop the pages of the memory map under an array, if there is one."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


def _refuse_shape(name: str, array: NDArray[np.generic], dtype: type, expected: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != expected:
        raise ModelError(
            f"d-pixels {name}: expected {np.dtype(dtype)} {expected}, found {array.dtype} {array.shape}"
        )


def _refuse_days(name: str, days: NDArray[np.int64]) -> None:
    if days.ndim != 1 or days.dtype != np.int64:
        raise ModelError(f"d-pixels {name}: expected int64 (T,), found {days.dtype} {days.shape}")
    wrong = days[(days < 1) | (days > LAST_DAY)]
    if len(wrong):
        raise ModelError(f"d-pixels {name}: day of year {wrong[0]}, expected 1-{LAST_DAY}")


def radar_observed(radar: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return (T, N): True where either polarisation of (T, N, 2) was measured."""
    observed: NDArray[np.bool_] = (radar != 0).any(axis=-1)
    return observed


def clear_counts(dpixels: DPixels) -> dict[Sensor, NDArray[np.int64]]:
    """Return how many observations of each sensor count at each pixel, (N,) each."""
    return {
        Sensor.S2: dpixels.clear.sum(axis=0, dtype=np.int64),
        Sensor.S1_ASCENDING: radar_observed(dpixels.sar_ascending).sum(axis=0, dtype=np.int64),
        Sensor.S1_DESCENDING: radar_observed(dpixels.sar_descending).sum(axis=0, dtype=np.int64),
    }


def radar_scale(power: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return gamma0 linear power on TESSERA's integer scale; 0 where power is NaN or not positive.

    trunc(clip((20 log10 p + 50) * 200, 0, 32767)): an amplitude formula applied to power, as in the published
    training set (its VV mean of 5588 is -11 dB). Power below -25 dB becomes 0, which reads as missing.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = (20 * np.log10(power.astype(np.float64)) + RADAR_OFFSET_DB) * RADAR_STEPS_PER_DB
    return np.clip(np.where(power > 0, scaled, 0.0), 0.0, RADAR_MAX).astype(np.int16)


def dpixels_from_series(series: PixelSeries, rule: ClearRule = TESSERA_CLEAR) -> DPixels:
    """Return the d-pixels of a block's season: one mosaic per calendar date (UTC) and sensor.

    At each pixel the mosaic holds the first clear scene of the date by acquisition time. An optical
    observation is clear by the rule of the encoder's card (`EncoderCard.clear`); a radar observation when
    either polarisation is measured.
    """
    clear = clear_observations(series.s2, rule)
    bands, clear, doys = _first_clear_per_date(
        series.s2.acquired_at, series.s2.values.astype(np.uint16), clear
    )
    ascending, ascending_doys = _radar(series.s1_ascending)
    descending, descending_doys = _radar(series.s1_descending)
    return DPixels(bands, clear, doys, ascending, ascending_doys, descending, descending_doys)


def _radar(radar: SensorSeries) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    scaled = radar_scale(radar.values.astype(np.float32, copy=False))
    mosaic, _, doys = _first_clear_per_date(radar.acquired_at, scaled, radar_observed(scaled))
    return mosaic, doys


_Value = TypeVar("_Value", bound=np.generic)


def _first_clear_per_date(
    acquired_at: NDArray[np.datetime64], values: NDArray[_Value], clear: NDArray[np.bool_]
) -> tuple[NDArray[_Value], NDArray[np.bool_], NDArray[np.int64]]:
    """Return values (D, N, B), clear (D, N) and days of year (D,) with one entry per calendar date."""
    order = np.argsort(acquired_at, kind="stable")
    dates, first = np.unique(acquired_at[order].astype("datetime64[D]"), return_index=True)
    doys = (dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1
    if len(dates) == len(order):
        return values[order], clear[order], doys
    groups = np.split(order, first[1:])
    chosen = np.stack([group[clear[group].argmax(axis=0)] for group in groups])  # (D, N) positions in time
    pixel = np.arange(values.shape[1])
    return values[chosen, pixel], clear[chosen, pixel], doys
