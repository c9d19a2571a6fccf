"""Commands about heads: train, predict, evaluate."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.head_tables import SCORES, show_card
from flows.commands.session import session_of
from flows.modelling.registry import refuse_foreign
from flows.progress import counting, progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import CardMismatchError, ModelError, SampleError, SettingsError

if TYPE_CHECKING:
    from flows.workspace import Workspace
    from models.heads.bootstrap import ScoreIntervals
    from models.heads.card import EncoderIdentity, HeadCard, SchemeScores
    from models.heads.head import Head
    from monitoring.estimates import PixelEstimates
    from monitoring.targets import Target

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
#: Columns of what `predict` writes.
PREDICTED = ("sample_id", "mean", "sd", "lo90", "hi90", "applicable")
#: What fits on a terminal; JSON and CSV hold every score.
EVALUATED_BRIEF = ("scheme", "r2 on card", "r2 again", "rmse on card", "rmse again", "same")
#: What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@")


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(train)
    app.command()(predict)
    app.command()(evaluate)


def train(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Option(help="Name of a target or its .toml [that of the settings].")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Table of field samples, .csv or .parquet [that of the settings].")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help=".npz of sample_id and embedding (n, d) [from the cube].")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Column whose values folds keep together.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the head [kept with the others].")] = None,
    candidates: Annotated[
        str, typer.Option(help="What is compared: quick, fast, single, all, or names with commas.")
    ] = "all",
    covariate: Annotated[
        list[str] | None, typer.Option(help="NAME=RASTER to compare embeddings with; may be repeated.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="What made --embeddings, if they do not say.")] = None,
    year: Annotated[int | None, typer.Option(help="Year of samples that state none.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and samples give the same head.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that fit at once.")] = 2,
    form: FormatOption = Format.TABLE,
) -> None:
    """Fit a head: candidates compared by held-out places, intervals calibrated, everything on its card."""
    refuse_halves(embeddings, out, target, samples)
    from flows.modelling.training import Lesson, fit_from_cube, fit_from_file, keep
    from models.heads.candidates.registry import chosen_candidates
    from models.heads.head import save_head

    lesson = Lesson(
        target=target_named(context, target),
        samples=sample_table(context, samples),
        year_if_missing=year,
        group_column=group,
        covariates=rasters_named(covariate or ()),
        candidates=chosen_candidates(candidates),
        seed=seed,
        workers=workers,
    )
    now = datetime.now(UTC)
    with progress_bars():
        if embeddings is not None:
            head = fit_from_file(lesson, embeddings, encoder)
        else:
            head = fit_from_cube(session_of(context).open_for_flows(), lesson, now)
    path = save_head(head, out) if out else keep(session_of(context).open(), head, now)
    show_card(head.card, form)
    typer.echo(f"head {head.card.id} in {path}", err=True)
    if not out:
        tell_promotion(session_of(context).open(), head.card.id)


def tell_promotion(workspace: Workspace, head_id: str) -> None:
    """Say whether a kept head speaks for its target, and what would let it."""
    if workspace.shelf.promoted == head_id:
        typer.echo(f"it speaks for {workspace.shelf.folder.name}", err=True)
    else:
        said = f"{workspace.shelf.promoted} speaks for {workspace.shelf.folder.name}"
        typer.echo(f"{said}; to change that: underwood models promote {head_id}", err=True)


def refuse_halves(
    embeddings: Path | None, out: Path | None, target: str | None, samples: Path | None
) -> None:
    """SettingsError for options that belong together and are not, ModelError for no place for a head."""
    if embeddings is not None and out is None:
        raise SettingsError("--embeddings without --out: name a folder for the head")
    if embeddings is not None and not target:
        raise SettingsError("--embeddings without --target: name what the samples hold")
    if embeddings is not None and samples is None:
        raise SettingsError("--embeddings without --samples: name the table they belong to")
    if out is not None:
        refuse_foreign(out)


def target_named(context: typer.Context, target: str | None) -> Target:
    """Return the target that is asked for, else that of the settings."""
    from flows.targets import read_target

    return read_target(target) if target else session_of(context).open().target


def sample_table(context: typer.Context, samples: Path | None) -> Path:
    """Return the table that is asked for, else that of the settings."""
    found = samples or session_of(context).open().settings.samples
    if found is None:
        raise SettingsError("training needs field samples: name a table with --samples or in the settings")
    return found


def rasters_named(covariates: Sequence[str]) -> dict[str, Path]:
    """Return NAME=RASTER words by name."""
    found: dict[str, Path] = {}
    for word in covariates:
        name, is_given, path = word.partition("=")
        if not (name and is_given and path) or name in found:
            raise SettingsError(f"--covariate {word}: expected NAME=RASTER, each name once")
        found[name] = Path(path)
    return found


def predict(
    head: Annotated[Path, typer.Option(help="Folder of a head, or its card.json.")],
    embeddings: Annotated[Path, typer.Option(help=".npz of sample_id and embedding (n, d).")],
    out: Annotated[Path, typer.Option(help="File to write, .csv.")],
    encoder: Annotated[str | None, typer.Option(help="What made --embeddings, if they do not say.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict from embeddings: sample_id, mean, sd, lo90, hi90, applicable (empty where nothing was seen)."""
    from flows.estimating.seats import choose_device
    from flows.files import write_whole
    from flows.modelling.embedding_files import read_named_embeddings

    if out.suffix.lower() != ".csv":
        raise SettingsError(f"--out {out}: the name must end in .csv")
    named = read_named_embeddings(embeddings, encoder)
    refuse_formulas(embeddings, named.ids)
    loaded = head_of(head, named.encoder).on(choose_device(device))
    write_whole(out, predicted_csv(named.ids, loaded.predict(named.values)).encode())
    typer.echo(f"{len(named.ids)} samples predicted by {loaded.card.id} in {out}", err=True)


def predicted_csv(ids: Sequence[str], estimates: PixelEstimates) -> str:
    """Return predictions as CSV; numbers with nine significant digits, empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PREDICTED)
    numbers = (estimates.mean, estimates.sd, estimates.lo90, estimates.hi90)
    for name, applicable, *row in zip(ids, estimates.applicable, *numbers, strict=True):
        cells = ["" if number != number else f"{number:.9g}" for number in row]
        writer.writerow([name, *cells, str(bool(applicable)).lower()])
    return text.getvalue()


def refuse_formulas(path: Path, ids: Sequence[str]) -> None:
    """SampleError for an id that a spreadsheet would run; changed, it would no longer be the sample's."""
    found = next((name for name in ids if name.startswith(FORMULA) and not _is_number(name)), None)
    found = found or next((name for name in ids if not name.isprintable()), None)
    if found is not None:
        raise SampleError(
            f"embeddings {path}: sample id {found[:60]!a} is one that a spreadsheet would run as a formula, "
            "or cannot be printed; give it another id"
        )


def _is_number(text: str) -> bool:
    return text[1:].replace(".", "", 1).isdigit()


def head_of(named: Path, encoder: EncoderIdentity | None = None) -> Head:
    """Return the head in a folder that is named by itself or by the card in it."""
    from models.heads.card import CARD, UNSTATED
    from models.heads.head import load_head

    folder = named.parent if named.name == CARD else named
    if not (folder / CARD).is_file():
        raise ModelError(f"head {named}: no {CARD} there; name a folder that `underwood train --out` wrote")
    try:
        return load_head(folder, encoder)
    except CardMismatchError as error:
        if f"encoder {UNSTATED}" in str(error) or f"to {UNSTATED}" in str(error):
            raise CardMismatchError(f"{error}; --encoder says what made embeddings") from error
        raise


def evaluate(
    card: Annotated[Path, typer.Argument(help="Folder of a head, or its card.json.")],
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that fit at once.")] = 2,
    form: FormatOption = Format.TABLE,
) -> None:
    """Hold a head out again by its stored folds, beside what its card says; exit 1 where they differ."""
    from models.heads.crew import Crew
    from models.heads.evaluation import evaluate as hold_out_again

    head = head_of(card)
    with progress_bars():
        seen = hold_out_again(head.evaluation, head.card, Crew(workers, counting))
    rows = [_beside(head.card, each.row) for each in seen]
    show(rows, form, brief=EVALUATED_BRIEF)
    if not all(row["same"] for row in rows):
        raise typer.Exit(1)


def _beside(card: HeadCard, again: SchemeScores) -> Row:
    """Return one scheme's scores as found again beside those on the card."""
    stated = next(row.scores for row in card.schemes if row.scheme == again.scheme)
    found = again.scores
    row: dict[str, object] = {"scheme": again.scheme}
    for name in SCORES:
        row |= {f"{name} on card": _estimate(stated, name), f"{name} again": _estimate(found, name)}
    return {**row, "same": stated == found}


def _estimate(scores: ScoreIntervals | None, name: str) -> float | None:
    return getattr(scores, name).estimate if scores else None
