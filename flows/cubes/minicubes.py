"""Minicubes: a small cube of scenes around any point, as delivered, for anybody who wants one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from flows.progress import counting
from flows.sources.addresses import shown
from flows.sources.assets.pixels import Band, BandReader
from flows.sources.assets.ranges import RangesOf, local_ranges
from flows.sources.assets.sampling import Method
from flows.sources.catalogues.catalogue import Catalogue
from monitoring.errors import CatalogueError, SettingsError, SourceError
from monitoring.minicubes import MiniGrid
from monitoring.scenes import CLOUD_BAND, S1_BANDS, S2_BANDS, SCL_BAND, Scene, Sensor

#: Bands a minicube may hold; of one sensor at a time.
BANDS = {Sensor.S2: (*S2_BANDS, SCL_BAND, CLOUD_BAND), Sensor.S1_ASCENDING: S1_BANDS}
_KINDS = ("uint8", "uint16", "int16", "float32", "float64")
_RESOLUTIONS_M = (10.0, 20.0, 60.0)
_RADAR = (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING)


@dataclass(frozen=True)
class MiniRequest:
    """What a minicube is to hold."""

    grid: MiniGrid
    bands: tuple[str, ...]
    start: datetime
    """Aware; first moment."""
    end: datetime
    """Aware; the moment after the last."""

    def __post_init__(self) -> None:
        _sensors(self.bands)

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """The streams whose scenes have these bands."""
        return _sensors(self.bands)


def _sensors(bands: Sequence[str]) -> tuple[Sensor, ...]:
    for sensor, known in BANDS.items():
        if bands and set(bands) <= set(known):
            return _RADAR if sensor in _RADAR else (sensor,)
    offered = " or ".join(", ".join(known) for known in BANDS.values())
    raise SettingsError(f"bands {', '.join(bands) or '(none)'}: some of {offered} are needed, of one sensor")


def make_minicube(
    catalogue: Catalogue,
    request: MiniRequest,
    ranges_of: RangesOf = local_ranges,
    *,
    in_flight: int = 24,
) -> xr.Dataset:
    """Return the scenes around a point on its grid: `values` (time, band, y, x) float64, NaN = no value.

    Digital numbers as delivered, nearest neighbour, one entry in time for each scene: two tiles of one
    moment stay two. x and y are the cells' WEST and NORTH edges, `distance` (y, x) metres from cell centre to
    point. CatalogueError where there is no scene, another SourceError for an asset that cannot be read.
    """
    box, window = request.grid.bbox, (request.start, request.end)
    scenes, refused = catalogue.scenes_and_rejects(box, *window, request.sensors)
    if not scenes:
        first = f"; {refused[0].item_id}: {refused[0].reason}" if refused else ""
        raise CatalogueError(
            f"catalogue {catalogue.address}: no scene with {', '.join(request.bands)} there "
            f"from {request.start:%Y-%m-%d} to {request.end:%Y-%m-%d}{first}"
        )
    values = np.stack(list(_read(scenes, request, ranges_of, in_flight)))
    size = request.grid.size
    return _labelled(catalogue, request, scenes, values.reshape(len(scenes), -1, size, size))


def _read(
    scenes: Sequence[Scene], request: MiniRequest, ranges_of: RangesOf, in_flight: int
) -> Iterator[NDArray[np.float64]]:
    """Yield each scene's (bands, cells), NaN where there is no value."""
    reader = BandReader(
        _Centres(request.grid.epsg, *request.grid.cell_centres),
        ranges_of,
        resolutions_m=_RESOLUTIONS_M,
    )
    count = counting("read minicube")
    orders = [(scene, band) for scene in scenes for band in request.bands]
    with ThreadPoolExecutor(in_flight) as pool:
        layers = pool.map(lambda order: _layer(reader, *order), orders)
        for done in range(len(scenes)):
            yield np.stack([next(layers) for _ in request.bands])
            count(done + 1, len(scenes))


@dataclass(frozen=True)
class _Centres:
    """Centres of a minicube's cells."""

    epsg: int
    easting_m: NDArray[np.float64]
    northing_m: NDArray[np.float64]


def _layer(reader: BandReader, scene: Scene, name: str) -> NDArray[np.float64]:
    band = Band(name, _KINDS, Method.NEAREST, above=None, any_zone=True)
    try:
        found = reader.read(scene, band)
    except SourceError as error:
        raise type(error)(f"scene {scene.id}, band {name}: {error}") from error.__cause__
    return np.where(found.missing, np.nan, found.values.astype(np.float64))


def _labelled(
    catalogue: Catalogue, request: MiniRequest, scenes: Sequence[Scene], values: NDArray[np.float64]
) -> xr.Dataset:
    grid = request.grid
    times = np.array([scene.acquired_at.replace(tzinfo=None) for scene in scenes], "datetime64[ns]")
    return xr.Dataset(
        {
            "values": (
                ("time", "band", "y", "x"),
                values,
                {"grid_mapping": "crs", "long_name": "as delivered"},
            ),
            "crs": ((), np.int32(grid.epsg), CRS.from_epsg(grid.epsg).to_cf()),
        },
        {
            "time": ("time", times, {"standard_name": "time"}),
            "band": ("band", list(request.bands)),
            "y": ("y", grid.y, _axis("y", "north")),
            "x": ("x", grid.x, _axis("x", "west")),
            "id": ("time", [scene.id for scene in scenes]),
            "offset_dn": ("time", np.array([scene.offset_dn for scene in scenes], np.int32), _OFFSET),
            "distance": (("y", "x"), grid.distance_m, {"units": "m"}),
        },
        _attributes(catalogue, request, scenes),
    )


_OFFSET = {"long_name": "what the baseline added to each digital number of reflectance; not subtracted here"}


def _axis(name: str, edge: str) -> dict[str, str]:
    return {
        "standard_name": f"projection_{name}_coordinate",
        "units": "m",
        "comment": f"{edge} edge of the cell",
    }


def _attributes(catalogue: Catalogue, request: MiniRequest, scenes: Sequence[Scene]) -> dict[str, Any]:
    grid, last = request.grid, max(scene.acquired_at for scene in scenes)
    return {
        "Conventions": "CF-1.11",
        "collection": ", ".join(sorted({scene.collection for scene in scenes})),
        "stac": shown(catalogue.address),
        "source": ", ".join(sorted({scene.source for scene in scenes})),
        "epsg": grid.epsg,
        "resolution": grid.resolution_m,
        "edge_size": grid.size,
        "edge_size_m": grid.bounds[2] - grid.bounds[0],
        "central_x": grid.centre[0],
        "central_y": grid.centre[1],
        "time_coverage_start": f"{min(scene.acquired_at for scene in scenes):%Y-%m-%d}",
        "time_coverage_end": f"{last:%Y-%m-%d}",
    }


def write_minicube(cube: xr.Dataset, path: Path) -> Path:
    """Write a minicube as NetCDF-4, whole or not at all."""
    from flows.files import whole_file

    with whole_file(path) as temporary:
        cube.to_netcdf(temporary, engine="netcdf4", encoding={"values": {"zlib": True, "complevel": 1}})
    return path
