"""The two files of a lease, and what they say.

`X.lease` holds the record of the lease, which decides; a short lock on it guards each look and change.
`X.lease.alive` is locked by the holder while it lives, so that the kernel tells of its death at once.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from monitoring.errors import LeaseHeldError, WarehouseError

#: How long a lease stands without being renewed, seconds.
TTL_S = 30.0
#: No lease stands longer than this without being renewed, whatever its record says, seconds.
LONGEST_TTL_S = 3600.0
#: How long to wait before looking at a lease again, seconds.
POLL_S = 0.02
#: The record is written in place and always this long, so that a full disk cannot take it away, bytes.
_RECORD_BYTES = 1024
_LONGEST_NAME = 100
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class LeaseRecord:
    """What the lease file says."""

    token: int = 0
    """Number of the lease; each holder's is higher than those before."""
    host: str = ""
    """Where the holder runs; empty: nobody holds the lease."""
    pid: int = 0
    kernel: str = ""
    """The boot of the machine: on the same one, the lock on the file beside tells who is alive."""
    renewals: int = 0
    ttl_s: float = TTL_S
    expires_at: str = ""
    """By the holder's clock, UTC; a hint to whoever waits, never what decides."""
    heir_of: str = ""
    """A former holder that was taken over alive and may still have its files open; empty: none."""

    @property
    def holder(self) -> str:
        """The holder, for a person."""
        return f"process {self.pid} on {self.host}" if self.host else ""

    def seems_expired(self, now_s: float) -> bool:
        """True where the wall clock says that the lease was due to be renewed."""
        try:
            return now_s >= datetime.fromisoformat(self.expires_at).timestamp()
        except ValueError:
            return True


def record_of(path: Path) -> LeaseRecord:
    """Return what a lease file says to who only looks; one of nobody where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return LeaseRecord()
    try:
        return read_record(descriptor)
    finally:
        os.close(descriptor)


def read_record(descriptor: int) -> LeaseRecord:
    """Return the record; one of nobody where it is empty, damaged or of an earlier version."""
    try:
        said = json.loads(os.pread(descriptor, _RECORD_BYTES, 0))
        kinds = {name: type(value) for name, value in dataclasses.asdict(LeaseRecord()).items()}
        record = LeaseRecord(**{name: kind(said[name]) for name, kind in kinds.items()})
    except (ValueError, TypeError, KeyError, OverflowError):
        return LeaseRecord()
    return record if record.token > 0 and 0 < record.ttl_s <= LONGEST_TTL_S else LeaseRecord()


def write_record(descriptor: int, record: LeaseRecord) -> None:
    """Write the record in its place. Under the guard."""
    text = json.dumps(dataclasses.asdict(record)).encode()
    os.pwrite(descriptor, text.ljust(_RECORD_BYTES - 1) + b"\n", 0)


def signed(last_token: int, ttl_s: float, expires_at: str, heir_of: str) -> LeaseRecord:
    """Return the record of a lease that this process holds, under the number after the last."""
    return LeaseRecord(
        token=last_token + 1,
        host=_host(),
        pid=os.getpid(),
        kernel=this_boot(),
        ttl_s=ttl_s,
        expires_at=expires_at,
        heir_of=heir_of,
    )


@contextmanager
def guarded(path: Path, wait_s: float) -> Iterator[int]:
    """Lock the record of the lease for a moment; LeaseHeldError where somebody keeps it locked."""
    descriptor = open_file(path)
    try:
        deadline = time.monotonic() + wait_s
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LeaseHeldError(f"lease {path}: another process is in the middle of a write")
            time.sleep(POLL_S / 10)
        yield descriptor
    finally:
        os.close(descriptor)


def alive_path(path: Path) -> Path:
    """Return the file of life beside the record."""
    return path.with_name(f"{path.name}.alive")


def token_in(alive: int) -> int:
    """Return the last token as the file of life repeats it, for when the record is damaged; 0 for none."""
    said = os.pread(alive, 20, 0).decode("ascii", "replace").strip()
    return int(said) if said.isascii() and said.isdigit() else 0


def repeat_token(alive: int, token: int) -> None:
    """Write a token to the file of life."""
    os.pwrite(alive, f"{token}\n".encode(), 0)


def open_file(path: Path) -> int:
    """Open a file to read and write, made where there is none; WarehouseError where it cannot be."""
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def try_lock(descriptor: int) -> bool:
    """Lock a file until it is closed; False where somebody else has it locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn what the file system raises into one WarehouseError line."""
    try:
        yield
    except OSError as error:
        raise WarehouseError(f"lease {path}: {error}") from error


@cache
def this_boot() -> str:
    """Return what names this boot of this machine; the name of the machine where the system tells no boot."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return _host()


def _host() -> str:
    return socket.gethostname()[:_LONGEST_NAME]
