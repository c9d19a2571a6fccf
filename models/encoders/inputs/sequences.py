"""Sequences: what the encoder sees of one sensor, gathered from raw frames for pixels of equal count.

Pixels with the same number of valid observations have the same fill pattern, so they make one group without
padding: the unique observations, how often each counts, and the order in which they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoders.card import Normalisation
from models.encoders.inputs.dpixels import DPixels, radar_observed
from models.encoders.inputs.selection import BIN_STEP, draw, ordered_pattern, pad_pattern, pixel_keys

#: Added to every standard deviation before dividing (TESSERA).
STD_FLOOR = 1e-9


@dataclass(frozen=True)
class Fill:
    """How n valid observations fill the encoder's sequence."""

    kept: NDArray[np.int64]
    """(L,) which of the n are in it, each once, in time order; one where n is 0, for the all-zero token."""
    multiplicity: Tensor | None
    """(L,) float, how often each counts; None where each counts once."""
    order: Tensor
    """(S,) which of the kept stands at each step."""


def _fill(pattern: NDArray[np.int64]) -> Fill:
    """Return the fill of a pattern: the observation at each step, repeats included."""
    kept, order, repeats = np.unique(pattern, return_inverse=True, return_counts=True)
    multiplicity = None if (repeats == 1).all() else torch.from_numpy(repeats.astype(np.float32))
    return Fill(kept, multiplicity, torch.from_numpy(order))


@lru_cache(maxsize=4096)
def fill_v2(n: int) -> Fill:
    """Return how TESSERA v2 sees n observations; none is one all-zero token."""
    return _fill(pad_pattern(n) if n else np.zeros(1, np.int64))


@lru_cache(maxsize=4096)
def fill_v1_1(n: int) -> Fill:
    """Return how TESSERA v1.1 sees n observations; none is one all-zero token at eight steps."""
    return _fill(ordered_pattern(n) if n else np.zeros(BIN_STEP, np.int64))


@dataclass(frozen=True)
class Frames:
    """One sensor's raw frames over N pixels."""

    values: Tensor
    """(T, N, C) int16; optical values hold the bits of uint16."""
    unsigned: bool
    days: Tensor
    """(T,) int64 day of year."""
    mean: Tensor
    """(T, C) float32: radar orbits have statistics of their own."""
    std: Tensor
    """(T, C)."""
    valid: NDArray[np.bool_]
    """(N, T) which observations count."""


@dataclass(frozen=True)
class Group:
    """Pixels whose sequences have one length and one fill."""

    rows: NDArray[np.int64]
    """(b,) positions on the pixel axis."""
    times: NDArray[np.int64] | None
    """(b, L) positions on the time axis; None = nothing observed: one all-zero token at day 0."""
    fill: Fill

    @property
    def length(self) -> int:
        """Tokens of each pixel."""
        return len(self.fill.kept)

    def at_least(self, pixels: int) -> Group:
        """Return the same pixels, the first of them repeated until there are so many."""
        short = pixels - len(self.rows)
        if short <= 0:
            return self
        again = np.concatenate([np.arange(len(self.rows)), np.zeros(short, np.int64)])
        return Group(self.rows[again], None if self.times is None else self.times[again], self.fill)

    def split(self, at_most: int) -> Iterator[Group]:
        """Yield the same pixels in groups of at most so many."""
        for start in range(0, len(self.rows), at_most):
            part = slice(start, start + at_most)
            yield Group(self.rows[part], None if self.times is None else self.times[part], self.fill)


def groups_by_count(valid: NDArray[np.bool_], fill: Callable[[int], Fill]) -> Iterator[Group]:
    """Yield the pixels of each count of valid observations, fewest first; valid (N, T)."""
    pixel, time = np.nonzero(valid)
    count = np.bincount(pixel, minlength=len(valid))
    start = np.cumsum(count) - count
    for n in np.unique(count):
        rows, how = np.flatnonzero(count == n), fill(int(n))
        yield Group(rows, time[start[rows][:, None] + how.kept] if n else None, how)


def groups_drawn(frames: Frames, seed: int = 0) -> Iterator[Group]:
    """Yield all pixels with the 40 observations that TESSERA v1.0 draws at each, repeats included."""
    if not len(frames.days):
        yield Group(np.arange(len(frames.valid)), None, _fill(np.zeros(1, np.int64)))
        return
    chosen = draw(frames.valid, pixel_keys(_by_pixel(frames), frames.days.cpu().numpy(), frames.valid), seed)
    assert chosen.order is not None
    times = np.take_along_axis(chosen.index, chosen.order.astype(np.int64), axis=1)
    yield Group(np.arange(len(times)), times.astype(np.int64), _fill(np.arange(times.shape[1])))


def _by_pixel(frames: Frames) -> NDArray[np.int16]:
    values: NDArray[np.int16] = np.moveaxis(frames.values.cpu().numpy(), 0, 1)
    return values


def gather(frames: Frames, group: Group) -> tuple[Tensor, Tensor]:
    """Return standardised values (b, L, C) float32 and days (b, L) of a group, on the frames' device."""
    device = frames.values.device
    if group.times is None:
        shape = (len(group.rows), group.length)
        zeros = torch.zeros((*shape, frames.values.shape[2]), device=device)
        return zeros, torch.zeros(shape, dtype=torch.int64, device=device)
    times = torch.from_numpy(group.times).to(device)
    raw = frames.values[times, torch.from_numpy(group.rows).to(device)[:, None]].to(torch.int32)
    values = (raw & 0xFFFF if frames.unsigned else raw).to(torch.float32)
    return values.sub_(frames.mean[times]).div_(frames.std[times] + STD_FLOOR), frames.days[times]


def optical(pixels: DPixels, statistics: Normalisation, device: str = "cpu") -> Frames:
    """Return the Sentinel-2 frames of N pixels."""
    frames = np.array(pixels.bands, order="C").view(np.int16)
    parts = [(len(pixels.doys), statistics.s2_mean, statistics.s2_std)]
    return _frames(frames, True, pixels.doys, parts, np.ascontiguousarray(pixels.clear.T), device)


def radar(pixels: DPixels, statistics: Normalisation, device: str = "cpu") -> Frames:
    """Return the Sentinel-1 frames of N pixels: ascending, then descending."""
    frames = np.concatenate([pixels.sar_ascending, pixels.sar_descending])  # (Ta + Td, N, 2)
    days = np.concatenate([pixels.sar_ascending_doys, pixels.sar_descending_doys])
    up, down = len(pixels.sar_ascending_doys), len(pixels.sar_descending_doys)
    parts = [
        (up, statistics.s1_ascending_mean, statistics.s1_ascending_std),
        (down, statistics.s1_descending_mean, statistics.s1_descending_std),
    ]
    return _frames(frames, False, days, parts, np.ascontiguousarray(radar_observed(frames).T), device)


def _frames(
    values: NDArray[np.int16],
    unsigned: bool,
    days: NDArray[np.int64],
    parts: list[tuple[int, tuple[float, ...], tuple[float, ...]]],
    valid: NDArray[np.bool_],
    device: str,
) -> Frames:
    means = torch.cat([torch.tensor(mean).expand(times, -1) for times, mean, _ in parts])
    stds = torch.cat([torch.tensor(std).expand(times, -1) for times, _, std in parts])
    raw, doys = (torch.from_numpy(x).to(device) for x in (values, np.array(days)))
    return Frames(raw, unsigned, doys, means.to(device), stds.to(device), valid)
