"""Dates seen, by eye: two woodlands, three pixels, a handful of scenes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from monitoring.clear import ClearRule
from monitoring.errors import ModelError
from monitoring.phenology import (
    PixelObservations,
    WoodlandObservations,
    leaf_windows,
    observation_counts,
    pixel_observations,
)
from monitoring.scenes import Sensor
from monitoring.science import PhenologyRule
from monitoring.series import PixelSeries, SensorSeries

RULE, CLEAR = PhenologyRule(), ClearRule()
NORTH, SOUTH = 54.0, -38.0


def optical(scenes: dict[str, list[int]]) -> SensorSeries:
    """Scenes by moment, each with the class of every pixel."""
    scl = np.array(list(scenes.values()), np.uint8).reshape(len(scenes), -1)
    times = np.array(list(scenes), "datetime64[s]")
    return SensorSeries(Sensor.S2, times, tuple(scenes), np.full((*scl.shape, 10), 300, np.uint16), scl)


def radar(sensor: Sensor, scenes: dict[str, list[float]], n: int) -> SensorSeries:
    power = np.array(list(scenes.values()), np.float32).reshape(len(scenes), n, 1).repeat(2, axis=2)
    return SensorSeries(sensor, np.array(list(scenes), "datetime64[s]"), tuple(scenes), power)


def seen(
    s2: dict[str, list[int]],
    up: dict[str, list[float]] | None = None,
    down: dict[str, list[float]] | None = None,
    latitude: float = NORTH,
) -> PixelObservations:
    first = optical(s2)
    n = first.values.shape[1]
    series = PixelSeries(
        first, radar(Sensor.S1_ASCENDING, up or {}, n), radar(Sensor.S1_DESCENDING, down or {}, n)
    )
    return pixel_observations(series, latitude, CLEAR, RULE)


def test_dates_are_counted_and_not_scenes() -> None:
    found = seen({"2021-06-01T11:00": [4, 9, 4], "2021-06-01T11:20": [4, 4, 9], "2021-06-03": [8, 4, 4]})
    assert found.s2.tolist() == [1, 2, 2]
    assert found.leaf_on.tolist() == [1, 2, 2]
    assert found.leaf_off.tolist() == [0, 0, 0]


def test_snow_is_clear_but_neither_leafy_nor_leafless() -> None:
    found = seen({"2021-01-10": [11, 4], "2021-02-10": [11, 5]})
    assert found.s2.tolist() == [2, 2]
    assert found.snow.tolist() == [2, 0]
    assert found.leaf_off.tolist() == [0, 2]


def test_the_first_clear_scene_of_a_date_says_whether_there_is_snow() -> None:
    scenes = {"2021-01-10T11:20": [11, 4], "2021-01-10T11:00": [4, 11]}
    found = seen(scenes)
    assert found.snow.tolist() == [0, 1]
    assert found.leaf_off.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("day", "north", "south"),
    [
        ("2021-05-14", (False, False), (False, True)),
        ("2021-05-15", (True, False), (False, True)),
        ("2021-09-30", (True, False), (False, True)),
        ("2021-10-01", (False, False), (False, False)),
        ("2021-11-01", (False, True), (False, False)),
        ("2020-12-31", (False, True), (True, False)),
        ("2021-01-01", (False, True), (True, False)),
        ("2021-03-31", (False, True), (True, False)),
        ("2021-04-15", (False, False), (False, False)),
    ],
)
def test_leaves_are_out_in_the_summer_of_each_half_of_the_earth(
    day: str, north: tuple[bool, bool], south: tuple[bool, bool]
) -> None:
    moment = np.array([day], "datetime64[s]")
    for latitude, expected in ((NORTH, north), (SOUTH, south)):
        on, off = leaf_windows(moment, latitude, RULE)
        assert (bool(on[0]), bool(off[0])) == expected


def test_no_day_is_leafy_and_leafless() -> None:
    days = np.arange("2019-01-01", "2025-01-01", dtype="datetime64[D]").astype("datetime64[s]")
    for latitude in (NORTH, SOUTH):
        on, off = leaf_windows(days, latitude, RULE)
        assert not (on & off).any()
        assert on.sum() == pytest.approx(6 * 139, abs=6)


def test_radar_dates_count_by_direction_where_anything_was_measured() -> None:
    nan = float("nan")
    found = seen(
        {"2021-06-01": [9, 9]},
        up={"2021-06-01T18:00:00": [0.1, nan], "2021-06-01T18:00:25": [0.1, 0.1], "2021-06-13": [0.0, 0.1]},
        down={"2021-06-02": [nan, nan]},
    )
    assert found.s1_ascending.tolist() == [1, 2]
    assert found.s1_descending.tolist() == [0, 0]


def woodlands(series: PixelSeries, weights: NDArray[np.float64]) -> tuple[WoodlandObservations, ...]:
    return observation_counts(("a", "b"), sparse.csr_array(weights), series, NORTH, CLEAR, RULE)


def season() -> PixelSeries:
    s2 = optical(
        {"2021-01-10": [5, 5, 9], "2021-06-01": [4, 4, 4], "2021-07-01": [4, 9, 4], "2021-08-01": [4, 9, 9]}
    )
    up = radar(Sensor.S1_ASCENDING, {"2021-06-01": [0.1, 0.1, 0.1]}, 3)
    return PixelSeries(s2, up, radar(Sensor.S1_DESCENDING, {}, 3))


def test_a_woodlands_count_is_the_mean_over_its_area() -> None:
    one, other = woodlands(season(), np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]))
    assert one == WoodlandObservations(
        "a", pytest.approx(10 / 3), 0.0, 1.0, 0.0, pytest.approx(7 / 3), 1.0, True
    )
    assert other.n_leaf_on == pytest.approx(5 / 3)
    assert other.n_leaf_off == pytest.approx(1 / 3)
    assert not other.is_phenology_covered


def test_a_mean_that_is_one_but_for_rounding_is_enough() -> None:
    s2 = optical({"2021-01-10": [5] * 7, "2021-06-01": [4] * 7, "2021-07-01": [4] * 7})
    none = [radar(sensor, {}, 7) for sensor in (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING)]
    rng = np.random.default_rng(0)
    for _ in range(50):
        weights = sparse.csr_array(rng.random((1, 7)))
        assert observation_counts(("a",), weights, PixelSeries(s2, *none), NORTH, CLEAR, RULE)[
            0
        ].is_phenology_covered


def test_a_season_without_scenes_counts_nothing() -> None:
    empty = SensorSeries(
        Sensor.S2,
        np.zeros(0, "datetime64[s]"),
        (),
        np.zeros((0, 3, 10), np.uint16),
        np.zeros((0, 3), np.uint8),
    )
    one, _ = woodlands(dataclasses.replace(season(), s2=empty), np.ones((2, 3)))
    assert (one.n_s2, one.n_leaf_on, one.n_s1_ascending, one.is_phenology_covered) == (0, 0, 1, False)


def test_optical_without_scene_classes_is_refused() -> None:
    series = season()
    with pytest.raises(ModelError, match="no scene classification"):
        woodlands(dataclasses.replace(series, s2=dataclasses.replace(series.s2, scl=None)), np.ones((2, 3)))


def test_a_real_year_of_scene_classes_is_counted_date_by_date(shared: Path) -> None:
    with xr.open_dataset(shared / "data" / "s2_scl_series_fusets" / "raw_s2_ndvi_field.nc") as field:
        scl = np.nan_to_num(field["SCL"].values).astype(np.uint8).reshape(len(field["t"]), -1)
        red = np.nan_to_num(field["B04"].values).reshape(scl.shape)
        times = field["t"].values.astype("datetime64[s]")
    values = np.repeat(red[..., None], 10, axis=-1).astype(np.uint16)
    s2 = SensorSeries(Sensor.S2, times, tuple(map(str, times)), values, scl)
    none = [radar(sensor, {}, scl.shape[1]) for sensor in (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING)]
    found = pixel_observations(PixelSeries(s2, *none), 41.8, CLEAR, RULE)
    clear = np.isin(scl, [4, 5, 6, 7, 10, 11]) & (red > 0)
    summer = (times >= np.datetime64("2019-05-15")) & (times < np.datetime64("2019-10-01"))
    winter = (times < np.datetime64("2019-04-01")) | (times >= np.datetime64("2019-11-01"))
    assert clear.sum() > 10_000
    assert np.array_equal(found.s2, clear.sum(axis=0))
    assert np.array_equal(found.leaf_on, clear[summer].sum(axis=0))
    assert np.array_equal(found.leaf_off, clear[winter].sum(axis=0))
    assert not found.snow.any()
