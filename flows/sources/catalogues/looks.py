"""Looks: what is new, changed or gone in a catalogue since the last look, and what a season froze with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.sources.addresses import shown
from flows.sources.catalogues.catalogue import Catalogue
from flows.sources.catalogues.keeping import (
    Kept,
    Name,
    Question,
    as_record,
    in_order,
    name_of,
    read_kept,
    write_kept,
)
from flows.sources.catalogues.searches import Answer, Search
from flows.sources.scenes.items import Box, Offer, Rejected
from monitoring.errors import CatalogueError

#: How long after its end a season waits for scenes that arrive late.
GRACE = timedelta(days=30)
#: How far before the last look a look begins: items turn up in searches some time after they were updated.
OVERLAP = timedelta(days=2)
#: Of so many looks one asks for all that there is, so that items that are gone are noticed,
WHOLE_EVERY = 10
#: and one at least in so long a time.
WHOLE_WITHIN = timedelta(days=30)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Look:
    """What a catalogue offers for a block and a season, and what is different since the last look."""

    offers: tuple[Offer, ...]
    """Every copy of every scene, in time order. Those told at this look have their addresses as offered; the
    others, from the looks before, have them without query."""
    rejected: tuple[Rejected, ...]
    """Items that are not used, with the reason of each."""
    withdrawn: tuple[str, ...]
    """Ids of items that were offered once and are not any more; they are not among the offers."""
    n_new: int
    n_changed: int
    n_unchanged: int
    is_whole: bool
    """True where this look was told all that there is."""
    is_frozen: bool
    """True where the grace is over: from now on the same is returned, and the catalogue is not asked."""
    looked_at: datetime
    """When the catalogue was last asked."""
    notes: tuple[str, ...] = ()
    """What a person should know of this look, a line each."""


def look(
    catalogue: Catalogue,
    bbox: Box,
    start: datetime,
    end: datetime,
    *,
    kept: Path,
    now: datetime,
    grace: timedelta = GRACE,
    overlap: timedelta = OVERLAP,
    again: bool = False,
) -> Look:
    """Return what is offered for a box and a season [start, end), asking only for what may have changed.

    What is offered is kept in the file `kept`, whole or not at all. An API that can filter by the moment of
    the last update is asked for what was updated since the last look less `overlap`; all that there is is
    asked for at the first look, at one of ten, after 30 days, and once the `grace` after the season's end is
    over. That last look freezes the season: later ones return the same. again: look anew at what is frozen.
    Raises CatalogueError, and keeps what was kept, where the catalogue cannot be asked or has nothing left.
    """
    _check(now, grace, overlap)
    question = _question(catalogue, bbox, start, end)
    before, notes = _read(kept, question)
    if before and before.is_frozen and not again:
        return _frozen(before)
    is_last = now >= end + grace
    is_whole_due = before is None or again or is_last or _is_due(before, now)
    since = None if before is None or is_whole_due else before.looked_at - overlap
    answer = catalogue.ask(Search(bbox, start, end, changed_since=since))
    if before and not again:
        _refuse_nothing_left(before, answer)
    after = _merged(before, answer, question, now, is_last)
    write_kept(kept, after)
    return _compared(before, after, answer, notes)


def _check(now: datetime, grace: timedelta, overlap: timedelta) -> None:
    if now.tzinfo is None:
        raise CatalogueError(f"look at {now}: needs a moment with a time zone")
    if grace < timedelta(0) or overlap < timedelta(0):
        raise CatalogueError(f"look with grace {grace} and overlap {overlap}: needs 0 or more of both")


def _question(catalogue: Catalogue, bbox: Box, start: datetime, end: datetime) -> Question:
    west, south, east, north = map(float, bbox)
    return Question(
        catalogue=catalogue.address,
        source=catalogue.source,
        offset_rule=catalogue.offset_rule,
        bbox=(west, south, east, north),
        start=start.isoformat(),
        end=end.isoformat(),
    )


def _read(path: Path, question: Question) -> tuple[Kept | None, tuple[str, ...]]:
    """Return what is kept for a question; None, and why, where there is nothing of use."""
    try:
        before = read_kept(path)
    except FileNotFoundError:
        return None, ()
    except (OSError, ValueError) as error:
        return None, (f"{path}: damaged, all is asked for as at a first look ({str(error)[:200]})",)
    if before.question == replace(question, bbox=before.question.bbox):
        return (before if before.question == question else None), ()  # a woodland came or went: a first look
    if before.question != question:
        return None, (f"{path}: kept for another question, all is asked for as at a first look",)
    return before, ()


def _is_due(before: Kept, now: datetime) -> bool:
    """True where asking for changes would not do, or was done for long enough."""
    says_when = bool(before.offers) and all(o.version.updated_at > _LONG_AGO for o in before.offers)
    ran_back = now < before.looked_at
    return (
        not says_when
        or before.is_bare
        or ran_back
        or before.n_since_whole >= WHOLE_EVERY - 1
        or now - before.looked_whole_at > WHOLE_WITHIN
    )


def _refuse_nothing_left(before: Kept, answer: Answer) -> None:
    """Refuse an empty answer where there was something: far more often a fault than a withdrawal of all."""
    says_nothing = not answer.offers and not any(one.item_id for one in answer.rejected)
    if before.offers and answer.is_whole and says_nothing:
        raise CatalogueError(
            f"catalogue {before.question.catalogue}: offers nothing where it offered {len(before.offers)} "
            f"items on {before.looked_at:%Y-%m-%d}; not believed (look again to believe it)"
        )


def _merged(before: Kept | None, answer: Answer, question: Question, now: datetime, is_last: bool) -> Kept:
    """Return what is to be kept: an answer that is whole in place of the old, another one laid over it."""
    told = _newest(answer.offers)
    refused = {(one.collection, one.item_id) for one in answer.rejected} - set(told)
    old = {name_of(offer): offer for offer in before.offers} if before else {}
    gone = set(before.withdrawn) if before else set()
    if before is None or answer.is_whole:
        gone |= set(old)
        offers, rejected = told, answer.rejected
        looked_whole_at, n_since_whole = now, 0
    else:
        offers = {name: offer for name, offer in old.items() if name not in refused} | told
        rejected = _laid_over(before.rejected, answer)
        looked_whole_at, n_since_whole = before.looked_whole_at, before.n_since_whole + 1
    return Kept(
        question=question,
        looked_at=now,
        looked_whole_at=looked_whole_at,
        n_since_whole=n_since_whole,
        is_frozen=is_last and answer.is_whole,
        is_bare=any(_lost_something(offer) for offer in offers.values()),
        offers=in_order(list(offers.values())),
        rejected=rejected,
        withdrawn=tuple(sorted(gone - set(offers) - refused)),
    )


def _newest(offers: Iterable[Offer]) -> dict[Name, Offer]:
    """Return offers by name, the newest where one was told twice: servers repeat items at page ends."""
    found: dict[Name, Offer] = {}
    for offer in offers:
        name = name_of(offer)
        found[name] = max(found.get(name, offer), offer, key=lambda one: one.version.key)
    return found


def _laid_over(old: Iterable[Rejected], answer: Answer) -> tuple[Rejected, ...]:
    told = {name_of(offer) for offer in answer.offers}
    told |= {(one.collection, one.item_id) for one in answer.rejected}
    return (*(one for one in old if (one.collection, one.item_id) not in told), *answer.rejected)


def _lost_something(offer: Offer) -> bool:
    return any(shown(href) != href for _, href in offer.scene.hrefs)


def _frozen(before: Kept) -> Look:
    lost = "addresses were signed by the catalogue and are kept without their signatures; look again to read"
    return Look(
        offers=before.offers,
        rejected=before.rejected,
        withdrawn=_ids(before),
        n_new=0,
        n_changed=0,
        n_unchanged=len(before.offers),
        is_whole=False,
        is_frozen=True,
        looked_at=before.looked_at,
        notes=(lost,) if before.is_bare else (),
    )


def _compared(before: Kept | None, after: Kept, answer: Answer, notes: tuple[str, ...]) -> Look:
    old = {name_of(offer): offer for offer in before.offers} if before else {}
    fresh = [offer for offer in after.offers if name_of(offer) not in old]
    changed = [o for o in after.offers if name_of(o) in old and _differ(o, old[name_of(o)])]
    return Look(
        offers=after.offers,
        rejected=after.rejected,
        withdrawn=_ids(after),
        n_new=len(fresh),
        n_changed=len(changed),
        n_unchanged=len(after.offers) - len(fresh) - len(changed),
        is_whole=answer.is_whole,
        is_frozen=after.is_frozen,
        looked_at=after.looked_at,
        notes=notes,
    )


def _differ(one: Offer, other: Offer) -> bool:
    return one is not other and as_record(one) != as_record(other)


def _ids(kept: Kept) -> tuple[str, ...]:
    return tuple(item_id for _, item_id in kept.withdrawn)
