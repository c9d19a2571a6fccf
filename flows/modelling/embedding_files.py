"""Files of embeddings by sample: `sample_id` and `embedding` in one .npz, read without trusting it."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.card import encoder_cards
from models.heads.card import StatedEncoder
from monitoring.errors import SampleError

#: Largest file of embeddings that is unpacked: 10 million samples of 128 numbers in float32.
MAX_BYTES = 6 * 1024**3
#: What is read of a file; anything else in it is left alone.
ARRAYS = ("sample_id", "embedding", "encoder")
#: Largest number that float32 holds.
LARGEST = float(np.finfo(np.float32).max)
#: What zipfile and numpy raise for files that are damaged, encrypted or none of theirs.
_UNREADABLE = (OSError, ValueError, RuntimeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class NamedEmbeddings:
    """Embeddings by sample."""

    ids: tuple[str, ...]
    values: NDArray[np.float32]
    """(n, D); NaN rows where nothing was observed."""
    encoder: StatedEncoder
    """What the file says made them."""

    def among(self, wanted: Collection[str]) -> int:
        """Return how many of the embeddings belong to one of `wanted`."""
        names = set(wanted)
        return sum(name in names for name in self.ids)

    def of(self, wanted: tuple[str, ...]) -> NDArray[np.float32]:
        """Return (m, D) embeddings in the order of `wanted`; NaN rows for ids the file does not hold."""
        position = {name: row for row, name in enumerate(self.ids)}
        rows = np.array([position.get(name, -1) for name in wanted], np.int64)
        found = np.full((len(wanted), self.values.shape[1]), np.nan, np.float32)
        found[rows >= 0] = self.values[rows[rows >= 0]]
        return found


def read_named_embeddings(path: Path, encoder: str | None = None) -> NamedEmbeddings:
    """Return the embeddings in an .npz of `sample_id` (n,), `embedding` (n, D) and, if it says, `encoder`.

    encoder: id of what made them, for files that do not say. SampleError for anything else than finite or
    missing numbers under ids that occur once.
    """
    arrays = _arrays(path)
    for name in ("sample_id", "embedding"):
        if name not in arrays:
            raise SampleError(f"embeddings {path}: no array {name!r}; it holds {', '.join(sorted(arrays))}")
    ids, values = _ids(path, arrays["sample_id"].ravel()), arrays["embedding"]
    _refuse_shapes(path, ids, values)
    _refuse_repeats(path, ids)
    stated = _stated(path, arrays["encoder"].ravel()) if "encoder" in arrays else None
    if encoder and stated and encoder != stated:
        raise SampleError(f"embeddings {path}: made by encoder {stated!r}, not by {encoder!r}")
    return NamedEmbeddings(ids, _numbers(path, values), stated_encoder(encoder or stated))


def stated_encoder(name: str | None) -> StatedEncoder:
    """Return the identity of an encoder that is known by its name, or by none."""
    if not name:
        return StatedEncoder()
    known = {card.id: card.weights_sha256 for card in encoder_cards()}
    return StatedEncoder(name, known.get(name, ""))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if path.exists() and not path.is_file():
        raise SampleError(f"embeddings {path}: not a file")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise SampleError(f"embeddings {path}: {size} bytes unpacked, at most {MAX_BYTES} are read")
        with np.load(path, allow_pickle=False) as file:
            return {name: _array(path, file, name) for name in ARRAYS if name in file.files}
    except _UNREADABLE as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise SampleError(f"embeddings {path}: {cause or type(error).__name__}") from error


def _array(path: Path, file: Mapping[str, Any], name: str) -> NDArray[Any]:
    """Return one array; SampleError for Python objects, which are never unpickled."""
    try:
        found = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise SampleError(
            f"embeddings {path}: {name} holds Python objects, which are not read; "
            "store text as numpy text (`.astype(str)`) and numbers as numpy numbers"
        ) from error
    if not isinstance(found, np.ndarray):
        raise SampleError(f"embeddings {path}: {name} is no array")
    return found


def _ids(path: Path, stored: NDArray[Any]) -> tuple[str, ...]:
    """Return ids as text, whole numbers without a point: 7 and 7.0 are the id `7` of a table."""
    if stored.dtype.kind == "f":
        if not (np.isfinite(stored).all() and (stored == np.round(stored)).all()):
            raise SampleError(f"embeddings {path}: sample_id holds numbers that are not whole")
        stored = stored.astype(np.int64)
    if stored.dtype.kind == "S":
        stored = np.char.decode(stored, "utf-8", "replace")
    if stored.dtype.kind not in "Uiu":
        raise SampleError(f"embeddings {path}: sample_id holds {stored.dtype}, not text or whole numbers")
    ids = tuple(map(str, stored.tolist()))
    if not all(ids):
        raise SampleError(f"embeddings {path}: {ids.count('')} of {len(ids)} sample ids are empty")
    return ids


def _stated(path: Path, stored: NDArray[Any]) -> str:
    if stored.size != 1 or stored.dtype.kind != "U":
        raise SampleError(f"embeddings {path}: encoder must be one text, got {stored.shape} {stored.dtype}")
    return str(stored[0])


def _refuse_shapes(path: Path, ids: tuple[str, ...], values: NDArray[Any]) -> None:
    if values.ndim != 2 or len(values) != len(ids) or not values.size or values.dtype.kind not in "fiu":
        raise SampleError(
            f"embeddings {path}: expected numbers (n, D) for {len(ids)} ids, "
            f"got {values.shape} {values.dtype}"
        )


def _refuse_repeats(path: Path, ids: tuple[str, ...]) -> None:
    name, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise SampleError(f"embeddings {path}: sample id {name!a} occurs {count} times; once is allowed")


def _numbers(path: Path, values: NDArray[Any]) -> NDArray[np.float32]:
    """Return the values in float32; SampleError for those beyond its range."""
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    if count := int(np.isinf(numbers).sum()):
        raise SampleError(f"embeddings {path}: {count} values are infinite or beyond {LARGEST:.2g}")
    return numbers
