"""Reasons: what led to an alert, in one sentence for the person who looks after the wood."""

from __future__ import annotations

import numpy as np

from monitoring.alerts.alert import Confidence, Course
from monitoring.alerts.grounds import Grounds
from monitoring.corroboration.evidence import Verdict
from monitoring.gates.gather import gates_words
from monitoring.statistics.change_points import Fall
from monitoring.statistics.theil_sen import theil_sen

#: Other woodland "held" when its own slope is under this share of the alerted woodland's.
HELD = 0.25
#: Confidence of the interval in a sentence, whatever the tables show: people meet one kind of interval.
CONFIDENCE = 0.95
#: How a target is called in a sentence; any other goes by its own name, `_` read as a space.
TARGET_WORDS = {"richness": "expected taxa"}


def sentence(grounds: Grounds, target: str) -> str:
    """Return the reason: loss, years, slopes with interval, n, q, what it is relative to, what bears it out,
    what holds it back and what was left out.

    It has the woodland as its subject: "lost 31 % of its expected taxa between 2017 and 2025 (-1.9 a year;
    against other woodland -2 a year, 95 % interval -2.4 to -1.5, 9 years, q 0.002) while other woodland in
    Hallin Fells held". The interval is that of the tested series, which q belongs to.
    """
    trend = grounds.trend
    words = TARGET_WORDS.get(target, target.replace("_", " "))
    years = f"between {trend.first_year} and {trend.last_year}"
    loss = f"lost {100 * trend.decline_fraction:.0f} % of its {words} {years}{_step(grounds.step)}"
    clauses = [
        f"{loss} {_figures(grounds)} {_beside(grounds)}",
        _cause(grounds),
        _course(grounds.course),
        _borne_out(grounds),
        *_held_back(grounds),
        f"left out: {grounds.left_out}" if grounds.left_out else "",
    ]
    return "; ".join(clause for clause in clauses if clause)


def _cause(grounds: Grounds) -> str:
    return f"known cause: {grounds.cause}" if grounds.cause else ""


def _course(course: Course) -> str:
    """Return how the decline fares without the years of extreme weather; empty where no weather was given."""
    words = {
        Course.SUSTAINED: "sustained: it goes on without the years of heat and drought",
        Course.DIP: "an extreme-year dip: without the years of heat and drought it is not seen",
        Course.UNCERTAIN: "uncertain without the years of heat and drought",
    }
    return words.get(course, "")


def _borne_out(grounds: Grounds) -> str:
    """Return what bears the decline out or contradicts it, its cause left out; empty where nothing does."""
    wanted = {Confidence.CORROBORATED: Verdict.AGREES, Confidence.CONTRADICTED: Verdict.DISAGREES}
    told = (each.text for each in grounds.evidence if each.verdict is wanted.get(grounds.confidence))
    return ", ".join(text for text in told if text not in grounds.cause)


def _figures(grounds: Grounds) -> str:
    trend = grounds.trend
    line = theil_sen(grounds.years, grounds.values[None, :], CONFIDENCE)
    interval = (
        f"{100 * CONFIDENCE:.0f} % interval {_number(float(line.low[0]))} to {_number(float(line.high[0]))}"
    )
    relative = ""
    if grounds.has_control:
        relative = f"; against other woodland {_number(trend.relative_slope)} a year"
    return (
        f"({_number(trend.slope)} a year{relative}, {interval}, {trend.n} years, q {_probability(trend.q)})"
    )


def _step(step: Fall | None) -> str:
    return "" if step is None else f", in one step of {_number(step.change)} in {step.year}"


def _beside(grounds: Grounds) -> str:
    control = grounds.control
    if control is None or control.reason:
        why = "" if control is None else f" ({control.reason})"
        return f"with no other woodland to compare it with{why}"
    slope = float(theil_sen(control.years, control.values[None, :]).slope[0])
    if abs(slope) < HELD * abs(grounds.trend.slope):
        return f"while other woodland in {control.place} held"
    return f"while other woodland in {control.place} changed by {_number(slope)} a year"


def _held_back(grounds: Grounds) -> list[str]:
    """Return what keeps it from being confirmed, one clause each; empty for a confirmed one."""
    if grounds.is_confirmed:
        return []
    held = [gates_words(grounds.held_by)]
    if grounds.step is not None and grounds.is_shared_step:
        held.append(
            f"most woodlands fall in {grounds.step.year}, so the sensor or the processing is suspected"
        )
    if not grounds.has_control:
        held.append("bad years shared by all cannot be ruled out")
    if not grounds.passes_family:
        held.append(_unconfirmed(grounds))
    elif not grounds.is_large:
        held.append("the loss is smaller than what is called to attention")
    return held


def _unconfirmed(grounds: Grounds) -> str:
    trend = grounds.trend
    probably = f"a decline with probability {_certainty(trend.decline_probability)}"
    return f"{probably}, not confirmed over all woodlands tested (q allowed {_probability(trend.q_allowed)})"


def _number(value: float) -> str:
    """Return two significant digits, never in exponent form for whole numbers."""
    if not np.isfinite(value):
        return "unknown"
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _probability(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.2g}"


def _certainty(value: float) -> str:
    return "above 0.99" if value > 0.99 else f"{value:.2f}"
