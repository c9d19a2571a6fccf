"""Pixels: a scene's values at a block's woodland pixels, and nothing else of the scene."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from flows.sources.addresses import is_web
from flows.sources.assets.grids import Grid, check_band
from flows.sources.assets.ranges import RangesOf, local_ranges
from flows.sources.assets.rasters import GdalTiles, gdal_environment, open_ranges, open_raster
from flows.sources.assets.sampling import Method, Plan, Sampled, TileSource, plan_points, sample
from flows.sources.assets.tiff.belief import Belief
from flows.sources.assets.tiff.head import UncoveredError
from flows.sources.assets.tiles import CogTiles, Each, in_turn
from monitoring.errors import PixelReadError
from monitoring.grid import PixelSet
from monitoring.scenes import CLOUD_BAND, SCL_BAND, Scene, Sensor

#: Cell sizes of Sentinel-2 bands and Sentinel-1 RTC that the models know.
RESOLUTIONS_M = (10.0, 20.0)
#: Probability of cloud where it is not known.
CLOUD_UNKNOWN = 255
#: Plans that are kept: the grids of a Sentinel-2 tile, and those of the radar scenes being read.
KEPT_PLANS = 8


class Points(Protocol):
    """Points of a zone, such as the cells of a block."""

    @property
    def epsg(self) -> int:
        """Zone of the coordinates."""

    @property
    def easting_m(self) -> NDArray[np.float64]:
        """(N,) eastings, metres."""

    @property
    def northing_m(self) -> NDArray[np.float64]:
        """(N,) northings, metres."""


@dataclass(frozen=True)
class ScenePixels:
    """One scene at N pixels."""

    scene: Scene
    values: NDArray[np.uint16] | NDArray[np.float32]
    """(N, B): Sentinel-2 uint16 reflectance x 10000 without offset, 0 = missing;
    Sentinel-1 float32 gamma0 linear power, NaN = missing."""
    scl: NDArray[np.uint8] | None
    """(N,) scene classification, 0 = no data; None for radar."""
    cloud: NDArray[np.uint8] | None
    """(N,) probability of cloud, per cent, 255 = unknown; None where it was not asked for or not offered."""
    tiles_read: int
    """Internal tiles decoded, over all bands."""
    bytes_read: int
    """Decoded bytes of those tiles."""


@dataclass(frozen=True)
class Band:
    """What the file of a band must hold and how it is sampled."""

    name: str
    kinds: tuple[str, ...]
    method: Method
    above: float | None = 0
    """Values not above it are missing: zeros that pad a scene, and powers that are none."""
    zero_counts: bool = False
    """True where 0 is a value even if the file calls it none."""
    any_zone: bool = False


def bands_of(scene: Scene, optional: Collection[str] = ()) -> list[Band]:
    """Return the bands that are read of a scene; an optional one (CLD) only where the scene offers it."""
    if scene.sensor is not Sensor.S2:
        kinds = ("float32", "float64")
        return [Band(name, kinds, Method.BILINEAR, any_zone=True) for name in scene.sensor.bands]
    optical = [Band(name, ("uint16",), Method.BILINEAR) for name in scene.sensor.bands]
    classes = [Band(SCL_BAND, ("uint8",), Method.NEAREST)]
    if CLOUD_BAND in optional and CLOUD_BAND in dict(scene.hrefs):
        classes.append(Band(CLOUD_BAND, ("uint8",), Method.NEAREST, above=None, zero_counts=True))
    return [*optical, *classes]


class BandReader:
    """Reads bands of many scenes at one pixel set, from many threads; what they share is worked out once."""

    def __init__(
        self,
        pixels: Points,
        ranges_of: RangesOf = local_ranges,
        *,
        each: Each = in_turn,
        resolutions_m: Collection[float] = RESOLUTIONS_M,
    ) -> None:
        """`each` fetches the ranges of one remote asset."""
        self._epsg, self._plans = pixels.epsg, _Plans(pixels)
        self._ranges_of, self._each = ranges_of, each
        self._resolutions_m, self._belief = resolutions_m, Belief()

    def read(self, scene: Scene, band: Band) -> Sampled:
        """Return one band at the pixels; those outside its raster are missing.

        PixelReadError says what is wrong and the bound; UnreachableError as the ranges raise it.
        """
        with self._open(_href(scene, band.name), f"{scene.collection} {band.name}") as source:
            check_band(source, self._epsg, band.kinds, self._resolutions_m, any_zone=band.any_zone)
            plan = self._plans.of(source.grid, source.tile_shape, band.method)
            return sample(source, plan, above=band.above, zero_counts=band.zero_counts)

    @contextmanager
    def _open(self, address: str, kind: str) -> Iterator[TileSource]:
        """Open a file for our own reader, or for GDAL what that one leaves."""
        ranges, is_remote = self._ranges_of(address), is_web(address)
        try:
            source = CogTiles(ranges, self._belief, self._each if is_remote else in_turn, kind)
        except UncoveredError as uncovered:
            driver = uncovered.driver
        else:
            yield source
            return
        opened = open_ranges(ranges, driver) if is_remote else open_raster(address, driver)
        with gdal_environment(), opened as dataset:
            yield GdalTiles(dataset)


def _href(scene: Scene, band: str) -> str:
    try:
        return scene.href(band)
    except KeyError as error:
        raise PixelReadError("the scene has no address for it") from error


class _Plans:
    """Where the pixels lie in the tiles of the grids met last."""

    def __init__(self, pixels: Points) -> None:
        self._pixels, self._lock = pixels, Lock()
        self._kept: OrderedDict[tuple[Grid, tuple[int, int], Method], Plan] = OrderedDict()

    def of(self, grid: Grid, tile_shape: tuple[int, int], method: Method) -> Plan:
        """Return the plan of a grid; threads that need the same one wait for the first to make it."""
        key = (grid, tile_shape, method)
        with self._lock:
            plan = self._kept.pop(key, None) or self._made(grid, tile_shape, method)
            self._kept[key] = plan
            if len(self._kept) > KEPT_PLANS:
                self._kept.popitem(last=False)
            return plan

    def _made(self, grid: Grid, tile_shape: tuple[int, int], method: Method) -> Plan:
        easting_m, northing_m = self._pixels.easting_m, self._pixels.northing_m
        if grid.epsg != self._pixels.epsg:
            to_grid = _transformer(self._pixels.epsg, grid.epsg)
            easting_m, northing_m = to_grid.transform(easting_m, northing_m)
        return plan_points(grid, tile_shape, easting_m, northing_m, method)


@lru_cache(maxsize=16)
def _transformer(epsg: int, other: int) -> Transformer:
    return Transformer.from_crs(epsg, other, always_xy=True)


def read_scene(
    scene: Scene,
    pixels: PixelSet,
    ranges_of: RangesOf = local_ranges,
    *,
    resolutions_m: Collection[float] = RESOLUTIONS_M,
    optional: Collection[str] = (),
) -> ScenePixels:
    """Return the scene's values at the pixels; pixels outside its rasters are missing.

    Bands of 10 m are gathered, coarser ones bilinear to the 10 m cell centres, SCL and CLD nearest; radar in
    another UTM zone is bilinear too. Only the internal tiles that hold a pixel are read. PixelReadError names
    scene, band, what is wrong and the bound. `read_scenes` reads many, side by side.
    """
    reader = BandReader(pixels, ranges_of, resolutions_m=resolutions_m)
    sampled = {}
    for band in bands_of(scene, optional):
        try:
            sampled[band.name] = reader.read(scene, band)
        except PixelReadError as error:
            raise PixelReadError(f"scene {scene.id}, band {band.name}: {error}") from error.__cause__
    return scene_pixels(scene, sampled)


def scene_pixels(scene: Scene, sampled: Mapping[str, Sampled]) -> ScenePixels:
    """Return a scene's bands, by their names, as one array."""
    bands = [sampled[name] for name in scene.sensor.bands]
    tiles, size = (sum(getattr(s, name) for s in sampled.values()) for name in ("tiles_read", "bytes_read"))
    if scene.sensor is not Sensor.S2:
        power = np.stack([linear_power(band) for band in bands], axis=1)
        return ScenePixels(scene, power, None, None, tiles, size)
    values = np.stack([reflectance(band, scene.offset_dn, scene.offset_from_dn) for band in bands], axis=1)
    classes = sampled[SCL_BAND]
    scl = np.where(classes.missing, 0, classes.values).astype(np.uint8)
    cloud = cloud_percent(sampled[CLOUD_BAND], scl) if CLOUD_BAND in sampled else None
    return ScenePixels(scene, values, scl, cloud, tiles, size)


def reflectance(band: Sampled, offset_dn: int, offset_from_dn: int = 1) -> NDArray[np.uint16]:
    """Return reflectance x 10000 (N,): for a digital number >= 1 max(it - offset, 1), 0 where missing.

    A digital number below `offset_from_dn` is left as it is. 0 is missing, so nothing present becomes 0.
    """
    rounded = np.floor(band.values.astype(np.float64) + 0.5)
    subtracted = np.where(rounded >= offset_from_dn, offset_dn, 0)
    return np.where(band.missing, 0, np.maximum(rounded - subtracted, 1)).astype(np.uint16)


def linear_power(band: Sampled) -> NDArray[np.float32]:
    """Return radar power (N,), NaN where missing."""
    return np.where(band.missing, np.float32(np.nan), band.values.astype(np.float32))


def cloud_percent(band: Sampled, scl: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the probability of cloud (N,), 0-100; 255 where it or the scene classification is missing."""
    known = ~band.missing & (band.values <= 100) & (scl > 0)
    return np.where(known, band.values, CLOUD_UNKNOWN).astype(np.uint8)
