"""One Sentinel-2 acquisition as digital numbers and scene classes, from the world and the sky."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.archive.fields import Layer
from flows.archive.orbits import Pass
from flows.archive.parks import DROUGHT_YEARS, Park
from flows.archive.phenology import (
    BANDS,
    CLOUD,
    SNOW,
    SeasonOfYear,
    open_reflectance,
    wood_reflectance,
)
from flows.archive.sky import Sky, Sun, draw_sky, sun_position
from flows.archive.world import Landscape

Numbers = NDArray[np.uint16]

#: Bands delivered at 20 m, means of four 10 m cells.
COARSE_BANDS = ("B05", "B06", "B07", "B8A", "B11", "B12")
#: Digital numbers per unit of reflectance, and what baseline 04.00 adds.
QUANTIFICATION, BASELINE_OFFSET = 10_000, 1_000
#: Noise of one woodland pixel: relative, and absolute reflectance.
RELATIVE_NOISE, ABSOLUTE_NOISE = 0.022, 0.0015
#: Left-over haze after atmospheric correction, by band: blue suffers most.
HAZE = np.array([1.0, 0.75, 0.55, 0.45, 0.35, 0.30, 0.25, 0.25, 0.10, 0.05], np.float32)
#: Light lost in the shadow of a thick cloud; light added by cirrus.
SHADE, CIRRUS_REFLECTANCE = np.float32(0.62), np.float32(0.05)
CLOUD32, SNOW32 = CLOUD.astype(np.float32), SNOW.astype(np.float32)
DAYS_OF_SPRING = 3.5
SCL_NO_DATA, SCL_SHADOW, SCL_VEGETATION, SCL_BARE, SCL_UNSURE = 0, 3, 4, 5, 7
SCL_MEDIUM_CLOUD, SCL_HIGH_CLOUD, SCL_CIRRUS, SCL_SNOW = 8, 9, 10, 11


@dataclass(frozen=True)
class OpticalScene:
    """What one acquisition delivers, before the baseline offset."""

    bands: dict[str, Numbers]
    """Reflectance x 10000 at each band's own resolution; 0 = nothing recorded."""
    scl: NDArray[np.uint8]
    """(SIZE / 2, SIZE / 2)."""
    sun: Sun


def season_of(park: Park, one: Pass, seed: int) -> SeasonOfYear:
    """Return the state of the year at a pass: its day, how late spring is, and whether it is a drought."""
    year = one.sensed_at.year
    spring = np.random.default_rng([seed, park.number, 3, year]).normal(0.0, DAYS_OF_SPRING)
    day = float(one.sensed_at.timetuple().tm_yday)
    return SeasonOfYear(day, park.spring_delay_days + spring, year in DROUGHT_YEARS)


def observe(land: Landscape, one: Pass, first_of_month: bool, seed: int) -> OpticalScene:
    """Return the acquisition of a pass; the same pass always gives the same pixels."""
    rng = np.random.default_rng([seed, land.park.number, 4, one.orbit, ord(one.satellite.name[-1])])
    sun = sun_position(one)
    sky = draw_sky(one, sun, first_of_month, rng)
    season = season_of(land.park, one, seed)
    ground = _ground(land, season, one.sensed_at.year, sun, sky, rng)
    ndvi_cells = _halved((ground[6] - ground[2]) / (ground[6] + ground[2]))
    seen = _through(ground, sky, rng)
    return OpticalScene(_delivered(seen, sky), _classes(sky, ndvi_cells), sun)


def with_offset(numbers: Numbers, offset: int) -> Numbers:
    """Return digital numbers as a baseline writes them; 0 stays no data."""
    return np.where(numbers > 0, numbers + np.uint16(offset), 0).astype(np.uint16)


def _ground(
    land: Landscape, season: SeasonOfYear, year: int, sun: Sun, sky: Sky, rng: np.random.Generator
) -> Layer:
    """Reflectance of the ground, (10, SIZE, SIZE): fields everywhere, woods mixed in by their share."""
    stand = land.stand
    ground = _open_land(land, season, sky)
    wood = wood_reflectance(stand.mix, land.condition(year), stand.flora, season)
    wood *= _illumination(sun) * np.exp(-0.05 * stand.texture)[:, None]
    wood += 0.35 * sky.snow[stand.row, stand.column, None] * (SNOW - wood)
    wood *= 1.0 + RELATIVE_NOISE * rng.normal(size=wood.shape)
    wood += ABSOLUTE_NOISE * rng.normal(size=wood.shape)
    here = ground[:, stand.row, stand.column]
    ground[:, stand.row, stand.column] = here + stand.share * (wood.T - here)
    return ground


def _open_land(land: Landscape, season: SeasonOfYear, sky: Sky) -> Layer:
    spectra = np.array([open_reflectance(name, season) for name in land.park.cover_names])
    parcels = spectra[land.parcel_cover] * land.parcel_brightness[:, None]
    ground = parcels.T.astype(np.float32)[:, land.parcel]
    if sky.snow.any():
        ground += 0.85 * sky.snow * (SNOW32[:, None, None] - ground)
    return ground


def _illumination(sun: Sun) -> float:
    """Crowns shade each other when the sun is low."""
    return 1.0 - 0.22 * max(0.0, 1.0 - math.cos(math.radians(sun.zenith)) / math.cos(math.radians(32.0)))


def _through(ground: Layer, sky: Sky, rng: np.random.Generator) -> Layer:
    """Reflectance above the atmosphere's leftovers: shadow, haze, cirrus, then cloud."""
    haze = np.float32(abs(rng.normal(0.0, 0.004))) * HAZE
    calibration = np.float32(rng.normal(1.0, 0.008))
    spectrum = CLOUD32 * np.float32(rng.uniform(0.85, 1.15))
    lit = ground * (calibration * (1.0 - SHADE * sky.shadow))
    lit += haze[:, None, None] + CIRRUS_REFLECTANCE * sky.cirrus
    lit += sky.cloud * (spectrum[:, None, None] - lit)
    return lit


def _delivered(reflectance: Layer, sky: Sky) -> dict[str, Numbers]:
    coarse_seen = _halved(sky.seen)
    return {
        band: _digital(_halved(layer), coarse_seen) if band in COARSE_BANDS else _digital(layer, sky.seen)
        for band, layer in zip(BANDS, reflectance, strict=True)
    }


def _digital(reflectance: Layer, seen: Layer) -> Numbers:
    numbers = np.clip(np.rint(reflectance * QUANTIFICATION), 1, 65_535 - BASELINE_OFFSET)
    return np.where(seen >= 1.0, numbers, 0).astype(np.uint16)


def _classes(sky: Sky, ndvi: Layer) -> NDArray[np.uint8]:
    cloud, shadow, cirrus, snow = (_halved(x) for x in (sky.cloud, sky.shadow, sky.cirrus, sky.snow))
    return np.select(
        [
            _halved(sky.seen) < 1.0,
            cloud > 0.55,
            cloud > 0.10,
            shadow > 0.15,
            (cloud > 0.03) | (shadow > 0.05),
            cirrus > 0.25,
            snow > 0.45,
            ndvi > 0.45,
        ],
        [
            SCL_NO_DATA,
            SCL_HIGH_CLOUD,
            SCL_MEDIUM_CLOUD,
            SCL_SHADOW,
            SCL_UNSURE,
            SCL_CIRRUS,
            SCL_SNOW,
            SCL_VEGETATION,
        ],
        SCL_BARE,
    ).astype(np.uint8)


def _halved(layer: Layer) -> Layer:
    """Means of 2 x 2 cells."""
    pairs = layer[0::2] + layer[1::2]
    return np.asarray((pairs[:, 0::2] + pairs[:, 1::2]) / np.float32(4.0))
