"""Signing: the address to ask for an asset, with what its own store wants to see added."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from pystac_client.exceptions import APIError

from flows.sources.addresses import EODATA, shown, without_secrets
from flows.sources.assets.patience import Patience
from flows.sources.catalogues.asking import PATIENCE, Asker
from flows.sources.scenes.acquisitions import moment
from monitoring.errors import PixelReadError, UnreachableError

#: Where the Planetary Computer hands out tokens: <this>/<storage account>/<container>.
TOKENS_AT = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
#: Header of the subscription key that a user of the Planetary Computer may have.
SUBSCRIPTION_HEADER = "Ocp-Apim-Subscription-Key"
#: A token is not used in its last minutes: an asset may take that long to read.
TOKEN_MARGIN = timedelta(minutes=5)
#: A fresh token is used this long whatever it says of itself: two clocks never agree.
TOKEN_AT_LEAST = timedelta(seconds=30)
#: How long nobody asks again for a token that was not to be had.
TOKEN_REST = timedelta(seconds=30)
#: How long a container that needs no token is taken to need none.
PUBLIC_FOR = timedelta(minutes=10)
#: What the token endpoint answers for a container it does not know.
NO_SUCH_CONTAINER = (400, 404)

#: Region of the Copernicus Data Space object store, as its signatures name it.
EODATA_REGION = "default"
#: Seconds that a signed address of it is good for.
SIGNED_FOR_S = 3600

_BLOB_HOST = re.compile(r"([a-z0-9]{3,24})\.blob\.core\.windows\.net")
_CONTAINER = re.compile(r"/([a-z0-9$][a-z0-9-]{1,62})/.")
_TOKEN = re.compile(r"[\x21\x24-\x3b\x3d\x3f-\x7e]{1,4096}")  # printable, none of " # < >
_SIGNED = re.compile(r"(^|&)(sig|X-Amz-Signature)=")
_UNRESERVED = "-_.~"


@dataclass(frozen=True)
class Secrets:
    """What the stores of assets want to see; none of it is ever shown."""

    cdse_key: str = field(default="", repr=False)
    """Access key of the Copernicus Data Space object store; empty for none."""
    cdse_secret: str = field(default="", repr=False)
    planetary_computer_key: str = field(default="", repr=False)
    """Subscription key of the Planetary Computer; its tokens are given without one too, at a lower rate."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def signer(
    secrets: Secrets,
    *,
    tokens_at: str = TOKENS_AT,
    now: Callable[[], datetime] = _utc_now,
    patience: Patience = PATIENCE,
) -> Callable[[str], str]:
    """Return what turns an asset's address into the address to ask for, at each attempt anew; thread-safe.

    Addresses of Azure blob storage get a token of the Planetary Computer, those of Copernicus Data Space a
    signature; a container the Planetary Computer does not know, any other host, and what is signed already
    stay as they are. Raises PixelReadError where a key is missing, UnreachableError where no token is to be
    had for now.
    """
    return _Signer(secrets, _Tokens(tokens_at, secrets, now, patience), now)


@dataclass(frozen=True)
class _Signer:
    _secrets: Secrets = field(repr=False)
    _tokens: _Tokens = field(repr=False)
    _now: Callable[[], datetime] = field(repr=False)

    def __call__(self, address: str) -> str:
        try:
            parts = urlsplit(address)
        except ValueError:
            return address
        # The host as it stands: an address that can be read in two ways gets nothing.
        host = parts.netloc.lower().removesuffix(":443")
        if parts.scheme != "https" or "\\" in address or _SIGNED.search(parts.query):
            return address
        if address.startswith(EODATA):
            return self._presigned(address)
        blob, container = _BLOB_HOST.fullmatch(host), _CONTAINER.match(parts.path)
        if blob is None or container is None:
            return address
        token = self._tokens.of(blob[1], container[1])
        query = "&".join(text for text in (parts.query, token) if text)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))

    def _presigned(self, address: str) -> str:
        key, secret = self._secrets.cdse_key, self._secrets.cdse_secret
        if not key or not secret:
            missing = "access.cdse_secret" if key else "access.cdse_key"
            raise PixelReadError(f"asset {shown(address)}: setting {missing} is missing")
        return presigned(address, key, secret, EODATA_REGION, self._now(), SIGNED_FOR_S)


@dataclass(frozen=True)
class _Grant:
    """A token (empty: none is needed) or the reason why there is none, and until when that holds."""

    until: datetime
    token: str = field(default="", repr=False)
    problem: str = ""


class _Tokens:
    """Tokens of the Planetary Computer by storage account and container; one is asked for at a time."""

    def __init__(
        self, address: str, secrets: Secrets, now: Callable[[], datetime], patience: Patience
    ) -> None:
        key = secrets.planetary_computer_key
        self._address = address.rstrip("/")
        self._asker = Asker(patience, {SUBSCRIPTION_HEADER: key} if key else None)
        self._now = now
        self._asking = threading.Lock()
        self._grants: dict[tuple[str, str], _Grant] = {}

    def of(self, account: str, container: str) -> str:
        """Return the token of a container, empty where it needs none; UnreachableError."""
        held = self._grants.get((account, container))
        if held is None or self._now() >= held.until:
            held = self._renewed(account, container)
        if held.problem:
            raise UnreachableError(held.problem)
        return held.token

    def _renewed(self, account: str, container: str) -> _Grant:
        with self._asking:
            held = self._grants.get((account, container))  # another thread may just have asked
            if held is None or self._now() >= held.until:
                held = self._asked(account, container)
                self._grants[account, container] = held
            return held

    def _asked(self, account: str, container: str) -> _Grant:
        address = f"{self._address}/{account}/{container}"
        try:
            return _grant(json.loads(self._asker.request(address)), self._now())
        except APIError as error:
            if getattr(error, "status_code", None) in NO_SUCH_CONTAINER:
                return _Grant(self._now() + PUBLIC_FOR)
            reason = without_secrets(str(error))[:200]
        except (ValueError, OverflowError, RecursionError):
            reason = "the answer is no token"
        return _Grant(self._now() + TOKEN_REST, problem=f"token {shown(address)}: {reason}")


def _grant(content: Any, now: datetime) -> _Grant:
    """Return the token in an endpoint's answer; ValueError where there is none."""
    if not isinstance(content, dict):
        raise ValueError("no token")
    token, expiry = content.get("token"), moment(str(content.get("msft:expiry")))
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or expiry is None:
        raise ValueError("no token")
    return _Grant(max(expiry - TOKEN_MARGIN, now + TOKEN_AT_LEAST), token)


def presigned(url: str, key: str, secret: str, region: str, now: datetime, expires_s: int) -> str:
    """Return an address that reads one object of an S3 store for `expires_s` seconds from `now`.

    AWS Signature Version 4 in the query: GET, host header only, payload unsigned (AWS, "Authenticating
    requests: using query parameters").
    """
    parts = urlsplit(url)
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    path = quote(unquote(parts.path), safe="/" + _UNRESERVED) or "/"
    query = _canonical_query(parts.query, f"{key}/{scope}", stamp, expires_s)
    asked = "\n".join(["GET", path, query, f"host:{parts.netloc.lower()}\n", "host", "UNSIGNED-PAYLOAD"])
    digest = hashlib.sha256(asked.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])
    signature = _hmac(_signing_key(secret, scope), to_sign).hex()
    return urlunsplit((parts.scheme, parts.netloc, path, f"{query}&X-Amz-Signature={signature}", ""))


def _canonical_query(query: str, credential: str, stamp: str, expires_s: int) -> str:
    fields = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": credential,
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": "host",
    }
    own = [pair for pair in parse_qsl(query, keep_blank_values=True) if not pair[0].startswith("X-Amz-")]
    quoted = [(quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in own]
    ours = [(name, quote(value, safe=_UNRESERVED)) for name, value in fields.items()]
    return "&".join(f"{name}={value}" for name, value in sorted([*quoted, *ours]))


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
