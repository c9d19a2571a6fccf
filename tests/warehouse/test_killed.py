"""Kill -9 at any moment: what was committed is there, the rest is not, and running again completes it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from append_until_killed import append_all
from cube_world import block, told
from fill_until_killed import fill_all, hold_all
from kill_drill import aims, run_drill
from load_until_killed import load_all

from monitoring.scenes import Sensor
from warehouse.content import content_digest
from warehouse.cube import find_cube, open_cube
from warehouse.reader import read

HERE = Path(__file__).parent
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def start(script: str, folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / script), str(folder), str(count)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def kill_after(child: subprocess.Popen[str], delay_s: float) -> list[str]:
    """Kill -9 after a delay; return the lines said before."""
    time.sleep(delay_s)
    os.kill(child.pid, signal.SIGKILL)
    said, _ = child.communicate()
    return said.split()


def check_cube(folder: Path, said: list[str]) -> None:
    cube = open_cube(folder, block())
    series = cube.read(*ALWAYS)
    numbers = [int(scene_id[-4:]) for scene_id in series.s2.scene_ids]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= len(said)
    for sensor in Sensor:
        values = series.of(sensor).values
        assert len(values) == len(numbers)
        assert (values == np.array(numbers)[:, None, None]).all()


def cube_survives(folder: Path, n_scenes: int, delays_s: list[float]) -> None:
    for delay_s in delays_s:
        check_cube(folder, kill_after(start("append_until_killed.py", folder, n_scenes), delay_s))
    append_all(folder, n_scenes)
    assert len(open_cube(folder, block()).scene_ids(Sensor.S2)) == n_scenes


def growth_survives(folder: Path, n_scenes: int, delays_s: list[float]) -> None:
    hold_all(folder, n_scenes)
    for delay_s in delays_s:
        check_growth(folder, n_scenes, kill_after(start("fill_until_killed.py", folder, n_scenes), delay_s))
    fill_all(folder, n_scenes)
    check_growth(folder, n_scenes, [str(number) for number in range(n_scenes)])


def check_growth(folder: Path, n_scenes: int, said: list[str]) -> None:
    """Every scene is filled in or untouched, in all sensors alike, and those said to be are."""
    cube = find_cube(folder, block("ab"))
    assert cube is not None
    pixels = cube.block.pixels
    is_old = block("b").pixels.index_of(pixels.column, pixels.row) >= 0
    series, lacking = cube.read(*ALWAYS), cube.lacking(cube.held())
    for sensor in Sensor:
        assert len(series.of(sensor).scene_ids) == n_scenes
        for number, values in enumerate(series.of(sensor).values):
            is_filled = f"{sensor.value}-{number:04d}" not in lacking
            assert is_filled == (f"s2-{number:04d}" not in lacking)
            assert is_filled or str(number) not in said
            expected = told(number, pixels, len(sensor.bands)).astype(float)
            expected[~is_old & (not is_filled)] = 0 if sensor is Sensor.S2 else np.nan
            assert np.array_equal(values.astype(float), expected, equal_nan=True)


def warehouse_survives(folder: Path, n_years: int, delays_s: list[float]) -> None:
    undisturbed, disturbed = folder / "undisturbed", folder / "disturbed"
    load_all(undisturbed, n_years)
    for delay_s in delays_s:
        said = kill_after(start("load_until_killed.py", disturbed, n_years), delay_s)
        check_published(disturbed / "published.duckdb", said)
    load_all(disturbed, n_years)
    for name in ("warehouse.duckdb", "published.duckdb"):
        assert content_digest(disturbed / name) == content_digest(undisturbed / name)


def check_published(published: Path, said: list[str]) -> None:
    if not published.exists():
        assert not said
        return
    with read(published) as reader:
        seasons = {row["season"] for row in reader.history()}
    assert {f"{year}-Q4" for year in said} <= seasons


def test_a_killed_append_leaves_a_readable_cube_that_completes(tmp_path: Path) -> None:
    cube_survives(tmp_path, 3, [random.Random(1).uniform(0.1, 0.4)])


@pytest.mark.slow
def test_no_kill_of_load_publish_or_migrate_loses_a_row_or_shows_half_a_season(tmp_path: Path) -> None:
    tally = run_drill(tmp_path, aims(24, seed=8), seed=8)
    assert sum(tally.kills.values()) == 24
    assert tally.rows_committed > 0
    assert tally.migrations > 0


@pytest.mark.slow
def test_a_cube_survives_ten_kills_at_random_moments(tmp_path: Path) -> None:
    cube_survives(tmp_path, 60, [random.Random(3).uniform(0.0, 1.0) for _ in range(10)])


@pytest.mark.slow
def test_a_growing_cube_survives_ten_kills_at_random_moments(tmp_path: Path) -> None:
    growth_survives(tmp_path, 40, [random.Random(6).uniform(0.0, 1.0) for _ in range(10)])


@pytest.mark.slow
def test_a_warehouse_survives_ten_kills_at_random_moments(tmp_path: Path) -> None:
    warehouse_survives(tmp_path, 9, [random.Random(4).uniform(0.0, 1.0) for _ in range(10)])
