"""The shelf: where the weights that were brought here lie, each file whole or not there at all.

A card's file is `<home>/weights/<card id>/<file name>`. While it is being brought, what there is of it lies
beside that under a hidden name, and takes the final name only once it is the file that the card pins.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.encoders.card import WEIGHTS, EncoderCard
from models.encoders.weights.pins import (
    Progress,
    file_name,
    hash_of,
    ignore_progress,
    open_weights,
    pieces,
    refuse_other_hash,
    refuse_unpinned,
    size_of,
)
from monitoring.errors import WeightsError

#: Folder of the shelf, under the service's home.
SHELF = "weights"


def shelved(card: EncoderCard, shelf: Path) -> Path:
    """Return where a card's weights lie on a shelf, whether or not they are there."""
    name = file_name(card)
    return shelf / card.base_id / name


def packaged(card: EncoderCard) -> Path | None:
    """Return the weights that ship with a card, if any do."""
    path = WEIGHTS / file_name(card) if card.file and not card.repository else None
    return path if path is not None and path.is_file() else None


def find_weights(card: EncoderCard, home: Path) -> Path | None:
    """Return a card's weights: those pulled into a service's home, else those packaged, else None."""
    return find_on_shelf(card, home / SHELF)


def find_on_shelf(card: EncoderCard, shelf: Path) -> Path | None:
    """Return a card's weights: those on a shelf, else those packaged, else None; nothing is opened."""
    if not card.file:
        return None
    pulled = shelved(card, shelf)
    return pulled if os.path.lexists(pulled) else packaged(card)


def is_shelved(card: EncoderCard, shelf: Path) -> bool:
    """Return whether the card's weights lie on a shelf; WeightsError when another file has their name."""
    path = shelved(card, shelf)
    if not os.path.lexists(path):
        return False
    refuse_unpinned(path, card)
    with open_weights(path) as file:
        size = size_of(file, path, card)
        refuse_other_hash(path, hash_of(file, card), size, card)
    return True


def copy_in(card: EncoderCard, source: Path, shelf: Path, progress: Progress = ignore_progress) -> Path:
    """Return the shelved copy of a file that somebody brought; WeightsError unless it is the card's."""
    refuse_unpinned(source, card)
    with open_weights(source) as file:
        size_of(file, source, card)
        with drafting(card, shelf, "copy") as draft:
            draft.file.truncate(0)
            draft.file.writelines(pieces(file, card, progress))
            return settle(draft, source)


@dataclass(frozen=True)
class Draft:
    """A card's file while it is being brought."""

    card: EncoderCard
    path: Path
    """Hidden. It holds the pin, so that what was begun under one is not continued under another."""
    file: BinaryIO
    """Open to be read, and to be continued at its end."""
    final: Path
    """The name it is to take."""


@contextmanager
def drafting(card: EncoderCard, shelf: Path, kind: str) -> Iterator[Draft]:
    """Open what there is of a card's file; WeightsError when it cannot be written or another process does."""
    final = shelved(card, shelf)
    path = final.with_name(f".{final.name}.{card.weights_sha256[:12]}.{kind}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _alone(final), open(path, "a+b", opener=_no_link) as file:
            yield Draft(card, path, file, final)
    except OSError as error:
        raise WeightsError(f"weights {final}: cannot be written: {error.strerror or error}") from error


def _no_link(path: str, flags: int) -> int:
    """Open a file for writing where it seems to be: never through a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)


@contextmanager
def _alone(final: Path) -> Iterator[None]:
    """Hold the lock of a file's folder, which the kernel releases the moment this process dies."""
    descriptor = os.open(final.parent, os.O_RDONLY)
    try:
        _lock(descriptor, final)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, final: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WeightsError(f"weights {final}: another process is bringing them") from error


def settle(draft: Draft, origin: object) -> Path:
    """Give a draft its final name once it is the card's file and on the disk; otherwise remove it.

    `origin` is where its bytes came from, for the message.
    """
    size = draft.file.seek(0, os.SEEK_END)
    try:
        refuse_other_hash(origin, hash_of(draft.file, draft.card), size, draft.card)
    except WeightsError:
        draft.path.unlink(missing_ok=True)
        raise
    os.fsync(draft.file.fileno())
    draft.path.replace(draft.final)
    _settle_names(draft.final.parent)
    return draft.final


def _settle_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
