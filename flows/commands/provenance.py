"""Commands about where figures come from: provenance, rebuild, promotions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.session import session_of
from flows.progress import progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import SettingsError
from monitoring.seasons import Season

if TYPE_CHECKING:
    from flows.provenance.graph import Graph
    from flows.provenance.rebuild import Rebuilt

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", help="As it was known at this moment (UTC) [now].")
]
#: What fits on a terminal; JSON and CSV hold every column.
DIGITS = ("stored", "rebuilt", "difference")
REBUILT_BRIEF = ("column", *DIGITS)
PROMOTIONS_BRIEF = (
    "target", "at", "step", "head_from", "head", "woodlands", "mean_change", "largest_change",
    "alerts_kept", "alerts_lost", "alerts_gained",
)  # fmt: skip


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(provenance)
    app.command()(rebuild)
    app.command()(promotions)


def provenance(
    context: typer.Context,
    asked: Annotated[
        str,
        typer.Argument(
            metavar="ALERT|ESTIMATE|REPORT",
            help="Id of an alert or estimate, WOODLAND/SEASON[/TARGET], a PDF or its SHA-256.",
        ),
    ],
    as_of: AsOfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what a figure comes from: report, alerts, trend, estimates, run, models, scenes.

    JSON gives the same as entities and activities in the words of W3C PROV. An estimate is found at once by
    its woodland and season; by its id alone every row is looked at.
    """
    from flows.provenance.chain import follow
    from flows.provenance.standing import with_subject

    workspace, moment = session_of(context).open(), in_utc(as_of)
    with progress_bars(), with_subject(workspace, asked, moment) as (chain, subject):
        graph = follow(chain, subject, moment)
    show_graph(graph, form)


def in_utc(moment: datetime | None) -> datetime | None:
    """Return a moment that the command line was given, which is in UTC."""
    return moment.replace(tzinfo=UTC) if moment else None


def show_graph(graph: Graph, form: Format) -> None:
    """Show a graph: as a tree, as PROV-like JSON, or as one CSV row per thing."""
    from flows.provenance.tree import clean, tree_lines

    if form is Format.JSON:
        typer.echo(json.dumps(graph.as_prov(), indent=1, ensure_ascii=False))
    elif form is Format.CSV:
        show([{"id": n.id, "kind": n.kind, "text": clean(n.line)} for n in graph.nodes.values()], form)
    else:
        for line in tree_lines(graph):
            typer.echo(line)


def rebuild(
    context: typer.Context,
    asked: Annotated[
        str | None, typer.Argument(metavar="[ESTIMATE]", help="Id, or WOODLAND/SEASON[/TARGET].")
    ] = None,
    season: Annotated[
        str | None, typer.Option("--all-of", help="Every estimate that holds for a season, instead of one.")
    ] = None,
    as_of: AsOfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compute an estimate again from the pixel cube and compare bit for bit; exit 1 where it is not equal.

    With the choices of its run, its encoder and head, its polygons and scenes. Nothing is written.
    """
    if (asked is None) == (season is None):
        raise SettingsError("rebuild: name one estimate, or a season with --all-of")
    from flows.provenance.rebuild import rebuild as rebuild_estimates
    from flows.provenance.standing import with_estimates

    workspace, moment = session_of(context).open(), in_utc(as_of)
    chosen = Season.parse(season).id if season else ""
    with progress_bars(), with_estimates(workspace, asked or "", chosen, moment) as (chain, rows):
        outcomes = list(rebuild_estimates(workspace, chain, rows))
    show_rebuilt(outcomes, form)
    if not all(outcome.is_equal for outcome in outcomes):
        raise typer.Exit(1)


def show_rebuilt(outcomes: Sequence[Rebuilt], form: Format) -> None:
    """Show every column of one estimate, of many those that differ; then what was found, in one line each."""
    rows = [row for outcome in outcomes for row in rebuilt_rows(outcome)]
    if form is not Format.TABLE:
        show(rows, form)
    else:
        told = rows if len(outcomes) == 1 else [row for row in rows if not row["equal"] and row["column"]]
        _show_exactly(told)
    for line in verdicts(outcomes):
        typer.echo(line, err=True)


def _show_exactly(rows: Sequence[Row]) -> None:
    """Show figures with all their digits: a difference in the last bit is to be seen."""
    told = [{name: row[name] for name in REBUILT_BRIEF} for row in rows]
    numbers = ("stored", "rebuilt", "difference")
    if told:
        show(
            [row | {n: None if row[n] is None else repr(row[n]) for n in numbers} for row in told],
            Format.TABLE,
        )


def rebuilt_rows(outcome: Rebuilt) -> list[dict[str, Any]]:
    """Return one row per column of an estimate; one row without figures where it could not be rebuilt."""
    named = {"id": outcome.estimate_id, "woodland_id": outcome.woodland_id}
    named |= {"season": outcome.season, "target": outcome.target}
    if outcome.trouble:
        blank = dict.fromkeys(("column", "stored", "rebuilt", "difference"))
        return [{**named, **blank, "equal": False, "trouble": outcome.trouble}]
    return [
        {
            **named,
            "column": figure.column,
            "stored": figure.stored,
            "rebuilt": figure.rebuilt,
            "difference": figure.difference,
            "equal": figure.is_equal,
            "trouble": None,
        }
        for figure in outcome.figures
    ]


def verdicts(outcomes: Sequence[Rebuilt]) -> list[str]:
    """Return what was found: how many are equal, why others could not be rebuilt, what was otherwise then."""
    counts = {
        "equal bit for bit": sum(outcome.is_equal for outcome in outcomes),
        "not equal": sum(not outcome.is_equal and not outcome.trouble for outcome in outcomes),
        "could not be rebuilt": sum(bool(outcome.trouble) for outcome in outcomes),
    }
    told = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
    troubles = sorted({f"underwood: {outcome.trouble}" for outcome in outcomes if outcome.trouble})
    notes = sorted({f"note: {note}" for outcome in outcomes for note in outcome.notes})
    return [*troubles, *notes, f"{len(outcomes)} rebuilt: {told}" if outcomes else "no estimate to rebuild"]


def promotions(
    context: typer.Context,
    target: Annotated[str | None, typer.Option(help="One target only.")] = None,
    head: Annotated[
        str | None, typer.Option("--of", help="Id of a promoted head: what it changed, woodland by woodland.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show which models came to speak, and what that changed: woodlands, by how much, alerts.

    A promoted head with the difference seen beforehand; any other step (a new encoder, other choices) with
    the difference of the estimates that both models left.
    """
    from flows.provenance.promotions import promotion_rows, woodlands_of
    from flows.provenance.standing import newest_chain

    with progress_bars(), newest_chain(session_of(context).open()) as chain:
        rows = woodlands_of(chain, head) if head else promotion_rows(chain, target)
    empty = "no model has spoken yet" if not head else f"head {head}: no promotion is recorded"
    show(rows, form, empty=empty, brief=() if head else PROMOTIONS_BRIEF)
