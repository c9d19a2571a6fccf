"""Catalogues: a STAC API or a static catalogue in, the scenes to use out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from flows.sources.addresses import AddressRefusedError, Place, is_web, place_of, shown
from flows.sources.catalogues.api import open_api
from flows.sources.catalogues.documents import read_document
from flows.sources.catalogues.provenance import UNKNOWN_SOURCE, source_of
from flows.sources.catalogues.static import read_static
from flows.sources.scenes.acquisitions import moment
from flows.sources.scenes.duplicates import newest_copies
from flows.sources.scenes.items import Box, Offer, Rejected
from flows.sources.scenes.offsets import CORRECTED, OffsetRule
from monitoring.errors import CatalogueError
from monitoring.scenes import Scene, Sensor

__all__ = ["Catalogue", "Rejected", "open_catalogue"]


class _Items(Protocol):
    """Where offers come from: all of a static catalogue, or what an API answers."""

    def offers(
        self, bbox: Box, start: datetime, end: datetime, sensors: Sequence[Sensor]
    ) -> tuple[list[Offer], list[Rejected]]: ...


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue."""

    address: str
    """Path or web address, without secrets."""
    source: str
    """Where the pixels come from: `planetary-computer`, `earth-search`, `cdse`, `simulated`, `unknown`."""
    updated: datetime | None
    """When the catalogue says it changed last (static: its newest item), None where it does not say."""
    items: _Items

    def scenes(
        self, bbox: Box, start: datetime, end: datetime, sensors: Sequence[Sensor] = tuple(Sensor)
    ) -> tuple[Scene, ...]:
        """Return the scenes that touch `bbox` (west, south, east, north, degrees) in [start, end).

        One scene per acquisition, sorted by (acquired_at, id).
        """
        return self.scenes_and_rejects(bbox, start, end, sensors)[0]

    def scenes_and_rejects(
        self, bbox: Box, start: datetime, end: datetime, sensors: Sequence[Sensor] = tuple(Sensor)
    ) -> tuple[tuple[Scene, ...], tuple[Rejected, ...]]:
        """Return the scenes to use, and the items that were not used with the reason of each."""
        _check_request(bbox, start, end)
        offers, unfit = self.items.offers(bbox, start, end, sensors)
        wanted = [offer for offer in offers if _is_wanted(offer.scene, bbox, start, end, sensors)]
        kept, older = newest_copies(wanted)
        return tuple(offer.scene for offer in kept), (*unfit, *older)


def open_catalogue(address: str, source: str | None = None, offset_rule: OffsetRule = CORRECTED) -> Catalogue:
    """Open a STAC API, or a static catalogue: a JSON file, a folder that holds one, or its web address.

    source: where the pixels come from, for a catalogue that does not show it; offset_rule: what its scenes
    say must be subtracted from their digital numbers. Raises CatalogueError.
    """
    address = _root_address(str(address))
    try:
        place = place_of(address)
    except AddressRefusedError as error:
        raise CatalogueError(f"catalogue {shown(address)}: {error}") from error
    root = read_document(place.document)
    if is_web(address) and _is_api(root):
        return _api_catalogue(address, root, source, offset_rule)
    return _static_catalogue(address, root, place, source, offset_rule)


def _static_catalogue(
    address: str, root: Any, place: Place, source: str | None, offset_rule: OffsetRule
) -> Catalogue:
    items = read_static(root, place, source, offset_rule)
    found = {offer.scene.source for offer in items.ordered} or {source or source_of(root, {})}
    return Catalogue(shown(address), found.pop() if len(found) == 1 else UNKNOWN_SOURCE, items.updated, items)


def _api_catalogue(address: str, root: Any, source: str | None, offset_rule: OffsetRule) -> Catalogue:
    items = open_api(address, root, source, offset_rule)
    pixels_from = source or source_of(root, {"links": [{"href": address}]})
    return Catalogue(shown(address), pixels_from, moment(str(root.get("updated"))), items)


def _root_address(address: str) -> str:
    if is_web(address) or not Path(address).is_dir():
        return address
    names = [Path(address) / name for name in ("catalog.json", "collection.json")]
    found = next((str(path) for path in names if path.is_file()), None)
    if found is None:
        raise CatalogueError(f"catalogue {address}: no catalog.json or collection.json in the folder")
    return found


def _is_api(root: Any) -> bool:
    if not isinstance(root, dict):
        return False
    links = root.get("links")
    rels = {link.get("rel") for link in links if isinstance(link, dict)} if isinstance(links, list) else set()
    return "conformsTo" in root or "search" in rels


def _check_request(bbox: Box, start: datetime, end: datetime) -> None:
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise CatalogueError(
            f"search box {bbox}: needs west < east within 180 and south < north within 90 degrees"
        )
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise CatalogueError(f"search from {start} to {end}: needs two moments with a time zone, in order")


def _is_wanted(scene: Scene, bbox: Box, start: datetime, end: datetime, sensors: Sequence[Sensor]) -> bool:
    return scene.sensor in sensors and start <= scene.acquired_at < end and _touches(scene.bbox, bbox)


def _touches(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
