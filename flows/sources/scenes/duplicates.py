"""One scene per acquisition: re-processed copies are recognised and the newest is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from flows.sources.scenes.acquisitions import Version, radar_pass
from flows.sources.scenes.items import S2_COLLECTIONS, Offer, Rejected
from monitoring.scenes import Sensor

#: An item of which a newer one of its acquisition shows at least this much is a copy of it; less, and they
#: are parts of the acquisition: a tile that a datatake's end cut through, or neighbouring radar slices.
COPY_OVERLAP = 0.5
#: Seconds between the middles of two radar scenes that can be the same slice: slices start 25 s apart.
SAME_SLICE_S = 12.0


def newest_copies(offers: Iterable[Offer]) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """Return the offers to use and the older copies of them; both sorted by (acquired_at, id).

    Preferred is the newest baseline, then the latest processing, the collection named first in
    S2_COLLECTIONS, the latest created and updated, the greatest id; the reason of a copy says which decided.
    The same item twice is used once, without a word: servers repeat items at page ends.
    """
    kept: list[Offer] = []
    losers: list[tuple[Offer, Rejected]] = []
    for copies in _by_acquisition(offers):
        _keep(copies, kept, losers)
    kept.sort(key=_order)
    losers.sort(key=lambda pair: _order(pair[0]))
    return tuple(kept), tuple(rejected for _, rejected in losers)


def _by_acquisition(offers: Iterable[Offer]) -> Iterator[list[Offer]]:
    """Yield the items of each acquisition, the newest first."""
    groups: dict[str, dict[tuple[str, str], Offer]] = defaultdict(dict)
    for offer in offers:
        scene = offer.scene
        same_item = groups[_group(offer)]
        key = scene.collection, scene.id
        same_item[key] = max(same_item.get(key, offer), offer, key=_newness)
    for group in groups.values():
        yield sorted(group.values(), key=_newness, reverse=True)


def _group(offer: Offer) -> str:
    """Return what copies have in common: start and number of a radar slice may change with its processing."""
    scene = offer.scene
    return (
        scene.acquisition if scene.sensor is Sensor.S2 else f"{scene.sensor} {radar_pass(scene.acquisition)}"
    )


def _newness(offer: Offer) -> tuple[object, ...]:
    version, scene = offer.version, offer.scene
    processed = version.baseline, version.processed_at, _preference(scene.collection)
    listed = version.created_at, version.updated_at, scene.id, scene.collection
    return *processed, *listed, scene.hrefs, offer.footprint.wkb  # the last two make it the same in any order


def _preference(collection: str) -> int:
    return -S2_COLLECTIONS.index(collection) if collection in S2_COLLECTIONS else -len(S2_COLLECTIONS)


def _keep(newest_first: Sequence[Offer], kept: list[Offer], losers: list[tuple[Offer, Rejected]]) -> None:
    chosen: list[Offer] = []
    for offer in newest_first:
        winner = next((other for other in chosen if _is_copy(offer, other)), None)
        if winner is None:
            chosen.append(offer)
        else:
            losers.append((offer, Rejected(offer.scene.id, offer.scene.collection, _why(offer, winner))))
    kept.extend(chosen)


def _is_copy(offer: Offer, winner: Offer) -> bool:
    """True when the winner shows what the offer shows; a newer part of a tile does not replace the whole."""
    apart_s = abs((offer.scene.acquired_at - winner.scene.acquired_at).total_seconds())
    if offer.scene.sensor is not Sensor.S2 and apart_s > SAME_SLICE_S:
        return False
    shared = offer.footprint.intersection(winner.footprint).area
    return bool(shared >= COPY_OVERLAP * offer.footprint.area)


def _why(loser: Offer, winner: Offer) -> str:
    scene = loser.scene
    return f"older copy of {winner.scene.id} ({scene.acquisition}): {_decided(loser, winner)}"


def _decided(loser: Offer, winner: Offer) -> str:
    """Return the first thing in which the winner is preferred, in words."""
    older, newer = loser.version, winner.version
    if older.baseline != newer.baseline:
        return f"baseline {loser.scene.baseline or 'unknown'}, not {winner.scene.baseline}"
    if older.processed_at != newer.processed_at:
        return f"processed {_at(older.processed_at)}, not {_at(newer.processed_at)}"
    if loser.scene.collection != winner.scene.collection:
        return f"the same processing in collection {loser.scene.collection}, not {winner.scene.collection}"
    return _listed(older, newer)


def _listed(older: Version, newer: Version) -> str:
    if older.created_at != newer.created_at:
        return f"created {_at(older.created_at)}, not {_at(newer.created_at)}"
    if older.updated_at != newer.updated_at:
        return f"updated {_at(older.updated_at)}, not {_at(newer.updated_at)}"
    return "alike but for the id"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.year > 1 else "at an unknown time"


def _order(offer: Offer) -> tuple[float, str]:
    return offer.scene.acquired_at.timestamp(), offer.scene.id
