"""Covariates: what a raster holds at a place, on grids that can be checked by eye."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform

from flows.sources.covariates import sample_rasters
from monitoring.errors import PixelReadError

#: Cells of one degree, the north-west corner at 10 E 52 N.
DEGREES = Affine(1, 0, 10, 0, -1, 52)
#: A cell per column and row, values as they are read on a page.
PAGE = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def write(
    path: Path, values: Any, where: Affine = DEGREES, crs: str | None = "EPSG:4326", **profile: Any
) -> Path:
    bands = np.asarray(values)
    bands = bands if bands.ndim == 3 else bands[None]
    count, height, width = bands.shape
    shape = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", transform=where, crs=crs, **shape, **profile) as file:
        file.write(bands)
    return path


def sampled(path: Path, *places: tuple[float, float]) -> list[float]:
    values: list[float] = sample_rasters({"x": path}, np.array(places)).values[:, 0].tolist()
    return values


def test_a_place_has_the_value_of_the_cell_it_lies_in(tmp_path: Path) -> None:
    path = write(tmp_path / "page.tif", PAGE)
    assert sampled(path, (10.1, 51.9), (12.9, 51.1), (10.5, 50.5), (11.99, 50.01)) == [1, 3, 4, 5]


def test_places_outside_the_raster_or_unknown_have_no_value(tmp_path: Path) -> None:
    path = write(tmp_path / "page.tif", PAGE)
    outside = sampled(
        path, (9.99, 51.5), (13.01, 51.5), (11, 52.01), (11, 49.99), (math.nan, 51), (11, math.inf)
    )
    assert all(math.isnan(value) for value in outside)


def test_no_place_at_all_gives_no_row(tmp_path: Path) -> None:
    found = sample_rasters({"x": write(tmp_path / "page.tif", PAGE)}, np.empty((0, 2)))
    assert found.values.shape == (0, 1)
    assert sample_rasters({}, np.zeros((3, 2))).values.shape == (3, 0)


def test_missing_is_never_a_number(tmp_path: Path) -> None:
    coded = write(tmp_path / "coded.tif", PAGE.astype(np.int16), nodata=5)
    assert math.isnan(sampled(coded, (11.5, 50.5))[0])
    holes = PAGE.copy()
    holes[1, 1], holes[1, 2] = np.nan, np.inf
    assert np.isnan(sampled(write(tmp_path / "holes.tif", holes), (11.5, 50.5), (12.5, 50.5))).all()


def test_a_raster_in_another_system_is_asked_where_it_says(tmp_path: Path) -> None:
    page = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    path = write(tmp_path / "utm.tif", page, Affine(10, 0, 600_000, 0, -10, 5_800_000), "EPSG:32630")
    eastings, northings = [600_005.0, 600_995.0, 600_123.0], [5_799_995.0, 5_799_005.0, 5_799_777.0]
    places = list(zip(*transform("EPSG:32630", "EPSG:4326", eastings, northings), strict=True))
    assert sampled(path, *places) == [0, 9999, 22 * 100 + 12]
    assert math.isnan(sampled(path, (170.0, -45.0))[0])


def test_a_rotated_raster_is_asked_through_its_inverse(tmp_path: Path) -> None:
    where = Affine(0.8, 0.6, 10, 0.6, -0.8, 52)  # sides of the triangle 3, 4, 5
    path = write(tmp_path / "rotated.tif", PAGE, where)
    steps = [(column + 0.5, row + 0.5) for row in range(2) for column in range(3)]
    centres = [(10 + 0.8 * x + 0.6 * y, 52 + 0.6 * x - 0.8 * y) for x, y in steps]
    assert sampled(path, *centres) == [1, 2, 3, 4, 5, 6]


def test_each_band_is_a_covariate(tmp_path: Path) -> None:
    rasters = {
        "climate": write(tmp_path / "climate.tif", np.stack([PAGE, PAGE * 10])),
        "soil": write(tmp_path / "soil.tif", PAGE + 100),
    }
    found = sample_rasters(rasters, np.array([(10.5, 51.5), (0.0, 0.0)]))
    assert found.names == ("climate_1", "climate_2", "soil")
    np.testing.assert_array_equal(found.values, [[1, 10, 101], [np.nan] * 3])


def test_scale_and_offset_of_a_band_are_applied(tmp_path: Path) -> None:
    path = write(tmp_path / "scaled.tif", PAGE.astype(np.int16))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (-273.15,)
    assert sampled(path, (12.5, 50.5)) == [pytest.approx(0.6 - 273.15)]


def test_a_large_raster_gives_what_rasterio_samples(tmp_path: Path) -> None:
    seeded = np.random.default_rng(0)
    page = seeded.normal(size=(1300, 1700)).astype(np.float32)
    path = write(tmp_path / "large.tif", page, Affine(0.01, 0, 0, 0, -0.01, 60), tiled=True)
    places = np.column_stack([seeded.uniform(0, 17, 300), seeded.uniform(47, 60, 300)])
    with rasterio.open(path) as file:
        expected = np.array([value[0] for value in file.sample(places)])
    np.testing.assert_array_equal(sample_rasters({"x": path}, places).values[:, 0], expected)


def test_two_covariates_of_one_name_are_refused(tmp_path: Path) -> None:
    double = write(tmp_path / "double.tif", np.stack([PAGE, PAGE]))
    single = write(tmp_path / "single.tif", PAGE)
    with pytest.raises(PixelReadError, match="covariate soil_1: two bands would have this name"):
        sample_rasters({"soil": double, "soil_1": single}, np.zeros((1, 2)))


def test_a_raster_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    cases = {
        "none.tif": "no such file",
        "text.tif": "cannot be read as GeoTIFF",
        write(tmp_path / "nowhere.tif", PAGE, crs=None).name: "no coordinate reference system",
        write(tmp_path / "phase.tif", PAGE.astype(np.complex64)).name: "complex numbers",
    }
    for name, said in cases.items():
        with pytest.raises(PixelReadError, match=said) as caught:
            sample_rasters({"soil": tmp_path / name}, np.zeros((1, 2)))
        assert str(caught.value).startswith("covariate soil: ")
        assert "\n" not in str(caught.value)


def test_an_address_is_not_followed(tmp_path: Path) -> None:
    with pytest.raises(PixelReadError, match="no such file"):
        sample_rasters({"soil": Path("/vsicurl/http://127.0.0.1:9/soil.tif")}, np.zeros((1, 2)))
