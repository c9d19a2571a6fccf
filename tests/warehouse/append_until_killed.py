"""Child process: appends scenes to a cube, one of each sensor at a time, and says so after each commit."""

from __future__ import annotations

import sys
from pathlib import Path

from cube_world import block, observation

from monitoring.scenes import Sensor
from warehouse.cube import open_cube


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def append_all(root: Path, n_scenes: int) -> None:
    """Append scenes 0 to n of every sensor, a commit each."""
    cube = open_cube(root, block())
    for number in range(n_scenes):
        cube.append([observation(number, sensor) for sensor in Sensor])
        say(number)


if __name__ == "__main__":
    say("ready")
    append_all(Path(sys.argv[1]), int(sys.argv[2]))
