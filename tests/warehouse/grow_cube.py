"""Child process: waits for a word, grows a cube of woodland b by woodland a and fills in scene 1."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from append_until_killed import say
from cube_world import block, seen

from monitoring.scenes import Sensor
from warehouse.cube import open_cube

if __name__ == "__main__":
    say("ready")
    sys.stdin.readline()
    cube = open_cube(Path(sys.argv[1]), block("ab"))
    cube.fill([seen(1, block("ab").pixels, sensor) for sensor in Sensor], np.arange(len(block("ab").pixels)))
