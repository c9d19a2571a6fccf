"""Minicubes: grid and values as the published package makes them, from any catalogue, through the command."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from flows.cli import app
from flows.cubes.minicubes import MiniRequest, make_minicube, write_minicube
from flows.sources.catalogues.catalogue import open_catalogue
from monitoring.errors import CatalogueError, PixelReadError, SettingsError
from monitoring.minicubes import minigrid

CASES = ("one_tile", "mixed_resolution", "edge_nodata")


@pytest.fixture(params=CASES)
def case(request, shared):
    folder = shared / "golden" / "cubes" / request.param
    return folder, json.loads((folder / "case.json").read_text())


def day(text, add=0):
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=add)


def request_of(asked):
    grid = minigrid(asked["lat"], asked["lon"], asked["edge_size"], asked["resolution"])
    return MiniRequest(grid, tuple(asked["bands"]), day(asked["start"]), day(asked["end"], 1))


def made(folder, asked):
    catalogue = open_catalogue(str(folder / "items.json"), bands=tuple(asked["bands"]))
    return make_minicube(catalogue, request_of(asked))


def test_values_and_coordinates_are_exactly_the_published_ones(case):
    folder, asked = case
    cube = made(folder, asked)
    with np.load(folder / "cube.npz") as expected:
        np.testing.assert_array_equal(cube["values"].values, expected["values"])
        for name in ("x", "y", "band", "id"):
            assert cube[name].values.tolist() == expected[name].tolist()
        np.testing.assert_allclose(cube["distance"].values, expected["distance"], rtol=0, atol=1e-6)
        assert [str(t)[:19] for t in cube["time"].values] == [str(t)[:19] for t in expected["time"]]


def test_the_published_attributes_are_there(case):
    folder, asked = case
    attributes = made(folder, asked).attrs
    for name, expected in asked["attrs"].items():
        if name in ("stac", "central_lat", "central_lon"):
            continue
        assert attributes[name] == pytest.approx(expected) if isinstance(expected, float) else expected, name


def test_a_minicube_comes_back_from_its_file_as_it_was(case, tmp_path):
    cube = made(*case)
    with xr.open_dataset(write_minicube(cube, tmp_path / "cube.nc"), engine="netcdf4") as read:
        np.testing.assert_array_equal(read["values"].values, cube["values"].values)
        assert read["crs"].attrs["grid_mapping_name"] == "transverse_mercator"


def test_the_command_writes_the_cube_and_refuses_to_overwrite_it(case, tmp_path):
    folder, asked = case
    out = tmp_path / "cube.nc"
    command = ["cube", "make", "--lat", str(asked["lat"]), "--lon", str(asked["lon"])]
    command += ["--edge-size", str(asked["edge_size"]), "--resolution", str(asked["resolution"])]
    command += ["--from", asked["start"], "--to", asked["end"], "--bands", ",".join(asked["bands"])]
    command += ["--catalogue", str(folder / "items.json"), "--out", str(out)]
    assert CliRunner().invoke(app, command).exit_code == 0
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "is there already" in str(again.exception)
    with xr.open_dataset(out, engine="netcdf4") as cube, np.load(folder / "cube.npz") as expected:
        np.testing.assert_array_equal(cube["values"].values, expected["values"])


def test_nothing_there_is_said_with_place_and_time(shared):
    folder = shared / "golden" / "cubes" / "one_tile"
    catalogue = open_catalogue(str(folder / "items.json"), bands=("B04",))
    elsewhere = MiniRequest(minigrid(40.0, 3.0, 16, 10), ("B04",), day("2024-05-01"), day("2024-06-01"))
    with pytest.raises(CatalogueError, match="no scene with B04 there from 2024-05-01 to 2024-06-01"):
        make_minicube(catalogue, elsewhere)


def test_a_missing_file_is_named_by_scene_and_band(shared, tmp_path):
    items = (shared / "golden" / "cubes" / "one_tile" / "items.json").read_text()
    (tmp_path / "items.json").write_text(items)
    catalogue = open_catalogue(str(tmp_path / "items.json"), bands=("B04",))
    request = MiniRequest(minigrid(50.865, -1.617, 16, 10), ("B04",), day("2024-05-01"), day("2024-06-01"))
    with pytest.raises(PixelReadError, match="scene S2X_2024-05-11_0, band B04"):
        make_minicube(catalogue, request)


@pytest.mark.parametrize("bands", [(), ("B04", "VV"), ("B99",), ("B04", "../etc")])
def test_bands_of_no_one_sensor_are_refused(bands):
    with pytest.raises(SettingsError, match="of one sensor"):
        MiniRequest(minigrid(50.0, -1.0, 16, 10), bands, day("2024-05-01"), day("2024-06-01"))
