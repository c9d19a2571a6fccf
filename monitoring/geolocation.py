"""Geolocation of radar by evidence: does a scene lie where the other scenes of its orbit do?

Terrain correction with a wrong orbit file, or another grid convention, moves a whole scene (Planetary
Computer's radar moved by about two pixels in October 2024). The texture of the woodland itself shows it: the
scene's backscatter is correlated with that of the other scenes of the same orbit, at every small shift.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from monitoring.grid import PixelSet
from monitoring.science import GeolocationRule
from monitoring.series import SensorSeries
from monitoring.wording import counted

#: Largest shift looked for, along each axis, pixels.
REACH = 4
#: Shifts beyond this and up to `FAR` show what correlation chance alone gives, pixels.
NEAR_CHANCE, FAR = 7, 12
#: Largest square of the block that is compared, pixels along a side: bounds memory and time.
WINDOW = 512
#: Side of the square whose mean is taken off: what is broader than this is not sharp enough to place a scene.
BROAD = 15
#: Fewest pixels that two images have in common.
LEAST_PIXELS = 200

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """Where a radar scene lies against the others of its orbit."""

    scene_id: str
    east_px: float
    """Its content lies this much too far east, pixels of 10 m; NaN where it cannot be measured."""
    north_px: float
    score: float
    """Height of the correlation peak over chance, standard deviations; NaN where it cannot be measured."""
    is_flagged: bool
    """True where the shift exceeds the bound by more than its own error, and is significant."""
    reason: str
    """One line: why it is flagged, or why it cannot be decided; empty where it lies well."""


@dataclass(frozen=True)
class _Window:
    """The part of a block that is compared: which pixels, and where in the image."""

    pixels: NDArray[np.int64]
    row: NDArray[np.int64]
    """From south to north."""
    column: NDArray[np.int64]
    shape: tuple[int, int]

    def image(self, values: NDArray[np.floating]) -> tuple[Image, Image]:
        """Return (rows, columns) of values and of where there are any (0 or 1)."""
        image, mask = np.zeros(self.shape), np.zeros(self.shape)
        seen = np.isfinite(values)
        image[self.row[seen], self.column[seen]] = values[seen]
        mask[self.row[seen], self.column[seen]] = 1.0
        return image, mask


@dataclass(frozen=True)
class _Reference:
    """What the scenes of an orbit show together."""

    n_scenes: int
    total: NDArray[np.float64]
    """(N, 2) sum of decibels over the scenes that measured the pixel."""
    seen: NDArray[np.int64]
    """(N, 2) number of these scenes."""

    def without(self, own: NDArray[np.float32], is_among: np.bool_) -> _Reference:
        """Return the reference without a scene, if it is among them: cheaper than summing the others."""
        if not is_among:
            return self
        measured = np.isfinite(own)
        return _Reference(self.n_scenes - 1, self.total - np.where(measured, own, 0), self.seen - measured)

    @property
    def mean(self) -> NDArray[np.float64]:
        """(N, 2) mean decibels, NaN where no scene measured the pixel."""
        return np.divide(self.total, self.seen, out=np.full_like(self.total, np.nan), where=self.seen > 0)


def geolocation_shifts(
    radar: SensorSeries,
    relative_orbit: NDArray[np.int64],
    pixels: PixelSet,
    rule: GeolocationRule,
    reference: Collection[str] | None = None,
) -> tuple[Shift, ...]:
    """Return the shift of every scene against the geometric mean of the other scenes of its relative orbit.

    radar: one direction, gamma0 power (T, N, 2); relative_orbit (T,); reference: ids of the scenes that say
    where the block lies, default all. A scene is never part of its own reference. Masked normalised
    cross-correlation of log power, VV and VH averaged (Padfield 2012), with a parabola through the peak.
    """
    window = _densest(pixels)
    decibels = _decibels(radar.values[:, window.pixels])
    counts = np.array([reference is None or scene in reference for scene in radar.scene_ids], bool)
    references = {
        orbit: _reference(decibels[(relative_orbit == orbit) & counts]) for orbit in np.unique(relative_orbit)
    }
    return tuple(
        _shift(
            scene,
            decibels[at],
            references[relative_orbit[at]].without(decibels[at], counts[at]),
            window,
            rule,
        )
        for at, scene in enumerate(radar.scene_ids)
    )


def _decibels(power: NDArray[np.uint16] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 10 log10 of power, NaN where it is missing or not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(power > 0, 10 * np.log10(power), np.nan).astype(np.float32)


def _reference(decibels: NDArray[np.float32]) -> _Reference:
    total = np.asarray(np.nansum(decibels, axis=0, dtype=np.float64))
    return _Reference(len(decibels), total, np.isfinite(decibels).sum(axis=0))


def _densest(pixels: PixelSet) -> _Window:
    """Return the square of at most WINDOW pixels a side that holds most pixels, by tiles of half its size."""
    half = WINDOW // 2
    column, row = pixels.column.astype(np.int64), pixels.row.astype(np.int64)
    if not len(pixels):
        return _Window(np.zeros(0, np.int64), row, column, (0, 0))
    column, row = column - column.min(), row - row.min()
    tiles = np.zeros((row.max() // half + 2, column.max() // half + 2), np.int64)
    np.add.at(tiles, (row // half, column // half), 1)
    squares = tiles[:-1, :-1] + tiles[1:, :-1] + tiles[:-1, 1:] + tiles[1:, 1:]
    south, west = (int(at) * half for at in np.unravel_index(squares.argmax(), squares.shape))
    inside = (row >= south) & (row < south + WINDOW) & (column >= west) & (column < west + WINDOW)
    row, column = row[inside] - south, column[inside] - west
    return _Window(np.flatnonzero(inside), row, column, (int(row.max()) + 1, int(column.max()) + 1))


def _shift(
    scene_id: str, own: NDArray[np.float32], usual: _Reference, window: _Window, rule: GeolocationRule
) -> Shift:
    if usual.n_scenes < rule.min_orbit_scenes - 1:
        others = f"{counted(usual.n_scenes, 'other scene')} of its orbit"
        return _undecided(scene_id, f"{others}, bound {rule.min_orbit_scenes - 1}")
    level = usual.mean
    found = (_correlation(own[:, band], level[:, band], window) for band in range(own.shape[1]))
    surfaces = [surface for surface in found if surface is not None]
    if not surfaces:
        return _undecided(scene_id, f"fewer than {LEAST_PIXELS} pixels in common with its orbit")
    return _judge(scene_id, np.mean(np.stack(surfaces), axis=0), rule)


def _judge(scene_id: str, surface: Image, rule: GeolocationRule) -> Shift:
    """Return what a correlation surface (2 FAR + 1, 2 FAR + 1), zero shift in the middle, says."""
    rows, columns = np.mgrid[-FAR : FAR + 1, -FAR : FAR + 1]
    far = np.maximum(np.abs(rows), np.abs(columns))
    chance = surface[(far > NEAR_CHANCE) & np.isfinite(surface)]
    spread = float(chance.std()) if len(chance) > 1 else 0.0
    near = np.where(far <= REACH, surface, -np.inf)
    row, column = (int(at) for at in np.unravel_index(np.nan_to_num(near, nan=-np.inf).argmax(), near.shape))
    if spread <= 0 or not np.isfinite(surface[row - 1 : row + 2, column - 1 : column + 2]).all():
        return _undecided(scene_id, "its correlation with its orbit has no peak")
    score = (float(surface[row, column]) - float(chance.mean())) / spread
    is_far = far > NEAR_CHANCE
    north, north_error = _vertex(surface[row - 1 : row + 2, column], _slopes(surface, is_far))
    east, east_error = _vertex(surface[row, column - 1 : column + 2], _slopes(surface.T, is_far))
    return _verdict(
        scene_id, column - FAR + east, row - FAR + north, score, max(north_error, east_error), rule
    )


def _slopes(surface: Image, is_far: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the surface's slope along its rows' axis where chance alone works."""
    slope = (surface[2:] - surface[:-2]) / 2
    chance = slope[is_far[2:] & is_far[:-2] & np.isfinite(slope)]
    return float(chance.std()) if len(chance) > 1 else math.inf


def _verdict(
    scene_id: str, east: float, north: float, score: float, error: float, rule: GeolocationRule
) -> Shift:
    distance = math.hypot(east, north)
    where = f"{east:+.2f} pixels east, {north:+.2f} north of its orbit's other scenes"
    if score < rule.min_peak or not error <= rule.max_shift_error_px:
        reason = (
            f"scene {scene_id}: not decidable: peak {score:.1f} over chance, bound {rule.min_peak:g}, "
            f"error {error:.2f} pixels, bound {rule.max_shift_error_px:g}"
        )
        return Shift(scene_id, east, north, score, False, reason)
    if distance - error <= rule.max_shift_px:
        return Shift(scene_id, east, north, score, False, "")
    reason = f"scene {scene_id}: {where}, +-{error:.2f}, bound {rule.max_shift_px:g} (peak {score:.1f})"
    return Shift(scene_id, east, north, score, True, reason)


def _vertex(three: Image, slope_sd: float) -> tuple[float, float]:
    """Return where the parabola through three points peaks, -0.5 to 0.5, and its standard error."""
    curvature = float(2 * three[1] - three[0] - three[2])
    if curvature <= 0:
        return 0.0, math.inf
    offset = float(three[2] - three[0]) / (2 * curvature)
    return min(max(offset, -0.5), 0.5), slope_sd / curvature


def _undecided(scene_id: str, why: str) -> Shift:
    return Shift(scene_id, math.nan, math.nan, math.nan, False, f"scene {scene_id}: not decidable: {why}")


def _correlation(own: NDArray[np.floating], usual: NDArray[np.floating], window: _Window) -> Image | None:
    """Return the correlation at every shift of up to FAR pixels, or None for too few pixels in common."""
    (image, mask), (reference, where) = (_sharpened(*window.image(values)) for values in (own, usual))
    if (mask * where).sum() < LEAST_PIXELS:
        return None
    return masked_correlation(image, mask, reference, where)


def _sharpened(image: Image, mask: Image) -> tuple[Image, Image]:
    """Return the image without what is broader than BROAD pixels, 0 where the mask is."""
    level, share = (ndimage.uniform_filter(layer, BROAD, mode="constant") for layer in (image * mask, mask))
    broad = np.divide(level, share, out=np.zeros_like(image), where=mask > 0)
    return (image - broad) * mask, mask


def masked_correlation(image: Image, mask: Image, reference: Image, where: Image) -> Image:
    """Return the normalised cross-correlation (2 FAR + 1, 2 FAR + 1) over the pixels two images share.

    Entry (FAR + r, FAR + c) is for image content that lies r rows and c columns beyond the reference's; NaN
    where fewer than LEAST_PIXELS are shared. Masks hold 1 where the image holds a value; else both hold 0.
    Padfield (2012), Masked object registration in the Fourier domain.
    """
    shape = [fft.next_fast_len(side + FAR, real=True) for side in image.shape]
    f, f2, m = (fft.rfft2(layer, shape) for layer in (image, image**2, mask))
    g, g2, w = (np.conj(fft.rfft2(layer, shape)) for layer in (reference, reference**2, where))

    def shifted(product: NDArray[np.complex128]) -> Image:
        full = fft.irfft2(product, shape)
        near = np.arange(-FAR, FAR + 1)
        return np.asarray(full[np.ix_(near % shape[0], near % shape[1])])

    n = shifted(m * w)
    n = np.where(n >= LEAST_PIXELS - 0.5, np.rint(n), np.nan)
    sum_f, sum_g = shifted(f * w), shifted(m * g)
    shared = shifted(f * g) - sum_f * sum_g / n
    spread_f = shifted(f2 * w) - sum_f**2 / n
    spread_g = shifted(m * g2) - sum_g**2 / n
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: Image = shared / np.sqrt(np.maximum(spread_f, 0) * np.maximum(spread_g, 0))
    correlation[~np.isfinite(correlation)] = np.nan
    return correlation
