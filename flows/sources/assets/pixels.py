"""Pixels: a scene's values at a block's woodland pixels, and nothing else of the scene."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from flows.sources.addresses import is_web
from flows.sources.assets.rasters import check_band, gdal_environment, grid_of, open_raster
from flows.sources.assets.sampling import Method, Sampled, sample
from monitoring.errors import PixelReadError
from monitoring.grid import PixelSet
from monitoring.scenes import SCL_BAND, Scene, Sensor

#: Cell sizes of Sentinel-2 bands and Sentinel-1 RTC that the models know.
RESOLUTIONS_M = (10.0, 20.0)
#: Bands of a scene asked for at once over a network, where the wait for answers is what costs. Files on disk
#: are read one after the other, because threads gained them nothing (35 ms a scene; 43 ms with two).
WEB_READERS = 11


@dataclass(frozen=True)
class ScenePixels:
    """One scene at N pixels."""

    scene: Scene
    values: NDArray[np.uint16] | NDArray[np.float32]
    """(N, B): Sentinel-2 uint16 reflectance x 10000 without offset, 0 = missing;
    Sentinel-1 float32 gamma0 linear power, NaN = missing."""
    scl: NDArray[np.uint8] | None
    """(N,) scene classification, 0 = no data; None for radar."""
    tiles_read: int
    """Internal tiles decoded, over all bands."""
    bytes_read: int
    """Decoded bytes of those tiles."""


@dataclass(frozen=True)
class _Band:
    """What the file of a band must hold and how it is sampled."""

    name: str
    kinds: tuple[str, ...]
    method: Method


def read_scene(
    scene: Scene, pixels: PixelSet, *, resolutions_m: Collection[float] = RESOLUTIONS_M
) -> ScenePixels:
    """Return the scene's values at the pixels; pixels outside its rasters are missing.

    Bands of 10 m are gathered, coarser ones bilinear to the 10 m cell centres, SCL nearest. Only the internal
    tiles that hold a pixel are read. PixelReadError names scene, band, what is wrong and the bound.
    """
    bands = _bands(scene.sensor)
    read = partial(_read_band, scene, pixels, resolutions_m)
    if not any(is_web(href) for _, href in scene.hrefs):
        return _scene_pixels(scene, list(map(read, bands)))
    with ThreadPoolExecutor(min(WEB_READERS, len(bands))) as pool:
        return _scene_pixels(scene, list(pool.map(read, bands)))


def _bands(sensor: Sensor) -> list[_Band]:
    if sensor is not Sensor.S2:
        return [_Band(name, ("float32", "float64"), Method.BILINEAR) for name in sensor.bands]
    optical = [_Band(name, ("uint16",), Method.BILINEAR) for name in sensor.bands]
    return [*optical, _Band(SCL_BAND, ("uint8",), Method.NEAREST)]


def _read_band(scene: Scene, pixels: PixelSet, resolutions_m: Collection[float], band: _Band) -> Sampled:
    try:
        with gdal_environment(), open_raster(_href(scene, band.name)) as dataset:
            grid = grid_of(dataset)
            check_band(dataset, grid, pixels.epsg, band.kinds, resolutions_m)
            return sample(dataset, grid, pixels.easting_m, pixels.northing_m, band.method, above=0)
    except PixelReadError as error:
        raise PixelReadError(f"scene {scene.id}, band {band.name}: {error}") from error.__cause__


def _href(scene: Scene, band: str) -> str:
    try:
        return scene.href(band)
    except KeyError as error:
        raise PixelReadError("the scene has no address for it") from error


def _scene_pixels(scene: Scene, sampled: Sequence[Sampled]) -> ScenePixels:
    tiles, size = sum(band.tiles_read for band in sampled), sum(band.bytes_read for band in sampled)
    if scene.sensor is not Sensor.S2:
        power = np.stack([linear_power(band) for band in sampled], axis=1)
        return ScenePixels(scene, power, None, tiles, size)
    *optical, scl = sampled
    values = np.stack([reflectance(band, scene.offset_dn, scene.offset_from_dn) for band in optical], axis=1)
    return ScenePixels(scene, values, np.where(scl.missing, 0, scl.values).astype(np.uint8), tiles, size)


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
