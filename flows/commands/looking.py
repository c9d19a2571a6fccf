"""Commands that look: trends, reports, boundaries, the state of the service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import session_of
from flows.tables import Format, Row, show
from monitoring.errors import WarehouseError

if TYPE_CHECKING:
    from flows.operating.rooms import House
    from monitoring.woodlands import Woodland
    from warehouse.reader import Record

woodlands = typer.Typer(help="Boundary files.", no_args_is_help=True)

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
ParkOption = Annotated[str, typer.Option(help="One park only.")]

TRENDS = (
    "woodland_id", "woodland", "park", "status", "season", "n", "slope", "slope_low", "slope_high", "p", "q",
    "decline_fraction", "decline_probability", "tested_slope", "tested_se", "degrees_of_freedom", "memory",
    "p_mann_kendall", "minimum_detectable_slope", "look", "q_allowed", "reason",
)  # fmt: skip
#: What fits on a terminal; JSON and CSV hold every column.
TRENDS_BRIEF = (
    "woodland_id", "woodland", "status", "n", "slope", "slope_low", "slope_high", "q", "decline_probability",
)  # fmt: skip
SEASONS_BRIEF = (
    "season", "status", "estimates", "final", "frozen", "missing", "unread", "quarantined",
)  # fmt: skip
UNREAD_BRIEF = ("season", "scene_id", "band", "state", "error")
#: Rows of a section that `status` shows as a table.
MOST_ROWS = 20


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(trends)
    app.command()(report)
    app.command()(status)
    woodlands.command("check")(woodlands_check)
    app.add_typer(woodlands, name="woodlands")


def find_woodland(asked: str, known: tuple[Woodland, ...]) -> str:
    """Return the id of the woodland with that id, or with that name when only one has it."""
    if any(woodland.id == asked for woodland in known):
        return asked
    named = [woodland.id for woodland in known if woodland.name.casefold() == asked.casefold()]
    if len(named) == 1:
        return named[0]
    trouble = (
        f"{len(named)} woodlands have that name: {', '.join(named)}" if named else "not in the warehouse"
    )
    raise WarehouseError(f"woodland {asked!r}: {trouble}")


def trends(context: typer.Context, park: ParkOption = "", form: FormatOption = Format.TABLE) -> None:
    """Show the trend of every woodland in the latest assessment."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        rows = reader.trends(park=park or None)
    show(_columns(rows, TRENDS), form, empty="no season has been assessed yet", brief=TRENDS_BRIEF)


def report(
    context: typer.Context,
    season: Annotated[str, typer.Option(help="The latest assessed season, such as 2025-Q4.")],
    out: Annotated[Path, typer.Option(help="PDF to write.")],
    park: ParkOption = "",
    at: Annotated[datetime | None, typer.Option(help="Date to print (UTC); fixes the bytes.")] = None,
) -> None:
    """Write the report of a season as an accessible PDF."""
    from flows.reporting import record_report, write_season_report

    workspace, now = session_of(context).open(), datetime.now(UTC)
    moment = (at.replace(tzinfo=UTC) if at else now).replace(microsecond=0)  # Typst's finest
    told = write_season_report(workspace, season, park, out, moment)
    typer.echo(f"report in {told.path}")
    trouble = record_report(workspace, told, now)
    if trouble:
        typer.echo(f"underwood: report {out}: {trouble}", err=True)


def woodlands_check(
    file: Annotated[Path, typer.Argument(help="GeoPackage, GeoJSON, shapefile or GeoParquet.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what the service makes of a boundary file, one row per polygon; exit 1 when any is refused."""
    from flows.sources.boundaries.woodlands import read_woodlands

    reading = read_woodlands(file)
    rows: list[Row] = [
        {
            "id": woodland.id,
            "name": woodland.name,
            "status": woodland.status.value,
            "parts": len(getattr(woodland.geometry, "geoms", [0])),
            "area_ha": round(woodland.area_ha, 4),
            "outcome": f"repaired: {woodland.repaired}" if woodland.repaired else "fine",
        }
        for woodland in reading.woodlands
    ]
    blank = {"id": "", "status": "", "parts": None, "area_ha": None}
    rows += [
        {
            **blank,
            "name": refused.name,
            "outcome": f"refused: feature {refused.feature_number}: {refused.reason}",
        }
        for refused in reading.refused
    ]
    show(rows, form, empty=f"{file}: no feature")
    if reading.refused:
        raise typer.Exit(1)


def status(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Show each season: its run, what is missing, not final, not read or in quarantine.

    Exit 1 when something is in quarantine or could not be read. CSV holds what is held back, with its reason.
    """
    from flows.operating.rooms import house_of
    from flows.operating.standing import standing_of
    from warehouse.reader import read

    workspace = session_of(context).open()
    with read(workspace.published) as reader:
        found = standing_of(reader)
    house = house_of(workspace)
    if form is Format.TABLE:
        show(found.seasons, form, empty="no season has been run yet", brief=SEASONS_BRIEF)
        _section("not final", found.not_final, empty="every season is final")
        _section("not read", found.unread, empty="every asset was read", brief=UNREAD_BRIEF)
        _section("in quarantine", found.quarantine, empty="nothing is in quarantine")
        _kept(house, found.seasons)
    else:
        show(found.held_back if form is Format.CSV else [{**found.as_row, "kept": house.as_row}], form)
    if found.quarantine or found.unread:
        raise typer.Exit(1)


def _kept(house: House, seasons: Sequence[Row]) -> None:
    """Write what lies on disk, and when it was refreshed."""
    from flows.operating.rooms import in_words

    rooms = [room for room in house.rooms if room.files]
    _section(
        "kept",
        [{"room": room.room, "size": in_words(room.bytes), "holds": room.holds} for room in rooms],
        empty="nothing is kept yet",
    )
    ended = [row["finished_at"] for row in seasons if row["finished_at"]]
    last = f"{max(ended):%Y-%m-%d %H:%M} UTC" if ended else "never"
    typer.echo(f"\nlast refreshed: {last}; scheduled, where it is deployed: {house.schedule}")


def _section(title: str, rows: Sequence[Row], *, empty: str, brief: Sequence[str] = ()) -> None:
    """Write a table under a title; where it is long, its beginning."""
    typer.echo(f"\n{title if rows else empty}")
    if rows:
        show(rows[:MOST_ROWS], Format.TABLE, brief=brief)
    if len(rows) > MOST_ROWS:
        typer.echo(f"and {len(rows) - MOST_ROWS} more, which --format json shows")


def _columns(rows: tuple[Record, ...], names: tuple[str, ...]) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows]
