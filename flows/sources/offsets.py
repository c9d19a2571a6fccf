"""The baseline 04.00 offset: whether 1000 must be subtracted from a scene's digital numbers, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flows.sources.provenance import SIMULATED

#: Added to every reflectance digital number from baseline 04.00 on (ESA Sentinel-2 PDGS notice, 2022).
OFFSET_DN = 1000
#: First processing baseline with the offset.
FIRST_BASELINE = (4, 0)
#: First acquisition day that was processed with baseline 04.00 from the start.
FIRST_DAY = datetime(2022, 1, 25, tzinfo=UTC)
#: Bucket whose files had the offset taken out when they were written (Earth Search v0 and v1).
HARMONISED_BUCKET = "sentinel-cogs"
#: Sources whose pixels are as ESA delivered them, so that their baseline alone decides.
AS_DELIVERED = ("planetary-computer", SIMULATED)


def offset_of(
    source: str, baseline: str, acquired_at: datetime, properties: Mapping[str, Any], href: str
) -> tuple[int, str] | None:
    """Return (digital number to subtract, the rule that says so); None when nothing can decide.

    The pixels' location goes before the catalogue's flag, which is wrong for part of the archive,
    and the baseline before the date: scenes of any year are re-processed with newer baselines.
    """
    if source not in AS_DELIVERED:
        if HARMONISED_BUCKET in _locations(properties, href):
            return 0, f"files of {HARMONISED_BUCKET} are already corrected"
        if _is_applied(properties):
            return 0, "boa_offset_applied: the catalogue states that the offset is removed"
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


def _by_baseline(baseline: str) -> tuple[int, str]:
    if baseline_number(baseline) >= FIRST_BASELINE:
        return OFFSET_DN, f"baseline {baseline} is 04.00 or later"
    return 0, f"baseline {baseline} is before 04.00"


def _by_date(acquired_at: datetime) -> tuple[int, str]:
    if acquired_at >= FIRST_DAY:
        return OFFSET_DN, f"no baseline stated; acquired on or after {FIRST_DAY:%Y-%m-%d}"
    return 0, f"no baseline stated; acquired before {FIRST_DAY:%Y-%m-%d}"


def baseline_number(baseline: str) -> tuple[int, int]:
    """Return a baseline as (major, minor), such as (5, 10); (0, 0) for none."""
    major, _, minor = baseline.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
