"""The baseline 04.00 offset: what must be subtracted from a scene's digital numbers, where, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from flows.sources.catalogues.provenance import EARTH_SEARCH, PLANETARY_COMPUTER, SIMULATED

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
#: Sources whose pixels are as ESA delivered them, so that their baseline alone decides.
AS_DELIVERED = (PLANETARY_COMPUTER, SIMULATED)
#: The published pipeline subtracts from scenes of later calendar days (UTC), not from those of this one.
LAST_DAY_UNTOUCHED = date(2022, 1, 25)


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
    source: str, baseline: str, acquired_at: datetime, properties: Mapping[str, Any], href: str
) -> Offset | None:
    """Return what the corrected rule subtracts; None when nothing can decide.

    The pixels' location goes before the catalogue's flag, which is wrong for part of the archive,
    and the baseline before the date: scenes of any year are re-processed with newer baselines.
    """
    if source not in AS_DELIVERED:
        if HARMONISED_BUCKET in _locations(properties, href):
            return Offset(0, f"files of {HARMONISED_BUCKET} are already corrected")
        if _is_applied(properties):
            return Offset(0, "boa_offset_applied: the catalogue states that the offset is removed")
    if baseline:
        return _by_baseline(baseline)
    return _by_date(acquired_at) if source in AS_DELIVERED else None


def _locations(properties: Mapping[str, Any], href: str) -> tuple[str, str]:
    """Return the buckets that the item and its first asset name."""
    stated = str(properties.get("earthsearch:s3_path", "")).removeprefix("s3://")
    host = href.partition("://")[2].partition("/")[0]
    return stated.partition("/")[0], host.partition(".")[0]


def _is_applied(properties: Mapping[str, Any]) -> bool:
    keys = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
    return any(properties.get(key) is True for key in keys)


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
