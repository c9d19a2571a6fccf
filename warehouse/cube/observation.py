"""What one scene shows of a block's pixels, and what the cube remembers of a scene it holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import WarehouseError
from monitoring.scenes import Scene, Sensor

#: What `cloud` says where the product states no probability.
CLOUD_UNKNOWN = 255
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Observation:
    """What one scene shows of N pixels."""

    scene: Scene
    values: NDArray[np.uint16] | NDArray[np.float32]
    """(N, B): uint16 offset-removed reflectance, 0 = missing; float32 linear power, NaN = missing."""
    scl: NDArray[np.uint8] | None = None
    """(N,) scene classification, Sentinel-2 only."""
    cloud: NDArray[np.uint8] | None = None
    """(N,) probability of cloud, per cent, 255 = unknown; Sentinel-2 only, where it was asked for."""
    read_at: datetime = _EPOCH
    """When the assets were read, aware, UTC; 1970 where nobody said."""

    @property
    def layers(self) -> dict[str, NDArray[Any]]:
        """The pixels by the name of the array that keeps them, each (N, ...)."""
        layers: dict[str, NDArray[Any]] = {"values": self.values}
        if self.scl is not None:
            layers["scl"] = self.scl
        if self.cloud is not None:
            layers["cloud_probability"] = self.cloud
        return layers


@dataclass(frozen=True)
class HeldScene:
    """What the cube remembers of a scene, as far as others ask for it."""

    id: str
    sensor: Sensor
    platform: str
    relative_orbit: int
    """0 where the catalogue stated none."""
    tile: str
    acquired_at: datetime
    """Moment sensed, aware, UTC."""
    acquisition: str
    source: str


def values_dtype(sensor: Sensor) -> np.dtype[Any]:
    """Return uint16 for Sentinel-2, float32 for Sentinel-1."""
    return np.dtype("uint16" if sensor is Sensor.S2 else "float32")


def refuse_misfit(observation: Observation, n: int) -> None:
    """Raise WarehouseError unless the observation is one of `n` pixels in the sensor's shape and types."""
    scene = observation.scene
    expected = _expected(scene.sensor, n)
    if (observation.scl is not None) != (scene.sensor is Sensor.S2):
        raise WarehouseError(f"scene {scene.id}: scl belongs to every Sentinel-2 scene and to no other")
    for name, layer in observation.layers.items():
        if name not in expected:
            raise WarehouseError(f"scene {scene.id}: {name} belongs to Sentinel-2 scenes only")
        shape, dtype = expected[name]
        if layer.shape != shape or layer.dtype != dtype:
            found = f"{layer.shape} {layer.dtype}"
            raise WarehouseError(f"scene {scene.id}: {name} {found}, expected {shape} {dtype}")
    if observation.read_at.tzinfo is None:
        raise WarehouseError(f"scene {scene.id}: read_at {observation.read_at} has no time zone")


def _expected(sensor: Sensor, n: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    values = {"values": ((n, len(sensor.bands)), values_dtype(sensor))}
    byte = ((n,), np.dtype("uint8"))
    return {**values, "scl": byte, "cloud_probability": byte} if sensor is Sensor.S2 else {**values}


def content_of(observation: Observation, order: NDArray[np.int64]) -> str:
    """Return 16 hex digits of the sha256 of an observation's bytes, its pixels taken in `order`.

    Hashed are values, scl and cloud probability (as far as there are any), C order, little-endian.
    """
    digest = hashlib.sha256()
    for layer in observation.layers.values():
        digest.update(np.ascontiguousarray(layer[order], layer.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()[:16]
