"""Bytes of an asset by their place in it, from a file or over a network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
