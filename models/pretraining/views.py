"""Views: random subsets of what was observed at a pixel in a season, the two sides of self-supervision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.encoders.card import Normalisation
from models.encoders.inputs.dpixels import DPixels, radar_observed
from models.encoders.inputs.selection import select
from models.encoders.inputs.sequences import Frames, Group, fill_v2, optical, radar
from models.encoders.inputs.sequences import gather as standardise
from models.encoders.networks.transformer import Tokens

#: Decimals kept of normalisation statistics, so that the card states exactly what was used.
STATISTIC_DECIMALS = 4


@dataclass(frozen=True)
class SensorYears:
    """Every usable observation of one sensor at M pixel-years, standardised and left-aligned."""

    values: NDArray[np.float32]
    """(M, L, C)."""
    days: NDArray[np.int64]
    """(M, L) day of year."""
    count: NDArray[np.int64]
    """(M,) observations; the rest of L is padding."""

    def view(
        self, rows: NDArray[np.int64], size: NDArray[np.int64], random: np.random.Generator | None
    ) -> Tokens:
        """Return tokens of `size` observations of each row, random ones (None: the first in time).

        The subset is filled up to its bin exactly as at inference; size 0 is an absent sensor.
        """
        order = np.broadcast_to(np.arange(self.days.shape[1]), (len(rows), self.days.shape[1]))
        if random is not None:
            keys = random.random(order.shape, np.float32)
            keys[order >= self.count[rows, None]] = 2.0  # padding ranks last
            order = keys.argsort(axis=1).argsort(axis=1)
        selection = select(order < size[:, None])
        values = self.values[rows[:, None], selection.index]
        days = self.days[rows[:, None], selection.index]
        return as_tokens(values, days, selection.multiplicity, selection.count == 0)

    def random_size(
        self, rows: NDArray[np.int64], least_share: float, random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return a subset size per row, uniform from `least_share` of the observations (or 1) to all."""
        count = self.count[rows]
        least = np.minimum(np.maximum(np.ceil(count * least_share), 1), count).astype(np.int64)
        return random.integers(least, count + 1)


@dataclass(frozen=True)
class PixelYears:
    """M pixel-years of training observations."""

    s2: SensorYears
    s1: SensorYears

    def __len__(self) -> int:
        return len(self.s2.count)


def training_statistics(pixels: Sequence[DPixels]) -> Normalisation:
    """Return mean and standard deviation of every band over the usable observations of all pixels.

    An orbit that was never seen gets the statistics of the other.
    """
    s2 = [tile.bands[tile.clear] for tile in pixels]
    ascending = [tile.sar_ascending[radar_observed(tile.sar_ascending)] for tile in pixels]
    descending = [tile.sar_descending[radar_observed(tile.sar_descending)] for tile in pixels]
    orbits = [orbit if any(map(len, orbit)) else ascending + descending for orbit in (ascending, descending)]
    return Normalisation(*_moments(s2), *_moments(orbits[0]), *_moments(orbits[1]))


def _moments(parts: Sequence[NDArray[np.generic]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    values = np.concatenate(parts).astype(np.float64)
    mean, std = values.mean(axis=0), values.std(axis=0)
    return tuple(mean.round(STATISTIC_DECIMALS).tolist()), tuple(std.round(STATISTIC_DECIMALS).tolist())


def gather(pixels: Sequence[DPixels], statistics: Normalisation, rows: NDArray[np.int64]) -> PixelYears:
    """Return some pixel-years, numbered through the tiles: first tile 0's pixels, then tile 1's, ..."""
    starts = np.cumsum([0, *(tile.n_pixels for tile in pixels)])
    bounds = np.searchsorted(np.sort(rows), starts)
    chosen = np.split(np.sort(rows), bounds[1:-1])
    tiles = [
        tile.pixels(ids - start)
        for tile, ids, start in zip(pixels, chosen, starts[:-1], strict=True)
        if len(ids)
    ]
    return PixelYears(
        _join([_sensor_years(optical(tile, statistics)) for tile in tiles]),
        _join([_sensor_years(radar(tile, statistics)) for tile in tiles]),
    )


def _sensor_years(frames: Frames) -> SensorYears:
    kept = select(frames.valid)
    kept_times = kept.index.astype(np.int64) if len(frames.days) else None
    values, days = standardise(frames, Group(np.arange(len(kept.count)), kept_times, fill_v2(0)))
    return SensorYears(values.numpy(), days.numpy(), kept.count)


def as_tokens(
    values: NDArray[np.float32],
    days: NDArray[np.int64],
    repeats: NDArray[np.uint8],
    absent: NDArray[np.bool_],
) -> Tokens:
    """Return tensors; an absent sensor is one all-zero step at day 0, counted once."""
    if absent.any():
        values[absent], days[absent], repeats = 0, 0, repeats.copy()
        repeats[absent, 0] = 1
    plain = bool((repeats == repeats[:, :1]).all()) and bool(repeats.all())
    with np.errstate(divide="ignore"):
        bias = None if plain else torch.from_numpy(np.log(repeats.astype(np.float32)))
    return Tokens(torch.from_numpy(values), torch.from_numpy(days), bias)


def _join(parts: Sequence[SensorYears]) -> SensorYears:
    """Return the pixel-years of all parts, padded to the longest."""
    longest = max(part.days.shape[1] for part in parts)
    pads = [(0, longest - part.days.shape[1]) for part in parts]
    return SensorYears(
        np.concatenate(
            [np.pad(part.values, ((0, 0), pad, (0, 0))) for part, pad in zip(parts, pads, strict=True)]
        ),
        np.concatenate([np.pad(part.days, ((0, 0), pad)) for part, pad in zip(parts, pads, strict=True)]),
        np.concatenate([part.count for part in parts]),
    )
