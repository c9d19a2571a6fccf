"""Questions: what is asked of an asset, and the answers believed only where they fit the question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flows.sources.addresses import AddressRefusedError, Place, resolve
from flows.sources.assets.patience import retry_after_s
from flows.sources.assets.refusals import BUSY, PASSING, UNSIGNED, Failure, Fate, RejectedError, named
from flows.sources.assets.versions import Memory, Version, version_of

#: Bytes of a body taken at once where its length is only bounded.
_PIECE = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_NO_RANGE = re.compile(r"bytes \*/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")


class Response(Protocol):
    """Of a response what is looked at."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Header lines by name, in any case."""

    def read(self, amt: int) -> bytes:
        """Return at most `amt` bytes, fewer only where the body ends."""


@dataclass(frozen=True)
class Said:
    """The part of an asset that an answer says it holds: bytes [start, stop) of `total`."""

    start: int
    stop: int
    total: int | None
    """Bytes of the whole asset; None where the server does not know."""

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self.stop - self.start


def content_range(headers: Mapping[str, str]) -> Said:
    """Return what Content-Range says; RejectedError where it is missing, unreadable or impossible."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if not found:
        raise RejectedError(Failure("no readable Content-Range"))
    first, last, total = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
    if last < first or (total is not None and last >= total):
        raise RejectedError(Failure(f"impossible Content-Range {first}-{last}/{found[3]}"))
    return Said(first, last + 1, total)


def followed(address: str, location: str) -> str:
    """Return where a redirect leads; RejectedError for what is no web address and from https to http."""
    try:
        target = resolve(location, Place(address, ""))
    except AddressRefusedError as error:
        raise RejectedError(Failure(f"redirected to {str(error)[:80]}", Fate.NEVER)) from None
    if address.lower().startswith("https:") and not target.lower().startswith("https:"):
        raise RejectedError(Failure("redirected from https to http", Fate.NEVER))
    return target


def check_status(response: Response, expected: tuple[int, ...]) -> None:
    """Refuse a status that was not expected, and a body in any encoding but its own."""
    status = response.status
    if status not in expected:
        fate = Fate.AGAIN if status in PASSING else Fate.SIGNED_AGAIN if status in UNSIGNED else Fate.NEVER
        asked_s = retry_after_s(response.headers) if fate is Fate.AGAIN else None
        raise RejectedError(Failure(f"answered {named(status)}", fate, asked_s, status in BUSY))
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RejectedError(
            Failure("answered with an encoded body, which has other bytes than the asset", Fate.NEVER)
        )


@dataclass(frozen=True)
class RangeQuestion:
    """The bytes [start, stop) of an asset of which something may be remembered."""

    start: int
    stop: int
    memory: Memory

    @property
    def headers(self) -> dict[str, str]:
        """The request's own headers."""
        return {"Range": f"bytes={self.start}-{self.stop - 1}"}

    def receive(self, response: Response) -> bytes:
        """Return the bytes asked for, fewer only where the asset ends; RejectedError for anything else."""
        if response.status == 416:
            self._check_end(response.headers)
        check_status(response, (200, 206))
        said = self._whole_asset(response.headers) if response.status == 200 else self._part(response.headers)
        self.memory.compare(version_of(response.headers, said.total))
        return body_of(response, said.size)

    def _check_end(self, headers: Mapping[str, str]) -> None:
        found = _NO_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found:
            self.memory.compare(Version(int(found[1])))

    def _part(self, headers: Mapping[str, str]) -> Said:
        said = content_range(headers)
        stop = self.stop if said.total is None else min(self.stop, said.total)
        if (said.start, said.stop) != (self.start, stop):
            wanted = f"{self.start}-{stop - 1}"
            raise RejectedError(Failure(f"Content-Range {said.start}-{said.stop - 1} for bytes {wanted}"))
        return said

    def _whole_asset(self, headers: Mapping[str, str]) -> Said:
        """Accept an answer without ranges where the whole asset is no more than was asked for."""
        size = announced(headers)
        if self.start or size is None or size > self.stop:
            raise RejectedError(Failure("answered with the whole asset instead of a range of it", Fate.NEVER))
        return Said(0, size, size)


@dataclass(frozen=True)
class WholeQuestion:
    """A whole document of at most `limit` bytes."""

    limit: int

    @property
    def headers(self) -> dict[str, str]:
        """The request's own headers: none."""
        return {}

    def receive(self, response: Response) -> bytes:
        """Return the document; RejectedError where it is too long, shorter than announced or none."""
        check_status(response, (200,))
        size = announced(response.headers)
        self._check(size or 0)
        body = self._body(response)
        self._check(len(body))
        if size is not None and len(body) != size:
            raise RejectedError(Failure(f"{len(body)} of {size} bytes came"))
        return body

    def _check(self, size: int) -> None:
        if size > self.limit:
            raise RejectedError(Failure(f"larger than {self.limit} bytes", Fate.NEVER))

    def _body(self, response: Response) -> bytes:
        """Return the body, or one byte more than the limit of it."""
        body = bytearray()
        while len(body) <= self.limit:
            piece = response.read(min(_PIECE, self.limit + 1 - len(body)))
            if not piece:
                break
            body += piece
        return bytes(body)


Question = RangeQuestion | WholeQuestion


def announced(headers: Mapping[str, str]) -> int | None:
    """Return the length of a body as announced, None where it is not, or not readably."""
    said = headers.get("Content-Length", "").strip()
    return int(said) if _LENGTH.fullmatch(said) else None


def body_of(response: Response, size: int) -> bytes:
    """Return a body that must have `size` bytes; RejectedError where it has not."""
    length = announced(response.headers)
    if length is not None and length != size:
        raise RejectedError(Failure(f"{length} bytes announced for a range of {size}"))
    body = response.read(size if length == size else size + 1)
    if len(body) != size:
        raise RejectedError(Failure(f"{len(body)} of {size} bytes came"))
    return body
