"""Where sun and satellite stood: the angle grids of a Sentinel-2 product's granule metadata (MTD_TL.xml).

They serve the c-factors of the NBAR quality series (`monitoring.brdf`) and nothing else. The document is not
trusted: it is bounded (`flows.sources.xml_documents`) and every number is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from xml.etree.ElementTree import Element

import numpy as np

from flows.sources.assets.angle_grids import AngleGrids, Direction, Floats
from flows.sources.xml_documents import MAX_BYTES, XmlRefusedError, xml_root
from monitoring.errors import PixelReadError
from monitoring.grid import PixelSet
from monitoring.scenes import ANGLES, S2_BANDS, Scene

#: Most rows or columns of a grid. A whole tile has 23 of 5 km.
MAX_CELLS = 64
#: Lowest sun or satellite there can be, degrees; at 90 the kernels have no value.
MAX_ZENITH = 89.9
#: Band names in the order of `bandId`.
BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_EPSG = re.compile(r"EPSG:(32[67]\d\d)")


class AzimuthMean(StrEnum):
    """How the view azimuths of the detectors that see a cell become one."""

    CIRCULAR = "circular"
    """Direction of the sum of unit vectors: 359 and 1 give 0."""
    ARITHMETIC = "arithmetic"
    """Plain mean, as the published package sen2nbar takes it: 359 and 1 give 180."""


def scene_factors(
    scene: Scene, pixels: PixelSet, fetch: Callable[[str, int], bytes]
) -> Mapping[str, Floats] | None:
    """Return c-factors of each band of a Sentinel-2 scene at the pixels, (N,); None when it offers no angles.

    fetch(address, limit) gives the whole asset. PixelReadError names the scene when its angles are offered
    and cannot be used; what else `fetch` raises (UnreachableError) goes through.
    """
    address = dict(scene.hrefs).get(ANGLES)
    if address is None:
        return None
    try:
        grids = parse_angles(fetch(address, MAX_BYTES))
        if grids.epsg != pixels.epsg:
            raise PixelReadError(f"angles are in EPSG:{grids.epsg}, the pixels in EPSG:{pixels.epsg}")
        return {band: grids.c_at(band, pixels.easting_m, pixels.northing_m) for band in S2_BANDS}
    except PixelReadError as error:
        raise PixelReadError(f"scene {scene.id}, {ANGLES}: {error}") from error


def parse_angles(
    content: bytes, bands: Sequence[str] = S2_BANDS, azimuth_mean: AzimuthMean = AzimuthMean.CIRCULAR
) -> AngleGrids:
    """Return the angle grids of a granule metadata document.

    The first cell's centre lies half a step inside the granule's corner, as in the published NBAR package.
    PixelReadError for anything but a sound document.
    """
    root = _document(content)
    angles = _child(root, ".//Tile_Angles")
    sun = _direction(_child(angles, "Sun_Angles_Grid"))
    detectors = list(_detectors(angles, bands, sun.zenith.shape))
    view = {
        band: _mean_direction([seen for name, seen in detectors if name == band], azimuth_mean, band)
        for band in bands
    }
    east, north = _centres(root, _step(angles), sun.zenith.shape)
    return AngleGrids(_epsg(root), east, north, sun, view)


def _document(content: bytes) -> Element:
    try:
        return xml_root(content)
    except XmlRefusedError as error:
        raise PixelReadError(f"granule metadata: {error}") from error.__cause__


def _child(element: Element, path: str) -> Element:
    found = element.find(path)
    if found is None:
        raise PixelReadError(f"granule metadata has no {path.removeprefix('.//')}")
    return found


def _detectors(
    angles: Element, bands: Sequence[str], shape: tuple[int, ...]
) -> Iterator[tuple[str, Direction]]:
    """Yield what each detector saw with each wanted band."""
    wanted = {str(BAND_IDS.index(band)): band for band in bands}
    for grid in angles.iterfind("Viewing_Incidence_Angles_Grids"):
        band = wanted.get(grid.get("bandId", ""))
        if band is None:
            continue
        seen = _direction(grid)
        if seen.zenith.shape != shape:
            raise PixelReadError(f"band {band}: grid of {seen.zenith.shape} cells, the sun's has {shape}")
        yield band, seen


def _direction(grid: Element) -> Direction:
    zenith = _values(_child(grid, "Zenith"), "zenith", 0.0, MAX_ZENITH)
    azimuth = _values(_child(grid, "Azimuth"), "azimuth", -360.0, 360.0)
    if zenith.shape != azimuth.shape:
        raise PixelReadError(f"{grid.tag}: {zenith.shape} zeniths but {azimuth.shape} azimuths")
    return Direction(zenith, azimuth)


def _values(element: Element, name: str, low: float, high: float) -> Floats:
    """The grid (R, C) of an angle, every stated value within [low, high]."""
    rows = [(row.text or "").split() for row in element.iterfind("Values_List/VALUES")]
    if not 1 <= len(rows) <= MAX_CELLS or not 1 <= len(rows[0]) <= MAX_CELLS:
        raise PixelReadError(
            f"{name}: a grid of 1 to {MAX_CELLS} cells a side is needed, {len(rows)} rows found"
        )
    if len({len(row) for row in rows}) != 1:
        raise PixelReadError(f"{name}: the rows of the grid differ in length")
    values = np.array([[_number(text, name) for text in row] for row in rows])
    beyond = values[(values < low) | (values > high)]
    if beyond.size:
        raise PixelReadError(f"{name} {beyond[0]:g}: must be within {low:g} to {high:g} degrees")
    return values


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise PixelReadError(f"{name} {text[:20]!r}: not a number") from error


def _mean_direction(seen: Sequence[Direction], azimuth_mean: AzimuthMean, band: str) -> Direction:
    if not seen:
        raise PixelReadError(f"band {band}: granule metadata has no view angles")
    zenith = _mean(np.stack([one.zenith for one in seen]))
    azimuth = np.stack([one.azimuth for one in seen])
    return Direction(zenith, _mean(azimuth) if azimuth_mean is AzimuthMean.ARITHMETIC else _circular(azimuth))


def _mean(stack: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where all is."""
    count = np.isfinite(stack).sum(axis=0)
    return np.asarray(np.where(count > 0, np.nansum(stack, axis=0) / np.maximum(count, 1), np.nan))


def _circular(azimuth: Floats) -> Floats:
    """Mean direction over the first axis, 0-360; opposite ones, which have none, keep the plain mean."""
    east, north = _mean(np.sin(np.radians(azimuth))), _mean(np.cos(np.radians(azimuth)))
    direction = np.degrees(np.arctan2(east, north)) % 360.0
    return np.asarray(np.where(np.hypot(east, north) < 1e-9, _mean(azimuth), direction))


def _step(angles: Element) -> float:
    """Edge of a cell in metres, the same east and north in every grid."""
    found = {element.text for tag in ("COL_STEP", "ROW_STEP") for element in angles.iter(tag)}
    if len(found) != 1:
        raise PixelReadError(f"{len(found)} different steps of the angle grids: one is needed")
    return _metres(found.pop(), "step", 1.0, 1e5)


def _centres(root: Element, step: float, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    corner = _child(root, ".//Tile_Geocoding/Geoposition")
    west = _metres(_child(corner, "ULX").text, "ULX", -1e8, 1e8)
    north = _metres(_child(corner, "ULY").text, "ULY", -1e8, 1e8)
    rows, columns = shape
    east_of, south_of = (np.arange(cells, dtype=np.float64) + 0.5 for cells in (columns, rows))
    return west + east_of * step, north - south_of * step


def _metres(text: str | None, name: str, low: float, high: float) -> float:
    metres = _number((text or "").strip(), name)
    if not low <= metres <= high:
        raise PixelReadError(f"{name} {metres:g}: must be within {low:g} to {high:g} metres")
    return metres


def _epsg(root: Element) -> int:
    text = (_child(root, ".//Tile_Geocoding/HORIZONTAL_CS_CODE").text or "").strip()
    match = _EPSG.fullmatch(text)
    if match is None:
        raise PixelReadError(f"HORIZONTAL_CS_CODE {text[:20]!r}: not a UTM zone")
    return int(match[1])
