"""Asking: what a person names when asking where something comes from, and what in the warehouse it is."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitoring.errors import WarehouseError
from monitoring.identities import is_identity
from warehouse.answering.provenance import Chain
from warehouse.reader import Record

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WOODLAND_SEASON = re.compile(r"(?P<woodland>.+)/(?P<season>\d{4}-Q[1-4])(?:/(?P<target>[^/]+))?")


@dataclass(frozen=True)
class Subject:
    """What provenance was asked of: one row of the warehouse."""

    kind: str
    """`report`, `alert` or `estimate`."""
    row: Record


def subject_of(chain: Chain, asked: str, target: str, as_of: datetime | None = None) -> Subject:
    """Return what is meant by an id, a WOODLAND/SEASON[/TARGET], a PDF or its SHA-256.

    target: the one meant where none is named. WarehouseError where the warehouse holds no such thing.
    """
    if sha256 := report_digest(asked):
        return _found("report", chain.report(sha256, as_of), f"report {asked}", as_of)
    if alert := chain.alert(asked, as_of):
        return Subject("alert", alert)
    return Subject("estimate", estimate_of(chain, asked, target, as_of))


def estimate_of(chain: Chain, asked: str, target: str, as_of: datetime | None = None) -> Record:
    """Return the estimate that an id or a WOODLAND/SEASON[/TARGET] means; WarehouseError for none."""
    named = _WOODLAND_SEASON.fullmatch(asked)
    if named:
        wanted = named["target"] or target
        rows = chain.estimates(named["woodland"], named["season"], wanted, as_of)
        what = f"estimate of {wanted} for woodland {named['woodland']!r} in {named['season']}"
        return _found("estimate", rows[0] if rows else None, what, as_of).row
    if not is_identity(asked):
        raise WarehouseError(
            f"{asked!r}: neither the id of an alert or an estimate, nor WOODLAND/SEASON[/TARGET] "
            "such as HF-002/2025-Q4, nor a PDF or its SHA-256"
        )
    return _found("estimate", chain.estimate_of_id(asked, as_of), f"alert or estimate {asked}", as_of).row


def report_digest(asked: str) -> str:
    """Return the SHA-256 that is meant, of a PDF or given itself; empty for what is neither."""
    if _SHA256.fullmatch(asked.lower()):
        return asked.lower()
    if not asked.lower().endswith(".pdf"):
        return ""
    return file_digest(Path(asked))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal; WarehouseError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WarehouseError(f"{path}: cannot be read: {error.strerror}") from error


def _found(kind: str, row: Record | None, what: str, as_of: datetime | None) -> Subject:
    if row is None:
        when = f" as of {as_of:%Y-%m-%d %H:%M} UTC" if as_of else ""
        raise WarehouseError(f"{what}: not in the warehouse{when}")
    return Subject(kind, row)
