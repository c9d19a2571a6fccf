"""Assets of an item: which file is which band, where it lies, and what its bytes should hash to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flows.sources.addresses import EODATA, AddressRefusedError, Place, is_web, resolve
from flows.sources.checksums import multihash
from flows.sources.scenes.acquisitions import text_of
from flows.sources.scenes.unfit import UnfitError
from monitoring.scenes import ANGLES, CLOUD_BAND, S1_BANDS, S2_BANDS, SCL_BAND, Sensor

#: Asset keys of each band: Planetary Computer and Earth Search v0, Earth Search v1, Copernicus Data Space.
ASSET_KEYS: Mapping[str, tuple[str, ...]] = {
    "B02": ("B02", "blue", "B02_10m"),
    "B03": ("B03", "green", "B03_10m"),
    "B04": ("B04", "red", "B04_10m"),
    "B05": ("B05", "rededge1", "B05_20m"),
    "B06": ("B06", "rededge2", "B06_20m"),
    "B07": ("B07", "rededge3", "B07_20m"),
    "B08": ("B08", "nir", "B08_10m"),
    "B8A": ("B8A", "nir08", "B8A_20m"),
    "B11": ("B11", "swir16", "B11_20m"),
    "B12": ("B12", "swir22", "B12_20m"),
    "SCL": ("SCL", "scl", "SCL_20m"),
    "VV": ("vv", "VV"),
    "VH": ("vh", "VH"),
    CLOUD_BAND: ("cloud", "CLD", "CLD_20m"),
    ANGLES: ("granule-metadata", "granule_metadata"),
}

Hrefs = tuple[tuple[str, str], ...]


def assets_of(
    sensor: Sensor, assets: Mapping[str, Any], bands: Sequence[str] = ()
) -> dict[str, Mapping[str, Any]]:
    """Return the asset of each band that the item has; UnfitError names a band that must be there and is not.

    bands: those that must be there and no others; by default what an observation is made of.

    The sensor's bands come first, SCL after those of Sentinel-2, then what is read only where it is offered.
    """
    required = bands or ((*S2_BANDS, SCL_BAND) if sensor is Sensor.S2 else S1_BANDS)
    optional = (CLOUD_BAND, ANGLES) if sensor is Sensor.S2 and not bands else ()
    found = {band: asset for band in (*required, *optional) if (asset := _asset(band, assets)) is not None}
    for band in required:
        if band not in found:
            raise UnfitError(f"band {band} is missing")
    return found


def _asset(band: str, assets: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((assets[key] for key in ASSET_KEYS.get(band, ()) if isinstance(assets.get(key), dict)), None)


def hrefs_of(assets: Mapping[str, Mapping[str, Any]], place: Place) -> Hrefs:
    """Return (band, address) pairs; UnfitError where a band's address is not followed.

    An asset that may be missing (cloud probability, granule metadata) is left out where its address is not.
    """
    return tuple(_hrefs(assets, place))


def _hrefs(assets: Mapping[str, Mapping[str, Any]], place: Place) -> Iterator[tuple[str, str]]:
    for band, asset in assets.items():
        try:
            yield band, _href(asset, place)
        except AddressRefusedError as error:
            if band not in (CLOUD_BAND, ANGLES):
                raise UnfitError(f"band {band}: {error}") from error


def _href(asset: Mapping[str, Any], place: Place) -> str:
    href = text_of(asset, "href")
    address = resolve(href, place)
    is_jp2 = "jp2" in text_of(asset, "type") or href.partition("?")[0].lower().endswith(".jp2")
    if is_jp2 and is_web(address) and not address.startswith(EODATA):
        raise AddressRefusedError("JPEG 2000 is not read over the web, only from files and s3://eodata")
    return address


def checksums_of(assets: Mapping[str, Mapping[str, Any]], bands: Iterable[str]) -> Hrefs:
    """Return (band, multihash) of the bands whose checksum the catalogue states in a form to be checked."""
    stated = ((band, multihash(assets[band].get("file:checksum"))) for band in bands)
    return tuple((band, checksum) for band, checksum in stated if checksum)
