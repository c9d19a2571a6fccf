"""The command that embeds rich years again as if they had been seen as rarely as poor ones."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import in_process, session_of
from flows.progress import progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import SeasonError

if TYPE_CHECKING:
    from flows.replay.rows import ReplayRow


def add_commands(app: typer.Typer) -> None:
    """Add this room's command to the command line."""
    app.command()(replay)


def replay(
    context: typer.Context,
    years: Annotated[str, typer.Option(help="Well observed years, such as 2019,2020,2021.")],
    like: Annotated[str, typer.Option(help="Poorly observed years, such as 2022,2023,2024.")],
    seed: Annotated[int, typer.Option(help="The same seed thins alike.")] = 0,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Embed well observed years again, thinned like poor ones: what does density alone do to richness?"""
    session = session_of(context)
    workspace = session.open_for_flows()
    from flows.replay.flow import run_replay
    from flows.replay.rows import replay_rows
    from flows.replay.years import ReplayPlan

    plan = ReplayPlan(years_of("--years", years), years_of("--like", like), seed)
    with progress_bars(), in_process():
        outcome = run_replay(plan, str(session.config_file))
    asked = [
        row
        for row in replay_rows(workspace)
        if row.year in plan.years and row.like_year in plan.like_years and row.seed == seed
    ]
    show(summary(asked), form, empty="nothing was replayed")
    for line in outcome.problems:
        typer.echo(f"underwood: {line}", err=True)
    if outcome.problems:
        raise typer.Exit(1)


def years_of(option: str, text: str) -> tuple[int, ...]:
    """Return the calendar years of a comma-separated list; SeasonError where one is not a year."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SeasonError(f"{option} {text!r}: expected years parted by commas, such as 2019,2020") from error


def summary(rows: Sequence[ReplayRow]) -> list[Row]:
    """Return one row per rich year and poor year: how richness and counts change, means over woodlands."""
    groups: dict[tuple[int, int], list[ReplayRow]] = defaultdict(list)
    for row in rows:
        groups[row.year, row.like_year].append(row)
    return [_summary(year, like, members) for (year, like), members in sorted(groups.items())]


def _summary(year: int, like: int, rows: Sequence[ReplayRow]) -> Row:
    found = [row.difference for row in rows if math.isfinite(row.difference)]
    return {
        "year": year,
        "like": like,
        "woodlands": len(found),
        "difference": fmean(found) if found else math.nan,
        "lowest": min(found, default=math.nan),
        "highest": max(found, default=math.nan),
        "n_s2": _before_after([(row.n_s2_full, row.n_s2_thinned) for row in rows]),
        "n_s1_ascending": _before_after(
            [(row.n_s1_ascending_full, row.n_s1_ascending_thinned) for row in rows]
        ),
        "n_s1_descending": _before_after(
            [(row.n_s1_descending_full, row.n_s1_descending_thinned) for row in rows]
        ),
    }


def _before_after(pairs: Sequence[tuple[float, float]]) -> str:
    before, after = (fmean(side) for side in zip(*pairs, strict=True))
    return f"{before:.1f} > {after:.1f}"
