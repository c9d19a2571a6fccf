"""What one alert rests on, in words: its test, what bears it out, what holds it back, where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reports.content import ReportContent
from reports.judged import AlertLine, EvidenceLine, HowTested
from reports.woodland import WoodlandLine
from reports.wording import breakable, listed, number, percent, printable, probability, sentence

#: What is said of a course when no weather was given.
NO_WEATHER = "no weather given"
VERDICT_WORDS = {"agrees": "Agrees", "disagrees": "Disagrees", "silent": "Says neither"}


def standing_words(line: WoodlandLine) -> str:
    """Return severity, confidence, course and state of an alert, as far as recorded, on one line."""
    alert = line.alert
    if alert is None:
        return ""
    course = "" if alert.course == NO_WEATHER else alert.course
    severity = f"{alert.severity} severity" if alert.severity else ""
    said = (severity, alert.confidence, course, state_words(alert))
    return " · ".join(printable(each) for each in said if each)


def beside_words(line: WoodlandLine, content: ReportContent) -> str:
    """Return what other evidence says, a known cause, what holds it back, and what the field said.

    What the alert's own sentence tells already is not told twice.
    """
    alert = line.alert
    if alert is None:
        return ""
    parts = [
        evidence_words(alert.evidence, line.alert_reason),
        f"Known cause: {breakable(alert.cause)}." if alert.cause not in line.alert_reason else "",
        _held(alert, gate_names(content)),
        "No weather was given to judge its course by." if alert.course == NO_WEATHER else "",
        f"From the field: {printable(alert.field_result)}." if alert.field_result else "",
    ]
    return " ".join(part for part in parts if part)


def gate_names(content: ReportContent) -> dict[str, str]:
    """Return what each gate looks at, by gate."""
    names: dict[str, str] = {}
    for finding in content.artefacts:
        names.setdefault(finding.gate, finding.name)
    return names


def _held(alert: AlertLine, names: Mapping[str, str]) -> str:
    gates = [gate for gate in alert.held_by.split(", ") if gate]
    named = [breakable(f"{gate} ({names[gate]})") if gate in names else breakable(gate) for gate in gates]
    return f"Held back by {listed(named)}." if named else ""


def state_words(alert: AlertLine) -> str:
    """Return where an alert stands and since when: `assigned to J. Moss, raised at 2024-Q4`."""
    who = f" to {alert.assignee}" if alert.assignee and alert.state == "assigned" else ""
    since = f", raised at {alert.raised_season}" if alert.raised_season else ""
    return printable(f"{alert.state}{who}{since}")


def how_tested(line: WoodlandLine, content: ReportContent) -> str:
    """Return how a woodland was tested, figure by figure; that it is not recorded where it is not."""
    tested, unit = line.tested, content.target.slope_unit
    if tested is None:
        return "How it was tested is not recorded."
    effect = percent(content.science.trend.min_effect_fraction, 1)
    parts = [
        f"Against other woodland it changes by {number(tested.slope, 2)} {unit} (standard error "
        f"{number(tested.se, 2)}; moderated t{_degrees(tested)}; autocorrelation of the family "
        f"{number(tested.memory, 2)}).",
        f"One-sided p of a decline faster than {effect} of its level a year: {probability(line.p)}; over "
        f"all woodlands q {probability(line.q)}{_needed(tested)}.",
        f"Beside it, exact Mann-Kendall p: {probability(tested.p_mann_kendall)}.",
        _shrunk(tested, unit),
    ]
    return " ".join(part for part in parts if part)


def _degrees(tested: HowTested) -> str:
    if math.isnan(tested.degrees_of_freedom):
        return ""
    if math.isinf(tested.degrees_of_freedom):
        return ", all woodlands scatter alike"
    return f", {number(tested.degrees_of_freedom, 0)} degrees of freedom"


def _needed(tested: HowTested) -> str:
    if not math.isfinite(tested.q_allowed):
        return ""
    look = f" at yearly look {tested.look}" if tested.look else ""
    return f", which{look} had to reach {probability(tested.q_allowed)}"


def _shrunk(tested: HowTested, unit: str) -> str:
    if not math.isfinite(tested.decline_probability):
        return ""
    slope = ""
    if math.isfinite(tested.posterior_slope):
        slope = f", estimated at {number(tested.posterior_slope, 2)} {unit}"
    return f"After shrinkage a decline has probability {certainty(tested.decline_probability)}{slope}."


def certainty(value: float) -> str:
    """Return a probability with two decimals, `above 0.99` beyond them."""
    return "above 0.99" if value > 0.99 else number(value, 2)


def evidence_words(evidence: Sequence[EvidenceLine], told: str = "") -> str:
    """Return what something other than the target says and `told` does not; that nothing is known."""
    if not evidence:
        return "Nothing other than this record is known of it."
    return " ".join(_piece(one) for one in evidence if one.text not in told)


def _piece(one: EvidenceLine) -> str:
    source = f" ({printable(one.source)})" if one.source else ""
    return sentence(f"{VERDICT_WORDS.get(one.verdict, one.verdict)}: {one.text}{source}")
