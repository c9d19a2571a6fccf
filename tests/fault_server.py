"""A folder served with byte ranges on loopback, by a server that fails as often and in the ways it is told.

    python tests/fault_server.py FOLDER --port 8000 --latency-ms 20 [--faults 0.1 --seed 1] [--log FILE]

What befalls a request is drawn from the seed, its path, its range and how often it was asked before: it does
not depend on the order in which many threads ask.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from enum import StrEnum
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

import uvicorn

PIECE = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_KINDS = {".json": "application/json", ".geojson": "application/geo+json", ".tif": "image/tiff"}


class Fault(StrEnum):
    """What may befall a request. Those that need a range leave a request without one alone."""

    BUSY = "429"
    ERROR = "500"
    RESET = "reset"
    """The connection is reset in the middle of the body."""
    CUT = "cut"
    """The connection is closed in an orderly way, before the announced end of the body."""
    TRUNCATED = "truncated"
    """A well-formed answer whose body is shorter than its Content-Range."""
    WRONG_RANGE = "wrong-range"
    """A well-formed answer with another part of the asset, and its Content-Range."""
    STALL = "stall"
    """Silence before the answer."""
    STALL_IN_BODY = "stall-in-body"
    CORRUPT = "corrupt"
    """Up to three bytes of the body flipped."""
    DRIP = "drip"
    """The body byte by byte, `stall_s` for all of it."""
    FORBIDDEN = "403"
    MISSING = "404"


#: The kinds drawn from unless told otherwise.
MIXED = (
    Fault.BUSY,
    Fault.ERROR,
    Fault.RESET,
    Fault.CUT,
    Fault.TRUNCATED,
    Fault.WRONG_RANGE,
    Fault.STALL,
    Fault.STALL_IN_BODY,
    Fault.CORRUPT,
)
_NEED_A_RANGE = (Fault.TRUNCATED, Fault.WRONG_RANGE, Fault.CORRUPT)
_STATUSES = {Fault.BUSY: 429, Fault.ERROR: 500, Fault.FORBIDDEN: 403, Fault.MISSING: 404}


@dataclass(frozen=True)
class Asked:
    """One request; `stop` is None where no range was asked for."""

    path: str
    start: int
    stop: int | None
    fault: str
    query: str = ""
    method: str = "GET"


@dataclass
class FaultServer:
    """What is served and how it fails; the fields may be changed while it runs."""

    folder: Path
    address: str = ""
    latency_s: float = 0.0
    share: float = 0.0
    """Of requests that a fault befalls, 0 to 1."""
    kinds: tuple[Fault, ...] = MIXED
    seed: int = 0
    first: int = 0
    """So many first requests of each path all fail, by the kinds in turn."""
    broken: dict[str, Fault] = field(default_factory=dict)
    """Paths that always fail, and how."""
    retry_after: str = "0"
    """What a 429 says; `{date+N}` becomes the moment N seconds from now."""
    stall_s: float = 30.0
    log: IO[str] | None = None
    asked: list[Asked] = field(default_factory=list)
    peak: int = 0
    """Most requests that were in flight at once."""
    _in_flight: int = 0
    _times: Counter[tuple[str, int, int | None]] = field(default_factory=Counter)
    _of_path: Counter[str] = field(default_factory=Counter)

    def attempts(self, path: str) -> int:
        """Requests for a path so far."""
        return self._of_path[path]

    def faults(self) -> Counter[str]:
        """Requests so far by what befell them; an empty name for none."""
        return Counter(asked.fault for asked in self.asked)

    def forget(self) -> None:
        """Start counting anew."""
        self.asked.clear()
        self._times.clear()
        self._of_path.clear()
        self.peak = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            await self._answer(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        path = unquote(scope["path"]).lstrip("/")
        wanted = _range_of(scope["headers"])
        fault, chance = self._draw(path, wanted)
        query, method = scope["query_string"].decode(), scope["method"]
        self._note(Asked(path, *(wanted or (0, None)), fault or "", query, method))
        await asyncio.sleep(self.latency_s)
        if fault is Fault.STALL:
            await silence(receive, self.stall_s)
        file = self._opened(path)
        if file is None or fault in _STATUSES:
            await self._refuse(send, _STATUSES.get(fault, 404) if fault else 404)
            return
        try:
            part = Part(file, path, wanted)
            length = await self._start(send, part, fault)
            if length and method != "HEAD":
                await self._send_body(receive, send, part, length, fault, chance)
            else:
                await send(_piece(b"", more=False))
        finally:
            os.close(file)

    def _opened(self, path: str) -> int | None:
        if ".." in path.split("/") or not os.path.isfile(self.folder / path):  # noqa: PTH113 - per request
            return None
        return os.open(self.folder / path, os.O_RDONLY)

    def _draw(self, path: str, wanted: tuple[int, int | None] | None) -> tuple[Fault | None, random.Random]:
        asked = (path, *(wanted or (-1, None)))
        before, of_path = self._times[asked], self._of_path[path]
        self._times[asked] += 1
        self._of_path[path] += 1
        if path in self.broken:
            return self.broken[path], random.Random(self.seed)
        if of_path < self.first:
            return self.kinds[of_path % len(self.kinds)], random.Random(self.seed)
        if not self.share:
            return None, random.Random(0)
        drawn = hashlib.blake2b(repr((self.seed, *asked, before)).encode(), digest_size=8).digest()
        chance = random.Random(drawn)
        fault = chance.choice(self.kinds) if chance.random() < self.share else None
        return (None if fault in _NEED_A_RANGE and wanted is None else fault), chance

    def _note(self, asked: Asked) -> None:
        self.asked.append(asked)
        if self.log:
            self.log.write(json.dumps(asdict(asked)) + "\n")

    async def _refuse(self, send: Any, status: int) -> None:
        headers = [(b"content-length", b"4")]
        if status == 429:
            headers.append((b"retry-after", self._retry_after().encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"sigh"})

    def _retry_after(self) -> str:
        later = re.fullmatch(r"\{date\+(\d+)\}", self.retry_after)
        return formatdate(int(time.time()) + int(later[1]), usegmt=True) if later else self.retry_after

    async def _start(self, send: Any, part: Part, fault: Fault | None) -> int:
        """Send status and headers, and return the length of the body that they announce."""
        length = part.size // 2 if fault is Fault.TRUNCATED else part.size
        headers = part.headers(shifted=int(fault is Fault.WRONG_RANGE))
        headers.append((b"content-length", str(length).encode()))
        await send({"type": "http.response.start", "status": part.status, "headers": headers})
        return length

    async def _send_body(
        self, receive: Any, send: Any, part: Part, length: int, fault: Fault | None, chance: random.Random
    ) -> None:
        file, start, stop = part.file, part.start, part.start + length
        if fault in (Fault.RESET, Fault.CUT, Fault.STALL_IN_BODY):
            middle = (start + stop) // 2
            await send(_piece(os.pread(file, middle - start, start), more=True))
            if fault is Fault.RESET:
                _reset(send)
            if fault is not Fault.STALL_IN_BODY:
                return  # without the rest: the server closes the connection
            await silence(receive, self.stall_s)
            start = middle
        size = 1 if fault is Fault.DRIP else PIECE
        while stop - start > size:
            await send(_piece(os.pread(file, size, start), more=True))
            start += size
            if fault is Fault.DRIP and not await silence(receive, self.stall_s / length):
                return
        body = os.pread(file, stop - start, start)
        await send(_piece(_corrupted(body, chance) if fault is Fault.CORRUPT else body, more=False))


async def silence(receive: Any, seconds: float) -> bool:
    """Say nothing for a while, or until nobody listens; true while somebody does."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            return False
    return True


def _piece(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Part:
    """The part of a file that was asked for; empty where it begins behind the end."""

    def __init__(self, file: int, path: str, wanted: tuple[int, int | None] | None) -> None:
        state = os.fstat(file)
        self.file, self.total, self._modified_ns = file, state.st_size, state.st_mtime_ns
        self._kind = _KINDS.get(os.path.splitext(path)[1], "application/octet-stream")  # noqa: PTH122
        start, stop = wanted or (0, None)
        self.start = max(self.total + start, 0) if start < 0 else start
        self.size = max((self.total if stop is None else min(stop, self.total)) - self.start, 0)
        self.status = 200 if wanted is None else 206 if self.size else 416

    def headers(self, *, shifted: int) -> list[tuple[bytes, bytes]]:
        """What the answer says of the part, its place moved by `shifted` bytes."""
        headers = [
            (b"etag", f'"{self._modified_ns:x}-{self.total:x}"'.encode()),
            (b"last-modified", formatdate(self._modified_ns / 1e9, usegmt=True).encode()),
            (b"content-type", self._kind.encode()),
            (b"accept-ranges", b"bytes"),
        ]
        first = self.start + shifted
        place = {206: f"{first}-{first + self.size - 1}", 416: "*"}.get(self.status)
        return [*headers, (b"content-range", f"bytes {place}/{self.total}".encode())] if place else headers


def _range_of(headers: list[tuple[bytes, bytes]]) -> tuple[int, int | None] | None:
    """Start and stop asked for; a negative start counts from the end; None for no single range."""
    said = next((value.decode() for name, value in headers if name == b"range"), "")
    found = _RANGE.fullmatch(said)
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        return -int(found[2]), None
    return int(found[1]), int(found[2]) + 1 if found[2] else None


def _corrupted(body: bytes, chance: random.Random) -> bytes:
    wrong = bytearray(body)
    for at in {chance.randrange(len(body)) for _ in range(chance.randint(1, 3))} if body else ():
        wrong[at] ^= chance.randint(1, 255)
    return bytes(wrong)


def _reset(send: Any) -> None:
    """End the connection by a reset, not an orderly close; uvicorn's `send` belongs to its transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


@contextmanager
def serve(folder: Path, **how: Any) -> Iterator[FaultServer]:
    """A server of a folder on a free port of loopback, until the end of the `with`."""
    served = FaultServer(folder, **how)
    listener = _listener(0)
    served.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = _uvicorn(served)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.002)
    try:
        yield served
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listener.close()


def _listener(port: int) -> socket.socket:
    # Without the protocol named asyncio does not set TCP_NODELAY, and each answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    return listener


def _uvicorn(served: FaultServer) -> uvicorn.Server:
    quiet = {"log_level": "critical", "log_config": None, "access_log": False, "lifespan": "off"}
    return uvicorn.Server(uvicorn.Config(served, **quiet))


def main() -> None:
    """Serve until a signal comes; the address is the first line on standard output."""
    said = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    said.add_argument("folder", type=Path)
    said.add_argument("--port", type=int, default=0, help="0 takes a free one")
    said.add_argument("--latency-ms", type=float, default=0.0, help="added to each answer")
    said.add_argument("--faults", type=float, default=0.0, metavar="SHARE", help="of requests, 0 to 1")
    said.add_argument("--kinds", nargs="+", type=Fault, default=MIXED, help=", ".join(Fault))
    said.add_argument("--seed", type=int, default=0)
    said.add_argument("--retry-after", default="0", help="what a 429 says: seconds or {date+N}")
    said.add_argument("--stall-s", type=float, default=30.0)
    said.add_argument("--log", type=Path, help="one JSON line for each request")
    given = said.parse_args()
    log = given.log.open("w", encoding="utf-8", buffering=1) if given.log else None
    served = FaultServer(
        given.folder,
        latency_s=given.latency_ms / 1000,
        share=given.faults,
        kinds=tuple(given.kinds),
        seed=given.seed,
        retry_after=given.retry_after,
        stall_s=given.stall_s,
        log=log,
    )
    listener = _listener(given.port)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    _uvicorn(served).run(sockets=[listener])


if __name__ == "__main__":
    main()
