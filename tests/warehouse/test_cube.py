from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
from cube_world import block, observation
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_world import WOODLANDS

from monitoring.errors import WarehouseError
from monitoring.grid import make_blocks
from monitoring.scenes import Sensor
from warehouse.cube import Cube, Observation, open_cube

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def commits(cube: Cube) -> int:
    return len(list(cube.repository.ancestry(branch="main")))


def noise(number: int) -> Observation:
    """Pixels that do not compress, so that their chunk is a file of its own."""
    made = observation(number)
    values = np.random.default_rng(number).integers(1, 10_000, made.values.shape).astype(np.uint16)
    return replace(made, values=values)


def chunk_files(cube: Cube) -> list[Path]:
    return [path for path in (cube.path / "chunks").iterdir() if path.is_file()]


def test_what_is_appended_is_read_back_in_time_order(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    late_first = [observation(3), observation(1), observation(2, Sensor.S1_ASCENDING)]
    assert cube.append(late_first) == 3
    assert cube.append([observation(0)]) == 1
    series = open_cube(tmp_path, block()).read(*ALWAYS)
    assert series.s2.scene_ids == ("s2-0000", "s2-0001", "s2-0003")
    assert series.s2.values[:, 0, 0].tolist() == [0, 1, 3]
    assert series.s2.values.dtype == np.uint16
    assert series.s2.scl is not None
    assert (series.s2.scl == 4).all()
    assert series.s1_ascending.values.dtype == np.float32
    assert series.s1_descending.values.shape == (0, len(block().pixels), 2)


def test_appending_again_stores_nothing_and_makes_no_commit(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([observation(1), observation(2)])
    before = commits(cube)
    assert cube.append([observation(1), observation(2)]) == 0
    assert cube.append([]) == 0
    assert commits(cube) == before


def test_a_scene_twice_in_one_batch_is_stored_once(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    assert cube.append([observation(1), observation(1)]) == 1
    assert cube.scene_ids(Sensor.S2) == {"s2-0001"}


def test_all_sensors_of_one_append_are_one_commit(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    before = commits(cube)
    assert cube.append([observation(1, sensor) for sensor in Sensor]) == 3
    assert commits(cube) == before + 1


def test_a_window_holds_its_start_and_not_its_end(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([observation(number) for number in range(4)])
    first, third = observation(0).scene.acquired_at, observation(2).scene.acquired_at
    assert cube.read(first, third).s2.scene_ids == ("s2-0000", "s2-0001")


def test_another_set_of_pixels_is_another_repository(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([observation(1)])
    (smaller,) = make_blocks(WOODLANDS[:1], 10_000)
    other = open_cube(tmp_path, smaller)
    assert smaller.id == block().id
    assert other.path != cube.path
    assert not other.scene_ids(Sensor.S2)


def test_missing_radar_stays_nan(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    gap = observation(1, Sensor.S1_DESCENDING)
    gap.values[0] = np.nan
    cube.append([gap])
    read = cube.read(*ALWAYS).s1_descending.values[0, :, 0]
    assert np.isnan(read[0])
    assert (read[1:] == 1).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda o: replace(o, values=o.values[:-1]), "expected"),
        (lambda o: replace(o, values=o.values.astype(np.int16)), "int16, expected"),
        (lambda o: replace(o, values=o.values[:, :9]), "expected"),
        (lambda o: replace(o, scl=None), "scl belongs"),
        (lambda o: replace(o, scl=o.scl[:-1]), "expected .* uint8"),
    ],
)
def test_a_misfit_among_good_scenes_is_refused_and_nothing_is_stored(tmp_path: Path, wrong, message) -> None:
    cube = open_cube(tmp_path, block())
    with pytest.raises(WarehouseError, match=message):
        cube.append([observation(1), wrong(observation(2))])
    assert cube.scene_ids(Sensor.S2) == frozenset()


def test_a_cube_never_mixes_sources(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([observation(1)])
    with pytest.raises(WarehouseError, match="earth-search and simulated never mix"):
        cube.append([observation(2, Sensor.S1_ASCENDING, source="earth-search")])
    assert not cube.scene_ids(Sensor.S1_ASCENDING)


def test_a_damaged_chunk_is_an_error_and_never_other_numbers(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([noise(number) for number in range(20)])
    for path in chunk_files(cube):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(WarehouseError, match="checksum"):
        open_cube(tmp_path, block()).read(*ALWAYS)


def test_a_lost_chunk_is_an_error_and_never_no_data(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([noise(number) for number in range(20)])
    for path in chunk_files(cube):
        path.unlink()
    with pytest.raises(WarehouseError, match="not found"):
        open_cube(tmp_path, block()).read(*ALWAYS)


def test_a_root_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    with pytest.raises(WarehouseError, match="File exists") as refusal:
        open_cube(tmp_path / "root", block())
    assert "\n" not in str(refusal.value)


def test_xarray_opens_a_group_as_cf_gathering(tmp_path: Path) -> None:
    cube = open_cube(tmp_path, block())
    cube.append([observation(number) for number in range(3)])
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(cube.path)))
    group = xr.open_zarr(repository.readonly_session("main").store, group="s2", chunks=None)
    assert group["values"].dims == ("time", "pixel", "band")
    assert group["values"].dtype == np.uint16
    assert group.sel(time="2024-01-06")["scene_id"].values.tolist() == ["s2-0001"]
    assert group["offset_dn"].values.tolist() == [1000] * 3
    assert group["href"].values[0] == "/scenes/0/B04.tif"
    row, column = np.divmod(group["pixel"].values, group.sizes["x"])
    assert group["pixel"].attrs["compress"] == "y x"
    assert (group["x"].values[column] == block().pixels.easting_m).all()
    assert (group["y"].values[row] == block().pixels.northing_m).all()
    assert "32630" in group["crs"].attrs["crs_wkt"]


@given(batches=st.lists(st.lists(st.integers(0, 12), max_size=6), min_size=1, max_size=4))
@settings(max_examples=6, deadline=None)
def test_however_scenes_arrive_each_is_kept_once(tmp_path_factory: pytest.TempPathFactory, batches) -> None:
    cube = open_cube(tmp_path_factory.mktemp("cube"), block())
    added = sum(cube.append([observation(number) for number in batch]) for batch in batches)
    expected = sorted({number for batch in batches for number in batch})
    series = cube.read(*ALWAYS).s2
    assert added == len(expected)
    assert series.values[:, 0, 0].tolist() == expected
