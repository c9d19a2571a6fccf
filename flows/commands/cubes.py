"""Commands on the pixel cube: what it holds, and a woodland's part of it for other tools."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from flows.commands.looking import FormatOption, find_woodland
from flows.commands.session import session_of
from flows.cubes.exporting import Kind, export
from flows.tables import Format, Row, show
from monitoring.errors import WarehouseError
from monitoring.scenes import Sensor

if TYPE_CHECKING:
    from flows.workspace import Workspace
    from monitoring.grid import Block
    from warehouse.cube import Cube
    from warehouse.cube.cutout import Cutout

cube = typer.Typer(help="The pixel cube: every observation of every woodland pixel.", no_args_is_help=True)

#: What fits on a terminal; JSON and CSV hold every column.
INFO_BRIEF = ("block", "sensor", "scenes", "first", "last", "pixels", "lacking")
#: Earlier and later than any scene.
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    cube.command("info")(info)
    cube.command("export")(export_woodland)
    app.add_typer(cube, name="cube")


def info(
    context: typer.Context,
    block: Annotated[str, typer.Argument(help="Id of one block; all blocks that have a cube without.")] = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what the cube holds of each block and sensor, and how many scenes lack some of the pixels."""
    from warehouse.cube import find_cube

    workspace = session_of(context).open()
    if block and block not in workspace.blocks:
        raise WarehouseError(
            f"block {block!r}: not among the {len(workspace.blocks)} blocks of the woodlands"
        )
    blocks = [workspace.blocks[block]] if block else list(workspace.blocks.values())
    found = [held for each in blocks if (held := find_cube(workspace.cube, each))]
    rows = [row for held in found for row in cube_rows(held)]
    show(rows, form, empty="no observation is held yet", brief=INFO_BRIEF)
    if rows and form is Format.TABLE:
        n_bytes = sum(row["cube_bytes"] for row in rows if row["sensor"] == Sensor.S2)
        typer.echo(f"\n{len(found)} of {len(blocks)} blocks have a cube: {n_bytes / 2**20:.1f} MiB on disk")


def cube_rows(held: Cube) -> list[Row]:
    """Return one row per sensor of a block's cube; `cube_bytes` is all that its folder takes, on each row."""
    n_bytes = sum(path.stat().st_size for path in held.path.rglob("*") if path.is_file())
    scenes = held.held()
    return [
        {
            "block": held.block.id,
            "sensor": sensor.value,
            "scenes": len(of_sensor),
            "first": of_sensor[0].acquired_at.date() if of_sensor else None,
            "last": of_sensor[-1].acquired_at.date() if of_sensor else None,
            "pixels": len(held.block.pixels),
            "lacking": len(of_sensor) - len(held.scene_ids(sensor)),
            "source": ", ".join(sorted({scene.source for scene in of_sensor})),
            "platforms": ", ".join(sorted({scene.platform for scene in of_sensor})),
            "cube_bytes": n_bytes,
        }
        for sensor in Sensor
        for of_sensor in [[scene for scene in scenes if scene.sensor is sensor]]
    ]


def export_woodland(
    context: typer.Context,
    woodland: Annotated[str, typer.Option(help="Id or name of a woodland.")],
    kind: Annotated[Kind, typer.Option("--as", help="A file, a folder, or a folder of one file per scene.")],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
    start: Annotated[datetime | None, typer.Option("--from", help="First day (UTC).")] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="Day after the last (UTC).")] = None,
    sensor: Annotated[Sensor, typer.Option(help="Stream of observations.")] = Sensor.S2,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write a woodland's own pixels as a small (time, y, x) cube with coordinates and provenance."""
    from warehouse.cube.cutout import Cutout

    workspace = session_of(context).open()
    woodland_id = find_woodland(woodland, workspace.woodlands)
    held = cube_of(workspace, block_of(workspace, woodland_id))
    window = (start.replace(tzinfo=UTC) if start else FIRST, end.replace(tzinfo=UTC) if end else LAST)
    cutout = Cutout(held, sensor, woodland_id, *window)
    n_scenes = export(cutout, kind, out, force=force)
    typer.echo(f"{n_scenes} {sensor.value} scenes of woodland {woodland_id} in {out}")
    if n_unfinished := count_unfinished(cutout):
        note = "not yet read for all of the woodland's pixels, which are missing there"
        typer.echo(f"warning: {n_unfinished} of the scenes are {note}", err=True)


def count_unfinished(cutout: Cutout) -> int:
    """Return how many scenes of a cut-out were never read for some of its pixels."""
    ids = {str(scene_id) for scene_id in cutout.provenance["scene_id"]}
    lacking = cutout.cube.lacking(scene for scene in cutout.cube.held() if scene.id in ids)
    return sum(bool(np.isin(cutout.positions, places).any()) for places in lacking.values())


def block_of(workspace: Workspace, woodland_id: str) -> Block:
    """Return the block that a woodland belongs to."""
    return next(block for block in workspace.blocks.values() if woodland_id in block.woodland_ids)


def cube_of(workspace: Workspace, block: Block) -> Cube:
    """Return a block's cube, for looking; WarehouseError where there is none."""
    from warehouse.cube import find_cube

    held = find_cube(workspace.cube, block)
    if held is None:
        raise WarehouseError(f"block {block.id}: no observation is held yet, so there is no cube")
    return held
