"""Could it be an artefact: what the gates found, one row per gate and scope, single woodlands summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from reports.content import ReportContent
from reports.judged import ArtefactLine
from reports.other_alerts import MOST_ROWS, more
from reports.wording import breakable, sentence

RED, WOODLAND = "red", "woodland"
STATE_WORDS = {"passed": "passed", "red": "holds back", "not judged": "not judged"}
NOTHING_RECORDED = "Nothing is recorded of gates against artefacts for this assessment."
TEXT = (
    "A change of satellites, of their processing or of how often they saw the ground can look like a "
    "decline. Six gates ask for that. One that is red holds back the alerts it reaches: they stay on the "
    "watch list and say so. One that is not judged, for want of what it looks at, holds nothing back and "
    "clears nothing."
)


def artefacts(content: ReportContent) -> dict[str, Any]:
    """Return the rows of the gates; without any, one line that says so."""
    wide = [one for one in content.artefacts if one.scope != WOODLAND]
    narrow = [one for one in content.artefacts if one.scope == WOODLAND]
    red = [one for one in narrow if one.state == RED]
    shown, listed = _reds_first(wide)[:MOST_ROWS], red[:MOST_ROWS]
    return {
        "text": TEXT if content.artefacts else NOTHING_RECORDED,
        "rows": [_row(one) for one in shown],
        "more": more(wide, shown),
        "woodlands": _summed_up(narrow),
        "red": [[one.gate, breakable(one.of), breakable(sentence(one.reason))] for one in listed],
        "red_more": more(red, listed),
    }


def n_red(findings: Iterable[ArtefactLine]) -> int:
    """Return how many gates are red for more than a single woodland."""
    return sum(one.state == RED and one.scope != WOODLAND for one in findings)


def _reds_first(findings: Sequence[ArtefactLine]) -> Sequence[ArtefactLine]:
    """Return the findings in order of gate; where not all can be printed, the red ones first."""
    return sorted(findings, key=lambda one: one.state != RED) if len(findings) > MOST_ROWS else findings


def _row(one: ArtefactLine) -> dict[str, Any]:
    cells = [
        f"{one.gate} {breakable(one.name)}",
        _scope(one),
        STATE_WORDS.get(one.state, breakable(one.state)),
        breakable(sentence(one.reason)),
    ]
    return {"cells": cells, "red": one.state == RED}


def _scope(one: ArtefactLine) -> str:
    if one.scope == "all":
        return "all woodland"
    return breakable(f"block {one.of}" if one.scope == "block" else one.of)


def _summed_up(findings: Sequence[ArtefactLine]) -> list[list[str]]:
    """Return one row per gate of single woodlands: passed, red, not judged."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in findings:
        counts.setdefault((one.gate, one.name), Counter())[one.state] += 1
    return [
        [f"{gate} {breakable(name)}", *(str(states[state]) for state in STATE_WORDS)]
        for (gate, name), states in counts.items()
    ]
