"""One Sentinel-1 acquisition as gamma0 linear power, from the world."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.archive.fields import Floats, Layer
from flows.archive.optics import season_of
from flows.archive.orbits import Pass
from flows.archive.parks import SIZE, YEARS
from flows.archive.phenology import SeasonOfYear
from flows.archive.radar import open_gamma0_db, rounded, speckle, wood_gamma0_db
from flows.archive.world import Landscape

Power = NDArray[np.float32]

#: Planetary Computer's value for no data.
NODATA = np.float32(-32768.0)
#: Rain brightens wet ground and leaves, dB, VV then VH.
WETNESS_DB, WET_SHARE = np.array([0.45, 0.30]), 0.35
#: Share of passes whose slice ends within the footprint, and cells that older products leave as zeros.
EDGE_CHANCE, ZERO_BORDER_CELLS = 0.03, 24


def listen(land: Landscape, one: Pass, seed: int) -> dict[str, Power]:
    """Return `vv` and `vh` of a pass, (SIZE, SIZE) linear power; equal for equal passes."""
    rng = np.random.default_rng([seed, land.park.number, 6, one.orbit, ord(one.satellite.name[-1])])
    power = _backscatter(land, one, season_of(land.park, one, seed), rng)
    if rng.uniform() < EDGE_CHANCE:
        power[:, -int(rng.integers(40, SIZE // 2)) :] = NODATA
    if _has_zero_border(one):
        power[:, :, :ZERO_BORDER_CELLS] = 0.0
    return {"vv": power[0], "vh": power[1]}


def _backscatter(land: Landscape, one: Pass, season: SeasonOfYear, rng: np.random.Generator) -> Power:
    stand = land.stand
    facing = 1.0 if one.orbit_state == "ascending" else -1.0
    condition = land.condition(one.sensed_at.year)
    wood_db = wood_gamma0_db(stand.mix, condition, stand.texture, facing * stand.slope, season)
    wood = (10.0 ** (wood_db / 10.0) * speckle(wood_db.shape, rng)).T
    ground = _open_land(land, season)
    here = ground[:, stand.row, stand.column]
    ground[:, stand.row, stand.column] = here + stand.share * (wood - here)
    return rounded(ground * 10.0 ** (_wetness_db(rng)[:, None, None] / 10.0))


def _open_land(land: Landscape, season: SeasonOfYear) -> Layer:
    levels = np.array([open_gamma0_db(name, season) for name in land.park.cover_names])
    parcels = 10.0 ** (levels[land.parcel_cover] / 10.0) * land.parcel_brightness[:, None]
    return parcels.T.astype(np.float32)[:, land.parcel]


def _wetness_db(rng: np.random.Generator) -> Floats:
    """Rain before the pass, and the calibration of the day."""
    rain = abs(rng.normal()) if rng.uniform() < WET_SHARE else 0.0
    return np.asarray(rain * WETNESS_DB + rng.normal(0.0, 0.12))


def _has_zero_border(one: Pass) -> bool:
    """Products before 2018 can carry a rim of zeros; here the first winter's ascending passes do."""
    first_winter = one.sensed_at.year == YEARS[0] and one.sensed_at.month <= 2
    return first_winter and one.orbit_state == "ascending"
