"""Places for tests of folds: drawn in metres, given in degrees."""

from __future__ import annotations

import numpy as np

from models.heads.folds import EARTH_RADIUS_M

#: Metres of one degree of latitude on the sphere.
DEGREE_M = EARTH_RADIUS_M * np.pi / 180


def places(*offsets_m: tuple[float, float]) -> np.ndarray:
    """Longitude, latitude of points given in metres east and north of (0, 0)."""
    return np.array(offsets_m) / DEGREE_M


def villages(n_villages: int = 30, n_samples: int = 20) -> np.ndarray:
    """Longitude, latitude of samples within some 500 m of villages strewn over 400 km."""
    generator = np.random.default_rng(7)
    centres = generator.uniform(-200_000, 200_000, (n_villages, 2))
    return (np.repeat(centres, n_samples, axis=0) + generator.normal(0, 500, (n_villages * n_samples, 2))) / (
        DEGREE_M
    )


def haversine_m(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Great-circle distances of every a to every b, by the textbook formula."""
    lon_a, lat_a = np.radians(a).T[:, :, None]
    lon_b, lat_b = np.radians(b).T[:, None, :]
    h = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(h))
