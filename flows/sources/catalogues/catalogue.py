"""Catalogues: a STAC API, a static catalogue or a folder of products in, the scenes to use out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.sources.addresses import AddressRefusedError, is_web, place_of, shown
from flows.sources.assets.patience import Patience
from flows.sources.catalogues.api import open_api
from flows.sources.catalogues.asking import PATIENCE
from flows.sources.catalogues.documents import read_document
from flows.sources.catalogues.known import by_name
from flows.sources.catalogues.products import read_products
from flows.sources.catalogues.provenance import ESA, UNKNOWN_SOURCE, source_of
from flows.sources.catalogues.searches import Answer, Items, Search
from flows.sources.catalogues.static import StaticItems, read_static
from flows.sources.scenes.acquisitions import moment
from flows.sources.scenes.duplicates import newest_copies
from flows.sources.scenes.items import Box, Rejected
from flows.sources.scenes.offsets import CORRECTED, OffsetRule
from monitoring.errors import CatalogueError
from monitoring.scenes import Scene, Sensor

__all__ = ["Catalogue", "Rejected", "open_catalogue"]


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue."""

    address: str
    """Path or web address, without secrets."""
    source: str
    """Where the pixels come from: `planetary-computer`, `earth-search`, `cdse`, `simulated`, `unknown`."""
    updated: datetime | None
    """When the catalogue says it changed last (static: its newest item), None where it does not say."""
    items: Items
    offset_rule: OffsetRule = CORRECTED
    """What its scenes say must be subtracted from their digital numbers."""

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
        answer = self.ask(Search(bbox, start, end, tuple(sensors)))
        kept, older = newest_copies(answer.offers)
        return tuple(offer.scene for offer in kept), (*answer.rejected, *older)

    def ask(self, search: Search) -> Answer:
        """Return every copy of every scene wanted, what is refused, and whether that is all that there is."""
        answer = self.items.ask(search)
        return replace(answer, offers=tuple(offer for offer in answer.offers if search.wants(offer.scene)))


def open_catalogue(
    address: str,
    source: str | None = None,
    offset_rule: OffsetRule = CORRECTED,
    *,
    patience: Patience = PATIENCE,
    bands: Sequence[str] = (),
) -> Catalogue:
    """Open a STAC API, a static catalogue (a JSON file, a folder that holds one, or its web address), or a
    folder of SAFE products; a known catalogue may be named.

    source: where the pixels come from, for a catalogue that does not show it; offset_rule: what its scenes
    say must be subtracted from their digital numbers; patience: with a server that is busy; bands: those a
    scene must have, by default all that an observation is made of. Raises CatalogueError.
    """
    address, source = _resolved(str(address), source)
    if not is_web(address) and Path(address).is_dir():
        document = _root_document(Path(address))
        if document is None:
            return _product_catalogue(Path(address), source, offset_rule)
        address = document
    try:
        place = place_of(address)
    except AddressRefusedError as error:
        raise CatalogueError(f"catalogue {shown(address)}: {error}") from error
    root = read_document(place.document, patience)
    if is_web(address) and _is_api(root):
        return _api_catalogue(address, root, source, offset_rule, patience, bands)
    items = read_static(root, place, source, offset_rule, patience, bands)
    return _kept_in_memory(address, items, source or source_of(root, {}), offset_rule)


def _resolved(address: str, source: str | None) -> tuple[str, str | None]:
    try:
        return by_name(address, source)
    except ValueError as error:
        raise CatalogueError(f"catalogue {address}: {error}") from error


def _product_catalogue(folder: Path, source: str | None, offset_rule: OffsetRule) -> Catalogue:
    items = read_products(folder, source or ESA, offset_rule)
    return _kept_in_memory(str(folder), items, source or ESA, offset_rule)


def _kept_in_memory(address: str, items: StaticItems, source: str, offset_rule: OffsetRule) -> Catalogue:
    found = {offer.scene.source for offer in items.ordered} or {source}
    pixels_from = found.pop() if len(found) == 1 else UNKNOWN_SOURCE
    return Catalogue(shown(address), pixels_from, items.updated, items, offset_rule)


def _api_catalogue(
    address: str,
    root: Any,
    source: str | None,
    offset_rule: OffsetRule,
    patience: Patience,
    bands: Sequence[str],
) -> Catalogue:
    items = open_api(address, root, source, offset_rule, patience, bands)
    pixels_from = source or source_of(root, {"links": [{"href": address}]})
    return Catalogue(shown(address), pixels_from, moment(str(root.get("updated"))), items, offset_rule)


def _root_document(folder: Path) -> str | None:
    names = (folder / name for name in ("catalog.json", "collection.json"))
    return next((str(path) for path in names if path.is_file()), None)


def _is_api(root: Any) -> bool:
    if not isinstance(root, dict):
        return False
    links = root.get("links")
    rels = {link.get("rel") for link in links if isinstance(link, dict)} if isinstance(links, list) else set()
    return "conformsTo" in root or "search" in rels
