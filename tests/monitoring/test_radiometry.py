"""Offsets by evidence: simulated canopy through the year, and real series with an offset added or taken."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from monitoring.clear import ClearRule, clear_observations
from monitoring.errors import ModelError
from monitoring.radiometry import Contradiction, OffsetError, radiometric_contradictions
from monitoring.scenes import S2_BANDS, Sensor
from monitoring.science import RadiometryRule
from monitoring.series import SensorSeries

RULE = RadiometryRule()
#: Reflectance x 10000 of broadleaf wood in S2_BANDS order, without and with leaves.
WINTER = np.array([560, 360, 500, 1460, 1620, 860, 1180, 1320, 2320, 1480])
SUMMER = np.array([260, 240, 480, 3600, 3750, 850, 2620, 3350, 1720, 740])


def optical(n_scenes: int = 12, n_pixels: int = 500, seed: int = 0, days_apart: int = 15) -> SensorSeries:
    """Clear scenes of broadleaf wood from January on, with haze and noise of its own each."""
    rng = np.random.default_rng(seed)
    day = days_apart * np.arange(n_scenes)
    leaves = np.exp(-(((day % 365 - 200) / 70.0) ** 4))[:, None]
    spectrum = WINTER + leaves * (SUMMER - WINTER)
    haze = rng.uniform(0, 150, (n_scenes, 1)) * np.array(
        [0.55, 1, 0.75, 0.25, 0.25, 0.45, 0.35, 0.3, 0.1, 0.05]
    )
    values = spectrum[:, None] * rng.normal(1, 0.08, (n_scenes, n_pixels, 1)) + haze[:, None]
    return series(values + rng.normal(0, 20, values.shape), np.datetime64("2021-01-05") + day)


def series(
    values: NDArray[np.float64], days: NDArray[np.datetime64], scl: NDArray[np.uint8] | None = None
) -> SensorSeries:
    numbers = np.clip(np.rint(values), 1, 60_000).astype(np.uint16)
    classes = np.full(values.shape[:2], 4, np.uint8) if scl is None else scl
    ids = tuple(f"scene-{number}" for number in range(len(days)))
    return SensorSeries(Sensor.S2, days.astype("datetime64[s]"), ids, numbers, classes)


def moved(scenes: SensorSeries, chosen: list[int] | NDArray[np.int64], step: int) -> SensorSeries:
    """Leave an offset in (+1000), or subtract it again (-1000), as reading a scene would."""
    values = scenes.values.astype(np.int64)
    values[chosen] = np.maximum(values[chosen] + step, 1)
    return dataclasses.replace(scenes, values=values.astype(np.uint16))


def judge(scenes: SensorSeries) -> dict[str, Contradiction]:
    return dict(radiometric_contradictions(scenes, clear_observations(scenes, ClearRule()), RULE))


def test_scenes_that_agree_are_not_contradicted() -> None:
    for seed in range(10):
        assert judge(optical(24, seed=seed)) == {}


@pytest.mark.parametrize(("step", "error"), [(1000, OffsetError.LEFT_IN), (-1000, OffsetError.TWICE)])
def test_a_wrong_offset_is_found_in_every_month_and_in_no_other_scene(step: int, error: OffsetError) -> None:
    scenes = optical(24)
    for one in range(24):
        found = judge(moved(scenes, [one], step))
        assert {scene: verdict.error for scene, verdict in found.items()} == {f"scene-{one}": error}


def test_the_verdict_names_scene_bands_neighbours_and_bound() -> None:
    reason = str(judge(moved(optical(), [5], 1000))["scene-5"])
    assert reason.startswith("scene scene-5: offset left in: darkest canopy of its 500 clear pixels B04 1")
    assert "median of 8 neighbouring scenes" in reason
    assert reason.endswith("above in every band, bound 500")
    assert "\n" not in reason


@pytest.mark.parametrize(("step", "error"), [(1000, OffsetError.LEFT_IN), (-1000, OffsetError.TWICE)])
def test_an_offset_wrong_from_a_day_on_is_found_in_those_scenes_only(step: int, error: OffsetError) -> None:
    late = np.arange(12, 24)
    found = judge(moved(optical(24), late, step))
    assert set(found) == {f"scene-{one}" for one in late}
    assert {verdict.error for verdict in found.values()} == {error}


@pytest.mark.parametrize("step", [1000, -1000])
def test_an_offset_wrong_in_all_scenes_is_found_without_any_to_compare_with(step: int) -> None:
    assert len(judge(moved(optical(12), np.arange(12), step))) == 12


def test_haze_and_thin_cloud_are_no_offset() -> None:
    scenes = optical()
    values = scenes.values.astype(np.int64)
    values[4] += np.array([900, 1200, 1050, 650, 620, 850, 750, 700, 350, 250])
    assert judge(dataclasses.replace(scenes, values=values.astype(np.uint16))) == {}


def test_snow_under_trees_is_no_offset() -> None:
    scenes = optical()
    values = scenes.values.astype(np.float64)
    snow = np.array([8100, 8200, 8200, 7600, 7400, 8000, 7800, 7700, 1200, 900])
    values[1] += 0.4 * (snow - values[1])
    assert judge(dataclasses.replace(scenes, values=values.astype(np.uint16))) == {}


def test_dark_conifers_under_a_low_sun_are_no_second_subtraction() -> None:
    scenes = optical()
    values = scenes.values.astype(np.int64)
    values[0, :, [S2_BANDS.index(band) for band in ("B02", "B03", "B04")]] = 1
    values[0, :, S2_BANDS.index("B11")] -= 300
    assert judge(dataclasses.replace(scenes, values=values.astype(np.uint16))) == {}


def test_bare_soil_is_no_offset() -> None:
    scenes = optical()
    values = scenes.values.astype(np.int64)
    values[7] = np.array([2060, 1262, 1528, 2770, 3143, 2423, 2564, 2794, 3585, 2512])
    assert judge(dataclasses.replace(scenes, values=values.astype(np.uint16))) == {}


def test_a_scene_with_too_few_clear_pixels_is_not_judged() -> None:
    scenes = moved(optical(), [5], 1000)
    assert scenes.scl is not None
    scenes.scl[5, 24:] = 9  # fewer than 5 % of 500 pixels are left
    assert judge(scenes) == {}
    scenes.scl[5, 24] = 5
    assert set(judge(scenes)) == {"scene-5"}


def test_water_snow_and_cloud_classes_are_not_canopy() -> None:
    scenes = moved(optical(), [5], 1000)
    assert scenes.scl is not None
    scenes.scl[5] = np.resize([6, 7, 10, 11], 500)
    assert judge(scenes) == {}


@pytest.mark.parametrize("n_scenes", [0, 1, 2])
def test_a_few_scenes_alone_are_judged_by_what_no_canopy_is(n_scenes: int) -> None:
    scenes = optical(n_scenes)
    assert judge(scenes) == {}
    assert len(judge(moved(scenes, np.arange(n_scenes), 1000))) == n_scenes
    assert len(judge(moved(scenes, np.arange(n_scenes), -1000))) == n_scenes


def test_a_series_without_scene_classes_is_refused() -> None:
    scenes = dataclasses.replace(optical(), scl=None)
    with pytest.raises(ModelError, match="no scene classification"):
        radiometric_contradictions(scenes, np.ones((12, 500), bool), RULE)


def forest_pixel(path: Path) -> SensorSeries:
    """A real pixel's clear observations, red edge and B8A filled from their neighbours in the spectrum."""
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    band = {name: np.array([float(row[name]) for row in rows]) for name in ("blue", "green", "red", "nir")}
    swir1, swir2 = (np.array([float(row[name]) for row in rows]) for name in ("swir1", "swir2"))
    edge, nir = 0.6 * band["red"] + 0.4 * band["nir"], band["nir"]
    spectrum = [band["red"], band["blue"], band["green"], nir, nir, edge, nir, nir, swir1, swir2]
    values = np.stack(spectrum, axis=-1)
    clear = (np.array([int(row["qa"]) for row in rows]) == 0) & (values > 0).all(axis=1)
    days = np.datetime64("0000-12-31") + np.array([int(row["dates"]) for row in rows])[clear]
    return series(np.repeat(values[clear][:, None], 20, axis=1), days)


@pytest.fixture(scope="module")
def forest(shared: Path) -> list[SensorSeries]:
    """Two real forest pixels."""
    folder = shared / "data" / "pixel_series_disturbance"
    return [forest_pixel(folder / name) for name in ("1_hls_sc.csv", "2_mpb_co_landsat.csv")]


def test_real_forest_pixels_are_hardly_ever_contradicted(forest: list[SensorSeries]) -> None:
    false = [judge(scenes) for scenes in forest]
    assert sum(len(scenes.scene_ids) for scenes in forest) > 800
    assert sum(map(len, false)) <= 1


@pytest.mark.slow
def test_a_wrong_offset_is_found_in_real_forest_pixels(forest: list[SensorSeries]) -> None:
    found = []
    for scenes in forest:
        for one in np.random.default_rng(0).choice(len(scenes.scene_ids), 6, replace=False):
            for step in (1000, -1000):
                found.append(scenes.scene_ids[one] in judge(moved(scenes, [one], step)))
    assert np.mean(found) >= 0.9


def test_no_month_of_real_fields_is_contradicted(shared: Path) -> None:
    with xr.open_dataset(
        shared / "data" / "s2s1_stack_worldcereal" / "worldcereal_preprocessed_inputs.nc",
        mask_and_scale=False,
    ) as stack:
        names = [f"S2-L2A-{band}".replace("B8A", "B08") for band in S2_BANDS]
        values = np.stack([stack[name].values.view(np.uint16) for name in names], axis=-1)
        months = stack["t"].values
    pixels = values.reshape(len(values), -1, len(S2_BANDS))
    scl = np.where((pixels < 65_535).all(axis=-1), 4, 0).astype(np.uint8)
    assert judge(series(pixels.astype(np.float64), months, scl)) == {}
