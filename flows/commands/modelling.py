"""Commands about encoders at work: pretrain, embed."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.session import Session, session_of
from flows.progress import counting, progress_bars
from monitoring.seasons import Season


class NumbersChoice(StrEnum):
    """Forms in which embeddings are written."""

    ALL = "all"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(pretrain)
    app.command()(embed)


def pretrain(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for weights, card and loss curve.")],
    first: Annotated[str, typer.Option("--from", help="First final season.")] = "2017-Q4",
    last: Annotated[str, typer.Option("--to", help="Last final season.")] = "2025-Q4",
    seed: Annotated[int, typer.Option(help="The same seed and archive give the same weights.")] = 1,
) -> None:
    """Pretrain the small encoder by Barlow Twins between random subsets of a pixel's year."""
    workspace = session_of(context).open_for_flows()
    from flows.modelling.training import pretrain_student

    window = Season.parse(first), Season.parse(last)
    with progress_bars():
        made = pretrain_student(workspace, window, out, seed, counting("pretrain"), datetime.now(UTC))
    typer.echo(f"weights {made.weights}\ncard    {made.card_path}")


def embed(
    context: typer.Context,
    encoder: Annotated[str, typer.Option(help="Card of the encoder; `underwood models list` shows them.")],
    source: Annotated[Path, typer.Option("--input", help="Folder of d-pixels, or .npz of point samples.")],
    out: Annotated[Path, typer.Option(help="File to write, .npz.")],
    weights: Annotated[Path | None, typer.Option(help="Weights for the card, .safetensors or .pt.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, or bf16 where the machine computes in it.")] = "fp32",
    numbers: Annotated[NumbersChoice, typer.Option(help="Forms to write.")] = NumbersChoice.ALL,
    dims: Annotated[int | None, typer.Option(help="Keep so many (TESSERA v2: 16, 32 or 64).")] = None,
    memory: Annotated[
        int | None, typer.Option("--memory-bytes", min=1, help="Bound beside input and output.")
    ] = None,
) -> None:
    """Embed a d-pixel folder or point samples: `embedding`, `int8`, `scale`, `reason` in one .npz.

    A run that was killed goes on where it stopped when it is started again.
    """
    from flows.modelling.embedding import Request, embed_file

    found = weights or pulled_weights(session_of(context), encoder)
    request = Request(encoder, source, out, found, device, precision, numbers.value, dims, memory)
    with progress_bars():
        made = embed_file(request, counting("embed"))
    typer.echo(f"{made.n_pixels} pixels embedded, {made.n_missing} without any observation, in {out}")


def pulled_weights(session: Session, encoder: str) -> Path | None:
    """Return the pulled weights of an encoder, if there are any."""
    from models.encoders.card import encoder_card
    from models.encoders.weights.shelf import find_weights

    return find_weights(encoder_card(encoder), session.home)
