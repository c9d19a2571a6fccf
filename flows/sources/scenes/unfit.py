"""The one exception of this room: something offered that cannot be used."""

from __future__ import annotations


class UnfitError(Exception):
    """An item or product that cannot be used; its text is the reason, on one line, for a person."""
