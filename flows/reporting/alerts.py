"""Alerts: all of them as a report tells of them, with their evidence and where their lives stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from reports.judged import AlertLine, EvidenceLine
from warehouse.reader import Reader, Record

#: Columns of `alert_state` that an `AlertLine` has under the same name.
_SAME = (
    "woodland_id", "level", "season", "reason", "kind", "decline_fraction", "severity", "confidence",
    "course", "held_by", "cause", "state", "assignee", "field_result", "raised_season", "last_note",
)  # fmt: skip


def alert_lines(reader: Reader, target: str, park: str) -> tuple[AlertLine, ...]:
    """Return the alerts of a park (park empty: of all), standing and ended; the surest and largest first."""
    evidence: dict[str, list[Record]] = defaultdict(list)
    for row in reader.corroborations(target):
        evidence[row["woodland_id"]].append(row)
    rows = reader.alert_states(target, park=park or None)
    return tuple(_alert_line(row, evidence[row["woodland_id"]]) for row in rows)


def _alert_line(row: Record, evidence: Sequence[Record]) -> AlertLine:
    """Return one alert; what an older version did not record is empty."""
    told = tuple(EvidenceLine(e["kind"], e["verdict"], e["text"], e["source"]) for e in evidence)
    known: dict[str, Any] = {name: "" if row[name] is None else row[name] for name in _SAME}
    return AlertLine(**known, evidence=told)
