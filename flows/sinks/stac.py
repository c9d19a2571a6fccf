"""STAC of exported versions: one item each, and a static collection of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pystac
import shapely

from flows.sinks.manifest import COLLECTION, ITEM, MANIFEST, MOST_LINKS, Snapshot, as_json
from monitoring.seasons import Season
from warehouse.answering.parquet_tree import WrittenFile, WrittenView
from warehouse.database import query

PARQUET = "application/vnd.apache.parquet"
COLLECTION_ID = "underwood"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
_EXTENSIONS = (
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    PROCESSING,
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/table/v1.2.0/schema.json",
)
#: How a multihash of SHA-256 begins: the code of the function, and 32 bytes.
_SHA256 = "1220"


def item_text(snapshot: Snapshot, written: Sequence[WrittenView], manifest: bytes) -> bytes:
    """Return the item of a version: what its files are, what they were made of and by what."""
    version = snapshot.version([each.view for each in written])
    box = _box(snapshot, written)
    start, end = _span(snapshot)
    item = pystac.Item(
        id=version,
        geometry=shapely.geometry.mapping(shapely.box(*box)) if box else None,
        bbox=box,
        datetime=None if start else snapshot.recorded_until,
        start_datetime=start,
        end_datetime=end,
        collection=COLLECTION_ID,
        properties=_properties(snapshot),
        stac_extensions=list(_EXTENSIONS),
        assets=_assets(written, manifest),
    )
    for rel in ("root", "parent", "collection"):
        item.add_link(pystac.Link(rel, f"../{COLLECTION}", pystac.MediaType.JSON))
    for scene_id, address in snapshot.scene_addresses:
        item.add_link(pystac.Link("derived_from", address, title=scene_id))
    return as_json(item.to_dict(include_self_link=False, transform_hrefs=False))


def collection_text(items: Mapping[str, bytes]) -> bytes:
    """Return the collection of versions, newest first, with a link to the item of each."""
    read = [json.loads(text) for text in items.values()]
    collection = pystac.Collection(
        id=COLLECTION_ID,
        title="Underwood",
        description=(
            "What satellites can say about the ectomycorrhizal fungi beneath ancient woodland: histories, "
            "trends and alerts per woodland. One item per version; `latest.json` names the one to read."
        ),
        extent=_extent(read),
        license="other",
    )
    collection.add_link(pystac.Link("root", f"./{COLLECTION}", pystac.MediaType.JSON))
    for version in items:
        collection.add_link(pystac.Link("item", f"./{version}/{ITEM}", "application/geo+json", title=version))
    return as_json(collection.to_dict(include_self_link=False, transform_hrefs=False))


def multihash(sha256: str) -> str:
    """Return a SHA-256 in hexadecimal as the file extension writes checksums."""
    return _SHA256 + sha256


def _properties(snapshot: Snapshot) -> dict[str, Any]:
    facts = snapshot.facts
    versions = [str(version) for version in facts["code_versions"] or ()]
    return {
        "title": f"Histories of woodlands, {_seasons(snapshot)}",
        "processing:datetime": f"{snapshot.recorded_until:%Y-%m-%dT%H:%M:%S.%fZ}",
        "processing:lineage": _lineage(snapshot),
        "processing:software": {"underwood": ", ".join(versions)} if versions else {},
        "processing:expression": {"format": "sql", "expression": query("export/history").strip()},
        "proj:code": "EPSG:4326",
        "underwood:targets": facts["targets"] or [],
        "underwood:encoders": facts["encoders"] or [],
        "underwood:heads": facts["heads"] or [],
        "underwood:config_hashes": facts["config_hashes"] or [],
        "underwood:n_scenes": facts["n_scenes"],
        "underwood:snapshot_checksum": multihash(snapshot.sha256),
        "attribution": snapshot.attribution,
    }


def _lineage(snapshot: Snapshot) -> str:
    facts = snapshot.facts
    links = (
        f"; the oldest {MOST_LINKS} are linked, the view scenes has all"
        if facts["n_scenes"] > MOST_LINKS
        else ""
    )
    return (
        f"Estimated per woodland and season from {facts['n_scenes']} scenes{links}; encoder "
        f"{', '.join(facts['encoders'] or ['none'])}, head {', '.join(facts['heads'] or ['none'])}, choices "
        f"{', '.join(facts['config_hashes'] or ['none'])}."
    )


def _seasons(snapshot: Snapshot) -> str:
    first, last = snapshot.facts["first_season"], snapshot.facts["last_season"]
    return f"{first} to {last}" if first else "no season yet"


def _span(snapshot: Snapshot) -> tuple[Any, Any]:
    first, last = snapshot.facts["first_season"], snapshot.facts["last_season"]
    return (Season.parse(first).start, Season.parse(last).end) if first else (None, None)


def _box(snapshot: Snapshot, written: Sequence[WrittenView]) -> list[float] | None:
    """Return the box of the woodlands, or of the points inside them; None where there is none."""
    polygons = next((each.box for each in written if each.view.name == "woodlands"), None)
    if polygons:
        return list(polygons)
    sides = [float(snapshot.facts[side]) for side in ("west", "south", "east", "north")]
    return None if sides[0] != sides[0] else sides


def _assets(written: Sequence[WrittenView], manifest: bytes) -> dict[str, pystac.Asset]:
    files = {_key(file): _asset(each, file) for each in written for file in each.files}
    checks = {"file:checksum": multihash(hashlib.sha256(manifest).hexdigest()), "file:size": len(manifest)}
    whole = pystac.Asset(
        f"./{MANIFEST}", "All files with their columns and units", media_type="application/json",
        roles=["metadata"], extra_fields=checks,
    )  # fmt: skip
    return {**files, "manifest": whole}


def _key(file: WrittenFile) -> str:
    return file.path.removesuffix(".parquet").removesuffix("/part-0")


def _asset(written: WrittenView, file: WrittenFile) -> pystac.Asset:
    of = ", ".join(value or "no park" for value in file.partition.values())
    within = [each for each in written.columns if each[0] not in written.view.parted_by]
    facts: dict[str, Any] = {
        "file:checksum": multihash(file.sha256),
        "file:size": file.n_bytes,
        "table:row_count": file.n_rows,
        "table:columns": [
            {"name": name, "type": kind, "description": meaning} for name, kind, meaning in within
        ],
    }
    if written.view.place:
        facts |= {"table:primary_geometry": "geometry", "proj:code": "EPSG:4326"}
    title = f"{written.view.name}{f': {of}' if of else ''}"
    return pystac.Asset(f"./{file.path}", title, media_type=PARQUET, roles=["data"], extra_fields=facts)


def _extent(items: Sequence[Mapping[str, Any]]) -> pystac.Extent:
    boxes = [item["bbox"] for item in items if item.get("bbox")]
    sides = list(zip(*boxes, strict=True))
    box = (
        [min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])]
        if boxes
        else [-180.0, -90.0, 180.0, 90.0]
    )
    moments = sorted(
        pystac.utils.str_to_datetime(item["properties"][name])
        for item in items
        for name in ("start_datetime", "end_datetime", "datetime")
        if item["properties"].get(name)
    )
    interval: list[datetime | None] = [moments[0], moments[-1]] if moments else [None, None]
    return pystac.Extent(pystac.SpatialExtent([box]), pystac.TemporalExtent([interval]))
