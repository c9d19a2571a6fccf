"""Scenes: what a catalogue offers, decided and frozen before a pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: Bands of a Sentinel-2 observation, in the encoder family's order (not wavelength order).
S2_BANDS = ("B04", "B02", "B03", "B08", "B8A", "B05", "B06", "B07", "B11", "B12")
#: Scene classification: one class code per pixel, 0 = no data.
SCL_BAND = "SCL"
#: Probability of cloud, per cent: an asset that some products have, read only where the science asks for it.
CLOUD_BAND = "CLD"
#: Granule metadata (XML) with the grids of sun and view angles: an asset that some products have.
ANGLES = "MTD_TL"
#: Polarisations of a Sentinel-1 observation, gamma0 linear power.
S1_BANDS = ("VV", "VH")


class Sensor(StrEnum):
    """The three streams of observations a pixel has; ascending and descending radar never mix."""

    S2 = "s2"
    S1_ASCENDING = "s1_ascending"
    S1_DESCENDING = "s1_descending"

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names in the order of the band axis."""
        return S2_BANDS if self is Sensor.S2 else S1_BANDS


@dataclass(frozen=True)
class Scene:
    """One STAC item we decided to use, with every decision that its pixels depend on."""

    id: str
    """STAC item id."""
    collection: str
    """`sentinel-2-l2a` or `sentinel-1-rtc` (or the source's own name of the same product)."""
    source: str
    """Where the pixels come from: `planetary-computer`, `earth-search`, `simulated`, ..."""
    sensor: Sensor
    platform: str
    """`sentinel-2a`, `sentinel-1b`, ..."""
    acquired_at: datetime
    """Moment sensed, aware, UTC."""
    acquisition: str
    """Names the acquisition (platform, orbit, tile, moment): equal for re-processed copies of one."""
    baseline: str
    """Processing baseline such as `05.09`; empty for radar."""
    offset_dn: int
    """Digital number to subtract from the optical bands; 0 = none."""
    offset_rule: str
    """Why `offset_dn` is what it is, for provenance."""
    epsg: int
    """Coordinate reference system of the assets."""
    bbox: tuple[float, float, float, float]
    """west, south, east, north in degrees."""
    hrefs: tuple[tuple[str, str], ...]
    """(band, address) pairs: the sensor's bands first, SCL for Sentinel-2, then CLD and MTD_TL if offered."""
    cloud_fraction: float = float("nan")
    """Share of cloud the catalogue states, 0-1; NaN where it states none."""
    offset_from_dn: int = 1
    """Smallest digital number that `offset_dn` is subtracted from; smaller ones are left as they are."""
    relative_orbit: int = 0
    """Number of the orbit within its repeat cycle; 0 where the catalogue states none."""
    tile: str = ""
    """MGRS tile such as `30UXC`; empty for radar."""
    checksums: tuple[tuple[str, str], ...] = ()
    """(band, multihash in hexadecimal) of the assets whose whole-file checksum the catalogue states."""

    def href(self, band: str) -> str:
        """Return the address of a band; KeyError when the scene has none."""
        return dict(self.hrefs)[band]
