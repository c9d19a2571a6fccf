"""Refusals: why an attempt gave no bytes, and what becomes of the read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Statuses after which the same request may succeed.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Statuses by which a host says that it is asked too much.
BUSY = frozenset({429, 503})
#: Statuses of a signature that is missing, wrong or too old.
UNSIGNED = frozenset({401, 403})
#: Statuses that lead elsewhere.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORDS = {
    400: "bad request",
    401: "not authorised",
    403: "forbidden",
    404: "not there",
    408: "request timed out",
    410: "gone",
    416: "no such range",
    429: "too many requests",
    500: "server error",
    503: "unavailable",
}


class Fate(Enum):
    """What becomes of a read after an attempt that gave no bytes."""

    AGAIN = "the next attempt may succeed"
    SIGNED_AGAIN = "a fresh signature may succeed"
    CHANGED = "the asset is no longer the one that was read before"
    NEVER = "no attempt will succeed"


@dataclass(frozen=True)
class Failure:
    """An attempt that gave no bytes. Its reason holds nothing of the address that was asked."""

    reason: str
    fate: Fate = Fate.AGAIN
    asked_s: float | None = None
    """Seconds the server asked to wait."""
    is_busy: bool = False
    """The host says that it is asked too much."""


class RejectedError(Exception):
    """An answer that is not believed or not useful; never leaves the transport."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def named(status: int) -> str:
    """Return a status with what it means."""
    return f"{status} ({_WORDS[status]})" if status in _WORDS else str(status)
