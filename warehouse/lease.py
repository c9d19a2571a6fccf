"""The write lease: at most one holder, released by the kernel the moment its process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitoring.errors import LeaseHeldError, WarehouseError

_POLL_S = 0.05


@contextmanager
def lease(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file at `path`; LeaseHeldError names the holder when it is not free within `wait_s`.

    The lock is the kernel's (flock), so a holder killed with -9 leaves nothing to clean up; the file stays,
    because removing a lock file races with whoever is about to lock it.
    """
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, wait_s)
        _sign(descriptor, f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise WarehouseError(f"lease {path}: {error}") from error


def _acquire(descriptor: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            raise LeaseHeldError(f"lease {path}: held by {holder}; waited {wait_s:g} s")
        time.sleep(_POLL_S)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int, holder: str) -> None:
    """Leave the holder's name for whoever finds the lease taken; on a full disk they go without."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
