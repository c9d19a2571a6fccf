"""Smooth random fields: the texture of stands, the shapes of clouds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Layer = NDArray[np.float32]


def smooth_field(rng: np.random.Generator, size: int, knots: int) -> Floats:
    """Return a (size, size) field of mean 0 and sd 1 whose features are about size / knots cells wide."""
    weights = _spline(size, knots)
    field = weights @ rng.normal(size=(knots + 3, knots + 3)) @ weights.T
    return np.asarray((field - field.mean()) / field.std())


def rough_field(rng: np.random.Generator, size: int, knots: int) -> Floats:
    """Return three octaves of `smooth_field`, mean 0 and sd 1: cloud-like."""
    octaves = sum(0.55**k * smooth_field(rng, size, knots * 2**k) for k in range(3))
    field = np.asarray(octaves)
    return np.asarray((field - field.mean()) / field.std())


@lru_cache(maxsize=16)
def _spline(size: int, knots: int) -> Floats:
    """(size, knots + 3) uniform cubic B-spline weights."""
    position = (np.arange(size) + 0.5) / size * knots
    left = position.astype(int)
    t = position - left
    basis = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6.0
    weights = np.zeros((size, knots + 3))
    for k in range(4):
        weights[np.arange(size), left + k] = basis[k]
    return weights
