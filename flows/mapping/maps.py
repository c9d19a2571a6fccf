"""Maps: what the head says of every 10 m cell of a woodland or park in a season, as cloud-optimised GeoTIFFs.

One folder: `mean.tif` and `sd.tif` (float32, target's unit, NaN where nothing is known), `mean-colours.tif`
(bytes with a colour table, to be looked at), `applicability.tif` (1 inside, 0 outside, 255 nothing known),
`preview.png` and `item.json`, a STAC item. Cells outside woodland hold nothing. What lies in two UTM zones
becomes a folder `epsg-<code>` for each, with the same colours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from flows.mapping.item import PREVIEW, MapTitle, item_text
from flows.mapping.layers import Colours, Piece, cog, colours_of, frame_of, gathered, layers, preview
from monitoring.errors import WarehouseError
from warehouse.drafts import draft_of, put_in_place, settle

#: Cells of the largest box that is drawn, 200 km x 200 km: woodlands further apart are not one map.
MAX_CELLS = 20_000**2
ITEM = "item.json"
#: What a folder of maps holds; viewers leave statistics beside a raster.
_OF_A_MAP = re.compile(
    rf"(mean|sd|mean-colours|applicability)\.tif(\.aux\.xml)?|{re.escape(PREVIEW)}|{re.escape(ITEM)}"
)
_ZONE = re.compile(r"epsg-\d{5}")


def write_maps(pieces: Sequence[Piece], title: MapTitle, folder: Path, *, force: bool = False) -> list[Path]:
    """Write the maps of all pieces, whole or not at all; return one folder per UTM zone.

    WarehouseError where nothing was estimated, where the woodlands lie too far apart, or where something is
    at `folder` already: with `force` an earlier map is replaced, nothing else.
    """
    folder = folder.absolute()
    refuse_present(folder, force=force)
    if not any(piece.known.any() for piece in pieces):
        raise WarehouseError(f"map of {title}: no cell has an estimate")
    by_zone = groupby(sorted(pieces, key=_zone), key=_zone)
    zones = {f"epsg-{epsg}": gathered(list(members)) for epsg, members in by_zone}
    colours = colours_of(list(zones.values()))
    made = {name: map_files(piece, colours, title) for name, piece in zones.items()}
    if len(made) == 1:
        _write_folder(next(iter(made.values())), folder, force=force)
        return [folder]
    together = {f"{zone}/{name}": content for zone in made for name, content in made[zone].items()}
    _write_folder(together, folder, force=force)
    return [folder / zone for zone in made]


def _zone(piece: Piece) -> int:
    return piece.cells.epsg


def map_files(piece: Piece, colours: Colours, title: MapTitle) -> dict[str, bytes]:
    """Return the files of a map of one UTM zone, by name; the same map gives the same bytes."""
    frame = frame_of(piece.cells)
    if frame.width * frame.height > MAX_CELLS:
        raise WarehouseError(
            f"map of {title}: its box has {frame.width} x {frame.height} cells of 10 m, at most "
            f"{MAX_CELLS:,} are drawn; map its woodlands one by one"
        )
    target = title.target.name
    files = {
        f"{each.name}.tif": cog(each, piece.cells, frame, f"{target} {each.name}")
        for each in layers(piece, colours)
    }
    item = item_text(piece, frame, colours, title).encode()
    return {**files, PREVIEW: preview(piece, frame, colours), ITEM: item}


def refuse_present(folder: Path, *, force: bool) -> None:
    """Raise WarehouseError where something is at `folder` that may not be replaced."""
    if not os.path.lexists(folder):
        return
    if not force:
        raise WarehouseError(f"map {folder}: is there already; --force replaces an earlier map")
    try:
        foreign = next(_foreign(folder), None)
    except OSError as error:
        raise WarehouseError(f"map {folder}: cannot be read: {error.strerror}") from error
    if foreign:
        raise WarehouseError(f"map {folder}: {foreign.name} is not of an earlier map, so it is not replaced")


def _foreign(folder: Path) -> Iterator[Path]:
    """Yield whatever makes a path something else than a folder of maps, or of zones with maps."""
    if folder.is_symlink() or not folder.is_dir():
        yield folder
        return
    found = sorted(folder.iterdir())
    files = [each for each in found if not _ZONE.fullmatch(each.name)]
    for zone in found:
        if zone not in files:
            yield from _foreign(zone)
    yield from (each for each in files if not (_OF_A_MAP.fullmatch(each.name) and each.is_file()))
    if files and not _is_map_item(folder / ITEM):
        yield folder


def _is_map_item(path: Path) -> bool:
    try:
        return "underwood:target" in json.loads(path.read_bytes())["properties"]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _write_folder(files: Mapping[str, bytes], folder: Path, *, force: bool) -> None:
    """Write files beside a folder, then give them its name; an earlier folder goes once they are there."""
    draft = draft_of(folder)
    try:
        for name, content in files.items():
            part = draft / f"{name}.part"
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            settle(part, draft / name)
        refuse_present(folder, force=force)
        put_in_place(draft, folder)
    except OSError as error:
        raise WarehouseError(f"map {folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
