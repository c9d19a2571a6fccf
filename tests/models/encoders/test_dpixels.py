"""From a pixel series to what the encoder is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.encoders.card import D_PIXELS, encoder_card, encoder_cards
from models.encoders.inputs.dpixels import DPixels, clear_counts, dpixels_from_series, radar_scale
from monitoring.clear import ClearRule
from monitoring.errors import ModelError
from monitoring.scenes import Sensor
from monitoring.series import PixelSeries, SensorSeries


def optical(times: list[str], levels: list[list[int]], classes: list[list[int]]) -> SensorSeries:
    """Every band of an observation has the same level."""
    values = np.repeat(np.array(levels, np.uint16).reshape(len(times), -1, 1), 10, axis=2)
    ids = tuple(f"scene-{i}" for i in range(len(times)))
    scl = np.array(classes, np.uint8).reshape(values.shape[:2])
    return SensorSeries(Sensor.S2, np.array(times, "datetime64[s]"), ids, values, scl)


def radar(sensor: Sensor, times: list[str], power: list[list[float]]) -> SensorSeries:
    """Both polarisations have the same power."""
    values = np.repeat(np.array(power, np.float32).reshape(len(times), -1, 1), 2, axis=2)
    return SensorSeries(sensor, np.array(times, "datetime64[s]"), tuple(times), values)


def series(s2: SensorSeries, up: SensorSeries | None = None, down: SensorSeries | None = None) -> PixelSeries:
    n = s2.values.shape[1]
    none = {
        sensor: SensorSeries(sensor, np.zeros(0, "datetime64[s]"), (), np.zeros((0, n, 2), np.float32))
        for sensor in (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING)
    }
    return PixelSeries(s2, up or none[Sensor.S1_ASCENDING], down or none[Sensor.S1_DESCENDING])


def test_the_first_clear_scene_of_a_date_is_used() -> None:
    times = ["2020-06-01T10:50:00", "2020-06-01T11:00:00", "2020-06-03T10:50:00"]
    found = dpixels_from_series(
        series(optical(times, [[100, 100], [200, 200], [300, 300]], [[4, 9], [4, 5], [8, 4]]))
    )
    assert found.doys.tolist() == [153, 155]
    assert found.bands[:, :, 0].tolist() == [[100, 200], [300, 300]]
    assert found.clear.tolist() == [[True, True], [False, True]]


def test_scenes_out_of_time_order_are_mosaicked_in_time_order() -> None:
    times = ["2020-06-01T11:00:00", "2020-06-01T10:50:00"]
    found = dpixels_from_series(series(optical(times, [[200], [100]], [[4], [4]])))
    assert found.bands[0, 0, 0] == 100


@pytest.mark.parametrize("scene_class", range(12))
def test_clear_is_what_the_published_rule_says(scene_class: int) -> None:
    found = dpixels_from_series(series(optical(["2020-06-01"], [[100]], [[scene_class]])))
    assert found.clear[0, 0] == (scene_class in {4, 5, 6, 7, 10, 11})


def test_one_missing_band_makes_an_observation_unusable() -> None:
    s2 = optical(["2020-06-01"], [[100, 100]], [[4, 4]])
    s2.values[0, 1, 7] = 0
    assert dpixels_from_series(series(s2)).clear.tolist() == [[True, False]]


def test_the_last_day_of_a_leap_year_is_day_366() -> None:
    times = ["2020-01-01", "2020-12-31", "2021-12-31"]
    found = dpixels_from_series(series(optical(times, [[1], [1], [1]], [[4], [4], [4]])))
    assert found.doys.tolist() == [1, 366, 365]


def test_optical_without_scene_classes_is_refused() -> None:
    s2 = SensorSeries(
        Sensor.S2, np.array(["2020-06-01"], "datetime64[s]"), ("a",), np.ones((1, 1, 10), np.uint16)
    )
    with pytest.raises(ModelError, match="no scene classification"):
        dpixels_from_series(series(s2))


def test_radar_power_of_minus_11_db_is_the_published_mean_level() -> None:
    """(2 x -11 dB + 50) x 200 = 5600, and the published VV mean is 5588."""
    assert radar_scale(np.array([10**-1.1], np.float32)).tolist() in ([5599], [5600])


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (1.0, 10000),
        (float("nan"), 0),
        (0.0, 0),
        (-1.0, 0),
        (10**-2.6, 0),  # below -25 dB
        (1e30, 32767),
        (float("inf"), 32767),
    ],
)
def test_radar_scale_at_its_edges(power: float, expected: int) -> None:
    assert radar_scale(np.array([power], np.float32)).tolist() == [expected]


def test_radar_mosaic_takes_the_first_measured_of_the_date() -> None:
    nan = float("nan")
    times = ["2020-06-01T06:00:00", "2020-06-01T06:00:25"]
    s2 = optical(["2020-06-01"], [[1, 1, 1]], [[4, 4, 4]])
    up = radar(Sensor.S1_ASCENDING, times, [[nan, 1.0, nan], [1.0, 0.1, nan]])
    found = dpixels_from_series(series(s2, up))
    assert found.sar_ascending[:, :, 0].tolist() == [[10000, 10000, 0]]
    assert found.sar_descending.shape == (0, 3, 2)


def test_counts_are_of_usable_observations_per_sensor() -> None:
    nan = float("nan")
    s2 = optical(["2020-06-01", "2020-06-03"], [[1, 1], [1, 1]], [[4, 4], [4, 9]])
    down = radar(Sensor.S1_DESCENDING, ["2020-06-01"], [[nan, 0.1]])
    counts = clear_counts(dpixels_from_series(series(s2, down=down)))
    assert {sensor: count.tolist() for sensor, count in counts.items()} == {
        Sensor.S2: [2, 1],
        Sensor.S1_ASCENDING: [0, 0],
        Sensor.S1_DESCENDING: [0, 1],
    }
    assert {count.dtype for count in counts.values()} == {np.dtype(np.int64)}


def test_a_season_without_optical_scenes_has_no_dates() -> None:
    s2 = SensorSeries(
        Sensor.S2,
        np.zeros(0, "datetime64[s]"),
        (),
        np.zeros((0, 2, 10), np.uint16),
        np.zeros((0, 2), np.uint8),
    )
    assert dpixels_from_series(series(s2)).bands.shape == (0, 2, 10)


@pytest.mark.parametrize("day", [0, 367])
def test_days_outside_the_year_cannot_be_constructed(day: int) -> None:
    none = np.zeros((0, 1, 2), np.int16), np.zeros(0, np.int64)
    with pytest.raises(ModelError, match=f"day of year {day}, expected 1-366"):
        DPixels(np.ones((1, 1, 10), np.uint16), np.ones((1, 1), bool), np.array([day]), *none, *none)


def test_the_rule_of_the_card_says_what_is_clear() -> None:
    stated = "SCL not in {0,1,2,3,8,9,10,11} and all ten bands > 0"
    card = dataclasses.replace(encoder_card("tessera-v2-nano"), clear_rule=stated)
    s2 = optical(["2020-06-01"], [[100, 100, 100]], [[4, 10, 11]])
    assert dpixels_from_series(series(s2)).clear.tolist() == [[True, True, True]]
    assert dpixels_from_series(series(s2), card.clear()).clear.tolist() == [[True, False, False]]


def test_every_card_of_d_pixels_states_the_published_rule() -> None:
    cards = [card for card in encoder_cards() if card.input == D_PIXELS]
    assert len(cards) > 5
    assert {card.clear() for card in cards} == {ClearRule()}
    assert {card.clear(40) for card in cards} == {ClearRule(max_cloud_probability=40)}


@pytest.mark.parametrize("name", ["presto", "galileo-nano"])
def test_a_card_of_monthly_composites_has_no_scene_classes(name: str) -> None:
    with pytest.raises(ModelError, match=f"encoder card {name}: clear rule"):
        encoder_card(name).clear()


def test_a_cloud_probability_above_the_bound_is_not_clear() -> None:
    s2 = dataclasses.replace(
        optical(["2020-06-01"], [[100, 100, 100]], [[4, 4, 4]]), cloud=np.array([[60, 61, 255]], np.uint8)
    )
    assert dpixels_from_series(series(s2)).clear.tolist() == [[True, True, True]]
    rule = ClearRule(max_cloud_probability=60)
    assert dpixels_from_series(series(s2), rule).clear.tolist() == [[True, False, True]]
