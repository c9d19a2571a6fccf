"""The ledger of a block: each asset that could not be read, how often it was tried, when it is tried next."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from flows.files import write_json

#: Wait after the first run that could not read an asset; each further one waits four times as long.
FIRST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(days=7)
#: Runs after which an asset is no longer asked for, until its address changes.
MOST_RUNS = 12


class State(StrEnum):
    """What is to become of an asset."""

    WAITING = "waiting"
    RECOVERED = "recovered"
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class Failure:
    """One asset that could not be read in a run."""

    scene_id: str
    band: str
    address: str
    """Without secrets."""
    attempts: int
    """Requests made for it in that run; 1 for a file."""
    error: str
    is_remote: bool


@dataclass(frozen=True)
class Entry:
    """One asset's record."""

    scene_id: str
    band: str
    address: str
    attempts: int
    """Requests made for it in all runs."""
    runs: int
    """Runs that could not read it."""
    error: str
    """Of the last attempt."""
    is_remote: bool
    first_failed_at: datetime
    last_failed_at: datetime
    state: State

    def is_due(self, address: str, now: datetime) -> bool:
        """True when it is to be tried: a file always, a remote asset when its wait is over or it has moved.

        The attempts of one run share its clock, so that a run may try again within itself.
        """
        if not self.is_remote or address != self.address or self.state is State.RECOVERED:
            return True
        if self.state is State.GIVEN_UP:
            return False
        return now == self.last_failed_at or now >= self.last_failed_at + wait_after(self.runs)


def wait_after(runs: int) -> timedelta:
    """Return how long an asset is left alone after that many failed runs."""
    return min(FIRST_WAIT * int(4 ** min(runs - 1, 8)), LONGEST_WAIT)


@dataclass(frozen=True)
class Ledger:
    """The failed assets of a block, by (scene id, band)."""

    entries: Mapping[tuple[str, str], Entry]

    def waiting(self, scene_id: str, addresses: Iterable[tuple[str, str]], now: datetime) -> Entry | None:
        """Return an asset of the scene that is not yet to be tried again; None when all of them may be."""
        for band, address in addresses:
            entry = self.entries.get((scene_id, band))
            if entry is not None and not entry.is_due(address, now):
                return entry
        return None

    def noting(self, failures: Iterable[Failure], recovered: Collection[str], now: datetime) -> Ledger:
        """Return the ledger after a run: what failed again, and the scenes that were read at last."""
        entries = dict(self.entries)
        for key, entry in entries.items():
            if entry.scene_id in recovered:
                entries[key] = replace(entry, state=State.RECOVERED)
        for failure in failures:
            key = failure.scene_id, failure.band
            entries[key] = _entry(entries.get(key), failure, now)
        return Ledger(entries)

    def of(self, scene_ids: Collection[str]) -> tuple[Entry, ...]:
        """Return the records of some scenes, sorted."""
        return tuple(self.entries[key] for key in sorted(self.entries) if key[0] in scene_ids)


def _entry(before: Entry | None, failure: Failure, now: datetime) -> Entry:
    is_new = before is None or before.state is State.RECOVERED or before.address != failure.address
    runs = 1 if before is None or is_new else before.runs + (before.last_failed_at != now)
    return Entry(
        scene_id=failure.scene_id,
        band=failure.band,
        address=failure.address,
        attempts=failure.attempts + (0 if before is None or is_new else before.attempts),
        runs=runs,
        error=failure.error,
        is_remote=failure.is_remote,
        first_failed_at=now if before is None or is_new else before.first_failed_at,
        last_failed_at=now,
        state=State.GIVEN_UP if runs >= MOST_RUNS and failure.is_remote else State.WAITING,
    )


def ledger_path(staging: Path, block_id: str) -> Path:
    """Return where a block's ledger lies."""
    return staging / "ledger" / f"{block_id}.json"


def read_ledger(path: Path) -> Ledger:
    """Return a block's ledger; an empty one where there is none, or a damaged one: it only saves requests."""
    try:
        rows = json.loads(path.read_text("utf-8"))
        entries = [_from_json(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        entries = []
    return Ledger({(entry.scene_id, entry.band): entry for entry in entries})


def write_ledger(path: Path, ledger: Ledger) -> Path:
    """Write a ledger whole or not at all."""
    rows = [dataclasses.asdict(ledger.entries[key]) for key in sorted(ledger.entries)]
    return write_json(path, json.loads(json.dumps(rows, default=datetime.isoformat)))


def _from_json(row: dict[str, object]) -> Entry:
    moments = {key: datetime.fromisoformat(str(row[key])) for key in ("first_failed_at", "last_failed_at")}
    return Entry(**{**row, **moments, "state": State(str(row["state"]))})  # type: ignore[arg-type]
