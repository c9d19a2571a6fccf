"""Traffic: what was asked of which host, counted while many threads ask."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class HostTraffic:
    """Counts of one host, or of all of them."""

    requests: int = 0
    """Requests sent, repeated ones and followed redirects with them."""
    retried: int = 0
    """Attempts that failed and were followed by another."""
    refused: int = 0
    """Reads that ended because the server, or what it said, refused them."""
    unreachable: int = 0
    """Reads given up after the last attempt, or because the asset changed."""
    bytes_received: int = 0
    """Of bodies that were of use or broke off; a refusal's own words are not counted."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


class Traffic:
    """Counts per host that only grow; the difference of two snapshots is what a piece of work cost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, HostTraffic] = {}

    def count(self, host: str, more: HostTraffic) -> None:
        """Add to a host's counts."""
        with self._lock:
            self._hosts[host] = self._hosts.get(host, HostTraffic()) + more

    def snapshot(self) -> dict[str, HostTraffic]:
        """Return the counts so far by host (`name`, or `name:port` for an unusual port)."""
        with self._lock:
            return dict(self._hosts)

    def total(self) -> HostTraffic:
        """Return the counts so far over all hosts."""
        return sum(self.snapshot().values(), HostTraffic())
