"""Acquisitions: the name that copies of one acquisition share, and which copy is the newest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows.sources.scenes.offsets import baseline_number

_BASELINE = re.compile(r"\d\d\.\d\d")
_PRODUCT = re.compile(r"(S2[A-Z])_MSIL2A_(\d{8}T\d{6})_N(\d\d)(\d\d)_R\d{3}_T(\w{5})_")
_DATATAKE = re.compile(r"G(S2[A-Z])_(\d{8}T\d{6})_\d+_N(\d\d\.\d\d)")
_TILE = re.compile(r"\d{1,2}[C-X][A-Z]{2}")
_TILE_PREFIXES = ("mgrs", "sentinel")
_TILE_PARTS = ("utm_zone", "latitude_band", "grid_square")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
    """Return the processing baseline as `05.10`; empty where nothing states one."""
    stated = text_of(
        properties, "s2:processing_baseline", "sentinel:processing_baseline", "processing:version"
    )
    if _BASELINE.fullmatch(stated):
        return stated
    product = _product(item_id, properties)
    if product:
        return f"{product[3]}.{product[4]}"
    datatake = _datatake(properties)
    return datatake[3] if datatake else ""


def _product(item_id: str, properties: Mapping[str, Any]) -> re.Match[str] | None:
    name = text_of(properties, "s2:product_uri", "sentinel:product_id", "s2:product_id") or item_id
    return _PRODUCT.match(name)


def _datatake(properties: Mapping[str, Any]) -> re.Match[str] | None:
    return _DATATAKE.match(text_of(properties, "s2:datatake_id", "eopf:datatake_id"))


def optical_acquisition(item_id: str, properties: Mapping[str, Any], acquired_at: datetime) -> str:
    """Return satellite, start of the datatake and tile, as every catalogue states them in its own way."""
    product = _product(item_id, properties)
    taken = _datatake(properties) or product
    tile = _tile(properties) or (product[5] if product else "")
    if taken and tile:
        return f"{taken[1]}_{taken[2]}_T{tile}"
    platform, orbit = text_of(properties, "platform").lower(), properties.get("sat:relative_orbit", "")
    return f"{platform}_{acquired_at:%Y%m%dT%H%M%S}_R{orbit}_T{tile or item_id}"


def radar_acquisition(properties: Mapping[str, Any], acquired_at: datetime) -> str:
    """Return platform, start of the slice to the second, and absolute orbit."""
    start = moment(text_of(properties, "start_datetime")) or acquired_at
    platform, orbit = text_of(properties, "platform").lower(), properties.get("sat:absolute_orbit", "")
    return f"{platform}_{start:%Y%m%dT%H%M%S}_{orbit}"


def _tile(properties: Mapping[str, Any]) -> str:
    """Return the MGRS tile such as `30UXC`; empty where nothing states one."""
    parts = [
        "".join(str(properties.get(f"{prefix}:{part}", "")) for part in _TILE_PARTS)
        for prefix in _TILE_PREFIXES
    ]
    stated = [
        text_of(properties, "s2:mgrs_tile"),
        text_of(properties, "grid:code").removeprefix("MGRS-"),
        *parts,
    ]
    found = next((text for text in stated if _TILE.fullmatch(text)), "")
    return found.zfill(5) if found else ""


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
