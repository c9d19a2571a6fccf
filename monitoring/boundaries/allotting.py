"""Allotting: the ids that woodlands of a new release go by, of which none is ever given twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from monitoring.boundaries.matching import Kind, Link

#: Kinds in which a woodland goes on under its id.
SAME = frozenset({Kind.KEPT, Kind.MOVED})


def allot(
    links: Sequence[Link], source_ids: Iterable[str], given: Collection[str], release: str
) -> dict[str, str]:
    """Return the id of each woodland of a release by its id in the release's file.

    A woodland that goes on keeps its id. Any other gets the id of its file, or where that was ever `given` to
    somebody `<id>:<release>`, with `-2`, `-3`, ... should that have been given too. The order of the ids
    makes no difference.
    """
    going_on = {link.new: link.old for link in links if link.kind in SAME}
    allotted, taken = dict(going_on), set(given) | set(going_on.values())
    for source_id in sorted(set(source_ids) - going_on.keys(), key=lambda one: (one in taken, one)):
        allotted[source_id] = _free(source_id, taken, release)
        taken.add(allotted[source_id])
    return allotted


def _free(source_id: str, taken: Collection[str], release: str) -> str:
    if source_id not in taken:
        return source_id
    own, number = f"{source_id}:{release}", 2
    while own in taken:
        own, number = f"{source_id}:{release}-{number}", number + 1
    return own
