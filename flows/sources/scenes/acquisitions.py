"""Acquisitions: the name that copies of one acquisition share, and which copy is the newest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows.sources.scenes.offsets import FIRST_BASELINE, baseline_number
from flows.sources.scenes.unfit import UnfitError

_BASELINE = re.compile(r"\d\d\.\d\d")
_PRODUCT = re.compile(r"(S2[A-Z])_MSIL2A_(\d{8}T\d{6})_(?:N(\d\d)(\d\d)_)?R(\d{3})_T(\w{5})_")
_DATATAKE = re.compile(r"G(S2[A-Z])_(\d{8}T\d{6})_\d+_N(\d\d\.\d\d)")
_TILE = re.compile(r"\d{1,2}[C-X][A-Z]{2}")
_TILE_IN_ID = re.compile(r"S2[A-Z]_T?(\d{1,2}[C-X][A-Z]{2})_\d{8}")
_PLATFORM = re.compile(r"s(?:entinel-)?([12])([a-z])(?:_.*)?")
_TILE_PREFIXES = ("mgrs", "sentinel")
_TILE_PARTS = ("utm_zone", "latitude_band", "grid_square")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


#: Orbits in a repeat cycle of Sentinel-1 and Sentinel-2.
S1_ORBITS, S2_ORBITS = 175, 143
#: Absolute orbit that is one before relative orbit 1, by Sentinel-1 satellite: A to C from ESA's SentiWiki
#: (S1 products, naming convention), D as its first products state it (isce-framework/isce2 #28123).
_S1_FIRST_ORBIT = {"sentinel-1a": 73, "sentinel-1b": 27, "sentinel-1c": 172, "sentinel-1d": 42}
#: Sentinel-1C was moved in June 2026: its last absolute orbit before, and the number that holds since
#: (isce-framework/isce2 #28130, after a presentation at FRINGE 2026).
_S1C_LAST_BEFORE, _S1C_SINCE = 8018, 99


@dataclass(frozen=True)
class Version:
    """What orders the copies of one acquisition: the greatest is the newest."""

    baseline: tuple[int, int]
    processed_at: datetime
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> tuple[tuple[int, int], datetime, datetime, datetime]:
        """Sort key."""
        return self.baseline, self.processed_at, self.created_at, self.updated_at


def text_of(table: Mapping[str, Any], *keys: str) -> str:
    """Return the first of the keys that holds text; empty where none does."""
    return next((table[key] for key in keys if isinstance(table.get(key), str)), "")


def moment(text: str) -> datetime | None:
    """Return an ISO 8601 text as UTC (naive taken as UTC); None where it is none."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def baseline_of(item_id: str, properties: Mapping[str, Any]) -> str:
    """Return the processing baseline as `05.10`; empty where nothing states one.

    UnfitError where the property, the product's name and the datatake's name lie on different sides of 04.00.
    """
    stated = dict(_baselines(item_id, properties))
    if len({baseline_number(baseline) >= FIRST_BASELINE for baseline in stated.values()}) > 1:
        said = " and ".join(f"{baseline} ({where})" for where, baseline in stated.items())
        raise UnfitError(f"baselines contradict each other about the offset of 04.00: {said}")
    return next(iter(stated.values()), "")


def _baselines(item_id: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    keys = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    stated = text_of(properties, *keys)
    if _BASELINE.fullmatch(stated):
        yield "property", stated
    product, datatake = _product(item_id, properties), _datatake(properties)
    if product and product[3]:
        yield "product", f"{product[3]}.{product[4]}"
    if datatake:
        yield "datatake", datatake[3]


def _product(item_id: str, properties: Mapping[str, Any]) -> re.Match[str] | None:
    stated = text_of(properties, "s2:product_uri", "sentinel:product_id", "s2:product_id")
    return _PRODUCT.match(stated) or _PRODUCT.match(item_id)


def _datatake(properties: Mapping[str, Any]) -> re.Match[str] | None:
    return _DATATAKE.match(text_of(properties, "s2:datatake_id", "eopf:datatake_id"))


def optical_acquisition(item_id: str, properties: Mapping[str, Any], acquired_at: datetime) -> str:
    """Return satellite, start of the datatake and tile, as every catalogue states them in its own way."""
    taken = _datatake(properties) or _product(item_id, properties)
    tile = tile_of(item_id, properties)
    if taken and tile:
        return f"{taken[1]}_{taken[2]}_T{tile}"
    platform, orbit = text_of(properties, "platform").lower(), properties.get("sat:relative_orbit", "")
    return f"{platform}_{acquired_at:%Y%m%dT%H%M%S}_R{orbit}_T{tile or item_id}"


def radar_acquisition(properties: Mapping[str, Any], acquired_at: datetime) -> str:
    """Return platform, start of the slice to the second, and absolute orbit."""
    start = moment(text_of(properties, "start_datetime")) or acquired_at
    platform, orbit = text_of(properties, "platform").lower(), properties.get("sat:absolute_orbit", "")
    return f"{platform}_{start:%Y%m%dT%H%M%S}_{orbit}"


def tile_of(item_id: str, properties: Mapping[str, Any]) -> str:
    """Return the MGRS tile such as `30UXC`; empty where nothing states one."""
    parts = [
        "".join(str(properties.get(f"{prefix}:{part}", "")) for part in _TILE_PARTS)
        for prefix in _TILE_PREFIXES
    ]
    product, named = _product(item_id, properties), _TILE_IN_ID.match(item_id)
    stated = [
        text_of(properties, "s2:mgrs_tile"),
        text_of(properties, "grid:code").removeprefix("MGRS-"),
        *parts,
        product[6] if product else "",
        named[1] if named else "",
    ]
    found = next((text for text in stated if _TILE.fullmatch(text)), "")
    return found.zfill(5) if found else ""


def platform_of(item_id: str, properties: Mapping[str, Any]) -> str:
    """Return the satellite as `sentinel-2a`, as the item states it or its id does; else what it states."""
    stated = text_of(properties, "platform").lower()
    found = _PLATFORM.fullmatch(stated) or (None if stated else _PLATFORM.fullmatch(item_id.lower()))
    return f"sentinel-{found[1]}{found[2]}" if found else stated


def optical_orbit(item_id: str, properties: Mapping[str, Any]) -> int:
    """Return the relative orbit, 1 to 143, of a Sentinel-2 item; 0 where nothing states it."""
    product = _product(item_id, properties)
    return _orbit_within(properties, S2_ORBITS) or (int(product[5]) if product else 0)


def radar_orbit(platform: str, properties: Mapping[str, Any]) -> int:
    """Return the relative orbit, 1 to 175, of a Sentinel-1 item, stated or reckoned; 0 where it cannot be."""
    absolute, first = _whole(properties.get("sat:absolute_orbit")), _S1_FIRST_ORBIT.get(platform)
    stated = _orbit_within(properties, S1_ORBITS)
    if stated or first is None or absolute < 1:
        return stated
    if platform == "sentinel-1c" and absolute > _S1C_LAST_BEFORE:
        first = _S1C_SINCE
    return (absolute - first) % S1_ORBITS + 1


def _orbit_within(properties: Mapping[str, Any], cycle: int) -> int:
    stated = _whole(properties.get("sat:relative_orbit"))
    return stated if 1 <= stated <= cycle else 0


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def radar_pass(acquisition: str) -> str:
    """Return platform and absolute orbit of a radar acquisition: what slices of one pass have in common."""
    platform, _, orbit = acquisition.split("_", 2) if acquisition.count("_") >= 2 else (acquisition, "", "")
    return f"{platform}_{orbit}"


def version_of(baseline: str, properties: Mapping[str, Any]) -> Version:
    """Return what orders the copies of one acquisition."""

    def at(*keys: str) -> datetime:
        return moment(text_of(properties, *keys)) or _LONG_AGO

    return Version(
        baseline=baseline_number(baseline),
        processed_at=at("s2:generation_time", "processing:datetime", "s1:processing_datetime"),
        created_at=at("created"),
        updated_at=at("updated"),
    )
