"""Words of messages."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return a number with the thing it counts, in the singular or with an s: `1 slot`, `0 slots`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
