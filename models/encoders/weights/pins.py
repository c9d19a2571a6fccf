"""Pins: what a card says its weights file is, held against a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from models.encoders.card import EncoderCard
from monitoring.errors import WeightsError

#: Most that is read for a card that pins no size, bytes.
MOST_BYTES = 2**30
#: Read at a time, bytes.
PIECE_BYTES = 2**20

#: Called with (bytes done so far, bytes in all).
Progress = Callable[[int, int], None]


def ignore_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


def file_name(card: EncoderCard) -> str:
    """Return the bare name of a card's weights file; WeightsError when id or file would lead elsewhere."""
    if not card.file:
        raise WeightsError(f"encoder {card.id}: has no weights, its embeddings are read as published")
    path = PurePosixPath(card.file)
    parts = (*path.parts, card.base_id)
    unsafe = any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)
    if unsafe or path.is_absolute() or not path.name or "/" in card.base_id:
        raise WeightsError(f"card {card.id!r}: file {card.file!r} is not a path inside its repository")
    return path.name


def most_bytes(card: EncoderCard) -> int:
    """Return the largest size a card's weights file may have."""
    return card.bytes or MOST_BYTES


def refuse_unpinned(where: object, card: EncoderCard) -> None:
    """Raise WeightsError for a card that says of no file that it is the right one."""
    if not card.weights_sha256:
        raise WeightsError(
            f"weights {where}: card {card.id} pins no sha256, so no file can be trusted for it "
            f"(pinned by {card.pinned_by})"
        )


def refuse_other_hash(where: object, found: str, size: int, card: EncoderCard) -> None:
    """Raise WeightsError for content of another sha256 than the card's."""
    if found == card.weights_sha256:
        return
    of, how = (f" of {card.bytes}", "cut short or another one") if size < card.bytes else ("", "another one")
    raise WeightsError(
        f"weights {where}: expected sha256 {card.weights_sha256} (card {card.id}, pinned by "
        f"{card.pinned_by}), found {found} in {size}{of} bytes: the file is {how}, or the pin is wrong"
    )


@contextmanager
def open_weights(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read, whatever links lead to it; WeightsError for a pipe, a device or a folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe must not wait for a writer
    except OSError as error:
        raise WeightsError(f"weights {path}: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise WeightsError(f"weights {path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def size_of(file: BinaryIO, where: object, card: EncoderCard) -> int:
    """Return the size of an open file; WeightsError when it is larger than the card's can be."""
    size = os.fstat(file.fileno()).st_size
    if size > most_bytes(card):
        pinned = (
            f"card {card.id}, pinned by {card.pinned_by}" if card.bytes else f"card {card.id} pins no size"
        )
        raise WeightsError(f"weights {where}: {size} bytes, expected at most {most_bytes(card)} ({pinned})")
    return size


def read_pinned(path: Path, card: EncoderCard) -> bytes:
    """Return a file's content once it is the one that the card pins; WeightsError otherwise.

    Nothing is read of a file too large to be it.
    """
    refuse_unpinned(path, card)
    with open_weights(path) as file:
        content = file.read(size_of(file, path, card) + 1)
    refuse_other_hash(path, hashlib.sha256(content).hexdigest(), len(content), card)
    return content


def pieces(file: BinaryIO, card: EncoderCard, progress: Progress = ignore_progress) -> Iterator[bytes]:
    """Yield a file's content from its beginning: no more of it than the card's file may have."""
    total, done = os.fstat(file.fileno()).st_size, 0
    file.seek(0)
    while done <= most_bytes(card) and (piece := file.read(PIECE_BYTES)):
        done += len(piece)
        progress(done, total)
        yield piece


def hash_of(file: BinaryIO, card: EncoderCard) -> str:
    """Return the sha256 of an open file."""
    digest = hashlib.sha256()
    for piece in pieces(file, card):
        digest.update(piece)
    return digest.hexdigest()
