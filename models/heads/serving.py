"""Serving: a fitted head over millions of pixels, in float32, on the device of the embeddings' encoder.

Rows go through in tiles of one fixed size, the last one filled up, so that what a pixel is told does not
depend on how many are asked about.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.heads.applicability import Applicability
from models.heads.candidates.contract import Z_90, Latent
from models.heads.transforms import backward, moments
from models.heads.uncertainty.conformal import Conformal
from models.heads.uncertainty.parts import ErrorParts
from monitoring.estimates import PixelEstimates
from monitoring.targets import Target

#: Rows per tile: 1,024 x 640 float32 features stay in a processor's caches; a GPU needs more to be filled.
TILE_ROWS = {"cpu": 1_024, "cuda": 65_536}

Module = TypeVar("Module", bound=nn.Module)


class CorrectionLike(Protocol):
    """What makes a module's variance that of one held-out label: scale * variance + residual."""

    @property
    def scale(self) -> float:
        """Factor on the variance."""

    @property
    def residual(self) -> float:
        """Added to it, squared unit of the transformed scale."""


def widened(latent: Latent, scale: float, residual: float) -> Latent:
    """Return the prediction of one label: its variance is scale * variance + residual.

    The residual is that of a normal, so where there is one the raw points are the normal's; elsewhere the
    module's own points move away from the mean by sqrt(scale).
    """
    mean, variance = latent.mean, scale * latent.variance + residual
    if residual > 0:
        half = Z_90 * variance.sqrt()
        return Latent(mean, variance, mean - half, mean + half)
    stretch = math.sqrt(scale)
    lower, upper = mean + stretch * (latent.lower - mean), mean + stretch * (latent.upper - mean)
    return Latent(mean, variance, lower, upper)


class _Tile(NamedTuple):
    """What rows are told, (n,) each, on the device."""

    mean: torch.Tensor
    sd: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    dissimilarity: torch.Tensor
    density: torch.Tensor


@dataclass(frozen=True)
class ServedHead:
    """A head ready to predict on one device."""

    module: nn.Module
    """float32, on the device."""
    applicability: Applicability | None
    """The same; None where nobody judged it: then index NaN, density 0, and every estimate applicable."""
    correction: CorrectionLike
    conformal: Conformal
    parts: ErrorParts
    target: Target
    effort: torch.Tensor
    """(1, E) the sampling effort that predictions are made for, on its scale."""
    tile_rows: int

    @classmethod
    def of(
        cls,
        module: nn.Module,
        applicability: Applicability | None,
        correction: CorrectionLike,
        conformal: Conformal,
        parts: ErrorParts,
        target: Target,
        effort: Sequence[float],
        device: str = "cpu",
    ) -> Self:
        """Return the head on a device, in float32; the modules given are left as they are."""
        return cls(
            module=_on(module, device),
            applicability=None if applicability is None else _on(applicability, device),
            correction=correction,
            conformal=conformal,
            parts=parts,
            target=target,
            effort=torch.tensor([list(effort)], dtype=torch.float32, device=device).reshape(1, -1),
            tile_rows=TILE_ROWS[torch.device(device).type],
        )

    def predict(self, embeddings: NDArray[np.float32] | torch.Tensor) -> PixelEstimates:
        """Return the estimates at N pixels; embeddings (N, D) on any device.

        A row that is not finite gives NaN. Means, and the ends of intervals, lie within the target's bounds.
        """
        tiles = self._tiles(torch.split(torch.as_tensor(embeddings), self.tile_rows))
        return self._estimates(_Tile(*(torch.cat(each).cpu() for each in zip(*tiles, strict=True))))

    def _tiles(self, parts: Sequence[torch.Tensor]) -> list[_Tile]:
        """Return what the rows of each part are told; on a processor each thread computes parts of its own.

        Many small operations: threads that share each of them spend their time waiting for one another.
        """
        if self.effort.device.type != "cpu":
            return [self._tile(part) for part in parts]
        workers = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as threads:
                return list(threads.map(self._tile, parts))
        finally:
            torch.set_num_threads(workers)  # what a thread sets is what threads started later begin with

    @torch.inference_mode()
    def _tile(self, part: torch.Tensor) -> _Tile:
        part = part.to(self.effort.device, torch.float32)
        observed = part.isfinite().all(dim=1)
        filled = part.new_zeros(self.tile_rows, part.shape[1])
        filled[: len(part)] = torch.where(observed[:, None], part, 0.0)
        index, density = self._applicability(filled, len(part))
        seen = (*(each[: len(part)] for each in self._moments(filled)), index)
        mean, sd, low, high, index = (torch.where(observed, each, math.nan) for each in seen)
        return _Tile(mean, sd, low, high, index, torch.where(observed, density, 0))

    def _moments(self, filled: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return mean, sd and the calibrated ends of the interval, in the target's unit."""
        raw = self.module(filled, self.effort.expand(len(filled), -1))
        latent = widened(raw, self.correction.scale, self.correction.residual)
        mean, sd = moments(self.target.transform, latent.mean, latent.variance)
        ends = self.conformal.interval(latent.mean, latent.lower, latent.upper)
        low, high = (self._bounded(backward(self.target.transform, end)) for end in ends)
        return self._bounded(mean), sd, low, high

    def _bounded(self, values: torch.Tensor) -> torch.Tensor:
        return values.clamp(self.target.low, self.target.high)

    def _applicability(self, filled: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.applicability is None:
            return filled.new_full((n,), math.nan), torch.zeros(n, dtype=torch.int64, device=filled.device)
        index, density = self.applicability(filled)
        return index[:n], density[:n]

    def _estimates(self, told: _Tile) -> PixelEstimates:
        mean, sd, low, high, index = (each.double().numpy() for each in told[:5])
        known = np.isfinite(mean) & np.isfinite(sd)
        mean, sd, low, high = (np.where(known, each, np.nan) for each in (mean, sd, low, high))
        threshold = math.inf if self.applicability is None else self.applicability.threshold
        return PixelEstimates(
            mean=mean,
            sd=sd,
            sd_place=sd * math.sqrt(self.parts.place),
            sd_year=sd * math.sqrt(self.parts.year),
            lo90=low,
            hi90=high,
            applicable=known & ~(index > threshold),
            dissimilarity=index,
            density=told.density.numpy(),
        )


def _on(module: Module, device: str) -> Module:
    return copy.deepcopy(module).float().to(device).eval().requires_grad_(False)
