"""The embedded archive: a small simulated world on disk, in the real formats. Nothing in it was measured."""

from flows.archive.make import ARCHIVE_VERSION, DEFAULT_SEED, Archive, make_archive, read_archive

__all__ = ["ARCHIVE_VERSION", "DEFAULT_SEED", "Archive", "make_archive", "read_archive"]
