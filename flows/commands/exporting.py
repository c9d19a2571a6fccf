"""The command that hands the histories out as GeoParquet."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.session import session_of
from flows.progress import progress_bars
from flows.tables import Format, show
from monitoring.errors import SettingsError

#: What fits on a terminal; JSON and CSV hold every column.
EXPORT_BRIEF = ("view", "path", "rows", "bytes")


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(export)


def export(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="Folder, or s3://, memory:// or other fsspec address.")],
    views: Annotated[
        list[str] | None, typer.Option("--views", help="A view to hand out, or several with commas [all].")
    ] = None,
    keep: Annotated[int, typer.Option(help="Versions that stay at the address, the new one among them.")] = 2,
    form: Annotated[Format, typer.Option("--format", help="How rows come out.")] = Format.TABLE,
) -> None:
    """Write the published histories as partitioned GeoParquet, with a manifest and a STAC item."""
    if keep < 1:
        raise SettingsError(f"--keep {keep}: at least 1")
    published = session_of(context).open().published
    from flows.sinks.parquet import export_snapshot
    from flows.sinks.places import open_place

    names = [name.strip() for each in views or () for name in each.split(",") if name.strip()]
    with progress_bars():
        done = export_snapshot(published, open_place(address), names, keep=keep)
    show(done.files, form, empty="no view was written", brief=EXPORT_BRIEF)
    said = "written" if done.is_new else "lay there already"
    gone = f"; removed {', '.join(done.removed)}" if done.removed else ""
    typer.echo(f"version {done.version} {said} at {done.address}{gone}", err=True)
