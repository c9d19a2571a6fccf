"""Asking: one document of a server that may be busy, slow, endless or gone; patiently, within bounds."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import requests
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3.exceptions import HTTPError, ProtocolError

from flows.sources.addresses import is_web, shown
from flows.sources.assets.patience import Patience, retry_after_s
from flows.sources.assets.refusals import PASSING

#: Largest catalogue document that is read; a page of 1,000 Planetary Computer items is 17 MB.
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
#: Patience with a catalogue: six attempts; waits of up to 1, 2, 4, 8 and 16 s, or what the server asks for,
#: but never more than a minute; a minute of silence, ten minutes for a document however steadily it drips.
PATIENCE = Patience(attempts=6, first_wait_s=1.0, longest_wait_s=60.0, answer_s=60.0, whole_s=600.0)
#: Attempts to reach a server that cannot be connected to: mostly it is the address that is wrong.
CONNECT_ATTEMPTS = 3

_CHUNK_BYTES = 64 * 1024


class _NotNowError(Exception):
    """An attempt that may go better later."""

    def __init__(self, error: APIError, *, asked_s: float | None = None, is_there: bool = True) -> None:
        super().__init__(str(error))
        self.error = error
        self.asked_s = asked_s
        self.is_there = is_there


class Asker(StacApiIO):
    """Requests to one server; pystac-client's searches go through it."""

    def __init__(self, patience: Patience, headers: Mapping[str, str] | None = None) -> None:
        timeout = (patience.connect_s, patience.answer_s)
        super().__init__(timeout=timeout, max_retries=None, headers=dict(headers or {}))
        self._patience = patience
        self._chance = random.Random()  # noqa: S311 - spreads waits
        # A secret in a header must not follow a server's word to another server.
        self._follows = not headers

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """Return the text at a web address or link; files are not for a server to name."""
        if isinstance(source, str) and not is_web(source):
            raise APIError(f"{shown(source)[:100]}: not a web address")
        return str(super().read_text(source, *args, **kwargs))

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Return the text of an answer; APIError when there is none after all attempts."""
        method, failed = (method or "GET").upper(), 0
        while True:
            try:
                return self._attempt(href, method, headers, parameters)
            except _NotNowError as reason:
                failed += 1
                if failed >= (self._patience.attempts if reason.is_there else CONNECT_ATTEMPTS):
                    raise reason.error from None
                time.sleep(self._patience.wait_s(failed, reason.asked_s, self._chance))

    def _attempt(
        self, href: str, method: str, headers: dict[str, str] | None, parameters: dict[str, Any] | None
    ) -> str:
        if method not in ("GET", "POST"):
            raise APIError(f"a catalogue may not ask for a {method[:10]} request")
        body = {"json": parameters} if method == "POST" else {"params": parameters}
        try:
            with closing(self._send(href, method, headers, body)) as answer:
                _refuse_failure(answer)
                return _content(answer, self._patience.whole_s).decode("utf-8")
        except requests.exceptions.InvalidHeader:  # its text shows the header
            raise APIError("a header that cannot be sent") from None
        except requests.ConnectionError as error:
            broke_off = isinstance(error.args[0] if error.args else None, ProtocolError)
            raise _NotNowError(APIError(str(error)), is_there=broke_off) from None
        except (requests.Timeout, HTTPError) as error:
            raise _NotNowError(APIError(f"the answer breaks off: {error}")) from None
        except (requests.RequestException, ValueError) as error:
            raise APIError(str(error)) from None

    def _send(
        self, href: str, method: str, headers: dict[str, str] | None, body: dict[str, Any]
    ) -> requests.Response:
        return self.session.request(
            method,
            href,
            headers=headers,
            timeout=self.timeout,
            stream=True,
            allow_redirects=self._follows,
            **body,
        )


def _refuse_failure(answer: requests.Response) -> None:
    if 200 <= answer.status_code < 300:
        return
    error = APIError(f"the server answers {answer.status_code} {answer.reason or ''}".strip())
    error.status_code = answer.status_code
    if answer.status_code in PASSING:
        raise _NotNowError(error, asked_s=retry_after_s(answer.headers))
    raise error


def _content(answer: requests.Response, whole_s: float) -> bytes:
    """Return the bytes of an answer, unpacked; ValueError when they are too many or too slow."""
    latest, content = time.monotonic() + whole_s, bytearray()
    while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
        content += chunk
        if len(content) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"larger than {MAX_DOCUMENT_BYTES} bytes")
        if time.monotonic() > latest:
            raise ValueError(f"not there after {whole_s:.0f} s")
    return bytes(content)
