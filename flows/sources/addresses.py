"""Addresses: what a catalogue may point at, and how an address is shown to a person."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

#: Where the `eodata` bucket of Copernicus Data Space is read over the web; the only bucket that is followed.
EODATA = "https://eodata.dataspace.copernicus.eu/eodata/"

_WEB = ("http", "https")
_EODATA_BUCKET = "s3://eodata/"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WEB_ADDRESS = re.compile(r"(https?://)([^\s'\"<>]+)")


class AddressRefusedError(Exception):
    """An address that is not followed; its text says why, without the address's secrets."""


@dataclass(frozen=True)
class Place:
    """Where a document lies, and the folder its relative addresses may not leave."""

    document: str
    """Absolute path or web address of the document itself."""
    folder: str
    """Folder of the catalogue's root document; empty for a catalogue on the web."""

    def at(self, document: str) -> Place:
        """Return the place of another document of the same catalogue."""
        return Place(document, self.folder)


def is_web(address: str) -> bool:
    """True for http and https addresses."""
    return address.lower().startswith(("http://", "https://"))


def shown(address: str) -> str:
    """Return an address fit for a message: no credentials, no query, no fragment."""
    if not is_web(address):
        return _CONTROL.sub("?", address)
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an unreadable web address"
    return _CONTROL.sub("?", urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))


def without_secrets(text: str) -> str:
    """Return a message with every web address in it reduced to what `shown` leaves, on one line."""
    return " ".join(_WEB_ADDRESS.sub(lambda match: shown(match[0]), text).split())


def place_of(address: str) -> Place:
    """Return the place of a root document given as a path, `file://` or web address."""
    if is_web(address):
        return Place(_web(address), "")
    path = os.path.realpath(_local_path(address))
    return Place(path, os.path.dirname(path))  # noqa: PTH120 - strings: called once per asset


def resolve(href: str, place: Place) -> str:
    """Return the absolute path or web address that `href` means in the document at `place`.

    `s3://eodata/` of Copernicus Data Space means the same object over https. Raises AddressRefusedError for
    GDAL's `/vsi` addresses, other schemes, credentials, and for files that are outside the catalogue's own
    folder or named by a catalogue on the web.
    """
    href = href.strip() if isinstance(href, str) else ""
    if not href or _CONTROL.search(href):
        raise AddressRefusedError("an empty or unprintable address")
    if href.startswith(_EODATA_BUCKET):
        return _eodata(href.removeprefix(_EODATA_BUCKET))
    if is_web(href) or not place.folder:
        return _web(href, place.document)
    return _within(_local_path(href), place)


def _eodata(key: str) -> str:
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise AddressRefusedError("an s3 address that is not of one object is not read")
    return EODATA + quote(key)


def _web(href: str, document: str = "") -> str:
    try:
        address = urljoin(document, href)
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise AddressRefusedError("an unreadable web address") from error
    if parts.scheme.lower() not in _WEB:
        raise AddressRefusedError(f"{parts.scheme or 'such'} addresses are not read, only http(s) and files")
    if "@" in parts.netloc:
        raise AddressRefusedError("an address with credentials in it is not followed")
    if not host:
        raise AddressRefusedError("a web address without a host")
    return address


def _local_path(address: str) -> str:
    if address.startswith("/vsi"):
        raise AddressRefusedError("/vsi addresses are not read, only http(s) and files")
    scheme, colon, rest = address.partition(":")
    if not colon or "/" in scheme or os.sep in scheme:
        return address
    if scheme.lower() != "file":
        raise AddressRefusedError(f"{scheme} addresses are not read, only http(s) and files")
    return unquote(rest.removeprefix("//").removeprefix("localhost"))


def _within(path: str, place: Place) -> str:
    """Return the real path, links followed; os.path throughout because it runs once per asset."""
    beside = os.path.dirname(place.document)  # noqa: PTH120
    real = os.path.realpath(os.path.join(beside, path))  # noqa: PTH118
    if real != place.folder and not real.startswith(place.folder.rstrip(os.sep) + os.sep):
        raise AddressRefusedError("an address outside the catalogue's own folder is not followed")
    return real
