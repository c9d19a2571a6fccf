"""The static catalogue around the items: a root, two collections, a child catalogue for each year."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flows.archive.items import S1_COLLECTION, S2_COLLECTION
from flows.archive.parks import PARKS, YEARS
from flows.sources.catalogues.provenance import SIMULATED

Json = dict[str, Any]

STAC_VERSION = "1.0.0"
NOTICE = "Simulated: no satellite measured any of this, and the parks and woods do not exist."
TITLES = {
    S2_COLLECTION: "Sentinel-2 Level-2A (simulated)",
    S1_COLLECTION: "Sentinel-1 Radiometrically Terrain Corrected (simulated)",
}


def item_folder(root: Path, collection: str, year: int, item_id: str) -> Path:
    """Return the folder of an item and its COGs."""
    return root / collection / str(year) / item_id


def write_json(path: Path, content: Json) -> None:
    """Write a JSON document, the same bytes for the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def write_catalogue(root: Path, items: Iterable[tuple[str, int, str]]) -> None:
    """Write root, collections and yearly catalogues over items given as (collection, year, id)."""
    listed = sorted(items)
    write_json(root / "catalog.json", _root(sorted(TITLES)))
    for collection in sorted(TITLES):
        years = sorted({year for name, year, _ in listed if name == collection})
        write_json(root / collection / "collection.json", _collection(collection, years))
        for year in years:
            ids = [item for name, when, item in listed if (name, when) == (collection, year)]
            write_json(root / collection / str(year) / "catalog.json", _year(collection, year, ids))


def _root(collections: Sequence[str]) -> Json:
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "underwood-simulated-archive",
        "title": "Underwood's simulated archive",
        "description": f"A small world for trying and testing Underwood. {NOTICE}",
        "underwood:source": SIMULATED,
        "links": [
            _link("root", "./catalog.json"),
            *(_link("child", f"./{name}/collection.json", title=TITLES[name]) for name in collections),
        ],
    }


def _collection(name: str, years: Sequence[int]) -> Json:
    first, last = f"{YEARS[0]}-01-01T00:00:00Z", f"{YEARS[-1]}-12-31T23:59:59Z"
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": name,
        "title": TITLES[name],
        "description": f"Items in the shape of Planetary Computer's `{name}`. {NOTICE}",
        "license": "Apache-2.0",
        "underwood:source": SIMULATED,
        "extent": {
            "spatial": {"bbox": _extents()},
            "temporal": {"interval": [[first, last]]},
        },
        "links": [
            _link("root", "../catalog.json"),
            _link("parent", "../catalog.json"),
            *(_link("child", f"./{year}/catalog.json") for year in years),
        ],
    }


def _extents() -> list[list[float]]:
    """The whole first, as the specification asks, then each park."""
    boxes = [[round(degrees, 8) for degrees in park.bbox] for park in PARKS]
    west, south, east, north = zip(*boxes, strict=True)
    return [[min(west), min(south), max(east), max(north)], *boxes]


def _year(collection: str, year: int, item_ids: Sequence[str]) -> Json:
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": f"{collection}-{year}",
        "description": f"{TITLES[collection]}, acquired in {year}. {NOTICE}",
        "links": [
            _link("root", "../../catalog.json"),
            _link("parent", "../collection.json"),
            *(_link("item", f"./{item}/{item}.json", "application/geo+json") for item in item_ids),
        ],
    }


def _link(rel: str, href: str, media_type: str = "application/json", **extra: str) -> Json:
    return {"rel": rel, "href": href, "type": media_type, **extra}
