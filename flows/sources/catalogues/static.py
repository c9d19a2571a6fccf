"""Static catalogues: every item document below a root, read once, ordered by time."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac

from flows.sources.addresses import AddressRefusedError, Place, is_web, resolve, shown
from flows.sources.assets.patience import Patience
from flows.sources.catalogues.asking import PATIENCE
from flows.sources.catalogues.documents import Document, kind_of, read_document
from flows.sources.catalogues.provenance import source_of
from flows.sources.catalogues.searches import Answer, Search
from flows.sources.scenes.acquisitions import moment
from flows.sources.scenes.items import Offer, Rejected, offer_from_item
from flows.sources.scenes.offsets import CORRECTED, OffsetRule
from monitoring.errors import CatalogueError

#: Documents of a catalogue on the web that are asked for at once.
WEB_READERS = 8


@dataclass(frozen=True)
class StaticItems:
    """All that a static catalogue offers (items stay dictionaries: pystac's objects cost 1 ms each)."""

    moments: tuple[datetime, ...]
    ordered: tuple[Offer, ...]
    """In the order of `moments`."""
    rejected: tuple[Rejected, ...]
    updated: datetime | None
    """Latest `updated` or `created` of the root and the items."""
    is_whole: bool = True
    """False where a document on the web did not answer: nobody knows what it offers."""

    def ask(self, search: Search) -> Answer:
        """Return the offers within the time, and every item that is unfit whenever it was taken."""
        first, last = (bisect.bisect_left(self.moments, moment) for moment in (search.start, search.end))
        return Answer(self.ordered[first:last], self.rejected, self.is_whole)


def in_time_order(decided: Iterable[Offer | Rejected], updated: datetime | None) -> StaticItems:
    """Return decided items as a catalogue that answers from memory."""
    outcomes = list(decided)
    offers = sorted((o for o in outcomes if isinstance(o, Offer)), key=lambda offer: offer.scene.acquired_at)
    return StaticItems(
        moments=tuple(offer.scene.acquired_at for offer in offers),
        ordered=tuple(offers),
        rejected=tuple(outcome for outcome in outcomes if isinstance(outcome, Rejected)),
        updated=updated,
    )


def read_static(
    root: Any,
    place: Place,
    source: str | None,
    offset_rule: OffsetRule = CORRECTED,
    patience: Patience = PATIENCE,
    bands: Sequence[str] = (),
) -> StaticItems:
    """Return what lies below a root document; CatalogueError when it is no STAC, or holds no items."""
    documents = list(_items_of(root, place, patience))
    if not documents:
        raise CatalogueError(f"catalogue {shown(place.document)}: it holds no items")
    decided = (_decide(document, root, source, offset_rule, bands) for document in documents)
    is_whole = not any(document.is_unheard for document in documents)
    return replace(in_time_order(decided, _updated(root, documents)), is_whole=is_whole)


def _items_of(root: Any, place: Place, patience: Patience) -> Iterable[Document]:
    if isinstance(root, dict) and root.get("type") == "FeatureCollection":
        features = root.get("features")
        return [Document(item, place, "") for item in features] if isinstance(features, list) else []
    if kind_of(root) is None:
        raise CatalogueError(
            f"catalogue {shown(place.document)}: the JSON is no STAC catalogue, collection or item"
        )
    return crawl(root, place, patience)


def _decide(
    document: Document, root: Any, source: str | None, offset_rule: OffsetRule, bands: Sequence[str]
) -> Offer | Rejected:
    problem = document.problem
    if not problem and kind_of(document.content) != pystac.STACObjectType.ITEM:
        problem = "not a STAC item"
    if problem:
        return Rejected(Path(document.place.document).name, document.collection, problem)
    pixels_from = source or source_of(root, document.content)
    return offer_from_item(
        document.content,
        document.place,
        pixels_from,
        document.collection,
        offset_rule=offset_rule,
        bands=bands,
    )


def _updated(root: Any, documents: Iterable[Document]) -> datetime | None:
    tables = [root, *(document.content.get("properties") for document in documents if _is_table(document))]
    stated = [table.get(key) for table in tables if isinstance(table, dict) for key in ("updated", "created")]
    moments = [at for at in (moment(text) for text in stated if isinstance(text, str)) if at is not None]
    return max(moments, default=None)


def _is_table(document: Document) -> bool:
    return isinstance(document.content, dict)


def crawl(root: Any, place: Place, patience: Patience = PATIENCE) -> Iterator[Document]:
    """Yield every item below a root document, level by level; a broken document comes with its problem."""
    seen = {place.document}
    level = [Document(root, place, "")]
    with ThreadPoolExecutor(WEB_READERS if is_web(place.document) else 1) as readers:
        while level:
            yield from (document for document in level if not _is_parent(document))
            links = [link for document in level if _is_parent(document) for link in _links(document)]
            fresh = [link for link in links if link.place.document not in seen]
            seen.update(link.place.document for link in fresh)
            level = list(readers.map(lambda link: _follow(link, patience), fresh))


def _is_parent(document: Document) -> bool:
    parents = (pystac.STACObjectType.CATALOG, pystac.STACObjectType.COLLECTION)
    return not document.problem and kind_of(document.content) in parents


def _links(document: Document) -> Iterator[Document]:
    """Yield the unread children and items that a catalogue or collection names."""
    content = document.content
    is_collection = kind_of(content) == pystac.STACObjectType.COLLECTION
    collection = str(content.get("id", "")) if is_collection else document.collection
    links = content.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") in ("child", "item"):
            yield _linked(link.get("href"), document.place, collection)


def _linked(href: Any, place: Place, collection: str) -> Document:
    try:
        return Document(None, place.at(resolve(href, place)), collection)
    except AddressRefusedError as error:
        return Document(None, place.at(f"{place.document} -> {href}"), collection, f"link: {error}")


def _follow(link: Document, patience: Patience) -> Document:
    if link.problem:
        return link
    try:
        return Document(read_document(link.place.document, patience), link.place, link.collection)
    except CatalogueError as error:
        return Document(None, link.place, link.collection, str(error), is_web(link.place.document))
