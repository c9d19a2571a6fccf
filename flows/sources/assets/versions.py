"""Versions: whether two answers speak of the same asset."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from flows.sources.assets.refusals import Failure, Fate, RejectedError


@dataclass(frozen=True)
class Version:
    """By what one version of an asset is known from another; None and empty where the server did not say."""

    total: int | None = None
    etag: str = ""
    modified: str = ""

    def change_to(self, later: Version) -> str:
        """Return in what `later` contradicts this, empty where it does not."""
        if None not in (self.total, later.total) and self.total != later.total:
            return f"{later.total} bytes instead of {self.total}"
        if self.etag and later.etag and self.etag != later.etag:
            return "another ETag"
        if self.modified and later.modified and self.modified != later.modified:
            return "another Last-Modified"
        return ""

    def with_more(self, later: Version) -> Version:
        """Return this with what only `later` says."""
        total = later.total if self.total is None else self.total
        return Version(total, self.etag or later.etag, self.modified or later.modified)


class Memory:
    """The version of an asset that reads so far were of, to be seen by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = Version()

    @property
    def total(self) -> int | None:
        """Bytes of the whole asset, None until a server said it."""
        return self._version.total

    def compare(self, said: Version) -> None:
        """Remember a version; RejectedError and all forgotten where it contradicts what is remembered."""
        with self._lock:
            change = self._version.change_to(said)
            self._version = Version() if change else self._version.with_more(said)
        if change:
            raise RejectedError(Failure(f"changed while it was read: {change}", Fate.CHANGED))


def version_of(headers: Mapping[str, str], total: int | None) -> Version:
    """Return the version an answer speaks of; a weak ETag counts like a strong one."""
    etag = headers.get("ETag", "").strip().removeprefix("W/")
    return Version(total, etag, headers.get("Last-Modified", "").strip())
