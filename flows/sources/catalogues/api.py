"""STAC APIs: searched through pystac-client by box, time and collection, and by nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from pystac.errors import STACError, STACTypeError
from pystac_client import Client
from pystac_client.conformance import ConformanceClasses
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.warnings import PystacClientWarning

from flows.sources.addresses import Place, is_web, shown
from flows.sources.assets.patience import Patience
from flows.sources.catalogues.asking import PATIENCE, Asker
from flows.sources.catalogues.documents import unusable
from flows.sources.catalogues.provenance import source_of
from flows.sources.catalogues.searches import Answer, Search
from flows.sources.scenes.items import (
    S1_COLLECTIONS,
    S2_COLLECTIONS,
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
#: Items that one block and season may have; a park has some thousand in a year.
MAX_ITEMS = 100_000
#: Collections that an API may have; the largest public ones have about 200.
MAX_COLLECTIONS = 10_000
#: Answers by which servers refuse a filter they cannot follow.
FILTER_REFUSED = (400, 404, 405, 415, 422, 500, 501)

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
    RecursionError,
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
    bands: tuple[str, ...] = ()
    """Those a scene must have; empty for all that an observation is made of."""

    def ask(self, search: Search) -> Answer:
        """Return what the server offers; the answer is whole where it has no filter, or refuses it."""
        wanted, unfit = choose_collections(self.collections, search.sensors)
        question = {
            "collections": wanted,
            "bbox": list(search.bbox),
            "datetime": (search.start, search.end),
        }
        decided, is_whole = self._decided(question, search.changed_since) if wanted else ([], True)
        offers = tuple(outcome for outcome in decided if isinstance(outcome, Offer))
        refused = tuple(outcome for outcome in decided if isinstance(outcome, Rejected))
        return Answer(offers, (*unfit, *refused), is_whole)

    def _decided(
        self, question: dict[str, Any], changed_since: datetime | None
    ) -> tuple[list[Offer | Rejected], bool]:
        narrowed = {} if changed_since is None else changed_filter(self.client, changed_since)
        if narrowed:
            try:
                return [self._decide(item) for item in _search(self, {**question, **narrowed})], False
            except _FilterRefusedError:
                pass  # then everything is asked for
        return [self._decide(item) for item in _search(self, question)], True

    def _decide(self, item: dict[str, Any]) -> Offer | Rejected:
        pixels_from = self.source or source_of(self.root, item)
        place = Place(_self_link(item) or self.address, "")
        return offer_from_item(item, place, pixels_from, offset_rule=self.offset_rule, bands=self.bands)


class _FilterRefusedError(Exception):
    """The server does not answer a search that is narrowed by a property."""


def open_api(
    address: str,
    root: Any,
    source: str | None,
    offset_rule: OffsetRule = CORRECTED,
    patience: Patience = PATIENCE,
    bands: Sequence[str] = (),
) -> ApiItems:
    """Return the items of the STAC API at `address`; CatalogueError when it cannot be used."""
    try:
        client = Client.open(address, stac_io=Asker(patience))
        collections = _collection_ids(client, address)
        return ApiItems(client, address, root, source, collections, offset_rule, tuple(bands))
    except _FAILURES as error:
        raise unusable(address, error) from None


def _collection_ids(client: Client, address: str) -> tuple[str, ...]:
    found = itertools.islice(client.get_collections(), MAX_COLLECTIONS)
    ids = tuple(sorted({collection.id for collection in found}))
    if not ids:
        raise CatalogueError(f"catalogue {shown(address)}: the API has no collections")
    return ids


def changed_filter(client: Client, since: datetime) -> dict[str, Any]:
    """Return the part of a search that asks for items updated at `since` or later, in the server's language.

    CQL2 where the API states the filter extension, else the older query extension; empty without either.
    """
    moment = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if client.conforms_to(ConformanceClasses.FILTER):
        if _method(client) == "GET":
            return {"filter": f"updated >= TIMESTAMP('{moment}')", "filter_lang": "cql2-text"}
        since_then = {"op": ">=", "args": [{"property": "updated"}, {"timestamp": moment}]}
        return {"filter": since_then, "filter_lang": "cql2-json"}
    if client.conforms_to(ConformanceClasses.QUERY):
        return {"query": {"updated": {"gte": moment}}}
    return {}


def _search(api: ApiItems, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        found = api.client.search(method=_method(api.client), limit=PAGE_SIZE, **question)
        yield from _new_items(found.pages_as_dicts(), api.address)
    except _FAILURES as error:
        is_narrowed = "filter" in question or "query" in question
        if is_narrowed and getattr(error, "status_code", None) in FILTER_REFUSED:
            raise _FilterRefusedError from None
        raise unusable(api.address, error) from None


def _method(client: Client) -> str:
    """Return POST where the server offers it (some cannot page a GET), else GET, which all must answer."""
    offered = {str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")}
    return "POST" if "POST" in offered else "GET"


def _new_items(pages: Iterator[dict[str, Any]], address: str) -> Iterator[dict[str, Any]]:
    """Yield items page by page; a page that brings nothing new, or one too many, ends in an error."""
    seen: set[tuple[str, str]] = set()
    for page in pages:
        features = [feature for feature in page.get("features", []) if isinstance(feature, dict)]
        fresh = {(str(feature.get("collection")), str(feature.get("id"))) for feature in features} - seen
        if not fresh:
            raise CatalogueError(f"catalogue {shown(address)}: the server repeats a page of its answer")
        seen |= fresh
        if len(seen) > MAX_ITEMS:
            raise CatalogueError(
                f"catalogue {shown(address)}: more than {MAX_ITEMS} items for one place and time"
            )
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
