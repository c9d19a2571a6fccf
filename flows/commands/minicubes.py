"""`underwood cube make`: a small cube around any point, from any catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.cubes import cube
from flows.commands.session import session_of
from flows.progress import progress_bars
from monitoring.errors import SettingsError, WarehouseError
from monitoring.scenes import S2_BANDS

if TYPE_CHECKING:
    from xarray import Dataset

    from flows.cubes.minicubes import MiniRequest
    from flows.settings import Settings

ALL_BANDS = ",".join(S2_BANDS)


def add_commands(app: typer.Typer) -> None:
    """Add `make` to the commands on cubes."""
    cube.command("make")(make)


def make(
    context: typer.Context,
    lat: Annotated[float, typer.Option(help="Latitude of the point, degrees.")],
    lon: Annotated[float, typer.Option(help="Longitude of the point, degrees.")],
    start: Annotated[datetime, typer.Option("--from", help="First day (UTC).")],
    end: Annotated[datetime, typer.Option("--to", help="Last day (UTC), included.")],
    out: Annotated[Path, typer.Option(help="NetCDF file to write.")],
    edge_size: Annotated[float, typer.Option(help="Edge of the square, in --units.")] = 64,
    resolution: Annotated[float, typer.Option(help="Edge of a cell, metres.")] = 10,
    units: Annotated[str, typer.Option(help="Unit of the edge: px, m or km.")] = "px",
    bands: Annotated[
        str, typer.Option(help="Bands of one sensor, such as B04,B08,SCL or VV,VH.")
    ] = ALL_BANDS,
    catalogue: Annotated[str, typer.Option(help="Name, address or path; else that of the settings.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
) -> None:
    """Write the scenes around a point on a square grid: digital numbers as delivered, nearest neighbour."""
    from flows.cubes.minicubes import MiniRequest, write_minicube
    from flows.settings import read_settings
    from monitoring.minicubes import minigrid

    if out.exists() and not force:
        raise WarehouseError(f"{out}: is there already; --force replaces it")
    grid = minigrid(lat, lon, edge_size, resolution, units)
    names = tuple(dict.fromkeys(name.strip() for name in bands.split(",") if name.strip()))
    if end < start:
        raise SettingsError(f"--from {start:%Y-%m-%d} --to {end:%Y-%m-%d}: the last day is before the first")
    request = MiniRequest(grid, names, _first(start), _last(end))
    made = _made(request, catalogue, None if catalogue else read_settings(session_of(context).config))
    write_minicube(made, out)
    shape = " x ".join(str(made.sizes[name]) for name in ("time", "band", "y", "x"))
    typer.echo(f"{shape} (time, band, y, x), EPSG:{grid.epsg}, bounds {grid.bounds}: {out}")


def _made(request: MiniRequest, catalogue: str, settings: Settings | None) -> Dataset:
    """Return the cube from a catalogue that was named, or from that of the settings with their keys."""
    from flows.cubes.minicubes import make_minicube
    from flows.sources.addresses import is_web
    from flows.sources.assets.ranges import Ranges, local_ranges
    from flows.sources.assets.transport import Transport
    from flows.sources.catalogues.catalogue import open_catalogue
    from flows.sources.catalogues.signing import Secrets, signer

    address, source = (settings.catalogue, settings.source) if settings else (catalogue, None)
    secrets, per_host = (settings.access.secrets, settings.requests_per_host) if settings else (Secrets(), 24)
    transport = Transport(per_host=per_host, sign=signer(secrets))

    def ranges_of(address: str) -> Ranges:
        return transport.at(address) if is_web(address) else local_ranges(address)

    with progress_bars():
        return make_minicube(open_catalogue(address, source, bands=request.bands), request, ranges_of)


def _first(day: datetime) -> datetime:
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)


def _last(day: datetime) -> datetime:
    """Return the end of the day."""
    try:
        return _first(day).replace(hour=23, minute=59, second=59, microsecond=999_999)
    except ValueError as error:
        raise SettingsError(f"--to {day}: {error}") from error
