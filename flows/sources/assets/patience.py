"""Patience: how often a server is asked again, and how long anything is waited for."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from monitoring.errors import SettingsError

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_MOST_ATTEMPTS = 100


@dataclass(frozen=True)
class Patience:
    """Bounds of one read over a network; SettingsError for bounds that bound nothing."""

    attempts: int = 5
    """Requests sent for one read at most, 1 to 100; redirects are not counted."""
    first_wait_s: float = 0.5
    """Longest wait after the first failed attempt; doubled after each further one."""
    longest_wait_s: float = 30.0
    """No wait is longer, whatever the server asks for."""
    connect_s: float = 10.0
    """For a connection to be made."""
    answer_s: float = 20.0
    """Longest silence while an answer is waited for or read."""
    whole_s: float = 120.0
    """From a request sent to the last byte of its answer, so that one that only drips ends too."""

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= _MOST_ATTEMPTS:
            raise SettingsError(f"patience: attempts is {self.attempts}, not 1 to {_MOST_ATTEMPTS}")
        for name in ("first_wait_s", "longest_wait_s"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in ("connect_s", "answer_s", "whole_s"):
            self._check(name, getattr(self, name) > 0, "above 0")

    def _check(self, name: str, holds: bool, bound: str) -> None:
        value = getattr(self, name)
        if not (holds and math.isfinite(value)):
            raise SettingsError(f"patience: {name} is {value}, not {bound}")

    def wait_s(self, failed: int, asked_s: float | None, chance: random.Random) -> float:
        """Return the seconds to wait after `failed` attempts, `asked_s` of them asked for by the server.

        Exponential with full jitter (M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog,
        2015), which spreads the readers that one overloaded moment has turned away together.
        """
        drawn = chance.uniform(0, min(self.longest_wait_s, self.first_wait_s * 2 ** (failed - 1)))
        return min(self.longest_wait_s, max(drawn, asked_s or 0.0))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds an answer asks to wait, None where it does not say it readably (RFC 9110, 10.2.3).

    A moment is taken by the server's own clock, the answer's Date; without one it cannot be taken.
    """
    said = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    moment, now = _moment(said), _moment(headers.get("Date", ""))
    return max((moment - now).total_seconds(), 0.0) if moment and now else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
