"""Release files: a boundary file with the digest that it is recorded by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from flows.sources.boundaries.woodlands import BoundaryReading, read_woodlands
from monitoring.errors import BoundaryError

#: What belongs to a shapefile besides itself and decides what is read from it.
_SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


@dataclass(frozen=True)
class ReleaseFile:
    """A boundary file as read."""

    path: Path
    sha256: str
    """Of the file, hexadecimal; of a shapefile, of its parts one after the other."""
    reading: BoundaryReading


def read_release_file(path: Path) -> ReleaseFile:
    """Return a boundary file with its digest; BoundaryError where it cannot be used as a whole."""
    reading = read_woodlands(path)
    return ReleaseFile(path, file_digest(path), reading)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a boundary file, hexadecimal."""
    digest = hashlib.sha256()
    try:
        for part in _parts(path):
            with part.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
    except OSError as error:
        raise BoundaryError(f"boundary file {path}: {error.strerror}") from error
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    if path.suffix.lower() != ".shp":
        return [path]
    beside = {each.suffix.lower(): each for each in sorted(path.parent.glob(f"{path.stem}.*"))}
    return [beside[suffix] for suffix in _SHAPEFILE_PARTS if suffix in beside]
