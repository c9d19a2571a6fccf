"""Commands about the heads of an installation: which there are, what another would say, let it speak."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import Session, session_of
from flows.modelling.registry import Kept, Shelf, shelves
from flows.progress import progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import ModelError

if TYPE_CHECKING:
    from flows.modelling.promotion import HeadsCompared
    from flows.workspace import Workspace

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
HeadArgument = Annotated[str, typer.Argument(help="Id of a kept head, or a folder that `train --out` wrote.")]
OutOption = Annotated[
    Path | None, typer.Option(help="Folder for promotion.json and promotion.csv [that of the head].")
]
#: What fits on a terminal; JSON and CSV hold every column.
HEADS_BRIEF = ("head", "encoder", "candidate", "R2", "RMSE", "scheme", "samples", "promoted")
#: Of a comparison, a table shows so many woodlands: those that change most.
MOST_SHOWN = 20


def add_commands(models: typer.Typer) -> None:
    """Add these commands to `underwood models`."""
    models.command("heads")(list_heads)
    models.command()(compare)
    models.command()(promote)


def list_heads(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List every kept head with its scores; exit 1 when one of them cannot be read."""
    found = kept_heads(session_of(context))
    show([head_row(each) for each in found], form, empty="no head is kept yet", brief=HEADS_BRIEF)
    tell_failures(found)


def kept_heads(session: Session) -> list[Kept]:
    """Return the heads of every target, in the order of their ids."""
    return [head for shelf in shelves(heads_folder(session)) for head in shelf.kept()]


def heads_folder(session: Session) -> Path:
    """Return where heads are kept: in the service's home, or the user's cache where there is no service."""
    if session.config_file.is_file():
        return session.open().heads
    return session.home / "heads"


def tell_failures(found: Sequence[Kept]) -> None:
    """Write why heads cannot be read, and exit 1 where there are such."""
    failures = [each.failure for each in found if each.failure]
    for failure in failures:
        typer.echo(f"underwood: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def head_row(kept: Kept) -> Row:
    """Return what is good to know of a head at a glance; scores are those of the folds that chose it."""
    row: dict[str, object] = {"head": kept.id or None, "promoted": kept.is_promoted}
    card = kept.card
    scores = card.scores if card else None
    return {
        **row,
        "target": card.target.name if card else None,
        "unit": card.target.unit if card else None,
        "encoder": card.encoder_id if card else None,
        "candidate": card.candidate if card else None,
        "R2": scores.r2.estimate if scores else None,
        "RMSE": scores.rmse.estimate if scores else None,
        "ME": scores.me.estimate if scores else None,
        "coverage_90": scores.coverage_90.estimate if scores else None,
        "scheme": card.primary if card else None,
        "samples": card.n_samples if card else None,
        "dims": card.dims if card else None,
        "failure": kept.failure or None,
    }


def compare(
    context: typer.Context,
    head: HeadArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder for promotion.json and promotion.csv [none is written].")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what another head would say of the current histories; nothing is promoted and nothing loaded."""
    workspace = session_of(context).open_for_flows()
    from flows.modelling.promotion import compare_heads

    with progress_bars():
        compared = compare_heads(workspace, kept_id(workspace, head), datetime.now(UTC))
    show_compared(compared, form)
    if out is not None:
        write_report(compared, out)


def promote(
    context: typer.Context, head: HeadArgument, out: OutOption = None, form: FormatOption = Format.TABLE
) -> None:
    """Let a head speak for its target, after a report of what changes in the current histories."""
    workspace = session_of(context).open_for_flows()
    from flows.modelling.promotion import compare_heads, has_history, promote_head, record_promotion

    now, head_id = datetime.now(UTC), kept_id(workspace, head)
    if head_id == workspace.shelf.promoted:
        typer.echo(f"head {head_id}: speaks for {workspace.shelf.folder.name} already")
        return
    if not has_history(workspace):
        promote_head(workspace, head_id, now)
        typer.echo(f"head {head_id} promoted; there is no history yet to compare it on", err=True)
        return
    with progress_bars():
        compared = compare_heads(workspace, head_id, now)
    show_compared(compared, form)
    write_report(compared, out or workspace.shelf.path(head_id))
    record_promotion(workspace, compared, now)
    promote_head(workspace, head_id, now)
    typer.echo(
        f"head {head_id} promoted in place of {compared.now}. Its estimates are staged; to load them:\n"
        f"  underwood backfill --from {compared.first} --to {compared.season}",
        err=True,
    )


def kept_id(workspace: Workspace, head: str) -> str:
    """Return the id of a kept head; one in a folder elsewhere is put on the shelf first.

    CardMismatchError for a head of another encoder, ModelError for one of another target.
    """
    if not (Path(head) / "card.json").is_file():
        return workspace.shelf.find(head).name
    from models.heads.head import load_head

    found = load_head(Path(head), workspace.encoder_card)
    refuse_other_target(workspace.shelf, found.card.id, found.card.target.name)
    return workspace.shelf.keep(found).name


def refuse_other_target(shelf: Shelf, head_id: str, target: str) -> None:
    """ModelError where a head predicts something else than the science says."""
    if target != shelf.folder.name:
        raise ModelError(f"head {head_id}: predicts {target}, the science says {shelf.folder.name}")


def show_compared(compared: HeadsCompared, form: Format) -> None:
    """Show two heads beside each other: the figures, then the woodlands, most changed first."""
    rows = [asdict(each) for each in compared.by_change]
    if form is not Format.TABLE:
        show(rows, form)
        return
    show([{"what": what, "value": value} for what, value in compared.summary.items()], form)
    typer.echo(f"\nWoodlands, most changed first{_left_out(len(rows))}")
    show(rows[:MOST_SHOWN], form, empty="none")


def _left_out(count: int) -> str:
    return f" ({MOST_SHOWN} of {count}; --format csv shows all)" if count > MOST_SHOWN else ""


def write_report(compared: HeadsCompared, folder: Path) -> None:
    """Write promotion.json (the figures and every woodland) and promotion.csv (the woodlands)."""
    from flows.files import write_json, write_whole

    rows = [asdict(each) for each in compared.by_change]
    write_json(
        folder / "promotion.json", {"summary": compared.summary, "woodlands": [plain(r) for r in rows]}
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["woodland"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "promotion.csv", text.getvalue().encode())
    typer.echo(f"report in {folder / 'promotion.json'} and {folder / 'promotion.csv'}", err=True)


def plain(row: Row) -> dict[str, object]:
    """Return a row without NaN, which JSON does not know and a table leaves empty."""
    return {key: None if value != value else value for key, value in row.items()}
