"""A real Sentinel-1 and Sentinel-2 stack (Belgium, 12 monthly composites) embedded to a map.

The traps: unsigned values stored as int16 with `_Unsigned`, 65535 for no-data without a fill value (GDAL
even offers a wrong one), two months without any optical value, no B8A, radar as scaled sigma0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from safetensors.torch import load_file

from models.encoders.card import encoder_card
from models.encoders.encoder import Embeddings, Encoder
from models.encoders.inputs.dpixels import clear_counts, dpixels_from_series
from models.encoders.networks.tessera_v2 import Student
from models.encoders.quantise import quantise
from monitoring.scenes import S2_BANDS, Sensor
from monitoring.series import PixelSeries, SensorSeries

NO_DATA = 65535
VEGETATION = 4
#: Pixels along an edge of the corner that is embedded.
SIDE = 50
#: The stack has no B8A; B08 covers it (785-900 nm around 864 nm) and stands in for it here, and only here.
STAND_IN = {"B8A": "B08"}


def read_variable(path: Path, name: str) -> NDArray[np.uint16]:
    """Return (T, H*W) of a variable, its bits read as unsigned whatever the reader made of them."""
    with rasterio.open(f"netcdf:{path}:{name}") as variable:
        values = variable.read()
    return values.view(np.uint16).reshape(len(values), -1)


def read_times(path: Path) -> NDArray[np.datetime64]:
    with rasterio.open(f"netcdf:{path}:S2-L2A-B02") as variable:
        assert variable.tags()["t#units"] == "days since 1990-01-01"
        days = variable.tags()["NETCDF_DIM_t_VALUES"].strip("{}").split(",")
    return (np.datetime64("1990-01-01") + np.array(days, int)).astype("datetime64[s]")


def read_worldcereal_stack(path: Path) -> PixelSeries:
    """Return the stack as pixel series: composites of one mosaic a month, their radar taken as ascending."""
    times = read_times(path)
    ids = tuple(map(str, times))
    bands = np.stack(
        [read_variable(path, f"S2-L2A-{STAND_IN.get(band, band)}") for band in S2_BANDS], axis=-1
    )
    bands[bands == NO_DATA] = 0
    scl = np.full(bands.shape[:2], VEGETATION, np.uint8)  # composites are cloud-free by construction
    polarisations = [read_variable(path, f"S1-SIGMA0-{name}").astype(np.float32) for name in ("VV", "VH")]
    scaled = np.stack(polarisations, axis=-1)
    scaled[scaled == NO_DATA] = np.nan
    power = 10 ** ((20 * np.log10(scaled) - 83) / 10)
    nothing = SensorSeries(Sensor.S1_DESCENDING, times[:0], (), power[:0])
    return PixelSeries(
        SensorSeries(Sensor.S2, times, ids, bands, scl),
        SensorSeries(Sensor.S1_ASCENDING, times, ids, power.astype(np.float32)),
        nothing,
    )


@pytest.fixture(scope="module")
def series(shared: Path) -> PixelSeries:
    return read_worldcereal_stack(shared / "data/s2s1_stack_worldcereal/worldcereal_preprocessed_inputs.nc")


@pytest.fixture(scope="module")
def embedded(shared: Path, series: PixelSeries) -> Embeddings:
    card = encoder_card("tessera-v2-nano")
    student = Student(card.config)
    student.load_state_dict(load_file(shared / "golden/tessera_v2/nano_random_full.safetensors"), strict=True)
    encoder = Encoder(card, student.eval().requires_grad_(False), "cpu", "fp32")
    corner = np.arange(10_000).reshape(100, 100)[:SIDE, :SIDE].ravel()
    return encoder.embed(dpixels_from_series(series).pixels(corner))


def test_the_two_months_without_optical_values_are_missing_not_bright(series: PixelSeries) -> None:
    pixels = dpixels_from_series(series)
    assert pixels.doys.tolist()[:3] == [306, 336, 1]
    assert (pixels.clear.mean(axis=1) > 0.99).tolist() == [True, False, False] + [True] * 9
    assert pixels.bands.max() < 20_000
    assert pixels.clear[1:3].sum() == 0


def test_radar_levels_are_those_of_belgian_farmland(series: PixelSeries) -> None:
    pixels = dpixels_from_series(series)
    assert clear_counts(pixels)[Sensor.S1_ASCENDING].min() == 12
    vv, vh = (np.median(pixels.sar_ascending[..., i]) / 200 - 50 for i in (0, 1))
    assert -13 < vv / 2 < -7
    assert -20 < vh / 2 < -14


def test_every_pixel_of_the_map_is_embedded(embedded: Embeddings) -> None:
    assert embedded.values.shape == (SIDE * SIDE, 128)
    assert np.isfinite(embedded.values).all()
    assert (embedded.reason == 0).all()


def test_neighbours_on_the_map_are_more_alike_than_strangers(embedded: Embeddings) -> None:
    image = embedded.values.reshape(SIDE, SIDE, 128)
    strangers = np.random.default_rng(0).permutation(embedded.values).reshape(SIDE, SIDE, 128)
    beside = np.square(image[:, 1:] - image[:, :-1]).mean()
    anywhere = np.square(image - strangers).mean()
    assert beside < 0.5 * anywhere


def test_the_map_survives_quantisation(embedded: Embeddings) -> None:
    codes, scales = quantise(embedded.values)
    restored = codes.astype(np.float32) * scales[:, None]
    cosine = (restored * embedded.values).sum(axis=1) / (
        np.linalg.norm(restored, axis=1) * np.linalg.norm(embedded.values, axis=1)
    )
    assert cosine.min() > 0.999
