"""What a pixel of wood or open land reflects on a day of the year: the archive's stated model.

A woodland pixel is a mixture of five species. Each shows, by turns, a canopy of leaves and the ground
beneath; a double logistic opens and closes the leaves, and canopy condition (0 dead, 1 full health) scales
how much canopy there is and how green it is. The spectra have the shapes and levels published for temperate
European stands in Sentinel-2 bands; they are illustrative round numbers, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Bands in order of wavelength, the order of every spectrum below.
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
SPECIES = ("oak", "beech", "birch", "pine", "spruce")

GREEN_LEAF = np.array(
    [
        [0.024, 0.048, 0.026, 0.085, 0.262, 0.335, 0.360, 0.375, 0.172, 0.074],
        [0.021, 0.051, 0.023, 0.092, 0.305, 0.400, 0.430, 0.445, 0.190, 0.078],
        [0.028, 0.057, 0.031, 0.098, 0.248, 0.308, 0.332, 0.348, 0.180, 0.082],
        [0.022, 0.037, 0.026, 0.062, 0.158, 0.195, 0.212, 0.222, 0.112, 0.054],
        [0.017, 0.028, 0.017, 0.045, 0.128, 0.160, 0.176, 0.184, 0.076, 0.034],
    ]
)
#: The same leaves, yellowed by autumn or by loss of condition: more red, less red edge, drier.
YELLOW_LEAF = np.array(
    [
        [0.036, 0.072, 0.078, 0.128, 0.205, 0.235, 0.258, 0.272, 0.240, 0.136],
        [0.034, 0.076, 0.086, 0.140, 0.225, 0.262, 0.288, 0.302, 0.255, 0.142],
        [0.040, 0.088, 0.082, 0.148, 0.212, 0.240, 0.262, 0.276, 0.242, 0.138],
        [0.032, 0.050, 0.054, 0.090, 0.138, 0.155, 0.168, 0.178, 0.172, 0.104],
        [0.028, 0.042, 0.048, 0.078, 0.118, 0.134, 0.146, 0.154, 0.148, 0.092],
    ]
)
#: Twigs, stems and litter below each species.
LITTER = np.array(
    [
        [0.036, 0.050, 0.056, 0.086, 0.118, 0.132, 0.146, 0.162, 0.232, 0.148],
        [0.038, 0.054, 0.066, 0.098, 0.130, 0.146, 0.160, 0.178, 0.250, 0.162],
        [0.042, 0.056, 0.060, 0.090, 0.122, 0.136, 0.150, 0.164, 0.226, 0.144],
        [0.036, 0.048, 0.054, 0.078, 0.104, 0.116, 0.126, 0.138, 0.205, 0.134],
        [0.034, 0.044, 0.052, 0.074, 0.098, 0.108, 0.118, 0.130, 0.195, 0.130],
    ]
)
#: Bramble, bluebell and fern: the ground flora seen through gaps and before leaf-out.
FLORA = np.array([0.028, 0.060, 0.040, 0.098, 0.210, 0.250, 0.272, 0.284, 0.205, 0.108])
SNOW = np.array([0.82, 0.82, 0.81, 0.80, 0.78, 0.77, 0.76, 0.74, 0.12, 0.09])
CLOUD = np.array([0.62, 0.60, 0.60, 0.61, 0.62, 0.63, 0.64, 0.64, 0.46, 0.36])

#: Share of the canopy that keeps its leaves in winter.
EVERGREEN = np.array([0.03, 0.05, 0.02, 0.84, 0.93])
LEAF_OUT_DAY = np.array([124.0, 118.0, 108.0, 138.0, 142.0])
LEAF_FALL_DAY = np.array([306.0, 300.0, 286.0, 300.0, 305.0])
LEAF_OUT_WIDTH_DAYS, LEAF_FALL_WIDTH_DAYS = 5.5, 8.5
#: Autumn colour before the leaves fall, zero in the evergreens.
AUTUMN_YELLOW = np.array([0.55, 0.70, 0.75, 0.0, 0.0])
#: Loss of condition at the height of a drought, by species.
DROUGHT_SENSITIVITY = np.array([0.14, 0.30, 0.26, 0.08, 0.20])
DROUGHT_FIRST_DAY, DROUGHT_LAST_DAY = 182, 304

#: Open land: reflectance in winter and at the height of summer.
OPEN_LAND = {
    "pasture": (
        (0.036, 0.066, 0.050, 0.108, 0.240, 0.285, 0.305, 0.315, 0.215, 0.118),
        (0.034, 0.074, 0.046, 0.118, 0.300, 0.360, 0.385, 0.395, 0.235, 0.120),
    ),
    "meadow": (
        (0.040, 0.068, 0.062, 0.115, 0.220, 0.255, 0.272, 0.284, 0.235, 0.140),
        (0.044, 0.082, 0.070, 0.130, 0.262, 0.305, 0.325, 0.338, 0.268, 0.160),
    ),
    "arable": (
        (0.058, 0.082, 0.100, 0.135, 0.165, 0.180, 0.195, 0.208, 0.270, 0.215),
        (0.038, 0.076, 0.060, 0.122, 0.290, 0.350, 0.372, 0.384, 0.225, 0.120),
    ),
    "heath": (
        (0.030, 0.044, 0.052, 0.078, 0.118, 0.134, 0.146, 0.158, 0.180, 0.115),
        (0.028, 0.050, 0.046, 0.082, 0.168, 0.200, 0.215, 0.228, 0.190, 0.110),
    ),
    "rough grass": (
        (0.046, 0.068, 0.082, 0.118, 0.165, 0.182, 0.198, 0.212, 0.262, 0.168),
        (0.038, 0.072, 0.062, 0.122, 0.228, 0.266, 0.286, 0.298, 0.252, 0.148),
    ),
    "bracken": (
        (0.044, 0.064, 0.088, 0.122, 0.158, 0.174, 0.190, 0.206, 0.275, 0.190),
        (0.028, 0.062, 0.036, 0.100, 0.275, 0.335, 0.360, 0.372, 0.205, 0.095),
    ),
}


@dataclass(frozen=True)
class SeasonOfYear:
    """What the calendar and the year's weather do to every tree of a park."""

    day: float
    """Day of the year, 1-366."""
    delay_days: float
    """Later leaf-out than the model's dates: the park's climate and the year's spring."""
    is_drought: bool


def leaf_on(season: SeasonOfYear) -> Floats:
    """Return the share of each species' canopy in leaf, (S,), between its winter share and 1."""
    out = _logistic((season.day - LEAF_OUT_DAY - season.delay_days) / LEAF_OUT_WIDTH_DAYS)
    fallen = _logistic((season.day - LEAF_FALL_DAY + season.delay_days / 2) / LEAF_FALL_WIDTH_DAYS)
    return EVERGREEN + (1.0 - EVERGREEN) * np.clip(out - fallen, 0.0, 1.0)


def autumn_yellow(season: SeasonOfYear) -> Floats:
    """Return the yellowed share of each species' leaves by season alone, (S,)."""
    days_to_fall = season.day - (LEAF_FALL_DAY - season.delay_days / 2 - 6.0)
    return AUTUMN_YELLOW * np.exp(-0.5 * np.square(days_to_fall / 12.0))


def flora_greenness(season: SeasonOfYear) -> float:
    """Return how green the ground flora is, 0-1: a spring flush before the canopy closes."""
    flush = np.exp(-0.5 * ((season.day - 118.0 - season.delay_days) / 22.0) ** 2)
    summer = np.exp(-0.5 * ((season.day - 195.0) / 60.0) ** 2)
    return float(0.30 + 0.65 * max(flush, 0.6 * summer))


def drought_loss(season: SeasonOfYear) -> Floats:
    """Return what a drought takes from each species' condition on the day, (S,); zero outside Jul-Oct."""
    phase = (season.day - DROUGHT_FIRST_DAY) / (DROUGHT_LAST_DAY - DROUGHT_FIRST_DAY)
    if not season.is_drought or not 0.0 < phase < 1.0:
        return np.zeros(len(SPECIES))
    return np.asarray(DROUGHT_SENSITIVITY * np.sqrt(np.sin(np.pi * phase)))


def wood_reflectance(mix: Floats, condition: Floats, flora: Floats, season: SeasonOfYear) -> Floats:
    """Return reflectance of woodland pixels, (N, 10), before texture, haze and noise.

    mix (N, S) shares of the species; condition (N,) 0-1; flora (N,) share of the ground that is green.
    """
    leaf, autumn, loss = leaf_on(season), autumn_yellow(season), drought_loss(season)
    ground_flora = (flora * flora_greenness(season))[:, None]
    total = np.zeros((len(mix), len(BANDS)))
    for species in range(len(SPECIES)):
        health = np.clip(condition - loss[species], 0.05, 1.0)
        canopy = (leaf[species] * (0.28 + 0.68 * health))[:, None]
        yellow = np.clip(autumn[species] + 0.50 * (1.0 - health), 0.0, 1.0)[:, None]
        leaves = GREEN_LEAF[species] + yellow * (YELLOW_LEAF[species] - GREEN_LEAF[species])
        ground = LITTER[species] + ground_flora * (FLORA - LITTER[species])
        total += mix[:, [species]] * (canopy * leaves + (1.0 - canopy) * ground)
    return total


def open_reflectance(cover: str, season: SeasonOfYear) -> Floats:
    """Return reflectance of one kind of open land, (10,)."""
    winter, summer = (np.array(spectrum) for spectrum in OPEN_LAND[cover])
    green = np.exp(-0.5 * np.square((season.day - 170.0 - 0.7 * season.delay_days) / 58.0))
    parched = 0.5 * _drought_phase(season)
    return np.asarray(winter + (summer - winter) * green * (1.0 - parched))


def _drought_phase(season: SeasonOfYear) -> float:
    return float(drought_loss(season).max() / DROUGHT_SENSITIVITY.max())


def _logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
