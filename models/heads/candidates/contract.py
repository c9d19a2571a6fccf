"""What every candidate takes and gives.

A candidate is fitted on the transformed scale of the target (`latent`) and is a torch module from then on:
its buffers are all that is stored (float64, no pickle); serving takes `module.float().to(device)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]
Groups = NDArray[np.int64]

#: Two-sided 90 % of a normal distribution, in sds.
Z_90 = 1.6448536269514722


class Latent(NamedTuple):
    """A prediction at n rows on the transformed scale, each (n,), in the module's number format."""

    mean: torch.Tensor
    variance: torch.Tensor
    """What the module itself knows of its error: see `Spread`."""
    lower: torch.Tensor
    upper: torch.Tensor
    """Raw 5 % and 95 % points, lower < mean < upper; conformal calibration stretches them."""


class Spread(StrEnum):
    """What a candidate's variance stands for, and so how cross-validation corrects it."""

    POSTERIOR = "posterior"
    """Of the fitted function only: the residual variance is added."""
    PREDICTIVE = "predictive"
    """Of one label: it is scaled."""


@dataclass(frozen=True)
class Training:
    """n rows to fit on."""

    embeddings: Array
    """(n, D) finite."""
    effort: Array
    """(n, E) sampling effort on its scale; E may be 0."""
    latent: Array
    """(n,) the target on the transformed scale."""
    weight: Array
    """(n,) positive, mean 1: rows of a crowded place count less."""
    group: Groups
    """(n,) what inner folds keep together."""

    def rows(self, chosen: NDArray[np.bool_] | Groups) -> Training:
        """Return some of the rows."""
        return Training(*(array[chosen] for array in vars(self).values()))


@dataclass(frozen=True)
class Candidate:
    """One kind of regression.

    The module it gives maps `forward(embeddings (n, D), effort (n, E)) -> Latent`, row by row, in the number
    format and on the device of its buffers and inputs. All it knows is in its `state_dict`.
    """

    name: str
    words: str
    """What it is, for a card."""
    spread: Spread
    is_fast: bool
    """True where a million pixels take seconds."""
    cost_s: float
    """About how many seconds of one core a million pixels of 128 numbers take (bench/head_speed.py)."""
    fit: Callable[[Training, int], nn.Module]
    """(training, seed) -> module. Tunes by folds of `training.group` only. Same input, same bits."""
    restore: Callable[[Mapping[str, torch.Tensor]], nn.Module]
    """The module of a `state_dict`; KeyError, ValueError or RuntimeError where it does not fit."""
