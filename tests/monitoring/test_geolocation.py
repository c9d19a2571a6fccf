"""Shifts of radar scenes: synthetic woodland with speckle, and real images moved by whole pixels."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from monitoring.geolocation import FAR, geolocation_shifts, masked_correlation
from monitoring.grid import PixelSet
from monitoring.scenes import Sensor
from monitoring.science import GeolocationRule
from monitoring.series import SensorSeries

RULE = GeolocationRule()
#: Equivalent number of looks of the ground-range product.
LOOKS = 4.4


def pixel_set(mask: NDArray[np.bool_]) -> PixelSet:
    """Cells of a mask whose first row is the southernmost, in the order of a block."""
    rows, columns = np.nonzero(mask[::-1])
    south = len(mask) - 1 - rows
    return PixelSet(32630, (50_000 + columns).astype(np.int32), (600_000 + south).astype(np.int32))


def series(power: list[NDArray[np.float64]], mask: NDArray[np.bool_]) -> SensorSeries:
    """VV and VH (rows from the south, columns) of each scene at the cells of a mask."""
    values = np.stack([np.moveaxis(scene, 0, -1)[::-1][mask[::-1]] for scene in power]).astype(np.float32)
    times = np.datetime64("2024-01-01T06:00:00") + 12 * 86_400 * np.arange(len(power))
    ids = tuple(f"scene-{number}" for number in range(len(power)))
    return SensorSeries(Sensor.S1_ASCENDING, times.astype("datetime64[s]"), ids, values)


def woodland(seed: int, shifts: list[tuple[float, float]], size: int = 160) -> tuple[SensorSeries, PixelSet]:
    """Patches of textured wood under speckle, each scene moved by (east, north) pixels."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(size=(size + 20, size + 20)), 1.0)
    texture /= texture.std()
    patches = ndimage.gaussian_filter(rng.normal(size=(size, size)), 6)
    mask = patches > np.quantile(patches, 0.7)
    moved = {
        (east, north): ndimage.shift(texture, (north, east), order=3, mode="nearest")[10:-10, 10:-10]
        for east, north in set(shifts)
    }
    scenes = []
    for shift in shifts:
        speckle = rng.gamma(LOOKS, 1 / LOOKS, (2, size, size))
        scenes.append(10 ** ((np.array([-11.0, -17.0])[:, None, None] + moved[shift]) / 10) * speckle)
    return series(scenes, mask), pixel_set(mask)


def one_orbit(radar: SensorSeries) -> NDArray[np.int64]:
    return np.full(len(radar.scene_ids), 30)


@pytest.mark.parametrize("true", [(0.0, 0.0), (0.3, 0.0), (0.8, 0.0), (0.0, -0.8), (1.0, -1.0), (-3.0, 2.0)])
def test_a_shift_is_measured_in_pixels_east_and_north(true: tuple[float, float]) -> None:
    found = []
    for seed in range(3):
        radar, pixels = woodland(seed, [true] + [(0.0, 0.0)] * 7)
        found.append(geolocation_shifts(radar, one_orbit(radar), pixels, RULE)[0])
    mean = np.mean([(shift.east_px, shift.north_px) for shift in found], axis=0)
    assert mean == pytest.approx(true, abs=0.12)
    assert {shift.is_flagged for shift in found} == {math.hypot(*true) > RULE.max_shift_px}


def test_scenes_that_lie_well_are_never_flagged() -> None:
    for seed in range(4):
        radar, pixels = woodland(100 + seed, [(0.0, 0.0)] * 8)
        found = geolocation_shifts(radar, one_orbit(radar), pixels, RULE)
        assert [shift.reason for shift in found] == [""] * 8


def test_a_flag_names_scene_shift_error_and_bound() -> None:
    radar, pixels = woodland(1, [(2.0, 0.0)] + [(0.0, 0.0)] * 7)
    reason = geolocation_shifts(radar, one_orbit(radar), pixels, RULE)[0].reason
    assert reason.startswith(("scene scene-0: +2.0", "scene scene-0: +1.9"))
    assert "bound 0.5" in reason
    assert "\n" not in reason


def test_speckle_without_texture_decides_nothing() -> None:
    rng = np.random.default_rng(0)
    mask = np.ones((60, 60), bool)
    radar = series([0.08 * rng.gamma(LOOKS, 1 / LOOKS, (2, 60, 60)) for _ in range(8)], mask)
    found = geolocation_shifts(radar, one_orbit(radar), pixel_set(mask), RULE)
    assert not any(shift.is_flagged for shift in found)
    assert all("not decidable" in shift.reason for shift in found)


def test_fewer_scenes_than_a_reference_needs_decide_nothing() -> None:
    radar, pixels = woodland(2, [(2.0, 0.0)] + [(0.0, 0.0)] * 7)
    orbits = np.array([30, 30, 30, 30, 81, 81, 81, 81])
    found = geolocation_shifts(radar, orbits, pixels, RULE)
    assert all(shift.reason.endswith("3 other scenes of its orbit, bound 4") for shift in found)
    assert all(math.isnan(shift.east_px) and not shift.is_flagged for shift in found)


def test_orbits_are_compared_with_themselves_only() -> None:
    # Two orbits that look from opposite sides, five scenes each, the second two pixels further east.
    radar, pixels = woodland(3, [(0.0, 0.0)] * 5 + [(2.0, 0.0)] * 5)
    apart = geolocation_shifts(radar, np.repeat([30, 81], 5), pixels, RULE)
    assert not any(shift.is_flagged for shift in apart)


def test_a_named_reference_shows_that_all_later_scenes_moved() -> None:
    radar, pixels = woodland(4, [(0.0, 0.0)] * 5 + [(2.0, 0.0)] * 6)
    found = geolocation_shifts(radar, one_orbit(radar), pixels, RULE, reference=radar.scene_ids[:5])
    assert [shift.is_flagged for shift in found] == [False] * 5 + [True] * 6


def test_missing_pixels_and_an_empty_scene_are_no_shift() -> None:
    radar, pixels = woodland(5, [(0.0, 0.0)] * 8)
    radar.values[0, : len(pixels) // 2] = np.nan
    radar.values[1] = np.nan
    radar.values[2, :200] = 0.0
    found = geolocation_shifts(radar, one_orbit(radar), pixels, RULE)
    assert not any(shift.is_flagged for shift in found)
    assert "fewer than 200 pixels in common" in found[1].reason
    assert abs(found[0].east_px) < 0.5


def test_a_block_without_pixels_or_scenes_has_no_shifts() -> None:
    none = PixelSet(32630, np.zeros(0, np.int32), np.zeros(0, np.int32))
    empty = SensorSeries(
        Sensor.S1_ASCENDING, np.zeros(0, "datetime64[s]"), (), np.zeros((0, 0, 2), np.float32)
    )
    assert geolocation_shifts(empty, np.zeros(0, np.int64), none, RULE) == ()
    five = dataclasses.replace(
        empty,
        acquired_at=np.arange(5).astype("datetime64[s]"),
        scene_ids=tuple("abcde"),
        values=np.zeros((5, 0, 2), np.float32),
    )
    found = geolocation_shifts(five, np.full(5, 30), none, RULE)
    assert [shift.is_flagged for shift in found] == [False] * 5


def test_a_block_wider_than_the_window_is_judged_on_its_densest_part() -> None:
    radar, pixels = woodland(6, [(2.0, 0.0)] + [(0.0, 0.0)] * 7)
    far = np.concatenate([pixels.column, pixels.column[:50] + 5_000]).astype(np.int32)
    wide = PixelSet(32630, far, np.concatenate([pixels.row, pixels.row[:50]]))
    more = dataclasses.replace(radar, values=np.concatenate([radar.values, radar.values[:, :50]], axis=1))
    near = geolocation_shifts(radar, one_orbit(radar), pixels, RULE)
    assert geolocation_shifts(more, one_orbit(more), wide, RULE) == near


def test_the_correlation_is_the_one_counted_pair_by_pair() -> None:
    rng = np.random.default_rng(7)
    image, reference = rng.normal(size=(2, 30, 26))
    mask, where = (rng.random((2, 30, 26)) < 0.8).astype(float)
    found = masked_correlation(image * mask, mask, reference * where, where)
    for row, column in [(0, 0), (3, -2), (-4, 4), (5, 7)]:
        pairs = [
            (image[r + row, c + column], reference[r, c])
            for r in range(30)
            for c in range(26)
            if 0 <= r + row < 30 and 0 <= c + column < 26 and mask[r + row, c + column] * where[r, c]
        ]
        assert found[FAR + row, FAR + column] == pytest.approx(
            np.corrcoef(np.transpose(pairs))[0, 1], abs=1e-9
        )


@pytest.fixture(scope="module")
def opensar(request: pytest.FixtureRequest) -> list[NDArray[np.float64]]:
    """Real VH power of 33 dates over one place, rows from the south."""
    folder = request.getfixturevalue("shared") / "data" / "s1_vh_timeseries_opensar"
    amplitude = [_read(path) for path in sorted(folder.glob("*.tif"))]
    return [10 ** ((20 * np.log10(np.maximum(image, 1)) - 83) / 10) for image in amplitude]


def _read(path: Path) -> NDArray[np.float64]:
    with rasterio.open(path) as image:
        return np.asarray(image.read(1), np.float64)[::-1]


def real(
    images: list[NDArray[np.float64]], moved: int, east: int, north: int
) -> tuple[SensorSeries, PixelSet]:
    scenes = [np.stack([image, image]) for image in images]
    scenes[moved] = np.roll(scenes[moved], (north, east), axis=(1, 2))
    inner = np.zeros(images[0].shape, bool)
    inner[4:-4, 4:-4] = True
    return series(scenes, inner), pixel_set(inner)


def test_real_scenes_lie_where_the_others_do(opensar: list[NDArray[np.float64]]) -> None:
    radar, pixels = real(opensar, 0, 0, 0)
    found = geolocation_shifts(radar, one_orbit(radar), pixels, RULE)
    assert not any(shift.is_flagged for shift in found)
    measured = np.array([(shift.east_px, shift.north_px) for shift in found])
    assert np.nanmax(np.abs(np.nanmedian(measured, axis=0))) < 0.1


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_real_scenes_moved_by_whole_pixels_are_found(opensar: list[NDArray[np.float64]], rounds: int) -> None:
    errors, flagged = [], 0
    for moved, (east, north) in enumerate([(2, 0), (0, -2), (-3, 1), (1, 3), (2, -2), (-2, -2)] * rounds):
        radar, pixels = real(opensar, moved, east, north)
        shift = geolocation_shifts(radar, one_orbit(radar), pixels, RULE)[moved]
        errors.append(math.hypot(shift.east_px - east, shift.north_px - north))
        flagged += shift.is_flagged
    assert np.median(errors) < 0.1
    assert flagged == 6 * rounds
