"""Transport: assets over HTTP by ranges of bytes, every answer checked, every attempt counted."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.response import BaseHTTPResponse

from flows.sources.addresses import is_web, shown, without_secrets
from flows.sources.assets.connections import Connections
from flows.sources.assets.hosts import Host, host_name
from flows.sources.assets.patience import Patience
from flows.sources.assets.questions import Question, RangeQuestion, WholeQuestion, followed
from flows.sources.assets.ranges import Ranges
from flows.sources.assets.refusals import REDIRECTS, Failure, Fate, RejectedError
from flows.sources.assets.traffic import HostTraffic, Traffic
from flows.sources.assets.versions import Memory
from monitoring.errors import PixelReadError, SettingsError, SourceError, UnreachableError
from monitoring.wording import counted

#: Redirects followed in one attempt.
MOST_REDIRECTS = 3


class AssetRefusedError(PixelReadError):
    """A remote asset that is not there, may not be read or is not served by ranges."""

    def __init__(self, line: str, attempts: int = 0) -> None:
        super().__init__(line)
        self.attempts = attempts


class AssetUnreachableError(UnreachableError):
    """A remote asset whose server did not answer as it should in the attempts allowed."""

    def __init__(self, line: str, attempts: int = 0) -> None:
        super().__init__(line)
        self.attempts = attempts


class AssetChangedError(AssetUnreachableError):
    """A remote asset that became another between two reads; what was read before is not of this one."""


class Transport:
    """Reads assets over HTTP for many threads, with one limit of requests in flight for each host.

    Nothing read is kept. An address goes through `sign` at each attempt, and what it returns is used for the
    request alone: no message, log line or error holds it. `sleep` and `clock` (seconds) belong together.
    """

    def __init__(
        self,
        *,
        per_host: int = 24,
        patience: Patience = Patience(),
        sign: Callable[[str], str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        if per_host < 1:
            raise SettingsError(f"requests in flight per host: {per_host}, not 1 or more")
        self.traffic = Traffic()
        self._per_host, self._patience, self._sign = per_host, patience, sign
        self._sleep, self._clock = sleep, clock
        self._chance = random.Random(seed)  # noqa: S311 - spreads waits
        self._connections = Connections(per_host, patience)
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    def at(self, address: str) -> Ranges:
        """Return the ranges of the asset at a web address; nothing is asked yet.

        Its errors are AssetRefusedError (a PixelReadError), AssetUnreachableError and AssetChangedError
        (both UnreachableError); each has the `attempts` made. After AssetChangedError all ranges of the
        asset have to be read again.
        """
        return _RemoteAsset(_checked(address), self._read)

    def whole(self, address: str, limit: int) -> bytes:
        """Return the whole document at a web address; AssetRefusedError for more than `limit` bytes.

        Fails otherwise like the ranges of an asset.
        """
        return self._read(_checked(address), WholeQuestion(limit))

    def close(self) -> None:
        """Close the connections kept open; the transport can still be used."""
        self._connections.close()

    def _read(self, address: str, question: Question) -> bytes:
        failures: list[Failure] = []
        while True:
            outcome = self._attempt(address, question)
            if isinstance(outcome, bytes):
                return outcome
            failures.append(outcome)
            if not self._is_worth_another(failures):
                break  # the error is raised outside every `except`, so that it carries no other with it
            self._before_another(address, failures)
        raise self._given_up(address, failures)

    def _attempt(self, address: str, question: Question) -> bytes | Failure:
        try:
            return self._ask(self._sign(address) if self._sign else address, question)
        except RejectedError as rejected:
            return rejected.failure
        except HTTPError as error:
            fate = Fate.NEVER if isinstance(error, LocationValueError) else Fate.AGAIN
            return Failure(self._connections.why(error), fate)
        except SourceError as error:
            fate = Fate.AGAIN if isinstance(error, UnreachableError) else Fate.NEVER
            return Failure(f"could not be signed: {without_secrets(str(error))}", fate)

    def _ask(self, address: str, question: Question) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            host = self._host(address)
            with host.slot(), self._counted(host.name, address, question) as response:
                if response.status not in REDIRECTS:
                    return host.heard(question, response)
                location = response.headers.get("Location", "")
            address = followed(address, location)
        raise RejectedError(Failure(f"redirected more than {MOST_REDIRECTS} times", Fate.NEVER))

    @contextmanager
    def _counted(self, host: str, address: str, question: Question) -> Iterator[BaseHTTPResponse]:
        self.traffic.count(host, HostTraffic(requests=1))
        with self._connections.answer(address, question.headers) as response:
            try:
                yield response
            finally:
                self.traffic.count(host, HostTraffic(bytes_received=response.tell()))

    def _host(self, address: str) -> Host:
        name = host_name(address)
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = Host(name, self._per_host, self._patience, self._sleep, self._clock)
            return self._hosts[name]

    def _is_worth_another(self, failures: Sequence[Failure]) -> bool:
        fate = failures[-1].fate
        if len(failures) >= self._patience.attempts:
            return False
        first_unsigned = [failure.fate for failure in failures].count(Fate.SIGNED_AGAIN) == 1
        return fate is Fate.AGAIN or (fate is Fate.SIGNED_AGAIN and first_unsigned and self._sign is not None)

    def _before_another(self, address: str, failures: Sequence[Failure]) -> None:
        self.traffic.count(host_name(address), HostTraffic(retried=1))
        if failures[-1].fate is Fate.AGAIN:
            self._sleep(self._patience.wait_s(len(failures), failures[-1].asked_s, self._chance))

    def _given_up(self, address: str, failures: Sequence[Failure]) -> SourceError:
        last, attempts = failures[-1], len(failures)
        is_refused = last.fate in (Fate.NEVER, Fate.SIGNED_AGAIN)
        outcome = HostTraffic(refused=1) if is_refused else HostTraffic(unreachable=1)
        self.traffic.count(host_name(address), outcome)
        times = counted(attempts, "attempt")
        if is_refused:
            return AssetRefusedError(f"{shown(address)}: {last.reason} ({times})", attempts)
        if last.fate is Fate.CHANGED:
            return AssetChangedError(f"{shown(address)}: {last.reason} ({times})", attempts)
        return AssetUnreachableError(f"{shown(address)}: no answer after {times}: {last.reason}", attempts)


class _RemoteAsset:
    """The ranges of one asset, whose version is remembered between reads."""

    def __init__(self, address: str, read: Callable[[str, Question], bytes]) -> None:
        self._address, self._read, self._memory = address, read, Memory()

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def name(self) -> str:
        return shown(self._address)

    def read(self, start: int, stop: int) -> bytes:
        if not 0 <= start <= stop:
            raise AssetRefusedError(f"{self.name}: no range of bytes: [{start}, {stop})", 0)
        total = self._memory.total
        stop = stop if total is None else min(stop, total)
        if stop <= start:
            return b""
        return self._read(self._address, RangeQuestion(start, stop, self._memory))

    def size(self) -> int:
        if self._memory.total is None:
            self.read(0, 1)
        total = self._memory.total
        if total is None:
            raise AssetRefusedError(f"{self.name}: its server does not say how long it is", 1)
        return total


def _checked(address: str) -> str:
    try:
        is_readable = is_web(address) and bool(host_name(address))
    except LocationValueError:
        is_readable = False
    if not is_readable:
        raise AssetRefusedError(f"{shown(address)}: not a readable web address", 0)
    return address
