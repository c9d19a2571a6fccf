"""Where pixels come from, recognised from what a catalogue says of itself and points at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

UNKNOWN_SOURCE = "unknown"
PLANETARY_COMPUTER = "planetary-computer"
EARTH_SEARCH = "earth-search"
#: Copernicus Data Space Ecosystem.
CDSE = "cdse"
#: Products as ESA hands them out, in folders of their own.
ESA = "esa"
#: Scenes that nobody sensed.
SIMULATED = "simulated"
#: Embeddings that somebody else computed and published.
GEOTESSERA = "geotessera"
#: Property of a root catalogue or an item that names the source outright.
SOURCE_PROPERTY = "underwood:source"

#: Endings of host names, and what they serve.
_HOSTS: Mapping[str, str] = {
    "planetarycomputer.microsoft.com": PLANETARY_COMPUTER,
    "planetarycomputer-test.microsoft.com": PLANETARY_COMPUTER,
    "sentinel2l2a01.blob.core.windows.net": PLANETARY_COMPUTER,
    "sentinel1euwestrtc.blob.core.windows.net": PLANETARY_COMPUTER,
    "earth-search.aws.element84.com": EARTH_SEARCH,
    "sentinel-cogs.s3.us-west-2.amazonaws.com": EARTH_SEARCH,
    "sentinel-cogs": EARTH_SEARCH,
    "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com": EARTH_SEARCH,
    "dataspace.copernicus.eu": CDSE,
    "eodata": CDSE,
}


def source_of(root: Any, item: Mapping[str, Any]) -> str:
    """Return the source of an item's pixels: as the root or item states it, else by the hosts it points at.

    The root speaks first, then the item's own links, then its assets; `unknown` where none tells.
    """
    stated = next((name for name in _stated(root, item) if name), None)
    if stated:
        return stated
    return next((source for source in map(_by_host, _addresses(root, item)) if source), UNKNOWN_SOURCE)


def _stated(root: Any, item: Mapping[str, Any]) -> Iterator[str]:
    for table in (root, item.get("properties")):
        value = table.get(SOURCE_PROPERTY) if isinstance(table, dict) else None
        yield value if isinstance(value, str) else ""


def _addresses(root: Any, item: Mapping[str, Any]) -> Iterator[str]:
    assets = item.get("assets")
    yield from _hrefs(root.get("links") if isinstance(root, dict) else None)
    yield from _hrefs(item.get("links"))
    yield from _hrefs(list(assets.values()) if isinstance(assets, dict) else None)


def _hrefs(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else []:
        href = entry.get("href") if isinstance(entry, dict) else None
        if isinstance(href, str):
            yield href


def _by_host(address: str) -> str:
    try:
        host = (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
    return next((name for end, name in _HOSTS.items() if host == end or host.endswith("." + end)), "")
