"""Disturbance layers: fellings, fires and alerts laid over woodlands that can be checked by eye."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from shapely import LineString, Point, Polygon

from flows.sources.disturbances.layer import DisturbanceLayer, DisturbanceReading
from flows.sources.disturbances.moments import decoded, first_and_last
from flows.sources.disturbances.reading import read_disturbances, read_layer
from monitoring.corroboration.disturbances import Disturbance
from monitoring.errors import BoundaryError, PixelReadError, SettingsError
from monitoring.woodlands import Status, Woodland

YEARS = range(2017, 2026)
FORMATS = ("works.gpkg", "works.geojson", "works.shp", "works.parquet")
#: Cells of a tenth of the woodland's side, the north-west corner at 2 W 51.01 N.
CELLS = Affine(0.001, 0, -2, 0, -0.001, 51.01)


def box(west: float = 0.0, south: float = 0.0, east: float = 1.0, north: float = 1.0) -> Polygon:
    """A rectangle in hundredths of a degree from 2 W 51 N."""
    return shapely.box(-2 + west / 100, 51 + south / 100, -2 + east / 100, 51 + north / 100)


def wood(name: str = "oak", geometry: Any = None) -> Woodland:
    return Woodland(name, name, "P", Status.ASNW, geometry or box(), 100.0)


def write(path: Path, geometries: list[Any], crs: Any = 4326, **columns: Any) -> Path:
    frame = gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(geometries, crs=4326)).to_crs(crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


def raster(
    path: Path, values: Any, crs: str | None = "EPSG:4326", where: Affine = CELLS, **more: Any
) -> Path:
    cells = np.asarray(values)
    cells = cells if cells.ndim == 3 else cells[None]
    count, height, width = cells.shape
    shape = {"count": count, "height": height, "width": width, "dtype": cells.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=where, **shape, **more) as file:
        file.write(cells)
    return path


def only(path: Path, layer: DisturbanceLayer | None = None, woods: Any = None) -> Disturbance:
    (found,) = read_disturbances(path, woods or [wood()], YEARS, layer)
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_felling_of_a_quarter_is_a_quarter_in_every_format(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [box(east=0.5, north=0.5)], date=["2021-06-17"], kind=["felling"])
    found = only(path)
    assert found.share == pytest.approx(0.25, abs=1e-4)
    assert (found.woodland_id, found.kind) == ("oak", "felling")
    assert (found.first_day, found.last_day, found.source) == (date(2021, 6, 17), date(2021, 6, 17), name)


def test_a_layer_in_the_national_grid_lands_in_the_same_place(tmp_path: Path) -> None:
    path = write(tmp_path / "works.gpkg", [box(east=0.5)], crs=27700, year=[2020])
    assert only(path).share == pytest.approx(0.5, abs=2e-3)


def test_area_that_two_fellings_of_a_year_share_counts_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "works.gpkg",
        [box(east=0.4), box(west=0.2, east=0.5), box(east=0.1)],
        year=[2021, 2021, 2023],
    )
    found = read_disturbances(path, [wood()], YEARS)
    assert [(one.first_day.year, round(one.share, 3)) for one in found] == [(2021, 0.5), (2023, 0.1)]


def test_only_the_years_asked_for_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "works.gpkg", [box()] * 3, year=[2010, 2020, 2030])
    assert only(path).first_day == date(2020, 1, 1)
    assert read_disturbances(path, [wood()], []) == ()
    assert read_disturbances(path, [], YEARS) == ()


def test_start_and_end_make_a_span_and_columns_may_be_named(tmp_path: Path) -> None:
    columns = {"start": ["2019-03-01"], "end": ["2020-05-31"], "wann": ["2018"], "was": ["windthrow"]}
    path = write(tmp_path / "works.gpkg", [box()], **columns)
    assert (only(path).first_day, only(path).last_day) == (date(2019, 3, 1), date(2020, 5, 31))
    asked = only(path, DisturbanceLayer(date_column="wann", kind_column="was"))
    assert (asked.first_day, asked.last_day, asked.kind) == (date(2018, 1, 1), date(2018, 12, 31), "storm")
    with pytest.raises(BoundaryError, match="no column 'when', it has start, end, wann, was"):
        read_disturbances(path, [wood()], YEARS, DisturbanceLayer(date_column="when"))


def test_a_stated_kind_goes_before_a_column_that_happens_to_be_there(tmp_path: Path) -> None:
    path = write(tmp_path / "works.gpkg", [box()], year=[2020], type=["A17"])
    assert only(path, DisturbanceLayer(kind="fire")).kind == "fire"
    reading = read_layer(path, [wood()], YEARS)
    assert reading.disturbances[0].kind == "disturbance"
    assert reading.notes == ("disturbance layer works.gpkg: kind 'a17' is not known (1 features)",)


def test_what_cannot_be_used_is_left_out_with_one_line_each(tmp_path: Path) -> None:
    shapes = [
        box(),
        box(),
        Point(-2, 51),
        LineString([(-2, 51), (-1, 52)]),
        None,
        shapely.box(-179, 50, 179, 52),
    ]
    path = write(tmp_path / "works.gpkg", shapes, date=["2021", "17/06/2021", "2021", "2021", "2021", "2021"])
    reading = read_layer(path, [wood()], YEARS)
    assert len(reading.disturbances) == 1
    assert [line.split("left out, ")[1] for line in reading.notes] == [
        "first 2: no date from 1984 to 2100: '17/06/2021'",
        "first 3: a Point: a polygon is needed",
        "first 4: a LineString: a polygon is needed",
        "first 5: no geometry",
        "first 6: wider than 180 degrees: to be split at the antimeridian",
    ]


def test_a_bow_tie_is_mended(tmp_path: Path) -> None:
    bow_tie = Polygon([(-2, 51), (-1.99, 51.01), (-1.99, 51), (-2, 51.01)])
    assert only(write(tmp_path / "works.geojson", [bow_tie], year=[2020])).share == pytest.approx(
        0.5, abs=1e-3
    )


def test_a_fire_of_many_vertices_is_as_large_as_it_is(tmp_path: Path) -> None:
    centre = Point(-1.995, 51.005)
    ring = centre.buffer(0.004, quad_segs=5000)
    found = only(write(tmp_path / "fire.gpkg", [ring], year=[2022]), DisturbanceLayer(kind="fire"))
    assert found.share == pytest.approx(np.pi * 0.004**2 / 0.01**2, rel=1e-4)


def test_files_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path) -> None:
    undated = write(tmp_path / "undated.gpkg", [box()], name=["x"])
    nowhere = tmp_path / "nowhere.parquet"
    gpd.GeoDataFrame({"year": [2020]}, geometry=[box()]).to_parquet(nowhere)
    text = tmp_path / "text.gpkg"
    text.write_text("no layer")
    for path, why in (
        (undated, "no date column, known are date, felling_date"),
        (nowhere, "no coordinate reference system"),
        (text, "the content is not GPKG"),
        (tmp_path / "none.geojson", "No such file"),
        (tmp_path / "odd.exe", "extension '.exe'"),
    ):
        with pytest.raises(BoundaryError, match=why) as caught:
            read_disturbances(path, [wood()], YEARS)
        assert str(caught.value).startswith("disturbance layer ")
        assert "\n" not in str(caught.value)


def test_text_means_days() -> None:
    assert first_and_last("2021") == (date(2021, 1, 1), date(2021, 12, 31))
    assert first_and_last("2020-02") == (date(2020, 2, 1), date(2020, 2, 29))
    assert first_and_last("202012") == (date(2020, 12, 1), date(2020, 12, 31))
    assert first_and_last("2021-06-17 13:00:00+00:00") == (date(2021, 6, 17), date(2021, 6, 17))
    for text in ("", "17/06/2021", "1983", "2101", "20210230", "2021-13", "n/a", "²⁰²¹"):
        assert first_and_last(text) is None


@pytest.mark.parametrize(
    ("encoding", "code", "day"),
    [
        ("year", 2021, "2021-01-01"),
        ("yyyymmdd", 20210617, "2021-06-17"),
        ("yydoy", 20366, "2020-12-31"),
        ("radd", 20001, "2015-01-01"),  # these three as Global Forest Watch explains its alerts
        ("radd", 30055, "2015-02-24"),
        ("radd", 41847, "2020-01-21"),
        ("days since 1970-01-01", 18795, "2021-06-17"),
    ],
)
def test_codes_mean_days(encoding: str, code: int, day: str) -> None:
    days, certain = decoded(np.array([float(code), 0, np.nan, -5]), encoding)
    assert [str(one) for one in days] == [day, "NaT", "NaT", "NaT"]
    assert certain[0] == (code != 20001)


@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        ("year", 1850),
        ("year", 2020.5),
        ("yyyymmdd", 20210230),
        ("yydoy", 21366),
        ("radd", 51847),
        ("radd", 847),
    ],
)
def test_codes_without_meaning_are_no_day(encoding: str, code: float) -> None:
    assert np.isnat(decoded(np.array([code]), encoding)[0]).all()


def test_a_raster_of_years_gives_shares_by_exact_area(tmp_path: Path) -> None:
    years = np.zeros((10, 10), np.uint16)
    years[:, :3], years[:2, 3:] = 2021, 2023
    path = raster(tmp_path / "felled.tif", years, nodata=0)
    found = read_disturbances(path, [wood(geometry=box(east=0.45))], YEARS, DisturbanceLayer(kind="felling"))
    # Of 4.5 columns three were felled in 2021; in 2023 1.5 columns of two rows of ten.
    assert [(one.first_day.year, round(one.share, 4)) for one in found] == [(2021, 0.6667), (2023, 0.0667)]
    assert found[0].last_day == date(2021, 12, 31)


def test_radd_alerts_of_low_confidence_are_kept_apart(tmp_path: Path) -> None:
    codes = np.zeros((10, 10), np.int32)
    codes[0], codes[1] = 30055 + 2000, 20055 + 2000
    found = read_disturbances(
        raster(tmp_path / "radd.tif", codes), [wood()], YEARS, DisturbanceLayer(encoding="radd")
    )
    assert [(one.is_certain, round(one.share, 3)) for one in found] == [(True, 0.1), (False, 0.1)]


def test_a_raster_in_another_system_is_met_by_the_woodland(tmp_path: Path) -> None:
    """Cells of 50 m of UTM zone 30 north, all of one year."""
    where = Affine(50, 0, 560_000, 0, -50, 5_660_000)
    path = raster(tmp_path / "utm.tif", np.full((400, 400), 2022, np.uint16), "EPSG:32630", where)
    assert only(path).share == pytest.approx(1.0, abs=1e-6)


def test_woodland_outside_the_raster_and_cells_without_day_are_told(tmp_path: Path) -> None:
    cells = np.full((10, 10), 1850, np.uint16)
    far = wood("far", shapely.box(10, 51, 10.01, 51.01))
    assert read_layer(raster(tmp_path / "old.tif", cells), [wood(), far], YEARS) == DisturbanceReading(
        (),
        (
            "disturbance layer old.tif: 1 of 2 woodlands lie outside, taken as not touched",
            "disturbance layer old.tif: 100 cells hold no day from 1984 to 2100 as 'year'",
        ),
    )


def test_rasters_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path) -> None:
    cells = np.full((10, 10), 2021, np.uint16)
    rotated = Affine(0.001, 0.0005, -2, 0.0005, -0.001, 51.01)
    cases = {
        "two bands, one band": raster(tmp_path / "two.tif", np.stack([cells, cells])),
        "no coordinate reference system": raster(tmp_path / "nowhere.tif", cells, None),
        "rotated or not north-up": raster(tmp_path / "rotated.tif", cells, where=rotated),
        "complex64 cells": raster(tmp_path / "complex.tif", cells.astype(np.complex64)),
        "no such file": tmp_path / "none.tif",
    }
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    for why, path in {**cases, "cannot be read as": text}.items():
        with pytest.raises(PixelReadError, match=why.replace("two bands", "2 bands")) as caught:
            read_disturbances(path, [wood()], YEARS)
        assert "\n" not in str(caught.value)


def test_choices_that_are_not_known_are_refused(tmp_path: Path) -> None:
    path = raster(tmp_path / "x.tif", np.zeros((10, 10), np.uint16))
    for encoding in ("doy", "days since yesterday", "days since 1850-01-01"):
        with pytest.raises(SettingsError, match=f"encoding '{encoding}'"):
            read_disturbances(path, [wood()], YEARS, DisturbanceLayer(encoding=encoding))
    with pytest.raises(SettingsError, match="kind 'flood': known are felling, fire"):
        DisturbanceLayer(kind="flood")


def test_a_window_too_large_to_read_is_refused(tmp_path: Path) -> None:
    """A sparse file of 60,000 x 60,000 cells, and a woodland as large as it."""
    where = Affine(0.0001, 0, -2, 0, -0.0001, 51.01)
    path = tmp_path / "huge.tif"
    shape = {"count": 1, "height": 60_000, "width": 60_000, "dtype": "uint16"}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:4326", transform=where, sparse_ok=True, tiled=True, **shape
    ):
        pass
    whole = wood(geometry=shapely.box(-2, 45.01, 4, 51.01))
    with pytest.raises(PixelReadError, match="woodland oak: 60000 x 60000 cells, at most"):
        read_disturbances(path, [whole], YEARS)
    assert read_disturbances(path, [wood()], YEARS) == ()


def test_a_path_in_a_file_is_never_followed(tmp_path: Path) -> None:
    content = {"type": "FeatureCollection", "features": [], "name": "/etc/passwd"}
    path = tmp_path / "empty.geojson"
    path.write_text(json.dumps(content))
    with pytest.raises(BoundaryError):
        read_disturbances(path, [wood()], YEARS)


@pytest.mark.slow
def test_a_whole_country_is_laid_over_in_bounded_time(tmp_path: Path) -> None:
    """20,000 woodlands and 40,000 fellings, and one fire of 200,000 vertices over a third of them."""
    rng = np.random.default_rng(1)
    west, south = rng.uniform(-5, 0, 20_000), rng.uniform(51, 54, 20_000)
    woods = [
        wood(f"w{i}", shapely.box(x, y, x + 0.01, y + 0.01))
        for i, (x, y) in enumerate(zip(west, south, strict=True))
    ]
    x, y = rng.uniform(-5, 0, 40_000), rng.uniform(51, 54, 40_000)
    fellings = shapely.box(x, y, x + 0.005, y + 0.005).tolist()
    fire = Point(-2.5, 52.5).buffer(1.2, quad_segs=50_000)
    path = write(tmp_path / "all.parquet", [*fellings, fire], year=[2021] * 40_001)
    start = time.perf_counter()
    found = read_disturbances(path, woods, YEARS)
    assert len(found) > 5_000
    assert time.perf_counter() - start < 60
