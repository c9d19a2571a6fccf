"""Commands that do the work: run a season, backfill, train, the demo, the archive."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import in_process, keep_records_under, session_of
from flows.progress import counting, progress_bars
from flows.tables import Format, show

if TYPE_CHECKING:
    from flows.pipeline import SeasonReceipt

archive = typer.Typer(help="The simulated archive.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(run)
    app.command()(backfill)
    app.command()(demo)
    archive.command("make")(archive_make)
    app.add_typer(archive, name="archive")


def run(
    context: typer.Context,
    season: Annotated[str, typer.Option(help="Season such as 2025-Q4, or `latest`.")] = "latest",
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Run one season: ingest, estimate, assess, publish."""
    session = session_of(context)
    session.open_for_flows()
    from flows.pipeline import season as season_flow
    from flows.pipeline import which_season

    chosen = which_season(season, datetime.now(UTC))
    with progress_bars(), in_process():
        receipt = season_flow(chosen.id, str(session.config_file))
    report_receipts([receipt], form)


def backfill(
    context: typer.Context,
    first: Annotated[str, typer.Option("--from", help="First season, such as 2017-Q4.")],
    last: Annotated[str, typer.Option("--to", help="Last season, or `latest`.")] = "latest",
    final_only: Annotated[bool, typer.Option(help="Only the Q4 seasons, which trends use.")] = False,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Run every season of a range, in time order; what is there already is left as it is."""
    session = session_of(context)
    session.open_for_flows()
    from flows.pipeline import backfill as backfill_flow
    from flows.pipeline import which_season

    start, end = (which_season(each, datetime.now(UTC)).id for each in (first, last))
    with progress_bars(), in_process():
        receipts = backfill_flow(start, end, str(session.config_file), final_only)
    report_receipts(receipts, form)


def report_receipts(receipts: list[SeasonReceipt], form: Format) -> None:
    """Show what each season did; exit 1 when something was left out."""
    rows = [
        {
            "season": receipt.season,
            "scenes_read": receipt.n_scenes_read,
            "rows_added": receipt.n_rows_added,
            "alerts": receipt.n_alerts,
            "problems": len(receipt.problems),
        }
        for receipt in receipts
    ]
    show(rows, form)
    problems = [line for receipt in receipts for line in receipt.problems]
    for line in problems:
        typer.echo(f"underwood: {line}", err=True)
    if problems:
        raise typer.Exit(1)


def archive_make(
    directory: Annotated[Path, typer.Argument(help="Empty or new folder.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 20170401,
) -> None:
    """Make the simulated archive: STAC catalogue, COGs, boundaries, field samples and the truth."""
    from flows.archive import make_archive

    with progress_bars():
        made = make_archive(directory, seed=seed, progress=counting("make archive"))
    typer.echo(f"archive of {made.items} scenes, {made.bytes / 1e6:.0f} MB, in {directory}")


def demo(
    directory: Annotated[Path, typer.Argument(help="Folder for the archive and all results.")] = Path("demo"),
) -> None:
    """Run the whole service on the simulated archive, and compare with the planted truth."""
    keep_records_under((directory / "service").absolute())
    from flows.demo import run_demo

    with progress_bars(), in_process():
        outcome = run_demo(directory)
    typer.echo(outcome.text)
    if not outcome.passed:
        raise typer.Exit(1)
