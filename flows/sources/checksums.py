"""Checksums: multihashes that can be checked, told from text that only looks like one, and the check."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from monitoring.errors import PixelReadError

#: Hash functions by the code that a multihash begins with (hexadecimal; multiformats/multicodec table), and
#: the length of their digests in bytes.
_HASHES = {
    "d501": ("md5", 16),
    "11": ("sha1", 20),
    "12": ("sha256", 32),
    "13": ("sha512", 64),
    "14": ("sha3_512", 64),
    "15": ("sha3_384", 48),
    "16": ("sha3_256", 32),
    "17": ("sha3_224", 28),
}
#: Multihash codes of the names that a product's manifest gives its checksums.
_CODES = {"MD5": "d501", "SHA3-256": "16", "SHA-256": "12"}
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")


def multihash(text: object) -> str:
    """Return a multihash in lower-case hexadecimal; empty for a bare digest, a wrong length or no hash.

    Catalogues are careless here: Planetary Computer states bare MD5 digests, and Copernicus Data Space
    states an MD5 code before digests of 32 bytes. Neither can be checked against a file.
    """
    stated = text.lower() if isinstance(text, str) else ""
    return stated if _parts(stated) else ""


def named_multihash(name: str, digest: str) -> str:
    """Return the multihash of a digest of a named algorithm (`MD5`, `SHA3-256`); empty where it is none."""
    code = _CODES.get(name.upper(), "")
    return multihash(_head(code) + digest) if code else ""


def verify_asset(path: Path, stated: str) -> None:
    """Raise PixelReadError unless the file has the checksum: multihash in hexadecimal, `1220` + SHA-256."""
    parts = _parts(stated.lower())
    if parts is None:
        raise PixelReadError(f"{path}: the catalogue states a checksum of unknown kind {stated[:8]!r}")
    name, expected = parts
    found = _digest(path, name)
    if found != expected:
        raise PixelReadError(f"{path}: {name} is {found[:16]}..., the catalogue states {expected[:16]}...")


def _digest(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise PixelReadError(f"{path}: cannot be read: {error.strerror}") from error


def _parts(stated: str) -> tuple[str, str] | None:
    """Return the hash function's name and the digest it must give; None for what is no multihash."""
    if not _HEXADECIMAL.fullmatch(stated):
        return None
    for code, (name, size) in _HASHES.items():
        digest = stated.removeprefix(_head(code))
        if digest != stated and len(digest) == 2 * size:
            return name, digest
    return None


def _head(code: str) -> str:
    return f"{code}{_HASHES[code][1]:02x}"
