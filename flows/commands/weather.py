"""Commands about weather: weather."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import session_of
from flows.progress import progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import WeatherError
from monitoring.weather.years import WeatherYears
from monitoring.woodlands import Woodland

if TYPE_CHECKING:
    from flows.sources.weather.reading import Point

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
#: What fits on a terminal; JSON and CSV hold every column.
BRIEF = ("woodland_id", "woodland", "year", "hot_days", "dry_days", "compound_days", "extreme")


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(weather)


def weather(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Daily weather: CSV, NetCDF, or a Zarr folder.")],
    woodland: Annotated[str, typer.Option(help="Id of one woodland.")] = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the hot, dry and compound days of every woodland and year."""
    from flows.sources.weather.reading import read_weather

    workspace = session_of(context).open()
    chosen = chosen_woodlands(workspace.woodlands, woodland)
    rule = workspace.science.weather
    with progress_bars():
        reading = read_weather(file, points_of(chosen), rule)
    names = {each.id: each.name for each in chosen}
    rows = [row for years in reading.years for row in rows_of(years, names, rule.extreme_days)]
    show(
        rows, form, empty=f"{file}: no whole year from {reading.first_day} to {reading.last_day}", brief=BRIEF
    )
    if reading.assumed:
        typer.echo(f"underwood: not in {file}, so assumed: {'; '.join(reading.assumed)}", err=True)


def chosen_woodlands(known: Sequence[Woodland], asked: str) -> list[Woodland]:
    """Return the woodland with that id, or all where none is asked for; WeatherError for an unknown id."""
    chosen = [each for each in known if not asked or each.id == asked]
    if not chosen:
        raise WeatherError(f"woodland {asked!r}: not among the {len(known)} woodlands of the boundary file")
    return chosen


def points_of(woodlands: Sequence[Woodland]) -> dict[str, Point]:
    """Return a point within each woodland, longitude and latitude."""
    points = {each.id: each.geometry.representative_point() for each in woodlands}
    return {name: (point.x, point.y) for name, point in points.items()}


def rows_of(years: WeatherYears, names: dict[str, str], extreme_days: int) -> Iterator[Row]:
    """Yield one row for each year of a woodland."""
    counts = (years.years, years.hot_days, years.dry_days, years.compound_days)
    for year, hot, dry, compound in zip(*(each.tolist() for each in counts), strict=True):
        yield {
            "woodland_id": years.woodland_id,
            "woodland": names[years.woodland_id],
            "year": year,
            "hot_days": hot,
            "dry_days": dry,
            "compound_days": compound,
            "extreme": "yes" if compound >= extreme_days else "no",
            "place": years.place,
        }
