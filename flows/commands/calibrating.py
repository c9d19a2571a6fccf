"""The command that measures how often the alert rule is wrong and right, in simulated woodlands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import Session, session_of
from flows.progress import progress_bars
from flows.tables import Format, Row, show
from monitoring.calibration.worlds import World
from monitoring.errors import SettingsError, TrendError

if TYPE_CHECKING:
    from flows.workspace import Workspace
    from monitoring.calibration.figures import Asked, Figure
    from monitoring.science import Science

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
#: What fits on a terminal; JSON and CSV hold every column.
BRIEF = ("measure", "world", "years", "by_rule", "alone", "bound")
#: Decimals of a rate in a row: no number of simulations tells more.
DECIMALS = 4
#: Fewest years a record is simulated over, whatever the histories have.
MIN_YEARS = 8
FITTED, REFERENCE = "noise fitted to the published histories", "reference noise"


def add_commands(app: typer.Typer) -> None:
    """Add this room's command to the command line."""
    app.command()(calibrate)


def calibrate(
    context: typer.Context,
    woodlands: Annotated[
        int | None, typer.Option(min=20, help="Woodlands; those there are, or 2,000.")
    ] = None,
    parks: Annotated[int | None, typer.Option(min=1, help="Parks; those there are, or 15.")] = None,
    years: Annotated[
        list[int] | None,
        typer.Option(min=MIN_YEARS, help="Years of the record, one or more. Those there are, or 9."),
    ] = None,
    sims: Annotated[int, typer.Option(min=1, help="Simulated families of each world.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Processes; the figures do not depend on them.")] = 1,
    fitted: Annotated[
        bool | None,
        typer.Option(
            "--fitted/--reference", help="Noise of the published histories, or the reference noise."
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option(help="Record and publish the figures where there is a service.")
    ] = True,
    form: FormatOption = Format.TABLE,
) -> None:
    """Measure false alarms and power of the alert rule in simulated woodlands, and record them."""
    from dataclasses import replace

    from flows.assessing.calibrating import figures_of, record_calibration
    from monitoring.calibration.figures import Asked

    workspace = workspace_of(session_of(context))
    science = _science(workspace)
    start, source = _start(workspace, fitted)
    lengths = sorted(set(years or [max(start.n_years, MIN_YEARS)]))
    start = replace(
        start,
        n_woodlands=woodlands or start.n_woodlands,
        n_parks=parks or min(start.n_parks, woodlands or start.n_woodlands),
        n_years=lengths[-1],
    )
    asked = Asked(start, science.trend, science.alert, sims, seed, processes)
    with progress_bars():
        figures = tuple(figures_of(asked, science, lengths))
    show([_row(one) for one in figures], form, brief=BRIEF)
    for line in _remarks(asked, figures, source):
        typer.echo(line, err=True)
    if store and workspace is not None and workspace.warehouse.is_file():
        record_calibration(workspace, asked, figures, datetime.now(UTC), source)
        typer.echo(f"recorded in {workspace.warehouse} and published", err=True)


def workspace_of(session: Session) -> Workspace | None:
    """Return the workspace of this call; None where no settings file was named and none is here."""
    return session.open() if session.config or session.config_file.is_file() else None


def _science(workspace: Workspace | None) -> Science:
    from flows.workspace import BUILT_IN_SCIENCE
    from monitoring.science import read_science

    return workspace.science if workspace else read_science(BUILT_IN_SCIENCE)


def _start(workspace: Workspace | None, fitted: bool | None) -> tuple[World, str]:
    """Return the world to start from and where its noise is from.

    Where it was not said which, the noise is fitted if the published histories allow it.
    """
    from flows.assessing.calibrating import start_world

    if fitted is False or (fitted is None and (workspace is None or not workspace.published.is_file())):
        return World(), REFERENCE
    if workspace is None:
        raise SettingsError("--fitted: there is no settings file, so no histories to fit the noise to")
    try:
        return start_world(workspace), FITTED
    except TrendError as error:
        if fitted:
            raise
        typer.echo(f"underwood: the reference noise is used: {error}", err=True)
        return World(), REFERENCE


def _row(figure: Figure) -> Row:
    limits = {"at least": figure.at_least, "at most": figure.at_most}
    bound = ", ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit == limit)
    return {
        "measure": str(figure.measure),
        "world": figure.world,
        "years": figure.n_years,
        "sims": figure.sims,
        "by_rule": round(figure.by_rule, DECIMALS),
        "error": round(figure.error, DECIMALS),
        "alone": round(figure.alone, DECIMALS),
        "bound": f"{bound}, {'kept' if figure.is_kept else 'missed'}" if bound else "",
    }


def _remarks(asked: Asked, figures: Sequence[Figure], source: str) -> list[str]:
    """Return what was simulated, and which bounds were missed."""
    world = asked.start
    noise = (
        f"own noise {100 * world.noise_fraction:.1f} % of a level of {world.mean_level:.0f}, "
        f"spread of its log {world.unequal:.2f}, autocorrelation {world.autocorrelation:.2f}, "
        f"shared by all {world.common_year:.0%}, by a park {world.park_year:.0%}, by a class "
        f"{world.class_year:.0%}, stated prediction error {world.prediction_error:.0%}"
    )
    what = f"{world.n_woodlands} woodlands in {world.n_parks} parks, {source}: {noise}"
    missed = [f"bound missed: {one.measure}, {one.world}" for one in figures if not one.is_kept]
    return [what, *missed]
