"""Command that looks at scenes before they are read: items, products and rasters, each with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.looking import FormatOption
from flows.sources.addresses import shown
from flows.tables import Format, Row, show
from monitoring.scenes import Scene

if TYPE_CHECKING:
    from flows.sources.scenes.examinations import Examined
    from flows.sources.scenes.raster_facts import Raster

scenes = typer.Typer(help="Scenes: items, products and rasters.", no_args_is_help=True)

#: What fits on a terminal; JSON and CSV hold every column.
BRIEF = ("outcome", "id", "said")
#: Every column, in the order people ask for them; a row has all of them.
COLUMNS = (
    "outcome", "id", "sensor", "platform", "acquired_at", "tile", "relative_orbit", "baseline", "offset_dn",
    "offset_rule", "n_bands", "reason", "said", "path", "collection", "source", "acquisition", "epsg", "bbox",
    "cloud_fraction", "assets", "checksums", "shape", "cell_m", "kind", "tile_shape", "present",
)  # fmt: skip
_OF_SCENE = (
    "platform", "acquired_at", "tile", "relative_orbit", "baseline", "offset_dn", "offset_rule", "collection",
    "source", "acquisition", "epsg", "bbox", "cloud_fraction",
)  # fmt: skip


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    scenes.command("check")(scenes_check)
    app.add_typer(scenes, name="scenes")


@scenes.callback()
def _group() -> None:
    """Look at scenes before they are read."""


def scenes_check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            exists=True,
            readable=True,
            help="STAC item, item collection or API page; SAFE product; GeoTIFF, JPEG 2000; folder of those.",
        ),
    ],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what each item, product or raster offers, or why it is refused; exit 1 when any is refused.

    Everything is decided as it would be for a season: sensor, acquisition, tile, orbit, baseline, and what is
    subtracted from the digital numbers, with the evidence. Every tile of a raster is decoded once. No
    settings file is needed, and nothing is fetched.
    """
    from flows.sources.scenes.examinations import examine

    rows = [_row(examined) for path in paths for examined in examine(path)]
    show(rows, form, empty="no item, product or raster", brief=BRIEF)
    if any(row["outcome"] == "refused" for row in rows):
        raise typer.Exit(1)


def _row(examined: Examined) -> Row:
    if isinstance(examined.found, Scene):
        outcome, found = "scene", _scene(examined.found)
    elif examined.found is not None:
        outcome, found = "raster", _raster(examined.found)
    else:
        outcome, found = "refused", {}
    always = {"outcome": outcome, "id": examined.name, "reason": examined.reason, "said": examined.reason}
    return dict.fromkeys(COLUMNS) | always | {"path": str(examined.path)} | found


def _scene(scene: Scene) -> dict[str, Any]:
    columns = {name: getattr(scene, name) for name in _OF_SCENE}
    where = f"T{scene.tile}" if scene.tile else scene.sensor.value
    moment = f"{scene.acquired_at:%Y-%m-%d %H:%M:%S}"
    return columns | {
        "said": f"{scene.platform} {moment} {where} R{scene.relative_orbit:03d}, "
        f"subtract {scene.offset_dn}: {scene.offset_rule}",
        "sensor": scene.sensor.value,
        "n_bands": len(scene.sensor.bands),
        "relative_orbit": scene.relative_orbit or None,
        "bbox": list(scene.bbox),
        "assets": {band: shown(href) for band, href in scene.hrefs},
        "checksums": dict(scene.checksums),
    }


def _raster(raster: Raster) -> dict[str, Any]:
    size = f"{raster.width} x {raster.height} cells of {raster.cell_m:g} m"
    tiles = " x ".join(map(str, raster.tile_shape[::-1]))
    return {
        "said": f"EPSG:{raster.epsg}, {size}, {raster.bands} of {raster.kind}, tiles of {tiles}, "
        f"{raster.present:.0%} present",
        "n_bands": raster.bands,
        "epsg": raster.epsg,
        "shape": [raster.height, raster.width],
        "cell_m": raster.cell_m,
        "kind": raster.kind,
        "tile_shape": list(raster.tile_shape),
        "present": raster.present,
    }
