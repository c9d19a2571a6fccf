"""Commands that ask the published warehouse: one woodland's history, which sites there are, any SQL."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import session_of
from flows.tables import AnswerFormat, form_of, hand_out
from monitoring.errors import SettingsError, WarehouseError
from monitoring.woodlands import Status

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.answering.sites import Near
    from warehouse.reader import Reader

#: Columns of `history`, in the order people ask for them.
HISTORY = (
    "season", "is_final", "why_not_final", "mean", "sd", "sd_place", "sd_year", "coverage",
    "applicable_share", "is_applicable", "n_pixels", "n_s2", "n_s1_ascending", "n_s1_descending", "n_snow",
    "n_leaf_on", "n_leaf_off", "is_phenology_covered", "encoder", "head", "run_id", "boundary", "recorded_at",
)  # fmt: skip
#: What fits on a terminal; the other forms hold every column.
SITES_BRIEF = ("id", "name", "status", "area_ha", "distance_km", "season", "mean", "sd", "alert")
HISTORY_BRIEF = (
    "season", "mean", "sd", "sd_year", "coverage", "applicable_share", "n_s2", "n_s1_ascending",
    "n_s1_descending",
)  # fmt: skip
#: Tells the rows of one woodland from those of another, where `history` shows several.
WOODLAND = "woodland_id"
#: Rows of a query that a table shows where no limit is given; the other forms hold all of them.
MOST_TABLE_ROWS = 1000
#: Within how many km `sites --near` looks where nothing else is said.
WITHIN_KM = 10.0

FormOption = Annotated[
    AnswerFormat | None,
    typer.Option("--format", help="How rows come out; else as the name of --out ends, else a table."),
]
OutOption = Annotated[Path | None, typer.Option(help="File to write, whole or not at all.")]


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(history)
    app.command()(sites)
    app.command()(query)


def history(
    context: typer.Context,
    woodland: Annotated[str, typer.Argument(help="Id or name of a woodland, or its id in the inventory.")],
    as_of: Annotated[
        str, typer.Option(help="A day or time (UTC): show what was known then, as a report of that day did.")
    ] = "",
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Also woodlands it became part of, or was made from.")
    ] = False,
    form: FormOption = None,
    out: OutOption = None,
) -> None:
    """Show the history of one woodland: what was estimated for each season, and how surely."""
    import pyarrow as pa

    from warehouse.answering.sites import family, find_woodland
    from warehouse.reader import read

    workspace, form = session_of(context).open(), form_of(form, out)
    moment = moment_of(as_of, datetime.now(UTC)) if as_of else None
    with read(workspace.published) as reader:
        woodland_id = find_woodland(reader.connection, woodland)
        asked = (woodland_id, *(family(reader.connection, woodland_id) if lineage else ()))
        target, names = workspace.science.estimation.target, (WOODLAND,) * lineage + HISTORY
        found = [reader.tables.history(each, target, as_of=moment).select(*names) for each in asked]
        table = pa.concat_tables([answer.arrow() for answer in found])
        remarks = list(_remarks(reader, woodland_id, moment, lineage=lineage))
    for remark in remarks:
        typer.echo(remark, err=True)
    when = "had been estimated by then" if moment else "is estimated yet"
    empty = f"woodland {woodland_id}: no season {when}"
    _write(table, form, out, empty=empty, brief=(WOODLAND,) * lineage + HISTORY_BRIEF)


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that a day (all of it) or a time means, UTC unless it names another zone.

    SettingsError for anything else and for what is still to come; today is the day up to now.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        wanted = "not a day or time such as 2025-03-01 or 2025-03-01T12:30"
        raise SettingsError(f"--as-of {text!r}: {wanted}") from error
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if _is_day(text):
        moment = datetime.combine(moment, time.max, UTC)
        moment = min(moment, now) if moment.date() == now.date() else moment
    if moment > now:
        raise SettingsError(f"--as-of {text}: still to come; it is {now:%Y-%m-%d %H:%M:%S} UTC")
    return moment


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _remarks(reader: Reader, woodland_id: str, moment: datetime | None, *, lineage: bool) -> Iterator[str]:
    """Yield what to know before the rows: the moment they are of, and what became of the woodland."""
    if moment:
        shown = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        yield f"as of {shown}: what had been recorded by then; what came later is left out"
    ends = [
        row
        for row in reader.lineage(woodland_id)
        if row["old_id"] == woodland_id and row["kind"] in ("split", "merged", "gone")
    ]
    if ends:
        heirs = reader.successors(woodland_id)
        named = ", ".join(f"{row['current_id']} ({100 * row['share']:.0f} % of it)" for row in heirs)
        fate = {"gone": "gone from the inventory", "split": "split", "merged": "merged"}[ends[0]["kind"]]
        yield f"woodland {woodland_id}: {fate} in release {ends[0]['release']}; its history ends there"
        if named:
            more = "" if lineage else "; --lineage shows their histories too"
            yield f"woodland {woodland_id}: now {named}{more}"


def sites(
    context: typer.Context,
    park: Annotated[str, typer.Option(help="One park only.")] = "",
    near: Annotated[str, typer.Option(help="Latitude,longitude in degrees, such as 51.75,-1.26.")] = "",
    within: Annotated[
        float | None,
        typer.Option(help=f"With --near: km to the nearest point of a woodland [{WITHIN_KM:g}]."),
    ] = None,
    status: Annotated[str, typer.Option(help="ASNW, PAWS, AWP or other.")] = "",
    form: FormOption = None,
    out: OutOption = None,
) -> None:
    """Show which woodlands there are, each with its last season and the level of its alert.

    With --near the nearest first; the distance is the great circle to the nearest point of the polygon.
    """
    from warehouse.answering.sites import sites as find_sites
    from warehouse.reader import read

    workspace, form = session_of(context).open(), form_of(form, out)
    place, standing = _near(near, within), _status(status)
    target = workspace.science.estimation.target
    with read(workspace.published) as reader:
        _refuse_unknown_park(reader, park)
        table = find_sites(
            reader.connection,
            target,
            park=park or None,
            status=standing,
            near=place,
            with_polygons=form is AnswerFormat.PARQUET,
        )
    brief = tuple(name for name in SITES_BRIEF if name in table.column_names)
    _write(table, form, out, empty="no woodland is like that", brief=brief)


def _near(text: str, within: float | None) -> Near | None:
    from warehouse.answering.sites import Near

    if not text:
        if within is not None:
            raise SettingsError(f"--within {within:g}: of what? --near LAT,LON says")
        return None
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--near {text!r}: not LAT,LON in degrees such as 51.75,-1.26") from error
    if not math.isfinite(latitude + longitude):
        raise SettingsError(f"--near {text!r}: not two finite numbers")
    return Near(latitude, longitude, WITHIN_KM if within is None else within)


def _status(text: str) -> Status | None:
    if not text:
        return None
    for status in Status:
        if status.casefold() == text.casefold():
            return status
    raise SettingsError(f"--status {text!r}: none of {', '.join(Status)}")


def _refuse_unknown_park(reader: Reader, park: str) -> None:
    known = [str(row["park"]) for row in reader.parks() if row["park"]]
    if park and park not in known:
        raise WarehouseError(f"park {park!r}: no woodland lies in it; there are {', '.join(known) or 'none'}")


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(help="One question in SQL; - reads it from standard input.")],
    form: FormOption = None,
    out: OutOption = None,
    limit: Annotated[
        int | None, typer.Option(help=f"Most rows; a table shows {MOST_TABLE_ROWS} where nothing is said.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Most seconds.")] = 30.0,
    memory: Annotated[str, typer.Option(help="Most memory, such as 500MB or 2GB.")] = "1GB",
) -> None:
    """Ask the published warehouse in SQL; it can be read and nothing else, no file, no address, no change.

    The tables and views are in docs/data-dictionary.md; `show tables` and `describe site_history` tell too.
    """
    from warehouse.answering.questions import Limits, question

    form = form_of(form, out)
    rows = MOST_TABLE_ROWS if limit is None and form is AnswerFormat.TABLE else limit
    text = sys.stdin.read() if sql == "-" else sql
    limits = Limits(seconds=timeout, memory=memory, rows=rows)
    with question(session_of(context).open().published, text, limits) as reply, _waiting(form, out):
        hand_out(reply.schema, reply.batches(), form, out, empty="no row")
        is_cut = reply.is_cut
    if is_cut:
        typer.echo(f"these are the first {rows} rows; there are more (--limit)", err=True)


@contextmanager
def _waiting(form: AnswerFormat, out: Path | None) -> Iterator[None]:
    """Show on the terminal that something is at work, unless rows are running over it at the same time."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or (out is None and form is not AnswerFormat.TABLE and sys.stdout.isatty()):
        yield
        return
    with console.status("asking the warehouse"):
        yield


def _write(
    table: pa.Table, form: AnswerFormat, out: Path | None, *, empty: str, brief: tuple[str, ...] = ()
) -> None:
    hand_out(table.schema, table.to_batches(), form, out, empty=empty, brief=brief)
