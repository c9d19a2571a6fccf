"""Observations: the kept measurements of one sensor at N pixels, standardised batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from models.encoders.card import Normalisation
from models.encoders.dpixels import DPixels, radar_observed
from models.encoders.selection import Selection, select
from models.encoders.transformer import Tokens

#: Added to every standard deviation before dividing (TESSERA).
STD_FLOOR = 1e-9

Frames = NDArray[np.uint16] | NDArray[np.int16]


@dataclass(frozen=True)
class Observations:
    """One sensor's frames over N pixels and which of them each pixel keeps."""

    frames: Frames
    """(N, T, C) raw values."""
    days: NDArray[np.int64]
    """(T,) day of year."""
    mean: NDArray[np.float32]
    """(T, C): radar orbits have statistics of their own."""
    std: NDArray[np.float32]
    """(T, C)."""
    selection: Selection

    @property
    def n_pixels(self) -> int:
        """Length of the pixel axis."""
        return len(self.frames)

    @property
    def absent(self) -> NDArray[np.bool_]:
        """(N,) True where nothing was observed."""
        nothing: NDArray[np.bool_] = self.selection.count == 0
        return nothing

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """(N,) steps the encoder sees: one where nothing was observed."""
        return np.maximum(self.selection.count, 1)

    def tokens(self, rows: NDArray[np.int64]) -> Tokens:
        """Return the tokens of some pixels, padded to the longest of them."""
        length = int(self.count[rows].max())
        if not len(self.days):
            return self._all_zero(len(rows), length)
        index = self.selection.index[rows, :length]
        raw = self.frames[rows[:, None], index].astype(np.float32)  # (n, L, C)
        values = (raw - self.mean[index]) / (self.std[index] + np.float32(STD_FLOOR))
        days, repeats = self.days[index], self.selection.multiplicity[rows, :length]
        return as_tokens(values, days, repeats, self.absent[rows])

    def _all_zero(self, n: int, length: int) -> Tokens:
        values = torch.zeros((n, length, self.frames.shape[2]))
        return Tokens(values, torch.zeros((n, length), dtype=torch.int64), None)


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


def optical(pixels: DPixels, statistics: Normalisation) -> Observations:
    """Return the Sentinel-2 observations of N pixels."""
    frames = np.ascontiguousarray(np.moveaxis(np.asarray(pixels.bands), 0, 1))
    mean, std = _per_frame([(len(pixels.doys), statistics.s2_mean, statistics.s2_std)])
    return Observations(frames, pixels.doys, mean, std, select(np.ascontiguousarray(pixels.clear.T)))


def radar(pixels: DPixels, statistics: Normalisation) -> Observations:
    """Return the Sentinel-1 observations of N pixels: ascending, then descending."""
    frames = np.concatenate([pixels.sar_ascending, pixels.sar_descending])  # (Ta + Td, N, 2)
    days = np.concatenate([pixels.sar_ascending_doys, pixels.sar_descending_doys])
    mean, std = _per_frame(
        [
            (len(pixels.sar_ascending), statistics.s1_ascending_mean, statistics.s1_ascending_std),
            (len(pixels.sar_descending), statistics.s1_descending_mean, statistics.s1_descending_std),
        ]
    )
    selection = select(np.ascontiguousarray(radar_observed(frames).T))
    return Observations(np.ascontiguousarray(np.moveaxis(frames, 0, 1)), days, mean, std, selection)


def _per_frame(
    parts: Sequence[tuple[int, tuple[float, ...], tuple[float, ...]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (T, C) means and standard deviations, one row per frame."""
    means = [np.tile(np.asarray(mean, np.float32), (times, 1)) for times, mean, _ in parts]
    stds = [np.tile(np.asarray(std, np.float32), (times, 1)) for times, _, std in parts]
    return np.concatenate(means), np.concatenate(stds)
