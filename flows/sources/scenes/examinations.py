"""Examinations: files before anything is read from them, the scene each offers, or why it offers none."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio.errors import NotGeoreferencedWarning

from flows.sources.addresses import AddressRefusedError, Place, place_of, without_secrets
from flows.sources.assets.rasters import gdal_environment
from flows.sources.catalogues.documents import read_document
from flows.sources.catalogues.provenance import source_of
from flows.sources.scenes.items import Rejected, offer_from_item
from flows.sources.scenes.raster_facts import Raster, raster_facts
from flows.sources.scenes.safe_product import PRODUCT_METADATA, offer_from_safe
from monitoring.errors import CatalogueError, PixelReadError
from monitoring.scenes import Scene

#: Files of a folder that are examined, after which the rest is refused in one row.
MAX_FILES = 10_000

_RASTERS = (".tif", ".tiff", ".jp2")
_PRODUCT_FILES = (PRODUCT_METADATA, "manifest.safe")


@dataclass(frozen=True)
class Examined:
    """What a file, or one item in it, offers."""

    path: Path
    name: str
    """Id of the item or product; name of the file where there is none."""
    found: Scene | Raster | None
    reason: str = ""
    """Why it is refused; empty where something was found."""


def examine(path: Path) -> Iterator[Examined]:
    """Yield what each item, product and raster of a file or folder offers, in the order of their paths.

    Folders are searched to the bottom, but a product's folder is one product and links are not followed.
    Nothing but local files is opened, and no address in them. Never raises for what a file holds.
    """
    if path.is_dir():
        yield from _folder(path)
    else:
        yield from _file(path)


def _folder(folder: Path) -> Iterator[Examined]:
    for number, path in enumerate(_worth_examining(folder)):
        if number == MAX_FILES:
            yield Examined(
                folder, folder.name, None, f"more than {MAX_FILES} files: the rest is not examined"
            )
            return
        yield from _file(path)


def _worth_examining(folder: Path) -> Iterator[Path]:
    for parent, below, names in os.walk(folder):
        if PRODUCT_METADATA in names:
            below.clear()
            yield Path(parent, PRODUCT_METADATA)
            continue
        below.sort()
        paths = (Path(parent, name) for name in sorted(names))
        yield from (path for path in paths if path.suffix.lower() in (".json", ".geojson", *_RASTERS))


def _file(path: Path) -> Iterator[Examined]:
    if path.name in _PRODUCT_FILES:
        yield _decided(path, path.parent.name, offer_from_safe(path.parent))
    elif path.suffix.lower() in (".json", ".geojson"):
        yield from _document(path)
    else:
        yield _raster(path)


# --- STAC


def _document(path: Path) -> Iterator[Examined]:
    try:
        content = read_document(str(path))
    except CatalogueError as error:
        yield Examined(path, path.name, None, str(error).rpartition(f"{path}: ")[2])
        return
    items = content.get("features") if isinstance(content, dict) else None
    if not isinstance(items, list):
        yield _item(path, content)
        return
    if not items:
        yield Examined(path, path.name, None, "a collection of no items")
    for item in items:
        yield _item(path, item)


def _item(path: Path, item: Any) -> Examined:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind in ("Catalog", "Collection"):
        return Examined(path, path.name, None, f"a STAC {kind}: items are examined one by one")
    source = source_of({}, item) if isinstance(item, dict) else ""
    return _decided(path, path.name, offer_from_item(item, _place(path, item), source))


def _decided(path: Path, name: str, decided: Any) -> Examined:
    if isinstance(decided, Rejected):
        return Examined(path, decided.item_id or name, None, decided.reason)
    return Examined(path, decided.scene.id, decided.scene)


def _place(path: Path, item: Any) -> Place:
    """Return where an item lies; its catalogue's folder is that of its root, where the root is above it."""
    place = place_of(str(path))
    above = [str(parent) for parent in Path(place.document).parents]
    for link in _links(item):
        root = _local_folder(link.get("href"), place) if link.get("rel") == "root" else ""
        if root in above:
            return Place(place.document, root)
    return place


def _links(item: Any) -> Iterator[dict[str, Any]]:
    links = item.get("links") if isinstance(item, dict) else None
    yield from (link for link in (links if isinstance(links, list) else []) if isinstance(link, dict))


def _local_folder(href: Any, place: Place) -> str:
    if not isinstance(href, str) or ":" in href or "\0" in href:
        return ""
    document = Path(os.path.realpath(Path(place.folder, href)))
    return str(document.parent) if document.is_file() else ""


# --- rasters


def _raster(path: Path) -> Examined:
    try:
        with gdal_environment(), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said in the reason instead
            return Examined(path, path.name, raster_facts(path))
    except (PixelReadError, AddressRefusedError) as error:
        return Examined(path, path.name, None, _without_path(without_secrets(str(error)), path))


def _without_path(reason: str, path: Path) -> str:
    """Return GDAL's words without the file's own name, which stands beside them."""
    for named in (
        f"{path.absolute()}: ",
        f"{path}: ",
        f"{path.name}: ",
        f"'{path.absolute()}' ",
        f"'{path}' ",
    ):
        reason = reason.replace(named, "")
    return reason
