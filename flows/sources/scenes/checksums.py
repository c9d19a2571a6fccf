"""Checksums: multihashes that can be checked, told from text that only looks like one."""

from __future__ import annotations

import re

#: Digest length in bytes by the multihash code (hexadecimal) before it (multiformats/multicodec table).
_LENGTHS = {"11": 20, "12": 32, "13": 64, "14": 64, "15": 48, "16": 32, "17": 28, "d501": 16}
#: Multihash codes of the names that a product's manifest gives its checksums.
_CODES = {"MD5": "d501", "SHA3-256": "16", "SHA-256": "12"}
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")


def multihash(text: object) -> str:
    """Return a multihash in lower-case hexadecimal; empty for a bare digest, a wrong length or no hash.

    Catalogues are careless here: Planetary Computer states bare MD5 digests, and Copernicus Data Space
    states an MD5 code before digests of 32 bytes. Neither can be checked against a file.
    """
    stated = text.lower() if isinstance(text, str) else ""
    if not _HEXADECIMAL.fullmatch(stated):
        return ""
    return stated if any(stated.startswith(_head(code)) and _fits(stated, code) for code in _LENGTHS) else ""


def named_multihash(name: str, digest: str) -> str:
    """Return the multihash of a digest of a named algorithm (`MD5`, `SHA3-256`); empty where it is none."""
    code = _CODES.get(name.upper(), "")
    return multihash(_head(code) + digest) if code else ""


def _head(code: str) -> str:
    return f"{code}{_LENGTHS[code]:02x}"


def _fits(stated: str, code: str) -> bool:
    return len(stated) == len(_head(code)) + 2 * _LENGTHS[code]
