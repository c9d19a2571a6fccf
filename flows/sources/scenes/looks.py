"""A look at files before anything is read from them: the scene each offers, or why it offers none."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from flows.sources.addresses import AddressRefusedError, Place, place_of, without_secrets
from flows.sources.assets.rasters import Driver, gdal_environment, grid_of, open_raster
from flows.sources.catalogues.documents import read_document
from flows.sources.catalogues.provenance import source_of
from flows.sources.scenes.items import Rejected, offer_from_item
from flows.sources.scenes.safe_product import PRODUCT_METADATA, offer_from_safe
from monitoring.errors import CatalogueError, PixelReadError
from monitoring.scenes import Scene

#: Files of a folder that are looked at, after which the rest is refused in one row.
MAX_FILES = 10_000
#: Internal tiles of one raster that are decoded: 65,536 x 65,536 pixels in tiles of 256.
MAX_TILES = 65_536
#: Values of one raster that are decoded: a Sentinel-1 RTC scene has 0.7 thousand million.
MAX_VALUES = 2**31

_RASTERS = (".tif", ".tiff", ".jp2")
_PRODUCT_FILES = (PRODUCT_METADATA, "manifest.safe")


@dataclass(frozen=True)
class Raster:
    """What a raster file is, once every tile of it has been decoded."""

    epsg: int
    cell_m: float
    height: int
    width: int
    bands: int
    kind: str
    """Type of the values, such as `uint16`."""
    tile_shape: tuple[int, int]
    """Rows and columns of an internal tile or strip."""
    present: float
    """Share of values that are finite and not the file's no-data value."""


@dataclass(frozen=True)
class Look:
    """What a file, or one item in it, offers."""

    path: Path
    name: str
    """Id of the item or product; name of the file where there is none."""
    found: Scene | Raster | None
    reason: str = ""
    """Why it is refused; empty where something was found."""


def looks_at(path: Path) -> Iterator[Look]:
    """Yield a look at each item, product and raster of a file or folder, in the order of their paths.

    Folders are searched to the bottom, but a product's folder is one product and links are not followed.
    Nothing but local files is opened, and no address in them. Never raises for what a file holds.
    """
    if path.is_dir():
        yield from _folder(path)
    else:
        yield from _file(path)


def _folder(folder: Path) -> Iterator[Look]:
    for number, path in enumerate(_worth_a_look(folder)):
        if number == MAX_FILES:
            yield Look(folder, folder.name, None, f"more than {MAX_FILES} files: the rest is not looked at")
            return
        yield from _file(path)


def _worth_a_look(folder: Path) -> Iterator[Path]:
    for parent, below, names in os.walk(folder):
        if PRODUCT_METADATA in names:
            below.clear()
            yield Path(parent, PRODUCT_METADATA)
            continue
        below.sort()
        paths = (Path(parent, name) for name in sorted(names))
        yield from (path for path in paths if path.suffix.lower() in (".json", ".geojson", *_RASTERS))


def _file(path: Path) -> Iterator[Look]:
    if path.name in _PRODUCT_FILES:
        yield _decided(path, path.parent.name, offer_from_safe(path.parent))
    elif path.suffix.lower() in (".json", ".geojson"):
        yield from _document(path)
    else:
        yield _raster(path)


# --- STAC


def _document(path: Path) -> Iterator[Look]:
    try:
        content = read_document(str(path))
    except CatalogueError as error:
        yield Look(path, path.name, None, str(error).rpartition(f"{path}: ")[2])
        return
    items = content.get("features") if isinstance(content, dict) else None
    if not isinstance(items, list):
        yield _item(path, content)
        return
    if not items:
        yield Look(path, path.name, None, "a collection of no items")
    for item in items:
        yield _item(path, item)


def _item(path: Path, item: Any) -> Look:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind in ("Catalog", "Collection"):
        return Look(path, path.name, None, f"a STAC {kind}: items are looked at one by one")
    source = source_of({}, item) if isinstance(item, dict) else ""
    return _decided(path, path.name, offer_from_item(item, _place(path, item), source))


def _decided(path: Path, name: str, decided: Any) -> Look:
    if isinstance(decided, Rejected):
        return Look(path, decided.item_id or name, None, decided.reason)
    return Look(path, decided.scene.id, decided.scene)


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


def _raster(path: Path) -> Look:
    try:
        with gdal_environment(), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said in the reason instead
            return Look(path, path.name, _facts(path))
    except (PixelReadError, AddressRefusedError) as error:
        return Look(path, path.name, None, _without_path(without_secrets(str(error)), path))


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


def _facts(path: Path) -> Raster:
    driver = Driver.JPEG_2000 if path.suffix.lower() == ".jp2" else Driver.GEOTIFF
    with open_raster(str(path), driver) as dataset:
        _refuse_ungeocoded(dataset)
        grid = grid_of(dataset)
        if not grid.epsg:
            raise PixelReadError("its coordinate reference system has no EPSG code")
        rows, columns = dataset.block_shapes[0]
        return Raster(
            epsg=grid.epsg,
            cell_m=grid.cell_m,
            height=grid.height,
            width=grid.width,
            bands=dataset.count,
            kind=str(dataset.dtypes[0]),
            tile_shape=(int(rows), int(columns)),
            present=_present(dataset),
        )


def _refuse_ungeocoded(dataset: Any) -> None:
    points = len(dataset.gcps[0])
    if dataset.crs is None and points:
        raise PixelReadError(f"{points} ground control points in place of a grid: not terrain-corrected")


def _present(dataset: Any) -> float:
    """Return the share of values present, every tile decoded once; PixelReadError where one cannot be."""
    n_values = dataset.width * dataset.height * dataset.count
    n_tiles = math.prod(
        -(-side // tile) for side, tile in zip(dataset.shape, dataset.block_shapes[0], strict=True)
    )
    if n_values > MAX_VALUES or n_tiles > MAX_TILES:
        limits = f"at most {MAX_VALUES} in {MAX_TILES} are decoded"
        raise PixelReadError(f"{n_values} values in {n_tiles} tiles: {limits}")
    n_present = sum(
        _n_present(dataset.read(band, window=window), dataset.nodatavals[band - 1])
        for band in dataset.indexes
        for _, window in dataset.block_windows(band)
    )
    return float(n_present / n_values)


def _n_present(values: NDArray[Any], nodata: float | None) -> int:
    present = np.isfinite(values)
    if nodata is not None and math.isfinite(nodata):
        present &= values != nodata
    return int(present.sum())
