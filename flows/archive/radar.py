"""What Sentinel-1 sees: terrain-flattened gamma0 of woods and fields, in linear power, with speckle.

Levels are those usual at C band over temperate land: wood near -11 dB in VV and -17 dB in VH, bare broadleaf
crowns a little brighter in VH than leafy ones, thinning canopies darker, wet ground brighter.
"""

from __future__ import annotations

import numpy as np

from flows.archive.fields import Floats
from flows.archive.phenology import EVERGREEN, SeasonOfYear, drought_loss, leaf_on

#: dB of a full healthy canopy of oak, beech, birch, pine, spruce: leafless or winter, VV then VH.
WINTER_DB = np.array([[-10.7, -15.9], [-10.9, -16.1], [-10.8, -16.0], [-11.2, -16.9], [-10.6, -16.6]])
#: Change with leaves fully out (in evergreens: with summer).
LEAF_DB = np.array([[-0.7, -0.9], [-0.9, -1.1], [-0.6, -0.7], [0.3, 0.4], [0.4, 0.5]])
#: Change when condition falls from 1 to 0: fewer crowns to scatter, most in VH.
DEATH_DB = np.array([-1.6, -3.6])
TEXTURE_DB = np.array([0.15, 0.45])
SLOPE_DB = 0.6
#: Looks of the 10 m product, averaged a little by resampling.
LOOKS = 6.0
#: Open land in winter and high summer, VV then VH.
OPEN_DB = {
    "pasture": ((-12.0, -19.5), (-11.2, -18.2)),
    "meadow": ((-12.2, -19.8), (-11.5, -18.0)),
    "arable": ((-11.0, -20.0), (-10.6, -16.8)),
    "heath": ((-12.6, -19.4), (-12.4, -18.8)),
    "rough grass": ((-11.8, -19.6), (-11.6, -18.6)),
    "bracken": ((-12.0, -19.2), (-11.0, -17.2)),
}
#: float32 mantissa bits kept: about three significant digits, so that deflate has something to do.
MANTISSA_BITS = 9


def wood_gamma0_db(
    mix: Floats, condition: Floats, texture: Floats, towards_radar: Floats, season: SeasonOfYear
) -> Floats:
    """Return VV and VH of woodland pixels in dB before speckle, (N, 2).

    towards_radar (N,): the slope, positive where it faces this pass.
    """
    leaf = np.where(EVERGREEN > 0.5, _summer(season.day), leaf_on(season))
    health = np.clip(condition - 0.5 * (mix @ drought_loss(season)), 0.05, 1.0)[:, None]
    crowns = mix @ (WINTER_DB + leaf[:, None] * LEAF_DB) + (1.0 - health) * DEATH_DB
    return np.asarray(crowns + texture[:, None] * TEXTURE_DB + SLOPE_DB * towards_radar[:, None])


def open_gamma0_db(cover: str, season: SeasonOfYear) -> Floats:
    """Return VV and VH of one kind of open land in dB, (2,)."""
    winter, summer = (np.array(level) for level in OPEN_DB[cover])
    return np.asarray(winter + _summer(season.day) * (summer - winter))


def speckle(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Return multi-look speckle factors, mean 1, gamma distributed."""
    return rng.gamma(LOOKS, 1.0 / LOOKS, shape)


def rounded(power: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return float32 power with the mantissa cut to `MANTISSA_BITS`, rounded to nearest."""
    bits = power.astype(np.float32).view(np.uint32)
    dropped = 23 - MANTISSA_BITS
    kept = (bits + np.uint32(1 << (dropped - 1))) & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return kept.view(np.float32)


def _summer(day: float) -> float:
    return float(np.exp(-0.5 * ((day - 195.0) / 62.0) ** 2))
