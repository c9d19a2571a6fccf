"""Granule metadata of a simulated product: angle grids as in a real MTD_TL.xml, cut to the park."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rasterio.warp import transform

from flows.archive.fields import Floats
from flows.archive.parks import CELL_M, SIZE, Park
from flows.archive.phenology import BANDS
from flows.archive.products import OpticalProduct
from flows.archive.sky import sun_over

#: Edge of a cell as in real products, and cells a side: a tile has 23, these cover the park and 10 km around.
STEP_M, CELLS = 5_000, 5
#: Height of the orbit, and how far beside the park the satellite passes: a view 2 degrees off the vertical.
#: So close that the simulated reflectance, which knows no view angle, and its NBAR differ by less than 1 %
#: from February to October, and by up to 1.5 % (B12) under the lowest sun of winter.
ORBIT_M, ASIDE_M = 786_000.0, 26_000.0
#: Bearing of the ground track of a descending pass.
TRACK_DEGREES = 194.0
#: Half of what two neighbouring detectors both see, in the coarse cells of the grids.
OVERLAP_M = 2_500.0
#: How far ahead or behind the detectors look by turns, and how much further each band.
ALONG_M, BAND_SHIFT_M = 4_000.0, 400.0
#: Detectors on either side of the seam that runs by the park.
DETECTORS = (6, 7)
#: Distance of that seam from the park's middle, across the track.
SEAM_M = -3_000.0
#: Number of each band in the metadata.
BAND_IDS = {
    "B02": 1,
    "B03": 2,
    "B04": 3,
    "B05": 4,
    "B06": 5,
    "B07": 6,
    "B08": 7,
    "B8A": 8,
    "B11": 11,
    "B12": 12,
}

_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Simulated: no satellite measured any of this. -->
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:General_Info>
<TILE_ID metadataLevel="Brief">{granule}</TILE_ID>
<SENSING_TIME metadataLevel="Standard">{sensed}</SENSING_TIME>
</n1:General_Info>
<n1:Geometric_Info>
<Tile_Geocoding metadataLevel="Brief">
<HORIZONTAL_CS_CODE>EPSG:{epsg}</HORIZONTAL_CS_CODE>
<Geoposition resolution="10"><ULX>{west}</ULX><ULY>{north}</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>
</Tile_Geocoding>
<Tile_Angles metadataLevel="Standard">
{grids}
</Tile_Angles>
</n1:Geometric_Info>
</n1:Level-2A_Tile_ID>
"""


@dataclass(frozen=True)
class _Cells:
    """Centres of the cells around a park, (CELLS, CELLS), rows from north."""

    west: int
    north: int
    easting: Floats
    northing: Floats


def granule_metadata(product: OpticalProduct, granule: str) -> str:
    """Return the MTD_TL.xml of a product whose granule is named `granule`; nothing in it is random."""
    one = product.sensing
    cells = _cells(one.park)
    return _DOCUMENT.format(
        granule=granule,
        sensed=f"{one.sensed_at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        epsg=one.park.epsg,
        west=cells.west,
        north=cells.north,
        grids="\n".join([_sun_grid(product, cells), *_view_grids(product, cells)]),
    )


def _cells(park: Park) -> _Cells:
    """The whole steps of 5 km around the park's middle, two on each side."""
    side, around = SIZE * CELL_M, CELLS // 2 * STEP_M
    west = (park.west_m + side // 2) // STEP_M * STEP_M - around
    north = (park.north_m - side // 2) // STEP_M * STEP_M + STEP_M + around
    centre = (np.arange(CELLS) + 0.5) * STEP_M
    easting, northing = np.meshgrid(west + centre, north - centre)
    return _Cells(west, north, easting, northing)


def _sun_grid(product: OpticalProduct, cells: _Cells) -> str:
    one = product.sensing
    east, north = cells.easting.ravel().tolist(), cells.northing.ravel().tolist()
    longitude, latitude = map(np.array, transform(f"EPSG:{one.park.epsg}", "EPSG:4326", east, north))
    zenith, azimuth = sun_over(one.sensed_at, latitude, longitude)
    return _grid("Sun_Angles_Grid", "", *(angle.reshape(CELLS, CELLS) for angle in (zenith, azimuth)))


def _view_grids(product: OpticalProduct, cells: _Cells) -> Iterator[str]:
    across = _across(product.sensing.park, cells)
    satellite = ASIDE_M if _passes_west(product) else -ASIDE_M
    for position, band in enumerate(BANDS):
        seam = SEAM_M + BAND_SHIFT_M * position
        for detector, inside in zip(DETECTORS, (across <= seam, across > seam), strict=True):
            shares = inside | (np.abs(across - seam) <= OVERLAP_M)
            along = (ALONG_M + BAND_SHIFT_M * position) * (1.0 if detector % 2 else -1.0)
            zenith, azimuth = _view(satellite - across, along)
            seen = (np.where(shares, angle, np.nan) for angle in (zenith, azimuth))
            yield _grid(
                "Viewing_Incidence_Angles_Grids", f' bandId="{BAND_IDS[band]}" detectorId="{detector}"', *seen
            )


def _across(park: Park, cells: _Cells) -> Floats:
    """Distance of each cell from the park's middle across the track, positive on its western side, metres."""
    half = SIZE * CELL_M / 2
    bearing = np.radians(TRACK_DEGREES + 90.0)
    east, north = cells.easting - (park.west_m + half), cells.northing - (park.north_m - half)
    return np.asarray(east * np.sin(bearing) + north * np.cos(bearing))


def _passes_west(product: OpticalProduct) -> bool:
    """The park's first orbit passes to its west, the other to its east."""
    one = product.sensing
    return one.relative_orbit == one.park.s2_orbits[0]


def _view(across: Floats, along: float) -> tuple[Floats, Floats]:
    """Zenith and azimuth of a satellite that stands so far across (west) and along the track, degrees."""
    zenith = np.degrees(np.arctan(np.hypot(across, along) / ORBIT_M))
    return zenith, (np.degrees(np.arctan2(across, along)) + TRACK_DEGREES) % 360.0


def _grid(name: str, numbers: str, zenith: Floats, azimuth: Floats) -> str:
    return f"<{name}{numbers}>\n{_angle('Zenith', zenith)}\n{_angle('Azimuth', azimuth)}\n</{name}>"


def _angle(name: str, values: Floats) -> str:
    rows = "\n".join(f"<VALUES>{' '.join(map(_text, row))}</VALUES>" for row in values)
    steps = "".join(f'<{axis}_STEP unit="m">{STEP_M}</{axis}_STEP>' for axis in ("COL", "ROW"))
    return f"<{name}>\n{steps}\n<Values_List>\n{rows}\n</Values_List>\n</{name}>"


def _text(angle: float) -> str:
    return f"{angle:.3f}" if np.isfinite(angle) else "NaN"
