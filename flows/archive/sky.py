"""Clouds, their shadows, cirrus, snow and missing swath: what comes between a satellite and a wood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from flows.archive.fields import Floats, Layer, rough_field, smooth_field
from flows.archive.orbits import Pass
from flows.archive.parks import CELL_M, SIZE

#: Chance of a wholly overcast scene and mean cloud of the others, by month: cloudier winters.
OVERCAST_CHANCE = (0.24, 0.22, 0.16, 0.12, 0.08, 0.06, 0.06, 0.07, 0.10, 0.16, 0.22, 0.26)
MEAN_CLOUD = (0.42, 0.40, 0.34, 0.30, 0.26, 0.24, 0.24, 0.25, 0.28, 0.34, 0.40, 0.42)
#: One scene in each of these months is chosen for a fair sky, as a curated catalogue would.
FAIR_MONTHS, FAIR_CLOUD = (5, 6, 7, 8), 0.22
CIRRUS_CHANCE, SNOW_CHANCE, EDGE_CHANCE = 0.09, 0.35, 0.05
SNOW_MONTHS = (12, 1, 2, 3)
#: Ground beyond the footprint whose clouds can throw a shadow into it, cells.
BEYOND = 64
CLOUD_HEIGHT_M = (700.0, 1800.0)


@dataclass(frozen=True)
class Sky:
    """What lies between one Sentinel-2 acquisition and the ground; every field (SIZE, SIZE), 0-1."""

    cloud: Layer
    """Opacity of cloud."""
    shadow: Layer
    """Opacity of the cloud that throws a shadow here."""
    cirrus: Layer
    snow: Layer
    """Share of open ground under snow."""
    seen: Layer
    """1 where the swath covers the cell, 0 where nothing was recorded."""


@dataclass(frozen=True)
class Sun:
    """Where the sun stands, degrees."""

    zenith: float
    azimuth: float


def sun_position(one: Pass) -> Sun:
    """Return the sun's place over the middle of a pass's park."""
    zenith, azimuth = sun_over(one.sensed_at, one.park.latitude, one.park.longitude)
    return Sun(float(zenith), float(azimuth))


def sun_over(sensed_at: datetime, north: ArrayLike, east: ArrayLike) -> tuple[Floats, Floats]:
    """Return zenith and azimuth of the sun over places in degrees north and east.

    From declination and hour angle; good to about a degree.
    """
    day, hours = sensed_at.timetuple().tm_yday, sensed_at.hour + sensed_at.minute / 60
    declination = np.radians(-23.44 * np.cos(2 * np.pi * (day + 10) / 365.25))
    hour_angle = np.radians(15.0 * (hours - 12.0) + np.asarray(east))
    latitude = np.radians(np.asarray(north))
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    northward = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(declination) * np.cos(
        hour_angle
    )
    eastward = -np.cos(declination) * np.sin(hour_angle)
    return np.degrees(np.arccos(up)), np.degrees(np.arctan2(eastward, northward)) % 360.0


def draw_sky(one: Pass, sun: Sun, first_of_month: bool, rng: np.random.Generator) -> Sky:
    """Return a random sky for a pass; the first of a month of May to August has a fair one."""
    month = one.sensed_at.month
    fair = first_of_month and month in FAIR_MONTHS
    share = _cloud_share(one, fair, rng)
    wide = _cloud_opacity(share, rng)
    down, right = _shadow_shift(sun, rng)
    inner = slice(BEYOND, BEYOND + SIZE)
    cirrus = rng.uniform() < CIRRUS_CHANCE and not fair
    snow = one.park.has_snow and month in SNOW_MONTHS and rng.uniform() < SNOW_CHANCE
    shifted = wide[BEYOND - down : BEYOND - down + SIZE, BEYOND - right : BEYOND - right + SIZE]
    return Sky(
        cloud=wide[inner, inner],
        shadow=shifted,
        cirrus=_above(smooth_field(rng, SIZE, 3), -0.4) if cirrus else _even(SIZE, 0.0),
        snow=_above(smooth_field(rng, SIZE, 5), -0.6) if snow else _even(SIZE, 0.0),
        seen=_swath(rng) if rng.uniform() < EDGE_CHANCE and not fair else _even(SIZE, 1.0),
    )


def _cloud_share(one: Pass, fair: bool, rng: np.random.Generator) -> float:
    month = one.sensed_at.month - 1
    overcast = rng.uniform() < OVERCAST_CHANCE[month] + one.park.overcast
    share = float(rng.beta(0.9, 0.9 * (1.0 / MEAN_CLOUD[month] - 1.0)))
    if fair:
        return min(share, FAIR_CLOUD)
    return 1.0 if overcast else share


def _cloud_opacity(share: float, rng: np.random.Generator) -> Layer:
    """Opacity over the footprint and its surroundings; `share` of it is cloud."""
    size = SIZE + 2 * BEYOND
    field = rough_field(rng, size, 6)
    if share > 0.99:
        return _even(size, 1.0)
    if share < 0.02:
        return _even(size, 0.0)
    return _above(field, float(np.quantile(field, 1.0 - share)), softness=0.22)


def _above(field: Floats, threshold: float, softness: float = 0.4) -> Layer:
    """0 below the threshold, rising to 1; in 24 steps, so that it compresses."""
    opacity = np.clip((field - threshold) / softness, 0.0, 1.0)
    return (np.round(opacity * 24.0) / 24.0).astype(np.float32)


def _even(size: int, value: float) -> Layer:
    return np.full((size, size), value, np.float32)


def _shadow_shift(sun: Sun, rng: np.random.Generator) -> tuple[int, int]:
    """Cells down and right from a cloud to its shadow, away from the sun."""
    reach = rng.uniform(*CLOUD_HEIGHT_M) * np.tan(np.radians(min(sun.zenith, 75.0))) / CELL_M
    reach = min(reach, BEYOND - 1.0)
    away = np.radians(sun.azimuth + 180.0)
    return round(-reach * np.cos(away)), round(reach * np.sin(away))


def _swath(rng: np.random.Generator) -> Layer:
    """A slanting edge of the swath across the footprint."""
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    edge = rng.uniform(0.25, 0.75) * SIZE + 0.22 * (row - SIZE / 2)
    east_side = rng.uniform() < 0.5
    return np.asarray((column < edge) if east_side else (column >= edge), np.float32)
