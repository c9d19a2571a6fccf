"""The baseline 04.00 offset: what must be subtracted from a scene's digital numbers, where, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from flows.sources.catalogues.provenance import EARTH_SEARCH, PLANETARY_COMPUTER, SIMULATED
from flows.sources.scenes.footprints import is_number
from flows.sources.scenes.unfit import UnfitError

#: The two rules there are; pixels of one are never kept beside pixels of the other.
OffsetRule = Literal["corrected", "as-published"]
#: By baseline and by where the files lie: what the digital numbers mean.
CORRECTED: OffsetRule = "corrected"
#: By date, and not of dark pixels: what the TESSERA pipeline did (v1.1, Planetary Computer).
AS_PUBLISHED: OffsetRule = "as-published"

#: Added to every reflectance digital number from baseline 04.00 on (ESA Sentinel-2 PDGS notice, 2022).
OFFSET_DN = 1000
#: First processing baseline with the offset.
FIRST_BASELINE = (4, 0)
#: First acquisition day that was processed with baseline 04.00 from the start.
FIRST_DAY = datetime(2022, 1, 25, tzinfo=UTC)
#: Bucket whose files had the offset taken out when they were written (Earth Search v0 and v1).
HARMONISED_BUCKET = "sentinel-cogs"
#: Buckets whose files keep the offset: Earth Search's Collection 1, Copernicus Data Space, ESA's on AWS.
UNCORRECTED_BUCKETS = ("e84-earth-search-sentinel-data", "eodata", "sentinel-s2-l2a")
#: Digital numbers of reflectance 1 (QUANTIFICATION_VALUE of every product read).
SCALE_DN = 10_000
#: Sources whose pixels are as ESA delivered them, so that their baseline alone decides.
AS_DELIVERED = (PLANETARY_COMPUTER, SIMULATED)
#: The published pipeline subtracts from scenes of later calendar days (UTC), not from those of this one.
LAST_DAY_UNTOUCHED = date(2022, 1, 25)

_APPLIED_KEYS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")


@dataclass(frozen=True)
class Offset:
    """What is subtracted from a scene's digital numbers."""

    dn: int
    """Digital number to subtract; 0 = none."""
    why: str
    """What decided it, in words."""
    from_dn: int = 1
    """Smallest digital number it is subtracted from; smaller ones are left as they are."""


def published_offset_of(source: str, acquired_at: datetime) -> Offset | None:
    """Return what the published TESSERA pipeline subtracts; None for a source it never read.

    Where it subtracts, digital numbers below 1000 stay as they are and so end up above those of 1000 and
    more: the rule is kept to reproduce what was trained on it, not because it is right.
    """
    if source == EARTH_SEARCH:
        return Offset(0, "as published: nothing is subtracted from Earth Search files")
    if source not in AS_DELIVERED:
        return None
    if acquired_at.astimezone(UTC).date() <= LAST_DAY_UNTOUCHED:
        return Offset(0, f"as published: acquired on or before {LAST_DAY_UNTOUCHED}")
    where = f"only where the digital number is {OFFSET_DN} or more"
    return Offset(OFFSET_DN, f"as published: acquired after {LAST_DAY_UNTOUCHED}; {where}", from_dn=OFFSET_DN)


def offset_of(
    source: str,
    baseline: str,
    acquired_at: datetime,
    properties: Mapping[str, Any],
    href: str,
    stated_dn: int | None = None,
) -> Offset | None:
    """Return what the corrected rule subtracts; None when nothing can decide.

    The pixels' location goes before the catalogue's words, which are wrong for part of the archive: in one
    bucket files are corrected although their assets list the offset (stated_dn), in another they are not.
    The baseline goes before the date: scenes of any year are re-processed with newer baselines.
    UnfitError where what the assets state contradicts the baseline and the location settles nothing.
    """
    if source not in AS_DELIVERED:
        buckets = _locations(properties, href)
        if HARMONISED_BUCKET in buckets:
            return Offset(0, f"files of {HARMONISED_BUCKET} are already corrected{_doubts(properties)}")
        if _is_applied(properties) and not set(buckets) & set(UNCORRECTED_BUCKETS):
            return _as_applied(stated_dn)
    if stated_dn is not None:
        return agreed(stated_dn, baseline, _raster_offset(stated_dn))
    if baseline:
        return _by_baseline(baseline)
    return _by_date(acquired_at) if source in AS_DELIVERED else None


def agreed(stated_dn: int, baseline: str, where: str) -> Offset:
    """Return the offset that metadata state, once the baseline agrees with it.

    where: names the statement. UnfitError when the two contradict each other.
    """
    if not baseline:
        return Offset(stated_dn, where)
    expected = _by_baseline(baseline)
    if stated_dn != expected.dn:
        raise UnfitError(f"{where} contradicts {expected.why}: what to subtract is not certain")
    return Offset(stated_dn, f"{where}; {expected.why}")


def _raster_offset(stated_dn: int) -> str:
    return f"raster offset {0 - stated_dn / SCALE_DN:g} of its assets"


def _as_applied(stated_dn: int | None) -> Offset:
    if stated_dn:
        offset = _raster_offset(stated_dn)
        raise UnfitError(f"boa_offset_applied contradicts {offset}, and where its files lie settles nothing")
    return Offset(0, "boa_offset_applied: the catalogue states that the offset is removed")


def _doubts(properties: Mapping[str, Any]) -> str:
    is_denied = any(properties.get(key) is False for key in _APPLIED_KEYS)
    return "; boa_offset_applied false is not believed" if is_denied else ""


def stated_offset(assets: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the digital number that assets say to subtract (their raster offset); None where none says.

    UnfitError when they do not agree, or their scale is not one ten-thousandth.
    """
    stated = {found for asset in assets for table in _tables(asset) if (found := _stated(table)) is not None}
    if len(stated) > 1:
        raise UnfitError(f"raster offsets of {' and '.join(map(str, sorted(stated)))} in bands of one item")
    return next(iter(stated), None)


def _tables(asset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield where STAC 1.0 and 1.1 state scale and offset: the asset, and the first of its bands."""
    yield asset
    for key in ("raster:bands", "bands"):
        entries = asset.get(key)
        if isinstance(entries, list) and entries and isinstance(entries[0], dict):
            yield entries[0]


def _stated(table: Mapping[str, Any]) -> int | None:
    offset, scale = (table.get(f"raster:{key}", table.get(key)) for key in ("offset", "scale"))
    if not is_number(offset):
        return None
    if scale is not None and not (is_number(scale) and math.isclose(float(scale), 1 / SCALE_DN)):
        raise UnfitError(f"raster scale {str(scale)[:20]!r}: {1 / SCALE_DN:g} is needed")
    return round(-float(offset) * SCALE_DN)


def _locations(properties: Mapping[str, Any], href: str) -> tuple[str, str]:
    """Return the buckets that the item and its first asset name."""
    stated = str(properties.get("earthsearch:s3_path", "")).removeprefix("s3://")
    host = href.partition("://")[2].partition("/")[0]
    return stated.partition("/")[0], host.partition(".")[0]


def _is_applied(properties: Mapping[str, Any]) -> bool:
    return any(properties.get(key) is True for key in _APPLIED_KEYS)


def _by_baseline(baseline: str) -> Offset:
    if baseline_number(baseline) >= FIRST_BASELINE:
        return Offset(OFFSET_DN, f"baseline {baseline} is 04.00 or later")
    return Offset(0, f"baseline {baseline} is before 04.00")


def _by_date(acquired_at: datetime) -> Offset:
    if acquired_at >= FIRST_DAY:
        return Offset(OFFSET_DN, f"no baseline stated; acquired on or after {FIRST_DAY:%Y-%m-%d}")
    return Offset(0, f"no baseline stated; acquired before {FIRST_DAY:%Y-%m-%d}")


def baseline_number(baseline: str) -> tuple[int, int]:
    """Return a baseline as (major, minor), such as (5, 10); (0, 0) for none."""
    major, _, minor = baseline.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
