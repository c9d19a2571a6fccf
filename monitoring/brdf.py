"""How a surface's brightness depends on where sun and satellite stand: c-factors to the view from above.

A quality series for people, never an input of an encoder: the published encoders were trained on surface
reflectance as it is delivered, without this correction.

Kernels: Ross-Thick and Li-Sparse-Reciprocal (Wanner et al. 1995; Lucht et al. 2000). Weights and c-factor:
Roy et al. 2016 and, for the red edge, 2017. All angles are in degrees, NaN in gives NaN out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: Height of a crown's middle over its radius (h/b); crowns are spheres (b/r = 1).
HEIGHT_OVER_RADIUS = 2.0


@dataclass(frozen=True)
class KernelWeights:
    """What isotropic, geometric and volume scattering add to the reflectance of one band."""

    isotropic: float
    geometric: float
    volume: float


_B08 = KernelWeights(0.3093, 0.0330, 0.1535)
#: Global weights of each Sentinel-2 band. B8A has none published: it takes those of B08, whose range of
#: wavelengths holds its own. That is our choice, not a measured value.
WEIGHTS: Mapping[str, KernelWeights] = {
    "B02": KernelWeights(0.0774, 0.0079, 0.0372),
    "B03": KernelWeights(0.1306, 0.0178, 0.0580),
    "B04": KernelWeights(0.1690, 0.0227, 0.0574),
    "B05": KernelWeights(0.2085, 0.0256, 0.0845),
    "B06": KernelWeights(0.2316, 0.0273, 0.1003),
    "B07": KernelWeights(0.2599, 0.0294, 0.1197),
    "B08": _B08,
    "B8A": _B08,
    "B11": KernelWeights(0.3430, 0.0453, 0.1154),
    "B12": KernelWeights(0.2658, 0.0387, 0.0639),
}


def c_factor(band: str, sun_zenith: ArrayLike, view_zenith: ArrayLike, relative_azimuth: ArrayLike) -> Floats:
    """Return what surface reflectance is multiplied by to be as seen from straight above under the same sun.

    The angles broadcast; relative azimuth is sun minus view, in any turn and sign. 1 at nadir. NaN where the
    model itself has no positive reflectance, which takes a sun lower than 84 degrees. B8A takes the weights
    of B08, a declared choice. KeyError for a band without weights.
    """
    weights = WEIGHTS[band]
    from_above = _reflectance(weights, sun_zenith, 0.0, relative_azimuth)
    as_seen = _reflectance(weights, sun_zenith, view_zenith, relative_azimuth)
    possible = (from_above > 0.0) & (as_seen > 0.0)
    return np.asarray(np.where(possible, from_above, np.nan) / np.where(possible, as_seen, 1.0))


def ross_thick(sun_zenith: ArrayLike, view_zenith: ArrayLike, relative_azimuth: ArrayLike) -> Floats:
    """Return the kernel of volume scattering by a deep canopy; finite at the exact hot spot."""
    sun, view, azimuth = map(np.radians, (sun_zenith, view_zenith, relative_azimuth))
    cosine = _phase_cosine(sun, view, azimuth)
    phase = np.arccos(cosine)
    scattered = (np.pi / 2.0 - phase) * cosine + np.sin(phase)
    return np.asarray(scattered / (np.cos(sun) + np.cos(view)) - np.pi / 4.0)


def li_sparse(sun_zenith: ArrayLike, view_zenith: ArrayLike, relative_azimuth: ArrayLike) -> Floats:
    """Return the reciprocal kernel of sparse crowns and the shadows they throw."""
    sun, view, azimuth = map(np.radians, (sun_zenith, view_zenith, relative_azimuth))
    both_secants = 1.0 / np.cos(sun) + 1.0 / np.cos(view)
    overlap = _shadow_overlap(sun, view, azimuth, both_secants)
    lit = (1.0 + _phase_cosine(sun, view, azimuth)) / (np.cos(sun) * np.cos(view)) / 2.0
    return np.asarray(overlap - both_secants + lit)


def _reflectance(
    weights: KernelWeights, sun_zenith: ArrayLike, view_zenith: ArrayLike, relative_azimuth: ArrayLike
) -> Floats:
    volume = ross_thick(sun_zenith, view_zenith, relative_azimuth)
    geometric = li_sparse(sun_zenith, view_zenith, relative_azimuth)
    return weights.isotropic + weights.volume * volume + weights.geometric * geometric


def _phase_cosine(sun: Floats, view: Floats, azimuth: Floats) -> Floats:
    """Cosine of the angle between sun and satellite; rounding must not take it beyond 1 at the hot spot."""
    cosine = np.cos(sun) * np.cos(view) + np.sin(sun) * np.sin(view) * np.cos(azimuth)
    return np.asarray(np.clip(cosine, -1.0, 1.0))


def _shadow_overlap(sun: Floats, view: Floats, azimuth: Floats, both_secants: Floats) -> Floats:
    """Share of the ground that is both hidden by crowns and in their shadow, times the secants' sum."""
    across = (np.tan(sun) * np.tan(view) * np.sin(azimuth)) ** 2
    apart = np.tan(sun) ** 2 + np.tan(view) ** 2 - 2.0 * np.tan(sun) * np.tan(view) * np.cos(azimuth)
    reach = HEIGHT_OVER_RADIUS * np.sqrt(np.maximum(apart, 0.0) + across) / both_secants
    edge = np.arccos(np.clip(reach, -1.0, 1.0))
    return np.asarray((edge - np.sin(edge) * np.cos(edge)) * both_secants / np.pi)
