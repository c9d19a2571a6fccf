"""Commands of the alerts: list and explain them, and record what people do about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.alert_words import Grounds, explanation, happening, with_names
from flows.commands.contacts import contacts_of
from flows.commands.looking import FormatOption, ParkOption
from flows.commands.session import session_of
from flows.operating.contacts import find_contact, names_of, refuse_personal
from flows.tables import Format, Row, show
from monitoring.alerts.alert import Level
from monitoring.alerts.events import AlertEvent, EventKind, FieldResult
from monitoring.alerts.life import STANDING, AlertState, act, state_of
from monitoring.errors import AlertError, WarehouseError

if TYPE_CHECKING:
    from warehouse.reader import Reader, Record

#: How long a person's command waits for another writer's lease, seconds.
LEASE_WAIT_S = 60.0
#: What fits on a terminal; JSON and CSV hold every column.
BRIEF = ("id", "level", "severity", "state", "assignee", "woodland_id", "reason")
COLUMNS = (
    "level", "kind", "woodland_id", "woodland", "park", "status", "season", "reason", "id", "severity",
    "confidence", "course", "held_by", "cause", "state", "assignee", "field_result", "raised_season",
    "seen_season", "raised_at", "changed_at", "last_note", "slope", "q", "decline_fraction",
)  # fmt: skip
EVENT_BRIEF = ("number", "happened_at", "what")
#: Characters of an id that a table shows: enough to name one among many thousands.
SHORT_ID = 8

alerts = typer.Typer(help="Alerts: list and explain them, and record what is done about them.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of an alert, or how it begins.")]
ByOption = Annotated[str, typer.Option("--by", envvar="USER", help="Who does it: id or name of a contact.")]
NoteOption = Annotated[str, typer.Option(help="What there is to say.")]
ReasonOption = Annotated[str, typer.Option(help="Why.")]


class Chosen(StrEnum):
    """Which alerts are listed."""

    STANDING = "standing"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    DISMISSED = "dismissed"
    EXPIRED = "expired"
    RETRACTED = "retracted"
    ALL = "all"


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    alerts.callback(invoke_without_command=True)(all_standing)
    alerts.command("list")(list_alerts)
    alerts.command("show")(show_alert)
    alerts.command("explain")(explain)
    alerts.command("ack")(acknowledge)
    alerts.command("assign")(assign)
    alerts.command("dismiss")(dismiss)
    alerts.command("field")(field)
    alerts.command("reopen")(reopen)
    app.add_typer(alerts, name="alerts")


def all_standing(context: typer.Context, park: ParkOption = "", form: FormatOption = Format.TABLE) -> None:
    """Show the alerts that stand, the surest and largest losses first; or do what a command below says."""
    if context.invoked_subcommand is None:
        list_alerts(context, park, form=form)


def list_alerts(
    context: typer.Context,
    park: ParkOption = "",
    level: Annotated[Level | None, typer.Option(help="One level only.", case_sensitive=False)] = None,
    status: Annotated[Chosen, typer.Option(help="In which state.")] = Chosen.STANDING,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show alerts, the surest and largest losses first: those that stand, or those in a state."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        rows = reader.alert_states(park=park or None, level=level)
    kept = [row for row in rows if _is_chosen(row, status)]
    shown = _columns(_named(context, kept) if form is Format.TABLE else kept, form)
    show(shown, form, empty=_none_of(status), brief=BRIEF)


def _named(context: typer.Context, rows: Sequence[Record]) -> list[Record]:
    """Return alerts with the names of those assigned, as far as they are still known.

    For people only: JSON and CSV, which are kept and passed on, hold the ids.
    """
    names = names_of(contacts_of(context))
    return [{**row, "assignee": names.get(row["assignee"], row["assignee"])} for row in rows]


def _is_chosen(row: Record, status: Chosen) -> bool:
    if status is Chosen.STANDING:
        return row["state"] in STANDING
    return status is Chosen.ALL or row["state"] == status


def _none_of(status: Chosen) -> str:
    words = {Chosen.STANDING: "no alert is open", Chosen.ALL: "no alert was ever raised"}
    return words.get(status, f"no alert is {status}")


def _columns(rows: Sequence[Record], form: Format) -> list[Row]:
    """Return the columns people ask for; in a table the id is cut to what a command takes."""
    chosen = [{name: row[name] for name in COLUMNS} for row in rows]
    if form is Format.TABLE:
        return [{**row, "id": str(row["id"])[:SHORT_ID]} for row in chosen]
    return list(chosen)


def show_alert(context: typer.Context, alert: IdArgument, form: FormatOption = Format.TABLE) -> None:
    """Show one alert with everything that happened to it."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        row = find_alert(reader, alert)
        events = reader.alert_events(alert_id=row["id"])
    if form is not Format.TABLE:
        show(_as_rows(row, events, form), form)
        return
    (named,) = _named(context, [row])
    show([{"": name, "value": str(named[name])} for name in COLUMNS if named[name] not in ("", None)], form)
    told = with_names(events, names_of(contacts_of(context)))
    happened = [{**dataclasses.asdict(event), "what": happening(event)} for event in told]
    show(happened, form, empty="nothing is recorded of its life", brief=EVENT_BRIEF)


def _as_rows(row: Record, events: Sequence[AlertEvent], form: Format) -> list[Row]:
    """Return the alert with its events for JSON; CSV holds the events."""
    happened = [dataclasses.asdict(event) for event in events]
    return [{**row, "events": happened}] if form is Format.JSON else list(happened)


def explain(context: typer.Context, alert: IdArgument) -> None:
    """Say in full why an alert was raised, what could speak against it and what became of it."""
    from warehouse.reader import read

    with read(session_of(context).open().published) as reader:
        grounds = grounds_of(reader, find_alert(reader, alert))
    told = with_names(grounds.events, names_of(contacts_of(context)))
    for line in explanation(dataclasses.replace(grounds, events=told)):
        typer.echo(line)


def grounds_of(reader: Reader, alert: Record) -> Grounds:
    """Return everything the warehouse holds on an alert."""
    woodland_id, target = alert["woodland_id"], alert["target"]
    blocks = {row["block_id"] for row in reader.history(woodland_id, target)}
    reach = {("all", ""), ("park", alert["park"]), ("woodland", woodland_id)}
    reach |= {("block", block_id) for block_id in blocks}
    trends = reader.trends(target, park=alert["park"])
    return Grounds(
        alert=alert,
        trend=next((row for row in trends if row["woodland_id"] == woodland_id), None),
        gates=[row for row in reader.gate_findings(target) if (row["scope"], row["of"]) in reach],
        evidence=reader.corroborations(target, woodland_id=woodland_id),
        weather=reader.weather_years(target, woodland_id=woodland_id),
        events=reader.alert_events(alert_id=alert["id"]),
    )


def acknowledge(context: typer.Context, alert: IdArgument, by: ByOption = "", note: NoteOption = "") -> None:
    """Record that somebody has seen an alert."""
    who, said = _who(context, by), _said(note)
    _record(context, alert, lambda life, now: act(life, EventKind.ACKNOWLEDGED, who, now, note=said))


def assign(
    context: typer.Context,
    alert: IdArgument,
    to: Annotated[str, typer.Option(help="Who is to look at the woodland: id or name of a contact.")],
    by: ByOption = "",
    note: NoteOption = "",
) -> None:
    """Record who is to look at the woodland of an alert; a later assignment replaces it."""
    who, whom, said = _who(context, by), _who(context, to), _said(note)
    _record(
        context, alert, lambda life, now: act(life, EventKind.ASSIGNED, who, now, assignee=whom, note=said)
    )


def dismiss(context: typer.Context, alert: IdArgument, reason: ReasonOption, by: ByOption = "") -> None:
    """Put an alert aside, with the reason; it comes back by itself only when its level rises."""
    who, said = _who(context, by), _said(reason)
    _record(context, alert, lambda life, now: act(life, EventKind.DISMISSED, who, now, note=said))


def field(
    context: typer.Context,
    alert: IdArgument,
    result: Annotated[FieldResult, typer.Option(help="What was found.")],
    by: ByOption = "",
    note: NoteOption = "",
) -> None:
    """Record what was found in the woodland; the alert stays in the state it is in."""
    who, said = _who(context, by), _said(note)
    _record(
        context,
        alert,
        lambda life, now: act(life, EventKind.FIELD_RESULT, who, now, result=result, note=said),
    )


def reopen(context: typer.Context, alert: IdArgument, reason: ReasonOption, by: ByOption = "") -> None:
    """Take up an alert again that was dismissed or has expired."""
    who, said = _who(context, by), _said(reason)
    _record(context, alert, lambda life, now: act(life, EventKind.REOPENED, who, now, note=said))


def _who(context: typer.Context, asked: str) -> str:
    """Return the id of the contact meant; the log stores nothing else of a person.

    Nobody at all is for the event itself to refuse.
    """
    return find_contact(contacts_of(context), asked).id if asked.strip() else ""


def _said(note: str) -> str:
    return refuse_personal(note, "note")


def _record(context: typer.Context, asked: str, made: Callable[[AlertState, datetime], AlertEvent]) -> None:
    """Add what a person did to the log, through the one writer, and publish it."""
    from warehouse.reader import read
    from warehouse.writer import open_writer

    workspace, now = session_of(context).open(), datetime.now(UTC)
    with read(workspace.published) as reader:
        alert_id = find_alert(reader, asked)["id"]
    if not workspace.warehouse.is_file():
        raise WarehouseError(f"warehouse {workspace.warehouse}: no such file; only a snapshot of it is here")
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        event = made(life_of(writer.reader, alert_id), now)
        writer.load_alert_events([event], now=now)
        writer.publish(workspace.published)
    (told,) = with_names([event], names_of(contacts_of(context)))
    typer.echo(f"alert {alert_id}: {happening(told)}")


def life_of(reader: Reader, alert_id: str) -> AlertState:
    """Return where an alert is in its life; AlertError where nothing of it is recorded."""
    events = reader.alert_events(alert_id=alert_id)
    if not events:
        raise AlertError(f"alert {alert_id}: nothing is recorded of its life; assess its season again")
    return state_of(events)


def find_alert(reader: Reader, asked: str) -> Record:
    """Return the row of `alert_state` of the one alert whose id is, or begins with, what was asked for."""
    rows = reader.alert_states()
    exact = [row for row in rows if row["id"] == asked]
    found = exact or [row for row in rows if asked and str(row["id"]).startswith(asked)]
    if len(found) == 1:
        return found[0]
    trouble = (
        f"{len(found)} alerts have an id that begins so" if found else "no alert has an id that begins so"
    )
    raise AlertError(f"alert {asked!r}: {trouble}")
