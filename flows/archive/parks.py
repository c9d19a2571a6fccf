"""The two invented parks: where they lie, what overflies them, and how their weather differs."""

from __future__ import annotations

from dataclasses import dataclass

from rasterio.coords import BoundingBox
from rasterio.warp import transform_bounds

#: Edge of a 10 m cell, and cells along each side of a park's square footprint.
CELL_M = 10
SIZE = 320
YEARS = tuple(range(2017, 2026))
DROUGHT_YEARS = (2018, 2022)


@dataclass(frozen=True)
class Park:
    """One square of simulated country, wholly inside one Sentinel-2 tile and one 10 km block."""

    name: str
    code: str
    """Prefix of the woodlands' ids."""
    number: int
    """Keeps the random streams of the two parks apart."""
    epsg: int
    tile: str
    """Sentinel-2 MGRS tile that holds it."""
    west_m: int
    north_m: int
    spring_delay_days: float
    """Later leaf-out than in the lowland park."""
    overcast: float
    """Added to the monthly chance of a wholly overcast scene."""
    has_snow: bool
    cover_names: tuple[str, ...]
    """Kinds of open land, keys of `phenology.OPEN_LAND`."""
    s2_orbits: tuple[int, ...]
    s1_ascending_orbit: int
    s1_descending_orbit: int

    @property
    def bounds_m(self) -> BoundingBox:
        """West, south, east, north in metres of the UTM zone."""
        side = SIZE * CELL_M
        return BoundingBox(self.west_m, self.north_m - side, self.west_m + side, self.north_m)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees, WGS 84."""
        west, south, east, north = transform_bounds(f"EPSG:{self.epsg}", "EPSG:4326", *self.bounds_m)
        return (west, south, east, north)

    @property
    def latitude(self) -> float:
        """Degrees north of the middle."""
        return (self.bbox[1] + self.bbox[3]) / 2

    @property
    def longitude(self) -> float:
        """Degrees east of the middle."""
        return (self.bbox[0] + self.bbox[2]) / 2


HALLIN_FELLS = Park(
    name="Hallin Fells",
    code="HF",
    number=1,
    epsg=32630,
    tile="30UVF",
    west_m=484_000,
    north_m=6_036_200,
    spring_delay_days=10.0,
    overcast=0.06,
    has_snow=True,
    cover_names=("heath", "rough grass", "bracken", "pasture"),
    s2_orbits=(37, 80),
    s1_ascending_orbit=30,
    s1_descending_orbit=52,
)
ORRAN_WEALD = Park(
    name="Orran Weald",
    code="OW",
    number=2,
    epsg=32631,
    tile="31UCS",
    west_m=332_000,
    north_m=5_658_200,
    spring_delay_days=0.0,
    overcast=0.0,
    has_snow=False,
    cover_names=("pasture", "meadow", "arable", "heath"),
    s2_orbits=(51, 94),
    s1_ascending_orbit=132,
    s1_descending_orbit=8,
)
PARKS = (HALLIN_FELLS, ORRAN_WEALD)
