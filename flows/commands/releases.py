"""Commands for revisions of the boundaries: releases of the inventory, and the lineage of a woodland."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import Session, session_of
from flows.tables import Format, Row, show
from monitoring.errors import BoundaryError, WarehouseError

if TYPE_CHECKING:
    from flows.releases.revision import Revision
    from warehouse.reader import Reader

releases = typer.Typer(help="Releases of the woodland inventory.", no_args_is_help=True)

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]

#: What of a change fits on a terminal.
CHANGE_BRIEF = ("kind", "old_id", "new_id", "name", "shared_ha", "share_of_old", "share_of_new", "note")
#: Changes that a table shows; JSON and CSV hold every one.
MOST_CHANGES = 40


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    releases.command("load")(load)
    releases.command("list")(list_releases)
    app.add_typer(releases, name="releases")
    app.command()(lineage)


def load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="GeoPackage, GeoJSON, shapefile or GeoParquet.")],
    name: Annotated[str, typer.Option(help="Name of the release, such as 2027.")],
    valid_from: Annotated[str, typer.Option(help="First day it holds for, YYYY-MM-DD.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Match and show; record nothing.")] = False,
    most_may_go: Annotated[
        bool, typer.Option("--most-may-go", help="Record it even if it leaves less than half the woodlands.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Load a boundary file as the next release, matched with the woodlands on record."""
    from flows.releases.loading import load_release, try_release

    session, day = session_of(context), _day(valid_from)
    workspace = session.open()
    warehouse, published = workspace.warehouse, workspace.published
    if dry_run:
        tried = try_release(
            file, name, day, warehouse=warehouse, published=published, most_may_go=most_may_go
        )
        _show_revision(tried, name, form)
        typer.echo("nothing was recorded (--dry-run)", err=True)
        return
    from flows.load import LEASE_WAIT_S, refuse_lost_warehouse

    refuse_lost_warehouse(warehouse, published)
    loaded = load_release(
        file, name, day, warehouse=warehouse, published=published, now=datetime.now(UTC),
        wait_s=LEASE_WAIT_S, most_may_go=most_may_go,
    )  # fmt: skip
    _show_revision(loaded.revision if loaded else None, name, form)
    for line in _next_steps(session, file, loaded.seasons if loaded else ()):
        typer.echo(line, err=True)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise BoundaryError(f"--valid-from {text!r}: a day is written YYYY-MM-DD") from error


def _show_revision(revision: Revision | None, name: str, form: Format) -> None:
    """Write what a release changes: a count of each kind and the changes, or as rows the changes alone."""
    changes = [dataclasses.asdict(change) for change in revision.changes] if revision else []
    if form is not Format.TABLE:
        show(changes, form)
    elif revision is None:
        typer.echo(f"release {name} is on record already: nothing was added")
    else:
        show(_counts(revision), form)
        typer.echo("")
        show(changes[:MOST_CHANGES], form, empty="every woodland is as it was", brief=CHANGE_BRIEF)
        if len(changes) > MOST_CHANGES:
            typer.echo(f"and {len(changes) - MOST_CHANGES} more, which --format csv shows")


def _counts(revision: Revision) -> list[Row]:
    from monitoring.boundaries.matching import Kind

    counts = [(kind.value, *revision.count(kind)) for kind in Kind]
    regraded = sum(
        bool(change.status_before and change.status_after and change.status_before != change.status_after)
        for change in revision.changes
        if change.kind in (Kind.KEPT, Kind.MOVED)
    )
    return [
        *({"woodlands": kind, "before": before, "after": after} for kind, before, after in counts),
        {"woodlands": "of another status", "before": regraded, "after": regraded},
        {"woodlands": "refused features", "before": None, "after": revision.release.n_refused},
    ]


def _next_steps(session: Session, file: Path, seasons: Iterable[str]) -> list[str]:
    """Return the lines that say how the record goes on from here."""
    run, *first_and_last = f"underwood --config {shlex.quote(str(session.config_file))}", *sorted(seasons)
    lines = []
    if session.open().settings.woodlands != file.resolve():
        lines.append(f'next: in {session.config_file} set woodlands = "{file.resolve()}"')
    if first_and_last:
        only = " --final-only" if all(season.endswith("Q4") for season in first_and_last) else ""
        lines.append(f"then: {run} backfill --from {first_and_last[0]} --to {first_and_last[-1]}{only}")
    return lines


def list_releases(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Show the releases of the inventory in the order they were loaded."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        rows = reader.releases()
    show(rows, form, empty="no release has been loaded yet")


def lineage(
    context: typer.Context,
    woodland: Annotated[str, typer.Argument(help="Id that a woodland has or ever had.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what became of a woodland, and what it comes from."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        versions = _versions(reader, woodland)
        present, lines = reader.successors(woodland), reader.lineage(woodland)
    if form is Format.JSON:
        show([{"id": woodland, "present": list(present), "versions": versions, "lineage": list(lines)}], form)
    elif form is Format.CSV:
        show(lines, form)
    else:
        typer.echo(f"versions of {woodland}")
        show(versions, form)
        typer.echo("\nstands today as")
        show(present, form, empty="nothing: no woodland stands on its ground")
        typer.echo("\nlineage")
        show(lines, form, empty="no release has changed it")


def _versions(reader: Reader, woodland_id: str) -> list[Row]:
    wanted = (
        "version", "release", "source_id", "name", "park", "status", "area_ha", "boundary", "valid_from",
        "valid_to", "is_present", "ended_by",
    )  # fmt: skip
    rows: list[Row] = list(reader.tables.woodland_history(woodland_id).select(*wanted).rows)
    if not rows:
        raise WarehouseError(f"woodland {woodland_id!r}: no woodland ever had that id")
    return rows
