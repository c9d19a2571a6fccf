"""Alerts that are no flags: unusual falls of a season that is not final, and alerts that stand no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.content import ReportContent
from reports.flags import name_of
from reports.grounds import state_words
from reports.judged import AlertLine
from reports.wording import breakable, count, percent, sentence, shorten

#: Rows printed in full; the rest are counted.
MOST_ROWS = 60
_LONGEST_NAME = 60
PROVISIONAL_TEXT = (
    "These woodlands stand unusually low beside the same season of the year before, in a season that is not "
    "final. One season says nothing of a decline: the next look renews this or lets it go. None is flagged "
    "for it, and nobody need go."
)
LEVEL_WORDS = {"CONFIRMED": "confirmed", "WATCH": "watch", "PROVISIONAL": "provisional"}


def other_alerts(content: ReportContent) -> dict[str, Any]:
    """Return the tables of provisional falls and of alerts that were dismissed or ended; empty without."""
    names = {line.id: name_of(line) for line in content.woodlands}
    falls, ended = content.provisional[:MOST_ROWS], content.ended[:MOST_ROWS]
    return {
        "provisional_text": PROVISIONAL_TEXT if falls else "",
        "provisional": [_fall_row(alert, names) for alert in falls],
        "provisional_more": more(content.provisional, falls),
        "ended": [_ended_row(alert, names) for alert in ended],
        "ended_more": more(content.ended, ended),
    }


def more(all_of: Sequence[object], shown: Sequence[object]) -> str:
    """Return that rows were left out, and how many; empty where none was."""
    left = len(all_of) - len(shown)
    return f"And {count(left, 'more row', 'more rows')}, listed by the warehouse." if left else ""


def _named(alert: AlertLine, names: Mapping[str, str]) -> str:
    return breakable(shorten(names.get(alert.woodland_id, alert.woodland_id), _LONGEST_NAME))


def _fall_row(alert: AlertLine, names: Mapping[str, str]) -> list[str]:
    return [
        _named(alert, names),
        breakable(alert.season),
        percent(alert.decline_fraction),
        breakable(state_words(alert)),
        breakable(sentence(alert.reason)) or "–",
    ]


def _ended_row(alert: AlertLine, names: Mapping[str, str]) -> list[str]:
    return [
        _named(alert, names),
        LEVEL_WORDS.get(alert.level, breakable(alert.level)),
        breakable(state_words(alert)),
        breakable(alert.season),
        breakable(sentence(alert.last_note)) or "–",
    ]
