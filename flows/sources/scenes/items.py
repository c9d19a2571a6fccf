"""From a STAC item to a scene: pure decisions on an untrusted dictionary."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely

from flows.sources.addresses import AddressRefusedError, Place
from flows.sources.scenes.acquisitions import (
    Version,
    baseline_of,
    moment,
    optical_acquisition,
    optical_orbit,
    platform_of,
    radar_acquisition,
    radar_orbit,
    text_of,
    tile_of,
    version_of,
)
from flows.sources.scenes.assets import assets_of, checksums_of, hrefs_of
from flows.sources.scenes.footprints import Box, box_of, outline_of
from flows.sources.scenes.offsets import (
    AS_PUBLISHED,
    CORRECTED,
    Offset,
    OffsetRule,
    offset_of,
    published_offset_of,
    stated_offset,
)
from flows.sources.scenes.unfit import UnfitError
from monitoring.scenes import S2_BANDS, Scene, Sensor

__all__ = ["Box", "Offer", "Rejected", "offer_from_item", "published_or_refused", "why_not"]

#: Collections of Sentinel-2 surface reflectance, the preferred one first.
S2_COLLECTIONS = ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-s2-l2a-cogs")
#: Collections of Sentinel-1 backscatter corrected for terrain.
S1_COLLECTIONS = ("sentinel-1-rtc",)

#: The same product under the name it had before: recognised where it is met, not searched for.
_S2_FORMER = ("sentinel-s2-l2a",)
#: Acquisition mode of the radar that is used: the only one taken over land as a matter of course.
RADAR_MODE = "IW"

_MODE_IN_ID = re.compile(r"S1[A-Z]_(IW|EW|WV|SM|S[1-6])_")
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


def offer_from_item(
    item: Any,
    place: Place,
    source: str,
    collection: str = "",
    *,
    offset_rule: OffsetRule = CORRECTED,
    bands: Sequence[str] = (),
) -> Offer | Rejected:
    """Return the scene a STAC item offers, or the reason why it offers none; never raises for bad content.

    place: where the item's document lies; collection: the collection it was found in, where it names none;
    offset_rule: what is subtracted from its optical digital numbers; bands: those that the scene must have,
    by default all that an observation is made of.
    """
    if not isinstance(item, dict):
        return Rejected("", collection, "not a STAC item: not a JSON object")
    item_id, collection = text_of(item, "id"), text_of(item, "collection") or collection
    try:
        properties, listed = _table(item, "properties"), _table(item, "assets")
        if not item_id:
            raise UnfitError("not a STAC item: no id")
        found = _Item(item_id, collection, source, place, item, properties, listed)
        return _offer(found, offset_rule, bands)
    except (UnfitError, AddressRefusedError) as error:
        return Rejected(item_id, collection, str(error))


@dataclass(frozen=True)
class _Item:
    """An item that has the form of one."""

    id: str
    collection: str
    source: str
    """Where its pixels come from."""
    place: Place
    content: Mapping[str, Any]
    properties: Mapping[str, Any]
    listed: Mapping[str, Any]
    """Its assets by their keys."""


@dataclass(frozen=True)
class _Overpass:
    """What an item says of the satellite and its pass; fields as of Scene."""

    platform: str
    acquisition: str
    relative_orbit: int
    tile: str = ""
    baseline: str = ""


def _offer(item: _Item, rule: OffsetRule, bands: Sequence[str]) -> Offer:
    sensor, acquired_at = _sensor(item), _acquired_at(item.properties)
    seen = _optical(item, acquired_at) if sensor is Sensor.S2 else _radar(item, acquired_at)
    assets = _assets(sensor, item, bands)
    hrefs = hrefs_of(assets, item.place)
    footprint = _footprint(item.content)
    offset = _offset(rule, sensor, item, seen.baseline, acquired_at, assets, hrefs[0][1])
    west, south, east, north = footprint.bounds
    scene = Scene(
        id=item.id,
        collection=item.collection,
        source=item.source,
        sensor=sensor,
        platform=seen.platform,
        acquired_at=acquired_at,
        acquisition=seen.acquisition,
        baseline=seen.baseline,
        offset_dn=offset.dn,
        offset_rule=offset.why,
        offset_from_dn=offset.from_dn,
        epsg=_epsg(item.properties, assets[hrefs[0][0]]),
        bbox=(west, south, east, north),
        hrefs=hrefs,
        cloud_fraction=_cloud_fraction(item.properties),
        relative_orbit=seen.relative_orbit,
        tile=seen.tile,
        checksums=checksums_of(assets, (band for band, _ in hrefs)),
    )
    return Offer(scene, version_of(seen.baseline, item.properties), footprint)


def _optical(item: _Item, acquired_at: datetime) -> _Overpass:
    return _Overpass(
        platform_of(item.id, item.properties),
        optical_acquisition(item.id, item.properties, acquired_at),
        optical_orbit(item.id, item.properties),
        tile_of(item.id, item.properties),
        baseline_of(item.id, item.properties),
    )


def _radar(item: _Item, acquired_at: datetime) -> _Overpass:
    platform = platform_of(item.id, item.properties)
    orbit = radar_orbit(platform, item.properties)
    return _Overpass(platform, radar_acquisition(item.properties, acquired_at), orbit)


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    if not isinstance(value, dict):
        raise UnfitError(f"not a STAC item: no {key}")
    return value


def _sensor(item: _Item) -> Sensor:
    collection, properties = item.collection, item.properties
    if collection in (*S2_COLLECTIONS, *_S2_FORMER):
        return Sensor.S2
    if collection not in S1_COLLECTIONS:
        raise UnfitError(why_not(collection))
    named = _MODE_IN_ID.match(item.id)
    mode = text_of(properties, "sar:instrument_mode") or (named[1] if named else RADAR_MODE)
    if mode != RADAR_MODE:
        raise UnfitError(f"radar mode {mode}: interferometric wide swath ({RADAR_MODE}) is needed")
    orbit = text_of(properties, "sat:orbit_state").lower()
    if orbit not in ("ascending", "descending"):
        raise UnfitError(f"sat:orbit_state is {orbit!r}: ascending or descending is needed")
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
        raise UnfitError("no datetime")
    return acquired_at


def _assets(sensor: Sensor, item: _Item, bands: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    try:
        return assets_of(sensor, item.listed, bands)
    except UnfitError as error:
        stated = item.properties.get("sar:polarizations")
        if sensor is Sensor.S2 or not isinstance(stated, list):
            raise
        raise UnfitError(
            f"{error}: polarisations are {', '.join(str(one)[:4] for one in stated[:4])}"
        ) from None


def _footprint(item: Mapping[str, Any]) -> shapely.Geometry:
    box, outline = box_of(item.get("bbox")), outline_of(item.get("geometry"))
    if outline is not None and (box is None or outline.intersects(shapely.box(*box))):
        return outline
    if box is None:
        raise UnfitError("neither bbox nor geometry says where it lies")
    return shapely.box(*box)  # no outline, or one that contradicts the bbox


def _offset(
    rule: OffsetRule,
    sensor: Sensor,
    item: _Item,
    baseline: str,
    acquired_at: datetime,
    assets: Mapping[str, Mapping[str, Any]],
    href: str,
) -> Offset:
    if sensor is not Sensor.S2:
        return Offset(0, "radar: linear power, no offset")
    if rule == AS_PUBLISHED:
        return published_or_refused(item.source, acquired_at)
    stated_dn = stated_offset(assets[band] for band in S2_BANDS if band in assets)
    decided = offset_of(item.source, baseline, acquired_at, item.properties, href, stated_dn)
    if decided is None:
        said = f"source {item.source} does not say if the offset is removed"
        raise UnfitError(f"no processing baseline, and {said}")
    return decided


def published_or_refused(source: str, acquired_at: datetime) -> Offset:
    """Return what the published pipeline subtracts; UnfitError for a source it never read."""
    decided = published_offset_of(source, acquired_at)
    if decided is None:
        raise UnfitError(f"offset rule {AS_PUBLISHED}: the published pipeline never read source {source}")
    return decided


def _epsg(properties: Mapping[str, Any], asset: Mapping[str, Any]) -> int:
    for table in (properties, asset):
        code, match = table.get("proj:epsg"), _EPSG.fullmatch(text_of(table, "proj:code"))
        if isinstance(code, int) and not isinstance(code, bool) and 1000 <= code <= 999_999:
            return code
        if match:
            return int(match[1])
    raise UnfitError("no proj:code or proj:epsg")


def _cloud_fraction(properties: Mapping[str, Any]) -> float:
    cover = properties.get("eo:cloud_cover")
    stated = isinstance(cover, int | float) and not isinstance(cover, bool) and 0 <= cover <= 100
    return float(cover) / 100 if stated else math.nan  # type: ignore[arg-type]
