"""Bytes of an asset by their place in it, from a file or over a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Protocol

from flows.sources.addresses import is_web, shown
from monitoring.errors import PixelReadError


class Ranges(Protocol):
    """Where the bytes of one asset are read."""

    @property
    def name(self) -> str:
        """The asset's address, fit for a message."""

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes [start, stop), fewer only where the asset ends before `stop`.

        PixelReadError for an asset that is not there or may not be read; UnreachableError when a remote one
        did not answer as it should within the attempts allowed.
        """

    def size(self) -> int:
        """Return the length of the asset in bytes; errors like those of `read`."""


#: From an asset's address to its bytes.
RangesOf = Callable[[str], Ranges]


@dataclass(frozen=True)
class FileRanges:
    """An asset on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes [start, stop), fewer only at the file's end."""
        try:
            with self.path.open("rb") as file:
                return os.pread(file.fileno(), stop - start, start)
        except OSError as error:
            raise PixelReadError(f"{self.path}: cannot be read: {error.strerror}") from error

    def size(self) -> int:
        """Return the file's length in bytes."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise PixelReadError(f"{self.path}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class LimitedRanges:
    """An asset whose reads take a seat of a common limit first."""

    ranges: Ranges
    seats: BoundedSemaphore

    @property
    def name(self) -> str:
        """The asset's address, fit for a message."""
        return self.ranges.name

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes [start, stop) once a seat is free."""
        with self.seats:
            return self.ranges.read(start, stop)

    def size(self) -> int:
        """Return the length of the asset in bytes, asked for once a seat is free."""
        with self.seats:
            return self.ranges.size()


def local_ranges(address: str) -> Ranges:
    """Return the bytes of a regular file; PixelReadError for what is none, and for a web address."""
    if is_web(address):
        raise PixelReadError(f"{shown(address)}: a web address, but only files are read here")
    path = Path(address)
    if not path.is_file():
        raise PixelReadError(f"{shown(address)}: no such file")
    return FileRanges(path)
