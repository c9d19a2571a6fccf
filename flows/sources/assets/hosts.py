"""Hosts: how much is asked of a server at a time, and when it wants to be left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from flows.sources.assets.patience import Patience
from flows.sources.assets.questions import Question, Response
from flows.sources.assets.refusals import RejectedError

_PORTS = {"http": 80, "https": 443}


class Host:
    """A server, the requests in flight to it, and until when it wants to be left alone."""

    def __init__(
        self,
        name: str,
        in_flight: int,
        patience: Patience,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._slots = threading.BoundedSemaphore(in_flight)
        self._patience, self._sleep, self._clock = patience, sleep, clock
        self._lock = threading.Lock()
        self._quiet_until = clock()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the requests in flight, from a moment at which the host may be asked."""
        with self._slots:
            self._wait_until_welcome()
            yield

    def heard(self, question: Question, response: Response) -> bytes:
        """Return the answer's bytes; a host asked too much is left alone by all for as long as it wants."""
        try:
            return question.receive(response)
        except RejectedError as rejected:
            if rejected.failure.is_busy:
                self._leave_alone(rejected.failure.asked_s)
            raise

    def _leave_alone(self, asked_s: float | None) -> None:
        wait_s = self._patience.first_wait_s if asked_s is None else asked_s
        with self._lock:
            moment = self._clock() + min(wait_s, self._patience.longest_wait_s)
            self._quiet_until = max(self._quiet_until, moment)

    def _wait_until_welcome(self) -> None:
        """Wait, and again where the wait was prolonged meanwhile, but not for ever."""
        for _ in range(self._patience.attempts):
            left_s = self._quiet_until - self._clock()
            if left_s <= 0:
                return
            self._sleep(left_s)


def host_name(address: str) -> str:
    """Return by which name a host is counted; urllib3's LocationValueError for an unreadable address."""
    parts = parse_url(address)
    if not parts.host:
        raise LocationValueError("no host")
    usual = _PORTS.get(parts.scheme or "")
    return f"{parts.host}" if parts.port in (None, usual) else f"{parts.host}:{parts.port}"
