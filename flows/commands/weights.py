"""Commands about models: what there is, bring encoders' weights here, are they what their cards say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands import shelves
from flows.commands.session import session_of
from flows.progress import advance, counting, progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import ModelError, WeightsError

if TYPE_CHECKING:
    from models.encoders.card import EncoderCard

commands = typer.Typer(help="Models: heads, and encoders with their weights.", invoke_without_command=True)

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
ShelfOption = Annotated[
    Path | None, typer.Option("--in", help="Folder of pulled weights [that of the service's home].")
]
#: What fits on a terminal; JSON and CSV hold every column.
LIST_BRIEF = ("encoder", "architecture", "dims", "prefixes", "input", "licence", "sources", "MB", "weights")
VERIFY_BRIEF = ("encoder", "result", "parameters", "file")

MEGABYTE = 10**6


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    commands.callback()(every_model)
    commands.command("list")(list_models)
    shelves.add_commands(commands)
    commands.command("show")(show_model)
    commands.command()(pull)
    commands.command()(verify)
    app.add_typer(commands, name="models")


def every_model(context: typer.Context, shelf: ShelfOption = None, form: FormatOption = Format.TABLE) -> None:
    """List heads and encoders; the commands below do more."""
    if context.invoked_subcommand:
        return
    from models.encoders.card import encoder_cards

    where, heads = shelf_of(context, shelf), shelves.kept_heads(session_of(context))
    encoders, kept = [row_of(card, where) for card in encoder_cards()], list(map(shelves.head_row, heads))
    if form is Format.TABLE:
        typer.echo("Heads")
        show(kept, form, empty="no head is kept yet", brief=shelves.HEADS_BRIEF)
        typer.echo("\nEncoders")
        show(encoders, form, brief=LIST_BRIEF)
    else:
        show(together(kept, encoders), form)
    shelves.tell_failures(heads)


def together(heads: Sequence[Row], encoders: Sequence[Row]) -> list[Row]:
    """Return both kinds of models as rows of the same columns, null where a column is not theirs."""
    rows = [{"kind": "head", **row} for row in heads] + [{"kind": "encoder", **row} for row in encoders]
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]


def list_models(context: typer.Context, shelf: ShelfOption = None, form: FormatOption = Format.TABLE) -> None:
    """List every encoder card, and whether its weights are here (`verify` looks inside them)."""
    from models.encoders.card import encoder_cards

    where = shelf_of(context, shelf)
    show([row_of(card, where) for card in encoder_cards()], form, brief=LIST_BRIEF)


def shelf_of(context: typer.Context, chosen: Path | None) -> Path:
    """Return the folder of pulled weights: the chosen one, else that of the service or of the user."""
    from models.encoders.weights.shelf import SHELF

    return chosen or session_of(context).home / SHELF


def row_of(card: EncoderCard, shelf: Path) -> Row:
    """Return what is good to know of an encoder at a glance."""
    from models.encoders.weights.shelf import find_on_shelf

    path = find_on_shelf(card, shelf)
    return {
        "encoder": card.id,
        "architecture": card.architecture,
        "dims": card.dims,
        "prefixes": " ".join(map(str, card.prefixes)) or None,
        "input": card.input,
        "selection": card.selection,
        "licence": card.licence,
        "sources": " ".join(card.allowed_sources) or "any",
        "MB": round(card.bytes / MEGABYTE, 1) or None,
        "bytes": card.bytes or None,
        "repository": card.repository or None,
        "revision": card.revision or None,
        "sha256": card.weights_sha256 or None,
        "weights": whereabouts(card, path, shelf),
        "file": path,
    }


def whereabouts(card: EncoderCard, path: Path | None, shelf: Path) -> str:
    """Return in a word where an encoder's weights are; of unpinned ones no file can be trusted."""
    if not card.file:
        return "not needed"
    if path is None:
        return "absent" if card.weights_sha256 else "unpinned"
    return "pulled" if path.is_relative_to(shelf) else "packaged"


def show_model(
    context: typer.Context,
    encoder: Annotated[str, typer.Argument(help="Id of the card.")],
    shelf: ShelfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show a whole card; as JSON, the very text that identifies it."""
    from models.cards import card_text
    from models.encoders.card import encoder_card

    card = encoder_card(encoder)
    if form is Format.JSON:
        typer.echo(card_text(card), nl=False)
        return
    glance = row_of(card, shelf_of(context, shelf))
    here = {"digest": card.digest, "weights": glance["weights"], "weights file": glance["file"]}
    show([{"field": name, "value": value} for name, value in (*flat(card), *here.items())], form)


def flat(card: EncoderCard) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a card, those of its parts as `part.field`."""
    for name, value in dataclasses.asdict(card).items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", _plain(member)) for part, member in value.items())
        else:
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(str, value)) or None
    return None if value in ("", None) else str(value)


def pull(
    context: typer.Context,
    encoder: Annotated[str, typer.Argument(help="Id of the card.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="Take this file instead of downloading it.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to put it in, as ID/FILE [weights/ of the service's home]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Bring an encoder's weights here: checked against the card, continued where an earlier pull stopped."""
    from models.encoders.card import encoder_card
    from models.encoders.weights.shelf import shelved

    card, shelf = encoder_card(encoder), shelf_of(context, to)
    if not force and is_here(card, shelf):
        typer.echo(f"{encoder}: already here, {shelved(card, shelf)}")
        return
    with progress_bars():
        path = bring(card, source, shelf, in_megabytes(f"pull {encoder}, MB"))
    typer.echo(f"{encoder}: {path.stat().st_size} bytes with the card's sha256 in {path}")


def is_here(card: EncoderCard, shelf: Path) -> bool:
    """Return whether there is nothing to pull; WeightsError when something else is in the place."""
    from models.encoders.weights.shelf import is_shelved, shelved

    shelved(card, shelf)  # refuses a card without weights, which no force would help
    try:
        return is_shelved(card, shelf)
    except WeightsError as error:
        raise WeightsError(f"{error}; --force replaces it") from error


def bring(card: EncoderCard, source: Path | None, shelf: Path, progress: Callable[[int, int], None]) -> Path:
    """Put a card's weights on the shelf: from a file, or from their repository."""
    from models.encoders.weights import hub
    from models.encoders.weights.shelf import copy_in

    if source is not None:
        return copy_in(card, source, shelf, progress)
    return hub.pull(card, shelf, progress=progress)


def in_megabytes(label: str) -> Callable[[int, int], None]:
    """Return a function of (bytes done so far, bytes in all) that tells every watcher in megabytes."""
    tell = counting(label)
    return lambda done, total: tell(done // MEGABYTE, total // MEGABYTE)


def verify(
    context: typer.Context,
    encoders: Annotated[
        list[str] | None, typer.Argument(help="Ids of cards [all whose weights are here].")
    ] = None,
    shelf: ShelfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Hash the weights that are here and load them into their networks; exit 1 when one cannot be used."""
    from models.encoders.card import encoder_card, encoder_cards

    where = shelf_of(context, shelf)
    chosen = [encoder_card(name) for name in encoders] if encoders else present(encoder_cards(), where)
    with progress_bars():
        rows = list(verified(chosen, where))
    show(rows, form, empty="no weights are here yet", brief=VERIFY_BRIEF)
    failures = [row["failure"] for row in rows if row["failure"]]
    for failure in failures:
        typer.echo(f"underwood: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def present(cards: Sequence[EncoderCard], shelf: Path) -> list[EncoderCard]:
    """Return the cards whose weights are here."""
    from models.encoders.weights.shelf import find_on_shelf

    return [card for card in cards if find_on_shelf(card, shelf)]


def verified(cards: Sequence[EncoderCard], shelf: Path) -> Iterator[Row]:
    """Yield for each card what became of hashing and loading its weights."""
    from models.encoders.weights.shelf import find_on_shelf

    for card in cards:
        path = find_on_shelf(card, shelf)
        found: dict[str, Any] = {"encoder": card.id, "result": "OK", "parameters": None, "file": path}
        try:
            found |= {"parameters": loaded_parameters(card, path), "failure": None}
        except ModelError as error:
            found |= {"result": "failed", "failure": str(error)}
        advance("verify", 1, len(cards))
        yield found


def loaded_parameters(card: EncoderCard, path: Path | None) -> int:
    """Return how many parameters a card's network has, once they are read from its weights."""
    from models.encoders.networks.build import build_network
    from models.encoders.weights.checkpoint import load_weights

    network = load_weights(build_network(card), card, path)
    return sum(parameter.numel() for parameter in network.parameters())
