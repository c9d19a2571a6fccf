"""Commands about models: train, pretrain, embed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import session_of
from flows.progress import counting, progress_bars
from flows.tables import Format, Row, show
from monitoring.seasons import Season

if TYPE_CHECKING:
    from models.heads.head import HeadCard


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(train)
    app.command()(pretrain)
    app.command()(embed)


def train(context: typer.Context, form: Annotated[Format, typer.Option("--format")] = Format.TABLE) -> None:
    """Fit the head to the field samples, with spatially blocked cross-validation, and keep it."""
    workspace = session_of(context).open_for_flows()
    from flows.training import train as fit

    with progress_bars():
        head = fit(workspace)
    show(scores_of(head.card), form)


def scores_of(card: HeadCard) -> list[Row]:
    """Return a head's scores, spatial beside random: the first are the ones to quote."""
    named = {"spatial blocks": card.spatial, "random split": card.random}
    return [{"head": card.id, "held out by": how, **asdict(scores)} for how, scores in named.items()]


def pretrain(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for weights, card and loss curve.")],
    first: Annotated[str, typer.Option("--from", help="First final season.")] = "2017-Q4",
    last: Annotated[str, typer.Option("--to", help="Last final season.")] = "2025-Q4",
    seed: Annotated[int, typer.Option(help="The same seed and archive give the same weights.")] = 1,
) -> None:
    """Pretrain the small encoder by Barlow Twins between random subsets of a pixel's year."""
    workspace = session_of(context).open_for_flows()
    from flows.training import pretrain_student

    window = Season.parse(first), Season.parse(last)
    with progress_bars():
        made = pretrain_student(workspace, window, out, seed, counting("pretrain"))
    typer.echo(f"weights {made.weights}\ncard    {made.card_path}")


def embed(
    encoder: Annotated[str, typer.Option(help="Card of the encoder.")],
    source: Annotated[Path, typer.Option("--input", help="Folder in the d-pixel layout.")],
    out: Annotated[Path, typer.Option(help="File to write, .npz.")],
    weights: Annotated[Path | None, typer.Option(help="Weights for the card, .safetensors or .pt.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Embed the pixels of a d-pixel folder: arrays `embedding`, `int8`, `scale`, `reason` in one .npz."""
    from flows.embedding import embed_directory

    with progress_bars():
        made = embed_directory(encoder, weights, source, out, device, counting("embed"))
    typer.echo(f"{made.n_pixels} pixels embedded, {made.n_missing} without any observation, in {out}")
