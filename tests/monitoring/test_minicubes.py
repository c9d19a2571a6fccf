import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import SettingsError
from monitoring.minicubes import minigrid


@pytest.fixture(scope="module")
def published_grids(shared):
    with (shared / "golden" / "cubes" / "grids.csv").open() as file:
        return list(csv.DictReader(file))


def of(row):
    edge, resolution = float(row["edge_size"]), float(row["resolution"])
    return minigrid(float(row["lat"]), float(row["lon"]), edge, resolution, row["units"])


def test_every_published_grid_has_our_zone_and_bounds(published_grids):
    for row in published_grids:
        grid = of(row)
        assert grid.epsg == int(row["epsg"]), row["site"]
        assert grid.bounds == tuple(float(row[side]) for side in ("west", "south", "east", "north")), row


def test_every_published_centre_and_ring_are_ours(published_grids):
    for row in published_grids:
        grid = of(row)
        assert grid.centre == pytest.approx((float(row["centre_x"]), float(row["centre_y"])), abs=1e-6)
        assert np.abs(grid.ring - np.array(json.loads(row["lonlat_ring"]))).max() <= 1e-8


def test_the_published_sizes_are_ours(published_grids):
    assert [of(row).size for row in published_grids] == [int(row["nx"]) for row in published_grids]


@given(
    st.floats(-79, 83),
    st.floats(-179.9, 179.9),
    st.integers(1, 200),
    st.sampled_from([10.0, 20.0, 60.0]),
)
def test_the_point_lies_within_a_cell_of_the_middle(latitude, longitude, edge, resolution):
    grid = minigrid(latitude, longitude, edge, resolution)
    west, south, east, north = grid.bounds
    assert east - west == north - south == pytest.approx(edge * resolution, abs=1)
    assert np.hypot((west + east) / 2 - grid.centre[0], (south + north) / 2 - grid.centre[1]) <= resolution


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((91.0, 0.0, 64, 10), "latitude 91"),
        ((51.0, 181.0, 64, 10), "longitude 181"),
        ((51.0, 0.0, 0, 10), "edge of 0 cells"),
        ((51.0, 0.0, 64, 0), "resolution 0"),
        ((51.0, 0.0, 64, float("nan")), "resolution nan"),
        ((51.0, 0.0, 1e9, 10), "1 to 4096"),
        ((51.0, 0.0, 64, 10, "miles"), "units 'miles'"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_by_name(arguments, named):
    with pytest.raises(SettingsError, match=named):
        minigrid(*arguments)
