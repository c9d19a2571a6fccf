"""Products: a folder of SAFE products, as they are downloaded, in place of a catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flows.sources.catalogues.static import StaticItems, in_time_order
from flows.sources.scenes.items import Offer, Rejected
from flows.sources.scenes.offsets import CORRECTED, OffsetRule
from monitoring.errors import CatalogueError

#: How the folder of a product ends.
SUFFIX = ".SAFE"
#: Levels of folders below the named one that products may lie in.
MAX_DEPTH = 4
#: Folders that are looked into.
MAX_FOLDERS = 100_000


def read_products(folder: Path, source: str, offset_rule: OffsetRule = CORRECTED) -> StaticItems:
    """Return what the products below a folder offer; CatalogueError when there is no product."""
    from flows.sources.scenes.safe_product import offer_from_safe

    found = list(products_below(folder.resolve()))
    if not found:
        raise CatalogueError(
            f"catalogue {folder}: no catalog.json or collection.json in the folder, and no *{SUFFIX} product "
            f"at most {MAX_DEPTH} levels below it"
        )
    decided: list[Offer | Rejected] = [
        _linked(path) if path.is_symlink() else offer_from_safe(path, source, offset_rule=offset_rule)
        for path in found
    ]
    return in_time_order(decided, None)


def _linked(path: Path) -> Rejected:
    return Rejected(path.name, "", "a link: products are read from the catalogue's own folder")


def products_below(folder: Path) -> Iterator[Path]:
    """Yield the product folders at most four levels below a folder, or the folder itself, in name order.

    Links are yielded but not followed; nothing inside a product is looked at. CatalogueError where there are
    too many folders.
    """
    if folder.name.endswith(SUFFIX):
        yield folder
        return
    level, looked_at = [folder], 0
    for _ in range(MAX_DEPTH):
        looked_at += len(level)
        if looked_at > MAX_FOLDERS:
            raise CatalogueError(f"catalogue {folder}: more than {MAX_FOLDERS} folders below it")
        below = [path for parent in level for path in _folders(parent)]
        yield from (path for path in below if path.name.endswith(SUFFIX))
        level = [path for path in below if not path.name.endswith(SUFFIX) and not path.is_symlink()]


def _folders(parent: Path) -> list[Path]:
    """Return the folders in a folder, in name order; none of one that may not be read."""
    try:
        with os.scandir(parent) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except OSError:
        return []
