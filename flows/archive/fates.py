"""The planted truth: how each woodland's canopy fares from year to year, and what that does to richness.

Condition runs from 0 (dead) to 1 (full health). A stable wood keeps its condition but for small noise; a
decliner loses some every year; a step loses it in one. Droughts act within a season (`phenology`) and leave
only a slight mark on richness, gone the next year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from flows.archive.parks import DROUGHT_YEARS, YEARS

Floats = NDArray[np.float64]

#: Expected taxa per standard sample under a full healthy canopy of oak, beech, birch, pine, spruce.
SPECIES_RICHNESS = np.array([62.0, 54.0, 43.0, 26.0, 13.0])
#: Share of richness that does not depend on canopy condition.
FLOOR = 0.30
#: Richness multiplies by exp(this) for each standard deviation of stand texture.
TEXTURE_EFFECT = 0.07
#: Share of richness missing in a drought year.
DROUGHT_EFFECT = 0.02
YEAR_NOISE = 0.012


class Kind(StrEnum):
    """What was planted in a woodland."""

    STABLE = "stable"
    DECLINE = "decline"
    STEP = "step"


@dataclass(frozen=True)
class Fate:
    """One woodland's planted history."""

    kind: Kind
    start_year: int | None
    """First year of loss: 2018 for a decline (after 2017), the year of the step, None when stable."""
    condition: tuple[float, ...]
    """Mean canopy condition in each of `YEARS`, 0-1, before any drought."""


def plan_kinds(ancient: Sequence[bool], rng: np.random.Generator) -> tuple[Kind, ...]:
    """Return a kind for each woodland: about 60 % stable, decline mostly in the ancient ones."""
    is_ancient = np.asarray(ancient)
    kinds = [Kind.STABLE] * len(is_ancient)
    for members, declines, steps in (
        (np.flatnonzero(is_ancient), 0.42, 0.18),
        (np.flatnonzero(~is_ancient), 0.07, 0.12),
    ):
        order = rng.permutation(members)
        n_decline, n_step = round(declines * len(order)), round(steps * len(order))
        for member in order[:n_decline]:
            kinds[member] = Kind.DECLINE
        for member in order[n_decline : n_decline + n_step]:
            kinds[member] = Kind.STEP
    return tuple(kinds)


def plan_fate(kind: Kind, rng: np.random.Generator) -> Fate:
    """Return the year-by-year condition of one woodland of a kind."""
    noise = rng.normal(0.0, YEAR_NOISE, len(YEARS))
    if kind is Kind.DECLINE:
        return Fate(kind, YEARS[1], _declining(rng, noise))
    if kind is Kind.STEP:
        return _step(rng, noise)
    return Fate(kind, None, _bounded(rng.uniform(0.72, 0.92) + noise))


def _declining(rng: np.random.Generator, noise: Floats) -> tuple[float, ...]:
    total = rng.uniform(0.40, 0.53)
    losses = rng.uniform(0.8, 1.2, len(YEARS) - 1)
    path = np.concatenate([[0.0], np.cumsum(losses) * total / losses.sum()])
    return _bounded(rng.uniform(0.86, 0.95) - path + 0.5 * noise)


def _step(rng: np.random.Generator, noise: Floats) -> Fate:
    year = int(rng.integers(2019, 2023))
    loss = rng.uniform(0.40, 0.50)
    path = np.where(np.asarray(YEARS) >= year, loss, 0.0)
    return Fate(Kind.STEP, year, _bounded(rng.uniform(0.84, 0.94) - path + noise))


def _bounded(path: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in np.clip(path, 0.05, 1.0))


def expected_richness(mix: Floats, texture: Floats, condition: Floats, year: int) -> Floats:
    """Return expected taxa per standard sample at each pixel, (N,).

    mix (N, S) species shares; texture (N,) standard normal; condition (N,) 0-1.
    """
    healthy = (mix @ SPECIES_RICHNESS) * np.exp(TEXTURE_EFFECT * texture)
    drought = DROUGHT_EFFECT if year in DROUGHT_YEARS else 0.0
    return np.asarray(healthy * (FLOOR + (1.0 - FLOOR) * condition) * (1.0 - drought))
