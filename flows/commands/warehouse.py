"""Commands for whoever keeps the warehouse: check, backup, restore, vacuum, rebuild-serving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.looking import FormatOption
from flows.commands.session import session_of
from flows.operating.contacts import FILE_NAME
from flows.operating.rooms import in_words
from flows.progress import counting, progress_bars
from flows.tables import Format, show
from monitoring.errors import WarehouseError

if TYPE_CHECKING:
    from flows.workspace import Workspace
    from warehouse.operations.checks import Finding
    from warehouse.operations.vacuum import Removal

#: How long a command waits for another writer's lease, seconds.
LEASE_WAIT_S = 60.0

warehouse = typer.Typer(help="Keep the warehouse: check, back up, restore, make room.", no_args_is_help=True)

CubeOption = Annotated[bool, typer.Option("--with-cube", help="The pixel cube too; no ingest may run.")]
HeadsOption = Annotated[bool, typer.Option("--with-heads", help="The heads too; no training may run.")]
ContactsOption = Annotated[bool, typer.Option("--with-contacts", help="The people told of alerts too.")]


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    warehouse.command("check")(check)
    warehouse.command("backup")(backup)
    warehouse.command("restore")(restore)
    warehouse.command("vacuum")(vacuum)
    warehouse.command("rebuild-serving")(rebuild_serving)
    warehouse.command("publish")(publish)
    app.add_typer(warehouse, name="warehouse")


def check(
    context: typer.Context,
    live: Annotated[
        bool, typer.Option("--live", help="Look at the warehouse itself, under its lease; else its snapshot.")
    ] = False,
    max_behind_hours: Annotated[
        float, typer.Option(min=0, help="How much older than the warehouse the snapshot may be.")
    ] = 24.0,
    form: FormatOption = Format.TABLE,
) -> None:
    """Look at all that must hold, one line a check; exit 1 when one failed. Nothing is changed."""
    from warehouse.operations.checks import Outcome

    workspace, now = session_of(context).open(), datetime.now(UTC)
    with progress_bars():
        found = _findings(workspace, live, timedelta(hours=max_behind_hours), now)
    show([asdict(each) for each in found], form)
    if any(each.outcome is Outcome.FAILED for each in found):
        raise typer.Exit(1)


def _findings(workspace: Workspace, live: bool, most_behind: timedelta, now: datetime) -> list[Finding]:
    from warehouse.lease import lease
    from warehouse.operations.checks import check_file
    from warehouse.operations.surroundings import Places, check_lease, check_surroundings
    from warehouse.publish import lease_path

    held = check_lease(workspace.warehouse, now)
    if live:
        with lease(lease_path(workspace.warehouse), wait_s=LEASE_WAIT_S):
            found, loaded = check_file(workspace.warehouse, now=now, progress=counting("checks"))
    else:
        found, loaded = check_file(workspace.published, now=now, progress=counting("checks"))
    places = Places(workspace.warehouse, workspace.published, workspace.staging)
    return [*found, held, *check_surroundings(places, loaded=loaded, now=now, most_behind=most_behind)]


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    with_cube: CubeOption = False,
    with_heads: HeadsOption = False,
    with_contacts: ContactsOption = False,
) -> None:
    """Copy the warehouse, as of one moment, into a new folder with the checksum of every file."""
    from warehouse.operations.backup import back_up

    workspace = session_of(context).open()
    parts = _parts(workspace, with_cube, with_heads, with_contacts)
    missing = [name for name, place in parts.items() if not place.exists()]
    if missing:
        raise WarehouseError(f"backup: no {missing[0]} at {parts[missing[0]]}")
    with progress_bars():
        made = back_up(
            workspace.warehouse,
            folder.absolute(),
            parts=parts,
            now=datetime.now(UTC),
            wait_s=LEASE_WAIT_S,
            progress=counting("bytes copied"),
        )
    rows = sum(made.rows.values())
    typer.echo(f"backup in {folder}: {len(made.files)} files, {in_words(made.bytes)}, {rows:,} rows")


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")],
    force: Annotated[
        bool, typer.Option("--force", help="Where there is a warehouse, keep it aside and replace it.")
    ] = False,
    with_cube: CubeOption = False,
    with_heads: HeadsOption = False,
    with_contacts: ContactsOption = False,
) -> None:
    """Put a backup back and publish it, once every checksum agrees and the copy was read through."""
    from warehouse.operations.backup import restore as put_back
    from warehouse.writer import open_writer

    workspace, now = session_of(context).open(), datetime.now(UTC)
    with progress_bars():
        done = put_back(
            folder.absolute(),
            workspace.warehouse,
            parts=_parts(workspace, with_cube, with_heads, with_contacts),
            now=now,
            force=force,
            wait_s=LEASE_WAIT_S,
            progress=counting("bytes verified"),
        )
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        writer.publish(workspace.published)
    typer.echo(f"restored the backup of {done.manifest.made_at} UTC, and published it")
    for path in done.replaced:
        typer.echo(f"what was there lies in {path}")


def _parts(workspace: Workspace, cube: bool, heads: bool, contacts: bool) -> dict[str, Path]:
    chosen = (
        (cube, "cube", workspace.cube),
        (heads, "heads", workspace.heads),
        (contacts, FILE_NAME, workspace.settings.home / FILE_NAME),
    )
    return {name: place for is_wanted, name, place in chosen if is_wanted}


def vacuum(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    staging_days: Annotated[
        float, typer.Option(min=0, help="Keep what is staged of loaded seasons for so many days.")
    ] = 30.0,
    snapshots: Annotated[
        int, typer.Option(min=0, help="Keep so many earlier snapshots, and the last one of each year.")
    ] = 8,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make room on disk.

    Earlier snapshots, what is staged and loaded, what killed processes left, free blocks of the warehouse.
    Nothing is removed that the service did not name itself; links are left alone.
    """
    from warehouse.operations.vacuum import free_bytes, remove, remove_snapshots, rewrite, surplus_snapshots
    from warehouse.snapshots import SnapshotPolicy

    workspace, now = session_of(context).open(), datetime.now(UTC)
    policy = SnapshotPolicy(newest=snapshots)
    surplus = list(surplus_snapshots(workspace.published, policy))
    found = list(_removals(workspace, timedelta(days=staging_days), now))
    rows = [{"path": str(each.path), "bytes": each.bytes, "why": each.why} for each in (*surplus, *found)]
    if surplus and not dry_run:
        remove_snapshots(workspace.warehouse, workspace.published, policy, wait_s=LEASE_WAIT_S)
    freed = sum(each.bytes for each in surplus)
    freed += sum(each.bytes if dry_run else remove(each) for each in found)
    spare = free_bytes(workspace.warehouse) if workspace.warehouse.is_file() else 0
    if spare and not dry_run:
        spare = rewrite(workspace.warehouse, wait_s=LEASE_WAIT_S)
    if spare:
        rows.append({"path": str(workspace.warehouse), "bytes": spare, "why": "free blocks; written anew"})
    show(rows, form, empty="nothing to remove")
    if form is Format.TABLE:
        typer.echo(f"{'would be freed' if dry_run else 'freed'}: {in_words(freed + spare)}")


def _removals(workspace: Workspace, age: timedelta, now: datetime) -> Iterator[Removal]:
    from warehouse.operations.vacuum import leftover_drafts, loaded_staging
    from warehouse.reader import read

    staging, home = workspace.staging, workspace.settings.home
    folders = {home, workspace.warehouse.parent, workspace.published.parent, staging}
    if staging.is_dir():
        folders |= {path for path in staging.iterdir() if path.is_dir() and not path.is_symlink()}
    for folder in sorted(folders):
        yield from leftover_drafts(folder, now)
    if workspace.published.is_file():
        with read(workspace.published) as reader:
            loaded = frozenset(str(run["season"]) for run in reader.runs() if run["status"] == "finished")
        yield from loaded_staging(staging, loaded, age, now)


def rebuild_serving(context: typer.Context) -> None:
    """Make the serving tables anew from the log of all that was ever found, and publish them."""
    from warehouse.operations.vacuum import rebuild_serving as rebuild
    from warehouse.writer import open_writer

    workspace, now = session_of(context).open(), datetime.now(UTC)
    if not workspace.warehouse.is_file():
        raise WarehouseError(f"warehouse {workspace.warehouse}: no such file")
    rebuild(workspace.warehouse, wait_s=LEASE_WAIT_S)
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        writer.publish(workspace.published)
    typer.echo("the serving tables were made anew from the log, and published")


def publish(context: typer.Context) -> None:
    """Publish the warehouse as it is now, such as where its snapshot is damaged or behind."""
    from warehouse.publish import publish as replace_snapshot

    workspace = session_of(context).open()
    path = replace_snapshot(workspace.warehouse, workspace.published, wait_s=LEASE_WAIT_S)
    typer.echo(f"published {path}")
