"""The pixels of the small world: every pixel of a scene holds the scene's number."""

from __future__ import annotations

import numpy as np
from warehouse_world import WOODLANDS, scene

from monitoring.grid import Block, make_blocks
from monitoring.scenes import Sensor
from warehouse.cube import Observation


def block() -> Block:
    """Both woodlands."""
    return make_blocks(WOODLANDS, 10_000)[0]


def observation(number: int, sensor: Sensor = Sensor.S2, source: str = "simulated") -> Observation:
    """Every pixel of scene `number` holds `number`."""
    n = len(block().pixels)
    if sensor is Sensor.S2:
        values = np.full((n, 10), number, np.uint16)
        return Observation(scene(number, sensor, source), values, np.full(n, 4, np.uint8))
    return Observation(scene(number, sensor, source), np.full((n, 2), number, np.float32))
