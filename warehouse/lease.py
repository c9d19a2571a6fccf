"""The write lease: at most one holder, each with a higher number than the last, for as long as it renews.

Its two files are those of `warehouse.lease_files`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitoring.errors import LeaseHeldError, LeaseLostError, WarehouseError
from warehouse.lease_files import (
    LONGEST_TTL_S,
    POLL_S,
    TTL_S,
    LeaseRecord,
    alive_path,
    guarded,
    open_file,
    read_record,
    refusals,
    repeat_token,
    signed,
    this_boot,
    token_in,
    try_lock,
    write_record,
)


class Lease:
    """A lease that is held. Made by `lease`."""

    def __init__(self, path: Path, token: int, ttl_s: float, clock: Callable[[], float]) -> None:
        self._path, self._token, self._ttl_s, self._clock = path, token, ttl_s, clock
        self._renewed_at = time.monotonic()
        self._ended = threading.Event()

    @property
    def token(self) -> int:
        """The fencing number: higher than that of every holder before."""
        return self._token

    def refuse_lost(self) -> None:
        """Raise LeaseLostError where the lease ran out without being renewed, or another holder has it."""
        with guarded(self._path, self._ttl_s) as descriptor:
            self._own(descriptor)

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """Do something that nobody can take the lease over in the middle of; LeaseLostError as `refuse_lost`.

        For what must not be done twice at once: a commit, a rename. Not to be nested.
        """
        with guarded(self._path, self._ttl_s) as descriptor:
            record = self._own(descriptor)
            yield
            self._write_renewed(descriptor, record)

    def outrank(self, token: int) -> None:
        """Raise the own number above `token`, which somebody has used: the lease file was lost since."""
        with guarded(self._path, self._ttl_s) as descriptor:
            record = dataclasses.replace(self._own(descriptor), token=max(self._token, token + 1))
            write_record(descriptor, record)
            os.fsync(descriptor)
            self._token = record.token

    @property
    def heir_of(self) -> str:
        """A former holder taken over alive, which may still have the guarded files open; empty: none."""
        with guarded(self._path, self._ttl_s) as descriptor:
            return self._own(descriptor).heir_of

    def settle_estate(self) -> None:
        """Record that no former holder can reach the guarded files any more."""
        with guarded(self._path, self._ttl_s) as descriptor:
            write_record(descriptor, dataclasses.replace(self._own(descriptor), heir_of=""))

    def keep_renewed(self) -> None:
        """Renew until `end`; once the lease ran out unrenewed it stays so."""
        while not self._ended.wait(self._ttl_s / 3):
            # A lost lease is told by `refuse_lost`; what could not be written this time is tried again.
            with contextlib.suppress(WarehouseError, OSError), guarded(self._path, 0.0) as descriptor:
                self._write_renewed(descriptor, self._own(descriptor))

    def end(self) -> None:
        """Stop renewing."""
        self._ended.set()

    def give_back(self) -> None:
        """Record that nobody holds the lease, where it is still this one's."""
        with contextlib.suppress(WarehouseError, OSError), guarded(self._path, 1.0) as descriptor:
            record = read_record(descriptor)
            if record.token == self._token:
                write_record(descriptor, LeaseRecord(token=record.token, heir_of=record.heir_of))

    def _own(self, descriptor: int) -> LeaseRecord:
        record = read_record(descriptor)
        if record.token != self._token or not record.host:
            raise LeaseLostError(
                f"lease {self._path}: token {self._token} is lost, {_fate(record)}; run again"
            )
        age_s = time.monotonic() - self._renewed_at
        if age_s >= self._ttl_s:
            raise LeaseLostError(
                f"lease {self._path}: token {self._token} ran out, not renewed for {age_s:.1f} s "
                f"of {self._ttl_s:g} s; run again"
            )
        return record

    def _write_renewed(self, descriptor: int, record: LeaseRecord) -> None:
        began = time.monotonic()
        expires_at = _moment(self._clock() + self._ttl_s)
        write_record(
            descriptor, dataclasses.replace(record, renewals=record.renewals + 1, expires_at=expires_at)
        )
        self._renewed_at = began


@contextmanager
def lease(
    path: Path, *, wait_s: float = 0.0, ttl_s: float = TTL_S, clock: Callable[[], float] = time.time
) -> Iterator[Lease]:
    """Hold the lease at `path`; LeaseHeldError names the holder when it is not free within `wait_s`.

    It is renewed in the background every third of `ttl_s` seconds. One whose holder died on this machine is
    free at once; one that was not renewed for its whole time, as measured by the monotonic clock of whoever
    waits, is taken over. Where `clock` says that it should have been renewed by now, that is waited for even
    where it takes longer than `wait_s`; otherwise no wall clock has a say.
    """
    if not 0 < ttl_s <= LONGEST_TTL_S:
        raise WarehouseError(f"lease {path}: a time of {ttl_s:g} s; it must be in (0, {LONGEST_TTL_S:g}] s")
    held, alive = _acquire(path, wait_s, ttl_s, clock)
    renewing = threading.Thread(target=held.keep_renewed, name=f"lease {path.name}", daemon=True)
    try:
        renewing.start()
        yield held
    finally:
        held.end()
        renewing.join()
        held.give_back()
        os.close(alive)


class _Watch:
    """Tells when a lease has not been renewed for its whole time, by this process's monotonic clock alone.

    Every renewal counts the record up, so no two wall clocks have to agree, and none may jump.
    """

    def __init__(self) -> None:
        self._seen = LeaseRecord()
        self._since = -math.inf

    def has_run_out(self, record: LeaseRecord) -> bool:
        """Look at the record; True where it has been the same for its whole time."""
        if record != self._seen:
            self._seen, self._since = record, time.monotonic()
        return time.monotonic() - self._since >= record.ttl_s


@dataclass(frozen=True)
class _Claim:
    """A lease that can be had."""

    alive: int
    """Descriptor of the file of life, locked."""
    last_token: int
    heir_of: str
    """Who may still have the guarded files open; empty: nobody."""


def _acquire(path: Path, wait_s: float, ttl_s: float, clock: Callable[[], float]) -> tuple[Lease, int]:
    began, watch, patience_s = time.monotonic(), _Watch(), wait_s
    while True:
        holder = ""
        # A guard that is not free is in the hands of the holder, who commits or renews, or of another waiter.
        with contextlib.suppress(LeaseHeldError), guarded(path, 0.0) as descriptor:
            record = read_record(descriptor)
            claim = _claim(path, record, watch)
            if claim:
                return _sign(path, descriptor, claim, ttl_s, clock), claim.alive
            holder, overdue = record.holder, record.seems_expired(clock())
            patience_s = max(wait_s, record.ttl_s + 5 * POLL_S) if overdue else wait_s
        if time.monotonic() - began >= patience_s:
            raise LeaseHeldError(f"lease {path}: held by {holder or _writing(path)}; waited {wait_s:g} s")
        time.sleep(POLL_S)


def _claim(path: Path, record: LeaseRecord, watch: _Watch) -> _Claim | None:
    """Return what it takes to sign, where the lease can be had; None where it is held. Under the guard."""
    alive = open_file(alive_path(path))
    last_token = max(record.token, token_in(alive))
    is_locked = try_lock(alive)
    if not record.host or (is_locked and record.kernel == this_boot()):
        return _Claim(alive if is_locked else _anew(path, alive), last_token, record.heir_of)
    if watch.has_run_out(record):
        return _Claim(alive if is_locked else _anew(path, alive), last_token, record.heir_of or record.holder)
    os.close(alive)
    return None


def _anew(path: Path, locked_by_other: int) -> int:
    """Put a new file of life in the place of one that a former holder keeps locked; return it, locked."""
    os.close(locked_by_other)
    with refusals(path):
        alive_path(path).unlink(missing_ok=True)
    alive = open_file(alive_path(path))
    try_lock(alive)
    return alive


def _sign(path: Path, descriptor: int, claim: _Claim, ttl_s: float, clock: Callable[[], float]) -> Lease:
    """Make the lease the caller's."""
    record = signed(claim.last_token, ttl_s, _moment(clock() + ttl_s), claim.heir_of)
    try:
        with refusals(path):
            repeat_token(claim.alive, record.token)
            write_record(descriptor, record)
            os.fsync(descriptor)
    except WarehouseError:
        os.close(claim.alive)
        raise
    return Lease(path, record.token, ttl_s, clock)


def _writing(path: Path) -> str:
    """Say who keeps the record locked; nobody is taken over in the middle of a commit."""
    descriptor = open_file(path)
    try:
        who = read_record(descriptor).holder or "another process"
    finally:
        os.close(descriptor)
    return f"{who}, in the middle of a write (if it is stopped, continue or end it)"


def _fate(record: LeaseRecord) -> str:
    if not record.token:
        return "the lease file was lost or damaged"
    return f"taken over by {record.holder or 'another process, which is done'} under token {record.token}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
