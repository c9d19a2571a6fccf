"""One scene per acquisition: re-processed copies are recognised and the newest is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import shapely

from flows.sources.scenes.items import Offer, Rejected

#: Two items of one acquisition that share at least this much of the smaller footprint are copies;
#: less, and they are the two halves of a tile that a datatake's end cut through.
COPY_OVERLAP = 0.5


def newest_copies(offers: Iterable[Offer]) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """Return the offers to use and the older copies of them; both sorted by (acquired_at, id).

    The same item twice is used once, without a word: servers repeat items at page ends.
    """
    kept: list[Offer] = []
    losers: list[tuple[Offer, Rejected]] = []
    for copies in _by_acquisition(offers):
        _keep(copies, kept, losers)
    kept.sort(key=_order)
    losers.sort(key=lambda pair: _order(pair[0]))
    return tuple(kept), tuple(rejected for _, rejected in losers)


def _by_acquisition(offers: Iterable[Offer]) -> Iterable[list[Offer]]:
    groups: dict[str, dict[str, Offer]] = defaultdict(dict)
    for offer in offers:
        same_id = groups[offer.scene.acquisition]
        same_id[offer.scene.id] = max(same_id.get(offer.scene.id, offer), offer, key=_newness)
    for group in groups.values():
        yield sorted(group.values(), key=_newness, reverse=True)


def _newness(offer: Offer) -> tuple[object, ...]:
    return *offer.version.key, offer.scene.id


def _keep(newest_first: Sequence[Offer], kept: list[Offer], losers: list[tuple[Offer, Rejected]]) -> None:
    chosen: list[Offer] = []
    for offer in newest_first:
        winner = next((other for other in chosen if _is_copy(offer.footprint, other.footprint)), None)
        if winner is None:
            chosen.append(offer)
        else:
            reason = f"older copy of {winner.scene.id} ({offer.scene.acquisition})"
            losers.append((offer, Rejected(offer.scene.id, offer.scene.collection, reason)))
    kept.extend(chosen)


def _is_copy(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    return bool(one.intersection(other).area >= COPY_OVERLAP * min(one.area, other.area))


def _order(offer: Offer) -> tuple[float, str]:
    return offer.scene.acquired_at.timestamp(), offer.scene.id
