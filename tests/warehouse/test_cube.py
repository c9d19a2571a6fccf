from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
from cube_world import block, observation, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_world import NOW

from monitoring.errors import WarehouseError
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


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of an empty cube."""
    root = tmp_path_factory.mktemp("laid-out")
    open_cube(root, block())
    return root


@pytest.fixture
def root(tmp_path: Path, laid_out: Path) -> Path:
    """The same in a folder of its own."""
    return Path(shutil.copytree(laid_out, tmp_path, dirs_exist_ok=True))


def test_what_is_appended_is_read_back_in_time_order(root: Path) -> None:
    cube = open_cube(root, block())
    late_first = [observation(3), observation(1), observation(2, Sensor.S1_ASCENDING)]
    assert cube.append(late_first) == 3
    assert cube.append([observation(0)]) == 1
    series = open_cube(root, block()).read(*ALWAYS)
    assert series.s2.scene_ids == ("s2-0000", "s2-0001", "s2-0003")
    assert series.s2.values[:, 0, 0].tolist() == [0, 1, 3]
    assert series.s2.values.dtype == np.uint16
    assert series.s2.scl is not None
    assert (series.s2.scl == 4).all()
    assert series.s1_ascending.values.dtype == np.float32
    assert series.s1_descending.values.shape == (0, len(block().pixels), 2)


def test_appending_again_stores_nothing_and_makes_no_commit(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(1), observation(2)])
    before = commits(cube)
    assert cube.append([observation(1), observation(2)]) == 0
    assert cube.append([]) == 0
    assert commits(cube) == before


def test_a_scene_twice_in_one_batch_is_stored_once(root: Path) -> None:
    cube = open_cube(root, block())
    assert cube.append([observation(1), observation(1)]) == 1
    assert cube.scene_ids(Sensor.S2) == {"s2-0001"}


def test_all_sensors_of_one_append_are_one_commit(root: Path) -> None:
    cube = open_cube(root, block())
    before = commits(cube)
    assert cube.append([observation(1, sensor) for sensor in Sensor]) == 3
    assert commits(cube) == before + 1


def test_a_window_holds_its_start_and_not_its_end(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(number) for number in range(4)])
    first, third = observation(0).scene.acquired_at, observation(2).scene.acquired_at
    assert cube.read(first, third).s2.scene_ids == ("s2-0000", "s2-0001")


def test_missing_radar_stays_nan(root: Path) -> None:
    cube = open_cube(root, block())
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
        (lambda o: replace(o, cloud=o.scl[:-1]), "cloud_probability .* expected .* uint8"),
        (lambda o: replace(observation(2, Sensor.S1_ASCENDING), cloud=o.scl), "Sentinel-2 scenes only"),
        (lambda o: replace(o, read_at=datetime(2026, 1, 1)), "no time zone"),  # noqa: DTZ001
    ],
)
def test_a_misfit_among_good_scenes_is_refused_and_nothing_is_stored(root: Path, wrong, message) -> None:
    cube = open_cube(root, block())
    with pytest.raises(WarehouseError, match=message):
        cube.append([observation(1), wrong(observation(2))])
    assert cube.scene_ids(Sensor.S2) == frozenset()


def test_a_cube_never_mixes_sources(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(1)])
    with pytest.raises(WarehouseError, match="earth-search and simulated never mix"):
        cube.append([observation(2, Sensor.S1_ASCENDING, source="earth-search")])
    assert not cube.scene_ids(Sensor.S1_ASCENDING)


def test_a_damaged_chunk_is_an_error_and_never_other_numbers(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([noise(number) for number in range(20)])
    for path in chunk_files(cube):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(WarehouseError, match="checksum"):
        open_cube(root, block()).read(*ALWAYS)


def test_a_lost_chunk_is_an_error_and_never_no_data(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([noise(number) for number in range(20)])
    for path in chunk_files(cube):
        path.unlink()
    with pytest.raises(WarehouseError, match="not found"):
        open_cube(root, block()).read(*ALWAYS)


def test_a_root_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    with pytest.raises(WarehouseError, match="File exists") as refusal:
        open_cube(tmp_path / "root", block())
    assert "\n" not in str(refusal.value)


def opened(cube: Cube, sensor: Sensor = Sensor.S2, **options: object) -> xr.Dataset:
    """A group as anybody opens it, with nothing of ours."""
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(cube.path)))
    store = repository.readonly_session("main").store
    return xr.open_zarr(store, group=sensor.value, consolidated=False, chunks=None, **options)


def cells_of(group: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Eastings and northings of the gathered pixels, by what CF says of `compress`."""
    assert group["pixel"].attrs["compress"] == "y x"
    row, column = np.divmod(group["pixel"].values, group.sizes["x"])
    return group["x"].values[column], group["y"].values[row]


def test_xarray_opens_a_group_as_cf_gathering(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(number) for number in range(3)])
    group = opened(cube, mask_and_scale=False)
    assert group["values"].dims == ("time", "pixel", "band")
    assert group["values"].dtype == np.uint16
    assert group.sel(time="2024-01-06")["scene_id"].values.tolist() == ["s2-0001"]
    assert group["offset_dn"].values.tolist() == [1000] * 3
    easting, northing = cells_of(group)
    assert (easting == block().pixels.easting_m).all()
    assert (northing == block().pixels.northing_m).all()
    assert "32630" in group["crs"].attrs["crs_wkt"]
    assert group.attrs["Conventions"].startswith("CF-")


def test_decoded_values_are_reflectance_and_missing_ones_nan(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(number) for number in (0, 2500)])
    group = opened(cube)
    red = group["values"].sel(band="B04")
    assert np.isnan(red.values[0]).all()
    assert red.values[1] == pytest.approx(0.25)
    assert group["values"].attrs["standard_name"] == "surface_bidirectional_reflectance"
    assert group["values"].attrs["units"] == "1"


def test_a_window_of_time_is_selected_after_appends_in_order(root: Path) -> None:
    cube = open_cube(root, block())
    for first in (0, 3):
        cube.append([observation(number) for number in range(first, first + 3)])
    chosen = opened(cube).sel(time=slice("2024-01-06", "2024-01-16")).isel(pixel=[0, 5])
    assert chosen["scene_id"].values.tolist() == ["s2-0001", "s2-0002", "s2-0003"]
    assert chosen.sizes["pixel"] == 2


def test_an_empty_cube_opens_too(root: Path) -> None:
    group = opened(open_cube(root, block()), Sensor.S1_ASCENDING)
    assert group.sizes["time"] == 0
    assert group["values"].dims == ("time", "pixel", "band")


def test_older_scenes_that_came_later_are_in_order_in_the_dataset(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(number) for number in (4, 5)])
    cube.append([observation(number) for number in (1, 2)])
    numbers = [1, 2, 4, 5]
    sorted_one = cube.dataset(Sensor.S2)
    assert (sorted_one["values"].values[:, 0, 0] * 10_000).round().tolist() == numbers
    window = slice("2024-01-08", "2024-01-25")
    assert sorted_one.sel(time=window)["scene_id"].values.tolist() == ["s2-0002", "s2-0004"]
    assert opened(cube).sel(time="2024-01-06")["scene_id"].values.tolist() == ["s2-0001"]
    with pytest.raises(KeyError):
        opened(cube).sel(time=window)
    assert opened(cube).sortby("time").sel(time=window).sizes["time"] == 2


def test_where_a_scene_comes_from_is_kept_beside_its_pixels(root: Path) -> None:
    cube = open_cube(root, block())
    made = observation(1)
    scene = replace(
        made.scene, relative_orbit=94, tile="30UXC", offset_from_dn=1000, checksums=(("B04", "1220ab"),)
    )
    cube.append([replace(made, scene=scene, read_at=NOW)])
    kept = {name: values[0] for name, values in cube.provenance(Sensor.S2, *ALWAYS).items()}
    assert (kept["relative_orbit"], kept["tile"], kept["offset_from_dn"]) == (94, "30UXC", 1000)
    assert json.loads(str(kept["href"]))["B12"] == "/scenes/1/B12.tif"
    assert json.loads(str(kept["checksums"])) == {"B04": "1220ab"}
    assert kept["read_at"] == NOW.timestamp()
    assert made.scl is not None
    expected = hashlib.sha256(made.values.tobytes() + made.scl.tobytes()).hexdigest()[:16]
    assert kept["content"] == expected
    assert opened(cube)["read_at"].values[0] == np.datetime64("2026-01-15T03:00:00")


def test_every_held_scene_is_named_with_its_pass(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([observation(2), observation(1), observation(3, Sensor.S1_ASCENDING)])
    assert [held.id for held in cube.held()] == ["s2-0001", "s2-0002", "s1_ascending-0003"]
    first = cube.held()[0]
    assert first.acquired_at == observation(1).scene.acquired_at
    assert (first.platform, first.acquisition, first.source) == ("sentinel-2a", "acquisition-1", "simulated")


def test_cloud_probability_is_kept_where_it_was_read_and_costs_nothing_elsewhere(root: Path) -> None:
    pixels = block().pixels
    cube = open_cube(root, block())
    cube.append([noise(number) for number in range(20)])
    assert cube.read(*ALWAYS).s2.cloud is None
    names = ("values", "scl", "cloud_probability")
    stored = {
        name: cube.repository.readonly_session("main").chunk_coordinates(f"/s2/{name}") for name in names
    }
    assert len([*collect(stored["values"])]) == 2
    assert not [*collect(stored["cloud_probability"])]
    cube.append([seen(30, pixels, cloud=40)])
    cloud = cube.read(*ALWAYS).s2.cloud
    assert cloud is not None
    assert cloud[-1].tolist() == [40] * len(pixels)
    assert (cloud[:-1] == 255).all()
    kept = cube.read(*ALWAYS).s2.keep({"s2-0030"}).cloud
    assert kept is not None
    assert kept.shape == (1, len(pixels))


def collect(coordinates: AsyncIterator[object]) -> list[object]:
    async def all_of() -> list[object]:
        return [each async for each in coordinates]

    return asyncio.run(all_of())


def test_a_full_disk_is_one_clear_line_and_stores_nothing(root: Path) -> None:
    cube = open_cube(root, block())
    cube.append([noise(1)])
    before = chunk_files(cube)
    with file_size_limit(4_000), pytest.raises(WarehouseError, match=r"cube .*large") as refusal:
        cube.append([noise(number) for number in range(2, 40)])
    assert "\n" not in str(refusal.value)
    assert open_cube(root, block()).scene_ids(Sensor.S2) == {"s2-0001"}
    assert set(before) <= set(chunk_files(cube))
    assert cube.append([noise(2)]) == 1


@contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    """What a full disk does to a write, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def kept_once(root: Path, batches: list[list[int]]) -> None:
    cube = open_cube(root, block())
    added = sum(cube.append([observation(number) for number in batch]) for batch in batches)
    expected = sorted({number for batch in batches for number in batch})
    series = cube.read(*ALWAYS).s2
    assert added == len(expected)
    assert series.values[:, 0, 0].tolist() == expected


def test_scenes_that_overlap_and_come_out_of_order_are_each_kept_once(root: Path) -> None:
    kept_once(root, [[5, 3, 5], [], [12, 3, 0]])


@pytest.mark.slow
@given(batches=st.lists(st.lists(st.integers(0, 12), max_size=6), min_size=1, max_size=4))
@settings(max_examples=6, deadline=None)
def test_however_scenes_arrive_each_is_kept_once(
    tmp_path_factory: pytest.TempPathFactory, laid_out: Path, batches: list[list[int]]
) -> None:
    root = tmp_path_factory.mktemp("cube")
    kept_once(Path(shutil.copytree(laid_out, root, dirs_exist_ok=True)), batches)
