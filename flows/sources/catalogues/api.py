"""STAC APIs: searched through pystac-client by box, time and collection, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from pystac.errors import STACError, STACTypeError
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import PystacClientWarning

from flows.sources.addresses import Place, is_web, shown
from flows.sources.catalogues.documents import TIMEOUT_S, unusable
from flows.sources.catalogues.provenance import source_of
from flows.sources.scenes.items import (
    S1_COLLECTIONS,
    S2_COLLECTIONS,
    Box,
    Offer,
    Rejected,
    offer_from_item,
    why_not,
)
from flows.sources.scenes.offsets import CORRECTED, OffsetRule
from monitoring.errors import CatalogueError
from monitoring.scenes import Sensor

#: Items asked for at once; each is about 17 kB.
PAGE_SIZE = 200

#: What pystac-client raises on a server it cannot make sense of; its warnings count where they are errors.
_FAILURES = (
    APIError,
    PystacClientWarning,
    STACError,
    STACTypeError,
    ClientTypeError,
    requests.RequestException,
    NotImplementedError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True)
class ApiItems:
    """An API that is asked at each search."""

    client: Client
    address: str
    root: Any
    """The API's landing page."""
    source: str | None
    """Where the pixels come from, where the caller said so."""
    collections: tuple[str, ...]
    offset_rule: OffsetRule = CORRECTED

    def offers(
        self, bbox: Box, start: datetime, end: datetime, sensors: Sequence[Sensor]
    ) -> tuple[list[Offer], list[Rejected]]:
        """Return what the server offers for a box and a time; the caller filters again."""
        wanted, unfit = choose_collections(self.collections, sensors)
        found = _search(self.client, self.address, bbox, start, end, wanted) if wanted else []
        decided = [self._decide(item) for item in found]
        offers = [outcome for outcome in decided if isinstance(outcome, Offer)]
        return offers, [*unfit, *(outcome for outcome in decided if isinstance(outcome, Rejected))]

    def _decide(self, item: dict[str, Any]) -> Offer | Rejected:
        pixels_from = self.source or source_of(self.root, item)
        place = Place(_self_link(item) or self.address, "")
        return offer_from_item(item, place, pixels_from, offset_rule=self.offset_rule)


def open_api(address: str, root: Any, source: str | None, offset_rule: OffsetRule = CORRECTED) -> ApiItems:
    """Return the items of the STAC API at `address`; CatalogueError when it cannot be used."""
    try:
        client = Client.open(address, stac_io=StacApiIO(timeout=TIMEOUT_S))
        return ApiItems(client, address, root, source, _collection_ids(client, address), offset_rule)
    except _FAILURES as error:
        raise unusable(address, error) from None


def _collection_ids(client: Client, address: str) -> tuple[str, ...]:
    ids = tuple(sorted(collection.id for collection in client.get_collections()))
    if not ids:
        raise CatalogueError(f"catalogue {shown(address)}: the API has no collections")
    return ids


def _search(
    client: Client, address: str, bbox: Box, start: datetime, end: datetime, collections: Sequence[str]
) -> list[dict[str, Any]]:
    try:
        found = client.search(
            method=_method(client),
            collections=list(collections),
            bbox=list(bbox),
            datetime=(start, end),
            limit=PAGE_SIZE,
        )
        return list(_new_items(found.pages_as_dicts(), address))
    except _FAILURES as error:
        raise unusable(address, error) from None


def _method(client: Client) -> str:
    """Return POST where the server offers it (some cannot page a GET), else GET, which all must answer."""
    offered = {str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")}
    return "POST" if "POST" in offered else "GET"


def _new_items(pages: Iterator[dict[str, Any]], address: str) -> Iterator[dict[str, Any]]:
    """Yield items page by page; a page that brings nothing new ends in an error, not in a loop."""
    seen: set[tuple[str, str]] = set()
    for page in pages:
        features = [feature for feature in page.get("features", []) if isinstance(feature, dict)]
        fresh = {(str(feature.get("collection")), str(feature.get("id"))) for feature in features} - seen
        if not fresh:
            raise CatalogueError(f"catalogue {shown(address)}: the server repeats a page of its answer")
        seen |= fresh
        yield from features


def choose_collections(
    available: Sequence[str], sensors: Sequence[Sensor]
) -> tuple[list[str], list[Rejected]]:
    """Return one collection per product to search, and what the API has in place of a missing one.

    Never two collections of one product: their pixels are processed differently and must not be mixed.
    """
    wanted: list[str] = []
    unfit: list[Rejected] = []
    for product, family in _products(sensors):
        chosen = next((name for name in product if name in available), None)
        if chosen:
            wanted.append(chosen)
        else:
            unfit += [Rejected("", name, why_not(name)) for name in available if name.startswith(family)]
    return wanted, unfit


def _products(sensors: Sequence[Sensor]) -> Iterator[tuple[tuple[str, ...], str]]:
    if Sensor.S2 in sensors:
        yield S2_COLLECTIONS, "sentinel-2"
    if Sensor.S1_ASCENDING in sensors or Sensor.S1_DESCENDING in sensors:
        yield S1_COLLECTIONS, "sentinel-1"


def _self_link(item: dict[str, Any]) -> str:
    links = item.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == "self" and is_web(str(link.get("href", ""))):
            return str(link["href"])
    return ""
