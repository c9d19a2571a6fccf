"""Child process: grows a cube of woodland b by woodland a and fills in its scenes, saying each one done."""

from __future__ import annotations

import sys
from pathlib import Path

from append_until_killed import say
from cube_world import block, seen, some

from monitoring.scenes import Sensor
from warehouse.cube import open_cube


def hold_all(root: Path, n_scenes: int) -> None:
    """Hold scenes 0 to n of every sensor for woodland b."""
    held = [seen(number, block("b").pixels, sensor) for number in range(n_scenes) for sensor in Sensor]
    open_cube(root, block("b")).append(held)


def fill_all(root: Path, n_scenes: int) -> None:
    """Grow, then fill in what the scenes lack, a commit for each number."""
    cube = open_cube(root, block("ab"))
    lacking = cube.lacking(cube.held())
    for number in range(n_scenes):
        positions = lacking.get(f"s2-{number:04d}")
        if positions is not None:
            cells = some(cube.block.pixels, positions)
            cube.fill([seen(number, cells, sensor) for sensor in Sensor], positions)
        say(number)


if __name__ == "__main__":
    say("ready")
    fill_all(Path(sys.argv[1]), int(sys.argv[2]))
