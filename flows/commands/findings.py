"""Commands that show what an assessment found beside trends and alerts: parks, contrasts, gates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.looking import FormatOption
from flows.commands.session import Session, session_of
from flows.tables import Format, Row, show

if TYPE_CHECKING:
    from flows.workspace import Workspace
    from monitoring.trends.histories import RichnessSeries
    from monitoring.trends.sites import Site
    from warehouse.reader import Reader, Record

#: What fits on a terminal; JSON and CSV hold every column.
GATES_BRIEF = ("gate", "name", "scope", "of", "state", "reason")
#: Columns that say how an assessment is stored, not what it found.
STORED = ("target", "encoder", "head", "config_hash", "series_hash", "run_id", "recorded_at")
NOTHING = "no season has been assessed yet"
REMEMBERED = "memory above 0.1: the years are not exchangeable there, and p is too small"


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(parks)
    app.command()(contrasts)
    app.command()(gates)


def parks(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Show the trend of every park and of the whole, by class of woodland and weighting."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        rows = reader.park_trends()
    named = [{**row, "park": row["park"] or "the whole"} for row in rows]
    if form is not Format.TABLE:
        _show(named, form)
        return
    show([_park_line(row) for row in named], form, empty=NOTHING)
    if any(row["warning"] for row in named):
        typer.echo(REMEMBERED)


def contrasts(
    context: typer.Context,
    mixed_model: Annotated[
        bool, typer.Option("--mixed-model", help="Cross-check by a mixed model of statsmodels instead.")
    ] = False,
    variants: Annotated[
        bool, typer.Option("--variants", help="All parks under other choices of years, woodlands, weights.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show ancient against matched other woodland, in every park and in all."""
    from warehouse.reader import read

    session = session_of(context)
    if mixed_model and variants:
        raise typer.BadParameter("--mixed-model and --variants: one at a time")
    if mixed_model:
        show([mixed_model_row(session)], form)
        return
    if variants:
        show_variants(session, form)
        return
    with read(session.open().published) as reader:
        rows = reader.contrasts()
    if form is not Format.TABLE:
        _show(rows, form)
        return
    show([_contrast_line(row) for row in rows], form, empty=NOTHING)


def mixed_model_row(session: Session) -> Record:
    """Return the cross-check of the contrast of all parks as one row, its warnings in one text."""
    from dataclasses import asdict

    from monitoring.trends.mixed_model import mixed_model_check
    from warehouse.reader import read

    workspace = session.open()
    with read(workspace.published) as reader:
        series, sites = _histories(workspace, reader)
    check = mixed_model_check(series, sites, workspace.science.trend, workspace.science.matching)
    return {**asdict(check), "warnings": "; ".join(check.warnings)}


def show_variants(session: Session, form: Format) -> None:
    """Show the contrast of all parks as assessed and under every other choice."""
    from dataclasses import asdict

    from monitoring.trends.variants import variants
    from warehouse.reader import read

    workspace = session.open()
    science = workspace.science
    with read(workspace.published) as reader:
        series, sites = _histories(workspace, reader)
        felled = frozenset(
            row["woodland_id"]
            for row in reader.corroborations(science.estimation.target)
            if row["kind"] == "felling" and row["year"]
        )
        ancient_by = ancient_by_release(reader)
    found = variants(series, sites, science.trend, science.matching, felled=felled, ancient_by=ancient_by)
    rows = [{"variant": one.name, **asdict(one.contrast)} for one in found]
    show([_variant_line(row) for row in rows] if form is Format.TABLE else rows, form)


def ancient_by_release(reader: Reader) -> dict[str, dict[str, bool]]:
    """Return whether each release of the inventory called a woodland ancient, by id."""
    releases = {row["id"]: reader.woodlands(as_of=row["recorded_at"]) for row in reader.releases()}
    return {
        name: dict(zip(known["id"], known["is_ancient"].map(bool), strict=True))
        for name, known in releases.items()
    }


def _histories(workspace: Workspace, reader: Reader) -> tuple[list[RichnessSeries], list[Site]]:
    """Return the histories to compare, with the site of each."""
    from flows.assessing.gathering import sites_of

    sites = sites_of(workspace)
    known = reader.series(workspace.science.estimation.target)
    series = [one for one in known if len(one.years) and one.woodland_id in sites]
    return series, [sites[one.woodland_id] for one in series]


def gates(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Also the gates of single woodlands that passed.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what the gates against artefacts found; exit 1 when one of all woodlands or of a park is red."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        rows = reader.gate_findings()
    wanted = [row for row in rows if every or row["scope"] != "woodland" or row["state"] == "red"]
    _show(wanted, form, GATES_BRIEF)
    if any(row["state"] == "red" and row["scope"] in ("all", "park") for row in rows):
        raise typer.Exit(1)


def _park_line(row: Record) -> Row:
    return {
        "park": row["park"],
        "class": row["woodland_class"],
        "by": row["weighting"],
        "n": row["n_woodlands"],
        "slope ± 95 %": _slope(row),
        "p": _short(row["p_permutation"]),
        "Kendall": _short(row["p_dietz_killeen"]),
        "memory": _short(row["memory"]),
    }


def _contrast_line(row: Record) -> Row:
    return {
        "park": row["park"],
        "pairs": row["n_pairs"],
        "slope ± 95 %": _slope(row),
        "p": _short(row["p"]),
        "balance": _short(row["balance_worst"]),
        "eras": "as one" if row["is_era_stable"] else "differ",
        "flip p": _short(row["sign_flip_p"]),
        "memory": _short(row["autocorrelation"]),
    }


def _variant_line(row: Record) -> Row:
    return {
        "variant": row["variant"],
        "ancient": row["n_ancient"],
        "other": row["n_other"],
        "years": row["n_years"],
        "slope ± 95 %": _line(row) if math.isfinite(row["slope"]) else row["reason"],
        "p": _short(row["p"]),
    }


def _slope(row: Record) -> str:
    """Return the slope, or why it has no p: such a one is shown nowhere but among variants."""
    return str(row["reason"]) or _line(row)


def _line(row: Record) -> str:
    """Return a slope with half its interval, which is symmetric."""
    return f"{row['slope']:.2f} ± {(row['slope_high'] - row['slope_low']) / 2:.2f}"


def _short(figure: float) -> float:
    """Return a figure of two digits."""
    return float(f"{figure:.2g}")


def _show(rows: Sequence[Record], form: Format, brief: Sequence[str] = ()) -> None:
    kept = [{name: value for name, value in row.items() if name not in STORED} for row in rows]
    show(kept, form, empty=NOTHING, brief=brief)
