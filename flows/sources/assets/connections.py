"""Connections: requests on kept-open connections, none of which lasts longer than it may."""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3 import exceptions as wrong
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from flows.sources.assets.patience import Patience

#: Hosts whose connections are kept open at a time.
_KEPT_HOSTS = 64
#: Largest useless body that is read to its end so that its connection can be used again.
_WORTH_DRAINING = 16 * 1024
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "underwood"}


class Connections:
    """Open connections to many hosts, shared by threads."""

    def __init__(self, per_host: int, patience: Patience) -> None:
        self._patience = patience
        self._timeout = Timeout(connect=patience.connect_s, read=patience.answer_s)
        self._pools = PoolManager(_KEPT_HOSTS, maxsize=per_host, ssl_context=_trust())
        self._pools.pool_classes_by_scheme = _pools_of(patience.whole_s)
        _hide_queries()

    @contextmanager
    def answer(self, address: str, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        """Ask one GET and yield the answer before its body; urllib3's HTTPError when there is none."""
        response = self._pools.urlopen(
            "GET",
            address,
            headers=_HEADERS | dict(headers),
            timeout=self._timeout,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            yield response
        finally:
            _finish(response)

    def why(self, error: wrong.HTTPError) -> str:
        """Return the reason of an attempt without an answer: never a word of the error's own text."""
        if isinstance(error, wrong.NameResolutionError):
            return "its host's name is not known"
        if isinstance(error, wrong.NewConnectionError):  # before the time-out, whose kind it is to urllib3
            return "no connection"
        if isinstance(error, wrong.ConnectTimeoutError):
            return f"no connection within {self._patience.connect_s:g} s"
        if isinstance(error, wrong.SSLError):
            return "no trustworthy TLS connection"
        if isinstance(error, wrong.LocationValueError):
            return "not a readable web address"
        if isinstance(error, wrong.TimeoutError):
            return self._why_late(error)
        return "the connection broke off"

    def _why_late(self, error: wrong.HTTPError) -> str:
        if isinstance(error.__cause__, _TooLongError):
            return f"no whole answer within {self._patience.whole_s:g} s"
        return f"silent for {self._patience.answer_s:g} s"

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pools.clear()


def _finish(response: BaseHTTPResponse) -> None:
    """Give the connection back where its answer has been read, or costs little to read; else close it."""
    remaining = getattr(response, "length_remaining", None)
    if remaining is not None and remaining <= _WORTH_DRAINING:
        response.drain_conn()
    response.close()
    response.release_conn()


@cache
def _trust() -> ssl.SSLContext:
    """Trust what the machine trusts and what `requests` trusts, which reads the catalogues."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


# --- an end to slow drips


class _TooLongError(TimeoutError):
    """An answer that has not ended in the time it may take."""


class _TimedFile(io.RawIOBase):
    """The bytes a socket receives, until a moment: a socket's own time-out starts anew with each byte."""

    def __init__(self, file: io.RawIOBase, sock: socket.socket, whole_s: float) -> None:
        self._file, self._sock = file, sock
        self._silence_s, self._end = sock.gettimeout(), time.monotonic() + whole_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        left_s = self._end - time.monotonic()
        is_last = self._silence_s is None or left_s < self._silence_s
        if left_s <= 0:
            raise _TooLongError
        if is_last:
            self._sock.settimeout(left_s)
        try:
            return self._file.readinto(buffer)
        except TimeoutError:
            if is_last:
                raise _TooLongError from None
            raise

    def close(self) -> None:
        self._file.close()
        super().close()


def _pools_of(whole_s: float) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pools with answers that end `whole_s` seconds after their request was sent."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *others: object, **named: object) -> None:
            super().__init__(sock, *others, **named)  # type: ignore[arg-type]
            self.fp = io.BufferedReader(_TimedFile(self.fp.detach(), sock, whole_s))

    class Plain(HTTPConnection):
        response_class = Answer

    class Secure(HTTPSConnection):
        response_class = Answer

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


# --- urllib3's own log, where a request's line holds its signature


class _NoQueries(logging.Filter):
    """Takes the query out of every address and path in a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(arg) for arg in record.args)
        return True


def _without_query(argument: object) -> object:
    return argument.partition("?")[0] if isinstance(argument, str) else argument


@cache
def _hide_queries() -> None:
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_NoQueries())
