"""Errors whose parts and correlation are known, at places crowded into clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Degree of latitude on a sphere of 6,371 km, metres.
DEGREE_M = 111_194.9
LATITUDE = 52.0


def degrees(xy: np.ndarray) -> np.ndarray:
    """(n, 2) metres from (0 E, 52 N) as longitude, latitude; within 0.5 % up to 200 km."""
    return np.column_stack(
        [xy[:, 0] / DEGREE_M / np.cos(np.radians(LATITUDE)), LATITUDE + xy[:, 1] / DEGREE_M]
    )


def field(xy: np.ndarray, nugget: float, range_m: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) one Gaussian field of variance 1 with exponential correlation."""
    distance = np.hypot(xy[:, None, 0] - xy[:, 0], xy[:, None, 1] - xy[:, 1])
    rho = (1 - nugget) * np.exp(-distance / range_m) + (nugget + 1e-9) * np.eye(len(xy))
    return np.linalg.cholesky(rho) @ rng.normal(size=len(xy))


def clusters(n_clusters: int, n_each: int, rng: np.random.Generator, spread_m: float = 1500.0) -> np.ndarray:
    """(n, 2) metres: places around centres that are strewn over 200 km."""
    centres = rng.uniform(0, 200e3, (n_clusters, 1, 2))
    return (centres + rng.normal(0, spread_m, (n_clusters, n_each, 2))).reshape(-1, 2)


@dataclass(frozen=True)
class Samples:
    """n samples; arguments of `error_parts` but the last."""

    residual: np.ndarray
    coordinates: np.ndarray
    year: np.ndarray


@dataclass(frozen=True)
class Plant:
    """Variances of the parts of an error, and how alike they are between places."""

    label: float = 0.3
    place: float = 0.45
    year: float = 0.25
    nugget: float = 0.3
    range_m: float = 3000.0

    def samples(self, xy: np.ndarray, n_years: int, most: int, rng: np.random.Generator) -> Samples:
        """Each place is sampled 0 .. most times in a year, one in a hundred 40 times."""
        stays = np.sqrt(self.place) * field(xy, self.nugget, self.range_m, rng)
        years = [self._year(xy, stays, 2017 + t, most, rng) for t in range(n_years)]
        parts = (np.concatenate(part) for part in zip(*(vars(y).values() for y in years), strict=True))
        return Samples(*parts)

    def _year(
        self, xy: np.ndarray, stays: np.ndarray, year: int, most: int, rng: np.random.Generator
    ) -> Samples:
        varies = np.sqrt(self.year) * field(xy, self.nugget, self.range_m, rng)
        count = np.where(rng.random(len(xy)) < 0.01, 40, rng.integers(0, most + 1, len(xy)))
        at = np.repeat(np.arange(len(xy)), count)
        noise = rng.normal(0, np.sqrt(self.label), len(at))
        return Samples((stays + varies)[at] + noise, degrees(xy)[at], np.full(len(at), year))
