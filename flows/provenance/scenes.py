"""Which of the scenes that a block-season ever used an estimate was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.reader import Record


@dataclass(frozen=True)
class Behind:
    """The scenes of a block-season, as far as the warehouse can tell."""

    scenes: tuple[Record, ...]
    is_certain: bool
    """True where their number is the recorded one; else some were replaced or withdrawn, but listed."""


def scenes_behind(used: Sequence[Record], n_scenes: int | None) -> Behind:
    """Return the scenes behind an estimate, of all that were used up to when it was recorded.

    n_scenes: how many there were by the standing of the block-season; None where it is not recorded.
    """
    for candidate in (tuple(used), latest_copies(used)):
        if len(candidate) == n_scenes:
            return Behind(candidate, is_certain=True)
    return Behind(tuple(used), is_certain=False)


def latest_copies(used: Sequence[Record]) -> tuple[Record, ...]:
    """Return the scenes without copies of an acquisition that a re-processed one has taken the place of."""
    last = {scene["acquisition"]: scene["used_at"] for scene in sorted(used, key=lambda s: s["used_at"])}
    return tuple(scene for scene in used if scene["used_at"] == last[scene["acquisition"]])
