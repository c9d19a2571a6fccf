"""Thinning: observations of a rich year, brought down to the number the same pixel had in a poor one.

Pure. One order in which dates go is drawn for a whole block and sensor, so that neighbouring pixels lose the
same dates, as they do under a cloud bank or without a satellite.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from models.encoders.inputs.dpixels import DPixels, radar_observed
from monitoring.scenes import Scene, Sensor
from monitoring.series import SensorSeries

Bools = NDArray[np.bool_]
#: Observations of each sensor that a pixel may keep, (N,) each.
Targets = Mapping[Sensor, NDArray[np.int64]]
#: Dates of each sensor that go before any other, (T,) each.
Doomed = Mapping[Sensor, Bools]


def thinned(dpixels: DPixels, targets: Targets, doomed: Doomed, seed: int, *names: str) -> DPixels:
    """Return d-pixels with at most `targets` observations of each sensor at each pixel.

    A pixel with fewer keeps them all. Doomed dates go first, the others in an order drawn from the seed and
    the names. What goes reads as not clear, or as missing radar; bands and days stay.
    """

    def keeping(sensor: Sensor, observed: Bools) -> Bools:
        order = keep_order(doomed[sensor], random_of(seed, *names, sensor.value))
        return kept(observed, targets[sensor], order)

    def radar(sensor: Sensor, values: NDArray[np.int16]) -> NDArray[np.int16]:
        return np.where(keeping(sensor, radar_observed(values))[..., None], values, np.int16(0))

    return dataclasses.replace(
        dpixels,
        clear=keeping(Sensor.S2, dpixels.clear),
        sar_ascending=radar(Sensor.S1_ASCENDING, dpixels.sar_ascending),
        sar_descending=radar(Sensor.S1_DESCENDING, dpixels.sar_descending),
    )


def kept(observed: Bools, target: NDArray[np.int64], order: NDArray[np.int64]) -> Bools:
    """Return (T, N): True at the first `target` (N,) observations of each pixel along `order` (T,)."""
    ordered = observed[order]
    found = np.empty_like(observed)
    found[order] = ordered & (np.cumsum(ordered, axis=0, dtype=np.int32) <= target)
    return found


def keep_order(doomed: Bools, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the positions of T dates, shuffled, the doomed (T,) ones last."""
    shuffled = random.permutation(len(doomed))
    return shuffled[np.argsort(doomed[shuffled], kind="stable")]


def random_of(seed: int, *names: str) -> np.random.Generator:
    """Return random numbers that depend on the seed and the names alone."""
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def doomed_dates(radar: SensorSeries, scenes: Collection[Scene], lost: Collection[str]) -> Bools:
    """Return (D,), in date order: True for the calendar dates (UTC) with a scene of a lost satellite."""
    platform = {scene.id: scene.platform for scene in scenes}
    is_lost = np.array([platform[scene_id] in lost for scene_id in radar.scene_ids], bool)
    dates, at = np.unique(radar.acquired_at.astype("datetime64[D]"), return_inverse=True)
    found = np.zeros(len(dates), bool)
    found[at[is_lost]] = True
    return found


def lost_satellites(rich: Collection[Scene], poor: Collection[Scene], sensor: Sensor) -> frozenset[str]:
    """Return the satellites of one sensor that the rich year has and the poor year has not."""
    before, after = (
        {scene.platform for scene in scenes if scene.sensor is sensor} for scenes in (rich, poor)
    )
    return frozenset(before - after)
