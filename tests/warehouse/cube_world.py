"""The pixels of the small world: every pixel of a scene holds the scene's number, or tells its cell too."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray
from warehouse_world import NOW, WOODLANDS, scene

from monitoring.grid import Block, PixelSet, make_blocks
from monitoring.scenes import Sensor
from warehouse.cube import Observation


@cache
def block(names: str = "ab") -> Block:
    """Both woodlands, or those named, in the one block."""
    return make_blocks([woodland for woodland in WOODLANDS if woodland.id in names], 10_000)[0]


def observation(number: int, sensor: Sensor = Sensor.S2, source: str = "simulated") -> Observation:
    """Every pixel of scene `number` holds `number`."""
    n = len(block().pixels)
    if sensor is Sensor.S2:
        values = np.full((n, 10), number, np.uint16)
        return Observation(scene(number, sensor, source), values, np.full(n, 4, np.uint8))
    return Observation(scene(number, sensor, source), np.full((n, 2), number, np.float32))


def told(number: int, pixels: PixelSet, bands: int = 10) -> NDArray[np.uint16]:
    """(N, B): what scene `number` shows of each cell, different for neighbours, bands and scenes."""
    cell = (pixels.column.astype(int) % 61) * 97 + (pixels.row.astype(int) % 53)
    return (1 + number * 13 + cell[:, None] * 10 + np.arange(bands)).astype(np.uint16)


def seen(
    number: int,
    pixels: PixelSet,
    sensor: Sensor = Sensor.S2,
    *,
    cloud: int | None = None,
    read_at: datetime = NOW,
) -> Observation:
    """What scene `number` shows of some cells: a value that tells scene, cell and band."""
    values, n = told(number, pixels, len(sensor.bands)), len(pixels)
    if sensor is not Sensor.S2:
        return Observation(scene(number, sensor), values.astype(np.float32), read_at=read_at)
    classes = (values[:, 0] % 11 + 1).astype(np.uint8)
    probability = None if cloud is None else np.full(n, cloud, np.uint8)
    return Observation(scene(number, sensor), values, classes, probability, read_at)


def some(pixels: PixelSet, positions: NDArray[np.int64]) -> PixelSet:
    """The cells at some positions."""
    return PixelSet(pixels.epsg, pixels.column[positions], pixels.row[positions])
