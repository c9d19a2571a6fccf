"""Matching: which woodland of a new release is which woodland before it, by the ground they share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitoring.boundaries.outlines import Outline, Pair, pairs


class Kind(StrEnum):
    """What became of a woodland, or where one comes from."""

    KEPT = "kept"
    """The same polygon, or one that differs by less than the width of a line: the recorded one stays."""
    MOVED = "moved"
    """The same woodland with another edge: it keeps its id."""
    SPLIT = "split"
    """One woodland before, of which this is a part; its id ends."""
    MERGED = "merged"
    """One of several woodlands that became this one, or a woodland that became part of a larger one; its id
    ends."""
    NEW = "new"
    """A woodland that was none before; with an old id, on ground of a woodland that goes on without it."""
    GONE = "gone"
    """No woodland of the release stands on its ground; its id ends."""


@dataclass(frozen=True)
class MatchRule:
    """Where the lines are drawn."""

    same_ha: float = 0.05
    """Kept: at most this area is covered by only one of the two polygons, hectares (five 10 m cells) ..."""
    same_share: float = 0.005
    """... and at most this share of what either covers: coordinates rounded to 0.1 m stay below it."""
    moved_share: float = 0.8
    """Moved: the shared ground is at least this share of the old polygon, and of the new one."""
    part_share: float = 0.2
    """Related at all: the shared ground is at least this share of one of the two; less is a drawn line."""


#: What is used where nothing else is said.
RULE = MatchRule()


@dataclass(frozen=True)
class Link:
    """One line of lineage, in the ids of the two releases' own files."""

    old: str
    """Id before; empty for a new woodland on ground that was none."""
    new: str
    """Id in the new release's file; empty for a woodland that is gone."""
    kind: Kind
    shared_ha: float
    share_of_old: float
    """0-1; NaN where there is none before."""
    share_of_new: float
    """0-1; NaN where there is none after."""


def match(old: Sequence[Outline], new: Sequence[Outline], rule: MatchRule = RULE) -> tuple[Link, ...]:
    """Return what became of every old woodland and where every new one comes from, by old id and new id.

    The order of the outlines makes no difference. One old and one new woodland at most are the same; the
    more alike pair goes first, and between equals that with the same id in both files. What is left is
    related where one covers at least `part_share` of the other: `merged` where several old ones meet in the
    new one, `split` where the old one is spread over several. One to one, too unlike to be the same, it is
    `split` where more of the old than of the new lies outside, else `merged`. Of several old ones spread over
    several new ones, each line goes by its own new end.
    """
    related = [
        pair for pair in pairs(old, new) if max(pair.share_of_old, pair.share_of_new) >= rule.part_share
    ]
    same = _same(related, old, new, rule)
    links = [_link(pair, _sameness(pair, old, new, rule), old, new) for pair in same]
    links += [_link(pair, kind, old, new) for pair, kind in _descent(related, same)]
    links += [
        Link(one.id, "", Kind.GONE, 0.0, 0.0, math.nan) for one in _absent(old, {link.old for link in links})
    ]
    links += [
        Link("", one.id, Kind.NEW, 0.0, math.nan, 0.0) for one in _absent(new, {link.new for link in links})
    ]
    return tuple(sorted(links, key=lambda link: (link.old, link.new)))


def _same(
    related: Sequence[Pair], old: Sequence[Outline], new: Sequence[Outline], rule: MatchRule
) -> list[Pair]:
    """Return the pairs that are one woodland, no old and no new one twice."""
    alike = [pair for pair in related if min(pair.share_of_old, pair.share_of_new) >= rule.moved_share]
    taken_old, taken_new, same = set[int](), set[int](), list[Pair]()
    for pair in sorted(alike, key=lambda pair: _preference(pair, old[pair.old], new[pair.new])):
        if pair.old not in taken_old and pair.new not in taken_new:
            taken_old.add(pair.old)
            taken_new.add(pair.new)
            same.append(pair)
    return same


def _preference(pair: Pair, old: Outline, new: Outline) -> tuple[float, bool, str, str]:
    return -pair.likeness, old.source_id != new.source_id, old.id, new.id


def _sameness(pair: Pair, old: Sequence[Outline], new: Sequence[Outline], rule: MatchRule) -> Kind:
    is_equal = old[pair.old].boundary == new[pair.new].boundary
    is_close = pair.apart_ha <= min(rule.same_ha, rule.same_share * (pair.shared_ha + pair.apart_ha))
    return Kind.KEPT if is_equal or is_close else Kind.MOVED


def _descent(related: Sequence[Pair], same: Sequence[Pair]) -> Iterable[tuple[Pair, Kind]]:
    """Yield the pairs of which one end at least is not the same woodland as any other, each with its kind."""
    olds_of, news_of = Counter(pair.new for pair in related), Counter(pair.old for pair in related)
    goes_on, stood = {pair.old for pair in same}, {pair.new for pair in same}
    for pair in related:
        if pair.old in goes_on and pair.new in stood:
            continue
        if pair.old in goes_on:
            yield pair, Kind.NEW
        elif olds_of[pair.new] > 1:
            yield pair, Kind.MERGED
        elif news_of[pair.old] > 1 or pair.share_of_old < pair.share_of_new:
            yield pair, Kind.SPLIT
        else:
            yield pair, Kind.MERGED


def _link(pair: Pair, kind: Kind, old: Sequence[Outline], new: Sequence[Outline]) -> Link:
    shares = pair.shared_ha, pair.share_of_old, pair.share_of_new
    return Link(old[pair.old].id, new[pair.new].id, kind, *shares)


def _absent(outlines: Iterable[Outline], linked: set[str]) -> list[Outline]:
    return [outline for outline in outlines if outline.id not in linked]
