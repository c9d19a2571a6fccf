"""Commands about maps: map."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.session import session_of
from flows.progress import progress_bars
from monitoring.errors import SettingsError
from monitoring.seasons import Season


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("map")(write)


def write(
    context: typer.Context,
    season: Annotated[str, typer.Option(help="Season, such as 2025-Q4.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    woodland: Annotated[str | None, typer.Option(help="Id of one woodland.")] = None,
    park: Annotated[str | None, typer.Option(help="Name of a park.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier map.")] = False,
) -> None:
    """Write maps of a woodland or park in a season: mean, sd, applicability, as COGs with a STAC item."""
    if (woodland is None) == (park is None):
        raise SettingsError("map: name one of --woodland and --park")
    chosen = Season.parse(season)
    workspace = session_of(context).open()
    from flows.mapping.mapping import park_area, woodland_area, write_map

    area = park_area(workspace, park) if park is not None else woodland_area(workspace, woodland or "")
    with progress_bars():
        mapped = write_map(workspace, area, chosen, out, datetime.now(UTC), force=force)
    for problem in mapped.problems:
        typer.echo(problem, err=True)
    typer.echo("\n".join(str(folder) for folder in mapped.folders))
