"""Commands that show what an assessment found beside trends and alerts: parks, contrasts, gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from flows.commands.looking import FormatOption
from flows.commands.session import Session, session_of
from flows.tables import Format, show
from warehouse.reader import Record

#: What fits on a terminal; JSON and CSV hold every column.
PARKS_BRIEF = (
    "park", "woodland_class", "weighting", "n_woodlands", "n_years", "slope", "slope_low", "slope_high",
    "p_permutation", "p_dietz_killeen", "reason",
)  # fmt: skip
CONTRASTS_BRIEF = (
    "park", "n_years", "n_pairs", "slope", "slope_low", "slope_high", "p", "balance_worst",
    "is_era_stable", "sign_flip_p", "reason",
)  # fmt: skip
GATES_BRIEF = ("gate", "name", "scope", "of", "state", "reason")
#: Columns that say how an assessment is stored, not what it found.
STORED = ("target", "encoder", "head", "config_hash", "series_hash", "run_id", "recorded_at")
NOTHING = "no season has been assessed yet"


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
    _show(named, form, PARKS_BRIEF)


def contrasts(
    context: typer.Context,
    mixed_model: Annotated[
        bool, typer.Option("--mixed-model", help="Cross-check by a mixed model of statsmodels instead.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show ancient against matched other woodland, in every park and in all."""
    from warehouse.reader import read

    session = session_of(context)
    if mixed_model:
        show([mixed_model_row(session)], form)
        return
    with read(session.open().published) as reader:
        rows = reader.contrasts()
    _show(rows, form, CONTRASTS_BRIEF)


def mixed_model_row(session: Session) -> Record:
    """Return the cross-check of the contrast of all parks as one row, its warnings in one text."""
    from dataclasses import asdict

    from flows.assessing.gathering import sites_of
    from monitoring.trends.mixed_model import mixed_model_check
    from warehouse.reader import read

    workspace = session.open()
    sites, science = sites_of(workspace), workspace.science
    with read(workspace.published) as reader:
        series = [
            one
            for one in reader.series(science.estimation.target)
            if len(one.years) and one.woodland_id in sites
        ]
    chosen = [sites[one.woodland_id] for one in series]
    check = mixed_model_check(series, chosen, science.trend, science.matching)
    return {**asdict(check), "warnings": "; ".join(check.warnings)}


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


def _show(rows: Sequence[Record], form: Format, brief: Sequence[str]) -> None:
    kept = [{name: value for name, value in row.items() if name not in STORED} for row in rows]
    show(kept, form, empty=NOTHING, brief=brief)
