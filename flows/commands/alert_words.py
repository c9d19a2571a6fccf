"""An alert in plain sentences: figures, gates, evidence, weather, and what happened to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitoring.alerts.events import SERVICE, AlertEvent, EventKind

Figures = Mapping[str, Any]
#: Years named as the worst of the weather.
MOST_YEARS = 3


@dataclass(frozen=True)
class Grounds:
    """Everything the warehouse holds on one alert."""

    alert: Figures
    """Row of `alert_state`."""
    trend: Figures | None
    """Row of `latest_trend`; None where the latest assessment has none."""
    gates: Sequence[Figures]
    """Rows of `latest_gate_finding` that reach the woodland."""
    evidence: Sequence[Figures]
    """Rows of `latest_corroboration`."""
    weather: Sequence[Figures]
    """Rows of `latest_weather_year`."""
    events: Sequence[AlertEvent]


def explanation(grounds: Grounds) -> Iterator[str]:
    """Yield the whole reasoning, a line at a time, sections parted by empty lines."""
    sections = (
        _said(grounds.alert),
        _tested(grounds.trend),
        _gates(grounds.alert, grounds.gates),
        _borne_out(grounds),
        _history(grounds.events),
    )
    for number, section in enumerate(sections):
        yield from ([""] if number else [])
        yield from section


def _said(alert: Figures) -> Iterator[str]:
    place = f"{alert['woodland'] or alert['woodland_id']} ({alert['woodland_id']})"
    where = f"{place}, {alert['park']}" if alert["park"] else place
    yield f"{where}: {alert['level']} alert, {alert['state']}."
    yield f"It {alert['reason']}."
    yield f"Judged at {alert['season']}; first raised at {alert['raised_season']}."
    if alert["severity"]:
        yield (
            f"Severity {alert['severity']}: from the loss ({100 * alert['decline_fraction']:.0f} %), "
            f"the area ({alert['area_ha']:.3g} ha), its standing ({alert['status']}) and the level."
        )


def _tested(trend: Figures | None) -> Iterator[str]:
    if trend is None:
        yield "The latest assessment has no trend of this woodland."
        return
    yield (
        f"Tested at {trend['season']} over {trend['n']} years, "
        f"{trend['first_year']} to {trend['last_year']}: {trend['method']}."
    )
    yield (
        f"Its own values change by {_number(trend['slope'])} a year "
        f"({_number(trend['slope_low'])} to {_number(trend['slope_high'])}), "
        f"against its control by {_number(trend['relative_slope'])} a year."
    )
    if _is_known(trend["tested_slope"]):
        yield (
            f"The tested slope is {_number(trend['tested_slope'])} a year, standard error "
            f"{_number(trend['tested_se'])}, {_number(trend['degrees_of_freedom'])} degrees of freedom."
        )
    yield f"p is {_number(trend['p'])}, q over the family {_number(trend['q'])}{_bound(trend)}."
    if _is_known(trend["decline_probability"]):
        yield (
            f"Shrunk by how the slopes of all woodlands spread, the slope is estimated at "
            f"{_number(trend['posterior_slope'])} a year (sd {_number(trend['posterior_sd'])}), "
            f"and a decline is {100 * trend['decline_probability']:.0f} % probable."
        )
    yield (
        f"A decline of {_number(trend['minimum_detectable_slope'])} a year would have been found "
        "four times in five."
    )


def _bound(trend: Figures) -> str:
    if not trend["look"] or not _is_known(trend["q_allowed"]):
        return ""
    return f"; at yearly look {trend['look']} it had to reach {_number(trend['q_allowed'])}"


def _gates(alert: Figures, gates: Sequence[Figures]) -> Iterator[str]:
    if not gates:
        yield "No gate against artefacts was recorded."
    for each in gates:
        where = f" ({each['of']})" if each["of"] else ""
        yield f"{each['gate']} {each['name']}{where}: {each['state']}. {each['reason']}"
    if alert["held_by"]:
        yield f"Held below CONFIRMED by {alert['held_by']}."


def _borne_out(grounds: Grounds) -> Iterator[str]:
    alert = grounds.alert
    if alert["cause"]:
        yield f"A known cause: {alert['cause']}."
    yield f"Other evidence: {alert['confidence'] or 'not looked at'}."
    for each in grounds.evidence:
        source = f" [{each['source']}]" if each["source"] else ""
        yield f"- {each['text']}: {each['verdict']}{source}"
    yield f"Course of the decline: {alert['course'] or 'not looked at'}."
    yield from _worst_years(grounds.weather)


def _worst_years(weather: Sequence[Figures]) -> Iterator[str]:
    ordered = sorted(weather, key=lambda row: (-row["compound_days"], row["year"]))
    worst = [f"{row['year']} ({row['compound_days']} days)" for row in ordered if row["compound_days"]]
    if worst:
        yield f"Most days of both heat and drought: {', '.join(worst[:MOST_YEARS])}."


def _history(events: Sequence[AlertEvent]) -> Iterator[str]:
    yield "What happened to it:" if events else "Nothing is recorded of its life."
    for event in events:
        yield f"{event.number}. {event.happened_at:%Y-%m-%d} {happening(event)}"


def with_names(events: Sequence[AlertEvent], names: Mapping[str, str]) -> tuple[AlertEvent, ...]:
    """Return events for a person to read: names for the ids of contacts, where the contact still exists."""
    return tuple(
        replace(
            event,
            actor=names.get(event.actor, event.actor),
            assignee=names.get(event.assignee, event.assignee),
        )
        for event in events
    )


def happening(event: AlertEvent) -> str:
    """Return one event in words, such as `raised at 2025-Q4 as CONFIRMED, q 0.01`."""
    what = f"{event.kind} to {event.assignee}" if event.kind is EventKind.ASSIGNED else str(event.kind)
    what += f" {event.result}" if event.result else ""
    if event.actor == SERVICE:
        what += f" at {event.season} as {event.level}"
        what += f", q {_number(event.q)}" if _is_known(event.q) else ""
    else:
        what += f" by {event.actor}"
    return f"{what}: {event.note}" if event.note else what


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "unknown"
    return "endless" if math.isinf(value) else f"{value:.3g}"
