"""Of a Hugging Face hub what its client needs to fetch one file, on loopback: HEAD and GET with ranges."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

REPOSITORY, REVISION, FILE = "somebody/weights", "9" * 40, "ckpt/w.pt"
RESOLVE = f"/{REPOSITORY}/resolve/{REVISION}/{FILE}"
#: Where another host serves the same bytes, as the hub's storage does.
STORAGE = "/storage/object"
PIECE = 16384


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """The one file that is published, and how the server misbehaves."""

    port: int
    content: bytes = b""
    asked: list[Asked] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    """Bytes of the body after which the connection breaks off, one for each coming GET."""
    held_after: int | None = None
    """Bytes of the body after which the server waits until it is released."""
    released: threading.Event = field(default_factory=threading.Event)
    status: int = 200
    error_code: str = ""
    """What the hub says in X-Error-Code."""
    ranges: bool = True
    etag: str | None = None
    size: int | None = None
    """Stated instead of the file's own."""
    redirects: bool = False
    """Sends on to another host for the bytes."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gets(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "GET"]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = Asked(scope["method"], scope["path"], {k.decode(): v.decode() for k, v in scope["headers"]})
        self.asked.append(asked)
        if self.status != 200 or asked.path not in (RESOLVE, STORAGE):
            await self._refuse(asked, send)
        elif self.redirects and asked.path == RESOLVE:
            await answer(send, 302, self._metadata() | {"location": f"http://localhost:{self.port}{STORAGE}"})
        elif asked.method == "HEAD":
            await answer(send, 200, self._metadata() | {"content-length": str(self._stated)})
        else:
            await self._send_file(asked, send)

    @property
    def _stated(self) -> int:
        return len(self.content) if self.size is None else self.size

    def _metadata(self) -> dict[str, str]:
        etag = hashlib.sha256(self.content).hexdigest() if self.etag is None else self.etag
        return {
            "x-repo-commit": REVISION,
            "etag": f'"{etag}"',
            "x-linked-etag": f'"{etag}"',
            "x-linked-size": str(self._stated),
        }

    async def _refuse(self, asked: Asked, send: Any) -> None:
        """Say no, and repeat everything that was sent, as a careless server might."""
        status = self.status if self.status != 200 else 404
        heard = str(asked.headers)
        headers = {"x-error-code": self.error_code or "EntryNotFound", "x-error-message": heard}
        await answer(send, status, headers, b"" if asked.method == "HEAD" else heard.encode())

    async def _send_file(self, asked: Asked, send: Any) -> None:
        wanted = asked.headers.get("range", "") if self.ranges else ""
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        body = self.content[start:]
        headers = self._metadata() | {"content-length": str(len(body))}
        if wanted:
            headers["content-range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        cut = self.cuts.pop(0) if self.cuts else None
        await start_answer(send, 206 if wanted else 200, headers)
        for at in range(0, len(body), PIECE):
            if cut is not None and at >= cut:
                return  # without the rest: the server closes the connection
            if self.held_after is not None and at >= self.held_after and not self.released.is_set():
                await wait_for(self.released)
            await send({"type": "http.response.body", "body": body[at : at + PIECE], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def wait_for(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.01)


async def start_answer(send: Any, status: int, headers: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def answer(send: Any, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    await start_answer(send, status, headers)
    await send({"type": "http.response.body", "body": body})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of loopback, until the end of the `with`."""
    hub = Hub(free_port())
    config = uvicorn.Config(hub, port=hub.port, log_level="critical", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield hub
    finally:
        hub.released.set()
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)
