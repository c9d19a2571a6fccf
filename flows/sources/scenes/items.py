"""From a STAC item to a scene: pure decisions on an untrusted dictionary."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from shapely.errors import GEOSException

from flows.sources.addresses import AddressRefusedError, Place, resolve
from flows.sources.scenes.acquisitions import (
    Version,
    baseline_of,
    moment,
    optical_acquisition,
    radar_acquisition,
    text_of,
    version_of,
)
from flows.sources.scenes.offsets import (
    AS_PUBLISHED,
    CORRECTED,
    Offset,
    OffsetRule,
    offset_of,
    published_offset_of,
)
from monitoring.scenes import S1_BANDS, S2_BANDS, SCL_BAND, Scene, Sensor

Box = tuple[float, float, float, float]

#: Collections of Sentinel-2 surface reflectance, the preferred one first.
S2_COLLECTIONS = ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-s2-l2a-cogs")
#: Collections of Sentinel-1 backscatter corrected for terrain.
S1_COLLECTIONS = ("sentinel-1-rtc",)

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
}

_EPSG = re.compile(r"EPSG:(\d{4,6})", re.IGNORECASE)


@dataclass(frozen=True)
class Rejected:
    """An item that is not used, and why."""

    item_id: str
    collection: str
    reason: str


@dataclass(frozen=True)
class Offer:
    """A scene that an item offers, with what decides between copies of it."""

    scene: Scene
    version: Version
    footprint: shapely.Geometry
    """Polygon in degrees that the scene's pixels fill."""


class _UnfitError(Exception):
    """An item that cannot be used; its text is the reason."""


def offer_from_item(
    item: Any, place: Place, source: str, collection: str = "", *, offset_rule: OffsetRule = CORRECTED
) -> Offer | Rejected:
    """Return the scene a STAC item offers, or the reason why it offers none; never raises for bad content.

    place: where the item's document lies; collection: the collection it was found in, where it names none;
    offset_rule: what is subtracted from its optical digital numbers.
    """
    if not isinstance(item, dict):
        return Rejected("", collection, "not a STAC item: not a JSON object")
    item_id, collection = text_of(item, "id"), text_of(item, "collection") or collection
    try:
        return _offer(item, item_id, collection, source, place, offset_rule)
    except (_UnfitError, AddressRefusedError) as error:
        return Rejected(item_id, collection, str(error))


def _offer(
    item: Mapping[str, Any],
    item_id: str,
    collection: str,
    source: str,
    place: Place,
    offset_rule: OffsetRule,
) -> Offer:
    properties, assets = _table(item, "properties"), _table(item, "assets")
    if not item_id:
        raise _UnfitError("not a STAC item: no id")
    sensor = _sensor(collection, properties)
    acquired_at = _acquired_at(properties)
    hrefs = _hrefs(sensor, assets, place)
    footprint = _footprint(item)
    baseline = baseline_of(item_id, properties) if sensor is Sensor.S2 else ""
    offset = _offset(offset_rule, sensor, source, baseline, acquired_at, properties, hrefs[0][1])
    west, south, east, north = footprint.bounds
    scene = Scene(
        id=item_id,
        collection=collection,
        source=source,
        sensor=sensor,
        platform=text_of(properties, "platform").lower(),
        acquired_at=acquired_at,
        acquisition=_acquisition(sensor, item_id, properties, acquired_at),
        baseline=baseline,
        offset_dn=offset.dn,
        offset_rule=offset.why,
        offset_from_dn=offset.from_dn,
        epsg=_epsg(sensor, properties, assets),
        bbox=(west, south, east, north),
        hrefs=hrefs,
        cloud_fraction=_cloud_fraction(properties),
    )
    return Offer(scene, version_of(baseline, properties), footprint)


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    if not isinstance(value, dict):
        raise _UnfitError(f"not a STAC item: no {key}")
    return value


def _sensor(collection: str, properties: Mapping[str, Any]) -> Sensor:
    if collection in S2_COLLECTIONS:
        return Sensor.S2
    if collection not in S1_COLLECTIONS:
        raise _UnfitError(why_not(collection))
    orbit = text_of(properties, "sat:orbit_state").lower()
    if orbit not in ("ascending", "descending"):
        raise _UnfitError(f"sat:orbit_state is {orbit!r}: ascending or descending is needed")
    return Sensor.S1_ASCENDING if orbit == "ascending" else Sensor.S1_DESCENDING


def why_not(collection: str) -> str:
    """Return why a collection is not used."""
    name = collection.lower()
    if name.startswith(("sentinel-1", "sentinel-s1")):
        return f"{collection}: radiometric terrain correction is needed (sentinel-1-rtc)"
    if "l1c" in name:
        return f"{collection}: surface reflectance is needed (sentinel-2-l2a)"
    return f"{collection or 'no collection'}: neither Sentinel-2 L2A nor Sentinel-1 RTC"


def _acquired_at(properties: Mapping[str, Any]) -> datetime:
    acquired_at = moment(text_of(properties, "datetime", "start_datetime"))
    if acquired_at is None:
        raise _UnfitError("no datetime")
    return acquired_at


def _hrefs(sensor: Sensor, assets: Mapping[str, Any], place: Place) -> tuple[tuple[str, str], ...]:
    bands = (*S2_BANDS, SCL_BAND) if sensor is Sensor.S2 else S1_BANDS
    return tuple((band, _href(band, assets, place)) for band in bands)


def _asset(band: str, assets: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ASSET_KEYS[band]:
        asset = assets.get(key)
        if isinstance(asset, dict):
            return asset
    raise _UnfitError(f"band {band} is missing")


def _href(band: str, assets: Mapping[str, Any], place: Place) -> str:
    asset = _asset(band, assets)
    if "jp2" in text_of(asset, "type"):
        raise _UnfitError(f"band {band}: JPEG 2000 is not read, only GeoTIFF")
    try:
        return resolve(text_of(asset, "href"), place)
    except AddressRefusedError as error:
        raise _UnfitError(f"band {band}: {error}") from error


def _footprint(item: Mapping[str, Any]) -> shapely.Geometry:
    box = _box(item.get("bbox"))
    try:
        outline = shapely.geometry.shape(item["geometry"])
        polygon = outline if outline.geom_type in ("Polygon", "MultiPolygon") else shapely.Polygon()
        if polygon.is_valid and polygon.area > 0 and all(map(math.isfinite, polygon.bounds)):
            return polygon if box is None else _either(polygon, box)
    except (GEOSException, KeyError, TypeError, ValueError, AttributeError, IndexError):
        pass  # a broken outline: the bbox has to do
    if box is None:
        raise _UnfitError("neither bbox nor geometry says where it lies")
    return shapely.box(*box)


def _either(polygon: shapely.Geometry, box: Box) -> shapely.Geometry:
    """Return the outline, or the box where the two contradict each other."""
    return polygon if polygon.intersects(shapely.box(*box)) else shapely.box(*box)


def _box(value: Any) -> Box | None:
    """Return (west, south, east, north) of a 2-D or 3-D bbox; None where it is not one."""
    if not isinstance(value, list | tuple) or len(value) not in (4, 6):
        return None
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in value):
        return None
    half = len(value) // 2
    west, south, east, north = (float(value[i]) for i in (0, 1, half, half + 1))
    return (west, south, east, north) if west < east and south < north else None


def _offset(
    rule: OffsetRule,
    sensor: Sensor,
    source: str,
    baseline: str,
    acquired_at: datetime,
    properties: Mapping[str, Any],
    href: str,
) -> Offset:
    if sensor is not Sensor.S2:
        return Offset(0, "radar: linear power, no offset")
    if rule == AS_PUBLISHED:
        return _published_offset(source, acquired_at)
    decided = offset_of(source, baseline, acquired_at, properties, href)
    if decided is None:
        raise _UnfitError(
            f"no processing baseline, and source {source} does not say if the offset is removed"
        )
    return decided


def _published_offset(source: str, acquired_at: datetime) -> Offset:
    decided = published_offset_of(source, acquired_at)
    if decided is None:
        raise _UnfitError(f"offset rule {AS_PUBLISHED}: the published pipeline never read source {source}")
    return decided


def _acquisition(sensor: Sensor, item_id: str, properties: Mapping[str, Any], acquired_at: datetime) -> str:
    if sensor is Sensor.S2:
        return optical_acquisition(item_id, properties, acquired_at)
    return radar_acquisition(properties, acquired_at)


def _epsg(sensor: Sensor, properties: Mapping[str, Any], assets: Mapping[str, Any]) -> int:
    for table in (properties, _asset(sensor.bands[0], assets)):
        code, match = table.get("proj:epsg"), _EPSG.fullmatch(text_of(table, "proj:code"))
        if isinstance(code, int) and not isinstance(code, bool):
            return code
        if match:
            return int(match[1])
    raise _UnfitError("no proj:code or proj:epsg")


def _cloud_fraction(properties: Mapping[str, Any]) -> float:
    cover = properties.get("eo:cloud_cover")
    stated = isinstance(cover, int | float) and not isinstance(cover, bool) and 0 <= cover <= 100
    return float(cover) / 100 if stated else math.nan  # type: ignore[arg-type]
