"""A Zarr store behind http(s): read by byte ranges, never listed, never written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from flows.sources.addresses import shown
from monitoring.errors import PixelReadError, UnreachableError

#: Seconds to connect, and to wait for the next bytes.
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
#: Largest answer that is read: no chunk, index or coordinate of a published store comes near it.
MAX_ANSWER_BYTES = 256 * 2**20
#: Waits before one request is made again, seconds; after the last, the task of the block takes over.
WAITS_S = (0.5, 2.0)
#: Answers that may be another one soon.
_BUSY = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)


class WebStore(Store):
    """A read-only store at a web address; zarr's own need clients that this service does not ship.

    UnreachableError when the server does not answer or is busy, PixelReadError for any other refusal.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, address: str, waits_s: Sequence[float] = WAITS_S) -> None:
        super().__init__(read_only=True)
        self._waits_s = waits_s
        self._parts = urlsplit(address)
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebStore) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]  # as zarr's stores

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        super().close()

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a key; None where the server has none."""
        content = await asyncio.to_thread(self._bytes_of, key, byte_range)
        return None if content is None else prototype.buffer.from_bytes(content)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return the bytes of several keys, asked for at once."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """True where the server has the key."""
        return await asyncio.to_thread(self._bytes_of, key, RangeByteRequest(0, 1)) is not None

    def _bytes_of(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        """Return the bytes of a key, asking again after a while where the server is busy."""
        for wait_s in self._waits_s:
            try:
                return self._asked_once(key, byte_range)
            except UnreachableError:
                time.sleep(wait_s)
        return self._asked_once(key, byte_range)

    def _asked_once(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        address = self._address(key)
        try:
            with self._client.stream("GET", address, headers=_range_header(byte_range)) as answer:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return None
                _refuse(answer, shown(address), byte_range)
                return answer.read()
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"published embeddings {shown(address)}: {reason}") from error

    def _address(self, key: str) -> str:
        path = f"{self._parts.path.rstrip('/')}/{quote(key)}"
        return urlunsplit((self._parts.scheme, self._parts.netloc, path, self._parts.query, ""))

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: nothing is written."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse: nothing is deleted."""
        raise NotImplementedError

    def list(self) -> AsyncIterator[str]:
        """Refuse: http has no listing."""
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse: http has no listing."""
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse: http has no listing."""
        raise NotImplementedError


def _range_header(byte_range: ByteRequest | None) -> dict[str, str]:
    """Return the header that asks for some bytes, uncompressed: codes are compressed already."""
    plain = {"Accept-Encoding": "identity"}
    match byte_range:
        case RangeByteRequest(start, end):
            return {**plain, "Range": f"bytes={start}-{end - 1}"}
        case OffsetByteRequest(offset):
            return {**plain, "Range": f"bytes={offset}-"}
        case SuffixByteRequest(suffix):
            return {**plain, "Range": f"bytes=-{suffix}"}
    return plain


def _refuse(answer: httpx.Response, where: str, byte_range: ByteRequest | None) -> None:
    """Raise for an answer that is not the bytes asked for, before its body is read."""
    code = answer.status_code
    if code in _BUSY or answer.is_server_error:
        raise UnreachableError(f"published embeddings {where}: the server answered {code}")
    if not answer.is_success:
        raise PixelReadError(f"published embeddings {where}: the server answered {code}")
    if byte_range is not None and code != httpx.codes.PARTIAL_CONTENT:
        raise PixelReadError(f"published embeddings {where}: the server does not answer byte ranges")
    length = int(answer.headers.get("Content-Length", 0))
    if length > MAX_ANSWER_BYTES:
        raise PixelReadError(
            f"published embeddings {where}: answer of {length} bytes, at most {MAX_ANSWER_BYTES} are read"
        )
