"""Pixel series: the observations of a block's woodland pixels, compressed by gathering."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.scenes import Sensor


@dataclass(frozen=True)
class SensorSeries:
    """Observations of one sensor, in time order.

    Sentinel-2 values are uint16 reflectance x 10000 with the baseline offset removed, 0 = missing;
    Sentinel-1 values are float32 gamma0 linear power, NaN = missing.
    """

    sensor: Sensor
    acquired_at: NDArray[np.datetime64]
    """(T,) datetime64[s], UTC."""
    scene_ids: tuple[str, ...]
    """(T,) STAC item ids."""
    values: NDArray[np.uint16] | NDArray[np.float32]
    """(T, N, B) with the bands of `sensor.bands`."""
    scl: NDArray[np.uint8] | None = None
    """(T, N) scene classification, Sentinel-2 only; 0 = no data."""
    cloud: NDArray[np.uint8] | None = None
    """(T, N) probability of cloud, per cent, 255 = unknown; None where no scene has one."""

    def __post_init__(self) -> None:
        times, bands = len(self.acquired_at), len(self.sensor.bands)
        if self.values.shape[::2] != (times, bands) or len(self.scene_ids) != times:
            raise ValueError(
                f"{self.sensor}: values {self.values.shape} do not fit {times} times x N x {bands} bands"
            )
        if self.cloud is not None and self.cloud.shape != self.values.shape[:2]:
            raise ValueError(f"{self.sensor}: cloud {self.cloud.shape} does not fit {self.values.shape[:2]}")

    def keep(self, scene_ids: Collection[str]) -> SensorSeries:
        """Return the observations whose scene is among `scene_ids`, in the same order."""
        chosen = np.array([scene in scene_ids for scene in self.scene_ids], bool)
        return SensorSeries(
            self.sensor,
            self.acquired_at[chosen],
            tuple(scene for scene in self.scene_ids if scene in scene_ids),
            self.values[chosen],
            None if self.scl is None else self.scl[chosen],
            None if self.cloud is None else self.cloud[chosen],
        )


def joined(parts: Sequence[SensorSeries]) -> SensorSeries:
    """Return the parts of one sensor's series, at least one, as one, in their order."""

    def whole(arrays: Sequence[NDArray[Any] | None]) -> Any:
        present = [array for array in arrays if array is not None]
        return np.concatenate(present) if len(present) == len(parts) else None

    return SensorSeries(
        parts[0].sensor,
        whole([part.acquired_at for part in parts]),
        tuple(scene_id for part in parts for scene_id in part.scene_ids),
        whole([part.values for part in parts]),
        whole([part.scl for part in parts]),
        whole([part.cloud for part in parts]),
    )


@dataclass(frozen=True)
class PixelSeries:
    """Everything observed at N pixels in one window of time."""

    s2: SensorSeries
    s1_ascending: SensorSeries
    s1_descending: SensorSeries

    def __post_init__(self) -> None:
        if len({self.of(sensor).values.shape[1] for sensor in Sensor}) != 1:
            raise ValueError("the three sensors of a pixel series must hold the same pixels")

    def of(self, sensor: Sensor) -> SensorSeries:
        """Return the observations of one sensor."""
        return {"s2": self.s2, "s1_ascending": self.s1_ascending, "s1_descending": self.s1_descending}[sensor]

    def keep(self, scene_ids: Collection[str]) -> PixelSeries:
        """Return the series of the chosen scenes only."""
        return PixelSeries(*(self.of(sensor).keep(scene_ids) for sensor in Sensor))

    @property
    def n_pixels(self) -> int:
        """Length of the pixel axis."""
        return int(self.s2.values.shape[1])

    @property
    def scene_ids(self) -> tuple[str, ...]:
        """Ids of all scenes, sorted: the inputs an estimate depends on."""
        return tuple(sorted(scene for sensor in Sensor for scene in self.of(sensor).scene_ids))
