"""A block that gains woodland: its cube grows at the end, and only the new pixels are read again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr
from cube_world import block, seen, some, told
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.errors import WarehouseError
from monitoring.grid import Block
from monitoring.scenes import Sensor
from warehouse.cube import Cube, Observation, find_cube, open_cube

HERE = Path(__file__).parent
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def of(numbers: Sequence[int], of_block: Block) -> list[Observation]:
    """Scenes of every sensor over a whole block."""
    return [seen(number, of_block.pixels, sensor) for number in numbers for sensor in Sensor]


def commits(cube: Cube) -> int:
    return len(list(cube.repository.ancestry(branch="main")))


def fill(cube: Cube) -> int:
    """Read and fill what the held scenes lack, as ingest does, one commit per set of positions."""
    lacking = cube.lacking(cube.held())
    filled = 0
    for held in cube.held():
        if held.id in lacking:
            cells = some(cube.block.pixels, lacking[held.id])
            filled += cube.fill([seen(int(held.id[-4:]), cells, held.sensor)], lacking[held.id])
    return filled


def is_whole(cube: Cube, numbers: Sequence[int]) -> bool:
    """True when every scene shows each of the block's cells what it should."""
    series = cube.read(*ALWAYS)
    return all(
        np.array_equal(
            series.of(sensor).values,
            np.array([told(n, cube.block.pixels, len(sensor.bands)) for n in sorted(numbers)]),
        )
        for sensor in Sensor
    )


@pytest.fixture
def grown(tmp_path: Path, growing: Path) -> Cube:
    """A cube of woodland b that has held three scenes and then gained woodland a."""
    return copied(growing, tmp_path)


@pytest.fixture
def whole(tmp_path: Path, filled_in: Path) -> Cube:
    """The same once its scenes are filled in."""
    return copied(filled_in, tmp_path)


@pytest.fixture
def small(tmp_path: Path, held: Path) -> Path:
    """The root of a cube of woodland b that holds scene 1."""
    return Path(shutil.copytree(held, tmp_path, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("growing")
    open_cube(root, block("b")).append(of([1, 2, 3], block("b")))
    open_cube(root, block("ab"))
    return root


@pytest.fixture(scope="module")
def filled_in(tmp_path_factory: pytest.TempPathFactory, growing: Path) -> Path:
    root = tmp_path_factory.mktemp("filled")
    assert fill(copied(growing, root)) == 9
    return root


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("held")
    open_cube(root, block("b")).append(of([1], block("b")))
    return root


def copied(root: Path, folder: Path) -> Cube:
    """The cube of both woodlands in a folder of its own."""
    return open_cube(Path(shutil.copytree(root, folder, dirs_exist_ok=True)), block("ab"))


def test_the_worlds_blocks_are_one_block() -> None:
    assert block("a").id == block("b").id == block("ab").id
    assert len(block("a").pixels) + len(block("b").pixels) == len(block("ab").pixels)


def test_a_new_woodland_is_lacking_in_every_scene_held_and_the_old_one_in_none(grown: Cube) -> None:
    assert grown.scene_ids(Sensor.S2) == frozenset()
    lacking = grown.lacking([each.scene for each in of([1, 2, 3, 4], grown.block)])
    assert sorted(lacking) == sorted(each.scene.id for each in of([1, 2, 3], grown.block))
    a, b = block("a").pixels, block("b").pixels
    for positions in lacking.values():
        cells = some(grown.block.pixels, positions)
        assert cells.digest == a.digest
        assert (b.index_of(cells.column, cells.row) == -1).all()
    assert len({id(positions) for positions in lacking.values()}) == len(Sensor)


def test_until_filled_the_old_pixels_are_as_before_and_the_new_ones_missing(grown: Cube) -> None:
    series, pixels = grown.read(*ALWAYS), grown.block.pixels
    is_old = block("b").pixels.index_of(pixels.column, pixels.row) >= 0
    assert (series.s2.values[0, is_old] == told(1, pixels)[is_old]).all()
    assert (series.s2.values[:, ~is_old] == 0).all()
    assert np.isnan(series.s1_ascending.values[:, ~is_old]).all()
    assert series.s2.scl is not None
    assert (series.s2.scl[:, ~is_old] == 0).all()


def test_filling_completes_the_scenes_and_changes_nothing_that_was_there(grown: Cube) -> None:
    before = grown.provenance(Sensor.S2, *ALWAYS)
    assert fill(grown) == 9
    assert is_whole(grown, [1, 2, 3])
    assert grown.scene_ids(Sensor.S2) == {"s2-0001", "s2-0002", "s2-0003"}
    assert not grown.lacking(grown.held())
    after = grown.provenance(Sensor.S2, *ALWAYS)
    assert all((before[name] == after[name]).all() for name in before)
    assert is_whole(open_cube(grown.path.parent, block("b")), [1, 2, 3])


def test_filling_again_makes_no_commit(grown: Cube) -> None:
    lacking = grown.lacking(grown.held())
    fill(grown)
    n_commits = commits(grown)
    cells = some(grown.block.pixels, lacking["s2-0001"])
    assert grown.fill([seen(1, cells)], lacking["s2-0001"]) == 0
    assert commits(grown) == n_commits


def test_a_batch_is_filled_in_one_commit(grown: Cube) -> None:
    positions = grown.lacking(grown.held())["s2-0001"]
    n_commits = commits(grown)
    cells = some(grown.block.pixels, positions)
    assert grown.fill([seen(n, cells, sensor) for n in (3, 1) for sensor in Sensor], positions) == 6
    assert commits(grown) == n_commits + 1
    assert grown.scene_ids(Sensor.S1_ASCENDING) == {"s1_ascending-0001", "s1_ascending-0003"}


def test_filling_cannot_change_a_pixel_that_was_read(grown: Cube) -> None:
    everywhere = np.arange(len(grown.block.pixels))
    other = seen(1, grown.block.pixels)
    assert grown.fill([replace(other, values=other.values + np.uint16(5))], everywhere) == 1
    values = grown.read(*ALWAYS).s2.values[0]
    pixels = grown.block.pixels
    is_old = block("b").pixels.index_of(pixels.column, pixels.row) >= 0
    assert (values[is_old] == told(1, pixels)[is_old]).all()
    assert (values[~is_old] == told(1, pixels)[~is_old] + 5).all()


def test_an_append_of_a_scene_held_in_part_fills_the_rest(grown: Cube) -> None:
    n_commits = commits(grown)
    assert grown.append(of([2, 4], grown.block)) == 6
    assert commits(grown) == n_commits + 1
    assert grown.scene_ids(Sensor.S2) == {"s2-0002", "s2-0004"}
    fill(grown)
    assert is_whole(grown, [1, 2, 3, 4])


def test_a_woodland_that_left_stays_stored_and_is_not_read(whole: Cube) -> None:
    smaller = open_cube(whole.path.parent, block("a"))
    assert is_whole(smaller, [1, 2, 3])
    smaller.append(of([4], block("a")))
    assert is_whole(smaller, [1, 2, 3, 4])


def test_a_woodland_that_came_back_lacks_only_the_scenes_of_its_absence(whole: Cube) -> None:
    root = whole.path.parent
    open_cube(root, block("a")).append(of([4], block("a")))
    back = open_cube(root, block("ab"))
    assert back.scene_ids(Sensor.S2) == {"s2-0001", "s2-0002", "s2-0003"}
    lacking = back.lacking(back.held())
    assert set(lacking) == {"s2-0004", "s1_ascending-0004", "s1_descending-0004"}
    assert some(back.block.pixels, lacking["s2-0004"]).digest == block("b").pixels.digest
    assert fill(back) == 3
    assert is_whole(back, [1, 2, 3, 4])


def test_a_cube_opened_before_the_growth_goes_on_with_its_own_pixels(small: Path) -> None:
    early = open_cube(small, block("b"))
    later = open_cube(small, block("ab"))
    early.append(of([2], block("b")))
    assert is_whole(early, [1, 2])
    later.append(of([3], block("ab")))
    assert fill(later) == 6
    assert is_whole(later, [1, 2, 3])


def test_looking_writes_nothing(small: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert find_cube(tmp_path_factory.mktemp("nothing"), block()) is None
    held = open_cube(small, block("b"))
    n_commits = commits(held)
    look = find_cube(small, block("ab"))
    assert look is not None
    assert look.scene_ids(Sensor.S2) == frozenset()
    assert len(look.lacking(look.held())["s2-0001"]) == len(block("a").pixels)
    assert (look.read(*ALWAYS).s2.values[0] > 0).all(axis=1).sum() == len(block("b").pixels)
    assert commits(held) == n_commits
    with pytest.raises(WarehouseError, match="opened for looking"):
        look.append(of([2], block("ab")))


def test_the_grown_axis_is_still_valid_gathering(whole: Cube) -> None:
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(whole.path)))
    store = repository.readonly_session("main").store
    group = xr.open_zarr(store, group="s2", consolidated=False, chunks=None, mask_and_scale=False)
    row, column = np.divmod(group["pixel"].values, group.sizes["x"])
    places = block("ab").pixels.index_of(
        (group["x"].values[column] // 10).astype(np.int32), (group["y"].values[row] // 10).astype(np.int32)
    )
    assert sorted(places) == list(range(len(block("ab").pixels)))
    assert (group["values"].values[0] == told(1, block("ab").pixels)[places]).all()
    own = whole.dataset(Sensor.S1_ASCENDING)
    assert (own["values"].values[0] == told(1, block("ab").pixels, 2)).all()


def test_a_scene_that_changed_since_is_not_filled_in(grown: Cube) -> None:
    positions = grown.lacking(grown.held())["s2-0001"]
    made = seen(1, some(grown.block.pixels, positions))
    changed = replace(made, scene=replace(made.scene, offset_dn=0))
    with pytest.raises(WarehouseError, match="s2-0001: offset_dn 0, first read with 1000"):
        grown.fill([changed], positions)
    assert "s2-0001" in grown.lacking(grown.held())


@pytest.mark.parametrize(
    ("positions", "message"),
    [([-1], "from 0 to"), ([0, 0], "different"), ([10_000], "from 0 to"), ([[0]], "different")],
)
def test_positions_outside_the_block_are_refused(grown: Cube, positions: list[int], message: str) -> None:
    with pytest.raises(WarehouseError, match=message):
        grown.fill([], np.array(positions))


def test_a_scene_that_is_not_held_cannot_be_filled(grown: Cube) -> None:
    with pytest.raises(WarehouseError, match=r"s2-0009: not in cube .* append it"):
        grown.fill([seen(9, grown.block.pixels)], np.arange(len(grown.block.pixels)))


def test_a_block_of_another_zone_is_not_this_cube(tmp_path: Path) -> None:
    open_cube(tmp_path, block())
    pixels = replace(block().pixels, epsg=32631)
    with pytest.raises(WarehouseError, match="EPSG:32630, the block's EPSG:32631"):
        open_cube(tmp_path, replace(block(), pixels=pixels))


def test_a_cube_of_the_old_naming_is_left_alone(tmp_path: Path) -> None:
    old = tmp_path / f"{block().id}-{block().pixels.digest}"
    old.mkdir()
    (old / "kept").touch()
    assert open_cube(tmp_path, block()).path != old
    assert [path.name for path in old.iterdir()] == ["kept"]


def grown_and_filled(root: Path) -> None:
    """Grow the cube of woodland b by woodland a, and fill in scene 1."""
    everywhere = np.arange(len(block("ab").pixels))
    open_cube(root, block("ab")).fill(of([1], block("ab")), everywhere)


def check_grown_once(root: Path) -> None:
    cube = open_cube(root, block("ab"))
    assert is_whole(cube, [1])
    messages = [commit.message for commit in cube.repository.ancestry(branch="main")]
    assert sum(message.startswith("grow") for message in messages) == 1
    assert sum(message.startswith("fill") for message in messages) == 1


def test_two_threads_that_grow_one_cube_add_its_pixels_once(small: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(grown_and_filled, [small, small]))
    check_grown_once(small)


@pytest.mark.slow
def test_two_processes_that_grow_one_cube_add_its_pixels_once(small: Path) -> None:
    command = [sys.executable, str(HERE / "grow_cube.py"), str(small)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60) and child.returncode for child in children] == [0, 0]
    check_grown_once(small)


def test_the_count_of_leading_pixels_agrees_with_the_marks(grown: Cube) -> None:
    open_cube(grown.path.parent, block("a")).append(of([4], block("a")))
    positions = grown.lacking(grown.held())["s2-0001"]
    grown.fill([seen(1, some(grown.block.pixels, positions[:7]))], positions[:7])
    group = zarr.open_group(grown.repository.readonly_session("main").store, path="s2", mode="r")
    marks, counts = np.asarray(group["is_read"][:]), np.asarray(group["pixels_read"][:])
    leading = [len(row) if row.all() else int(row.argmin()) for row in marks]
    assert counts.tolist() == leading
    n = len(block("b").pixels)
    assert leading == [n + 7, n, n, 0]


Steps = list[tuple[str, set[int], bool]]


def read_once(root: Path, steps: Steps) -> None:
    """Let a block change step by step: its woodlands, the scenes that come, whether they are filled in."""
    was_read: dict[int, set[str]] = {}
    for names, numbers, is_filled in steps:
        cube = open_cube(root, block(names))
        cube.append(of(sorted(numbers), block(names)))
        if is_filled:
            fill(cube)
        for number in {*numbers, *(was_read if is_filled else ())}:
            was_read[number] = was_read.get(number, set()) | set(names)
        lacking = cube.lacking(cube.held())
        complete = {f"s2-{number:04d}" for number, woods in was_read.items() if set(names) <= woods}
        assert cube.scene_ids(Sensor.S2) == complete
        assert complete.isdisjoint(lacking)
    fill(open_cube(root, block("ab")))
    assert is_whole(open_cube(root, block("ab")), sorted(was_read))


def test_a_block_that_grows_and_shrinks_reads_each_pixel_of_each_scene_once(tmp_path: Path) -> None:
    read_once(tmp_path, [("b", {1, 2}, False), ("a", {2, 3}, True)])


@pytest.mark.slow
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "ab"]),
            st.sets(st.integers(0, 40), min_size=1, max_size=3),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=3, deadline=None)
def test_however_a_block_changes_each_pixel_of_each_scene_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, steps: Steps
) -> None:
    read_once(tmp_path_factory.mktemp("cube"), steps)
