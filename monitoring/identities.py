"""Identities: ids made of what they name: the same finding has the same id wherever it is computed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

#: Namespace of all these ids; never to change, or everything ever cited would lose its name.
NAMESPACE = uuid.UUID("0b8f6a0e-7d0c-5c1d-8e57-2f6d1f1f9a4e")
#: Version of a uuid that is made of a name by SHA-1 (RFC 9562).
NAMED_VERSION = 5
#: Versions of how each kind is computed: one is raised when the same inputs are meant to give another result.
ESTIMATE, TREND, REPORT = ("estimate", "1"), ("trend", "1"), ("report", "1")


def estimate_id(
    *,
    woodland_id: str,
    season: str,
    target: str,
    encoder: str,
    head: str,
    config_hash: str,
    inputs_hash: str,
    boundary: str,
) -> str:
    """Return the id of an estimate: of its woodland, season, target, model, inputs and polygon."""
    model = (encoder, head, config_hash)
    return identity((*ESTIMATE, woodland_id, season, target, *model, inputs_hash, boundary))


def trend_id(
    *,
    woodland_id: str,
    season: str,
    target: str,
    encoder: str,
    head: str,
    config_hash: str,
    series_hash: str,
) -> str:
    """Return the id of a woodland's trend in one assessment."""
    return identity((*TREND, woodland_id, season, target, encoder, head, config_hash, series_hash))


def report_id(*, season: str, park: str, sha256: str) -> str:
    """Return the id of a report, wherever its PDF lies; park empty for all parks."""
    return identity((*REPORT, season, park, sha256))


def identity(parts: Sequence[str]) -> str:
    """Return the uuid5 of parts in their order; other parts, or another order, give another id."""
    return str(uuid.uuid5(NAMESPACE, spelled(parts)))


def spelled(parts: Sequence[str]) -> str:
    """Return parts as one text that can be read back: each is preceded by its length in characters."""
    return "".join(f"{len(part)}:{part}," for part in parts)


def is_identity(text: str) -> bool:
    """Return whether a text is written as these ids are: a uuid of version 5 in lower case."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return False
    return str(found) == text and found.version == NAMED_VERSION
