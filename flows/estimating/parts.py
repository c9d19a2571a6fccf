"""Parts: embeddings kept on disk chunk by chunk, so that a run that is killed loses one chunk at most."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flows.files import write_whole
from models.encoders.embeddings import Embeddings, Progress
from models.encoders.encoder import Encoder
from models.encoders.inputs.dpixels import DPixels

#: What reading a part that is cut short, or is something else, raises.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def embed_in_parts(
    encoder: Encoder,
    pixels: DPixels,
    folder: Path,
    key: str,
    progress: Progress | None = None,
    memory_bytes: int | None = None,
) -> Embeddings:
    """Return the embeddings of N pixels, taken from `folder` as far as an earlier run left them there.

    The key names everything the embeddings depend on: parts of another key are left out and removed. The
    folder is gone when all is done; nothing is written where one chunk is all there is.
    """
    values = np.empty((pixels.n_pixels, encoder.card.dims), np.float32)
    reason = np.empty(pixels.n_pixels, np.uint8)
    done = 0
    for part in kept_parts(folder, key):
        rows = slice(done, done + len(part.reason))
        values[rows], reason[rows], done = part.values, part.reason, rows.stop
    for rows, part in encoder.stream(pixels, start=done, memory_bytes=memory_bytes, progress=progress):
        values[rows], reason[rows] = part.values, part.reason
        if rows.stop < pixels.n_pixels:
            write_part(folder, key, rows.start, part)
    shutil.rmtree(folder, ignore_errors=True)
    return Embeddings(values, reason)


def kept_parts(folder: Path, key: str) -> Iterator[Embeddings]:
    """Yield the parts of a key from the first pixel on, as far as they follow each other unharmed."""
    expected = 0
    for path in sorted(folder.glob("*.npz")):
        start, part = _read(path, key)
        if part is None or start != expected:
            path.unlink()
            continue
        expected += len(part.reason)
        yield part


def write_part(folder: Path, key: str, start: int, part: Embeddings) -> None:
    """Keep the embeddings of consecutive pixels, from pixel `start` on, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, key=np.array(key), start=start, values=part.values, reason=part.reason)
    write_whole(folder / f"{start:012d}.npz", buffer.getvalue())


def _read(path: Path, key: str) -> tuple[int, Embeddings | None]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return -1, None
            return int(stored["start"]), Embeddings(stored["values"], stored["reason"])
    except _DAMAGE:
        return -1, None
