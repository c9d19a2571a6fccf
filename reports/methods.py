"""Methods: how the figures of a report are made, one short passage per step."""

from __future__ import annotations

import math
from typing import Any

from reports.content import ReportContent
from reports.judged import CalibratedLine, Calibration
from reports.other_alerts import MOST_ROWS, more
from reports.prose import Passage, passage
from reports.summary import allowed_q
from reports.weather import weather_words
from reports.wording import MISSING, breakable, count, number, percent, printable, probability, sentence


def methods(content: ReportContent) -> list[Passage]:
    """Return the methods, one short passage per step."""
    target = content.target
    return [
        passage(
            "Pixels",
            "Every 10 m cell that a woodland touches is read from Sentinel-2 (optical) and Sentinel-1 "
            "(radar) scenes of twelve months. Cloud, shadow and missing cells are left out, never filled in.",
        ),
        passage(
            "Embedding and prediction",
            "A frozen encoder turns the year of each cell into a list of numbers. A statistical model fitted "
            f"to field samples predicts {target.name} ({target.unit}) from them, with a standard deviation.",
        ),
        passage(
            "Woodland figure",
            "A woodland's figure is the mean over its cells, each weighted by the share of it that lies "
            "inside. Its standard deviation takes the errors of near cells as shared and of far cells less "
            "so, as held-out field samples show them to be. A woodland-season is kept out when less than "
            f"{percent(content.science.estimation.min_coverage)} of the area has an estimate.",
        ),
        passage(
            "Area of applicability",
            "A cell is outside it when its year looks unlike every field sample. A year of a woodland is "
            "shown but not tested, and raises no flag, when less than "
            f"{percent(content.science.estimation.min_applicable_share)} of its estimated area is inside.",
        ),
        passage("Trend shown", _trend_shown(content)),
        passage("Test", _test(content)),
        passage("Control", _CONTROL),
        passage("All woodlands together", _family(content)),
        passage("Flags", _flags(content)),
        passage("What may be an artefact", _ARTEFACTS),
        passage("Ancient against other", _contrast(content)),
        passage("Weather", weather_words(content)),
        passage("False alarms", _calibration(content)),
    ]


_CONTROL = (
    "What the other (not ancient) woodland of the same park and leaf type did in the same years: the median "
    "of its departures, from five woodlands on, itself left out. With fewer of that leaf type any other "
    "woodland of the park serves. Weather and sensor changes that a park shares cancel; so does a decline "
    "that it shares. Without other woodland to compare with nothing is confirmed."
)
_ARTEFACTS = (
    "Gates G1 to G6 ask whether reference sites moved, observation counts explain the decline, thinned years "
    "repeat it, one era of the sensors makes it, the whole block fell, or ever less of it lies inside the "
    "area of applicability. A red one keeps an alert from being confirmed. A gate that is not judged holds "
    "nothing back. What no gate asks for, and no control cancels, may still be there."
)


def _trend_shown(content: ReportContent) -> str:
    return (
        f"From {content.science.trend.min_years} calendar years on. The slope in tables and charts is the "
        "median of all pairwise slopes of a woodland's own values (Theil-Sen) with its 95 % interval. An "
        "exact one-sided Mann-Kendall p is shown beside the test; no flag rests on it."
    )


def _test(content: ReportContent) -> str:
    effect = percent(content.science.trend.min_effect_fraction, 1)
    return (
        "Tested is the woodland minus its control, by generalised least squares. Yearly noise may remember "
        "the year before: one autocorrelation for all woodlands is found by the likelihood of what level, "
        "slope and scatter leave, and one standard error added. Years with a larger prediction error weigh "
        "less. The scatter of each woodland is steadied by that of all (moderated t; Smyth 2004). p is "
        f"one-sided, against a decline of {effect} of the level a year, not against none."
    )


def _family(content: ReportContent) -> str:
    trend = content.science.trend
    return (
        f"The p values of {trend.family} are adjusted together to q ({_CORRECTIONS.get(trend.correction)}). "
        f"{_looks(content)} Slopes are also drawn towards zero as far as their errors are large beside what "
        "slopes spread (shrinkage); that gives the probability of a decline faster than the minimum effect, "
        "which is an estimate and no test."
    )


_CORRECTIONS = {"BH": "Benjamini-Hochberg", "BY": "Benjamini-Yekutieli, under any dependence"}


def _looks(content: ReportContent) -> str:
    """Return how the error is spent over yearly looks, and which look this is where it is recorded."""
    spending, q = content.science.trend.spending, content.science.alert.q_confirmed
    if spending == "none":
        return f"q has to reach {q:g} every year: over the years more alarms are false."
    number_of = next((line.tested.look for line in content.woodlands if line.tested), 0)
    this = f"; this is look {number_of}, where q has to reach {probability(allowed_q(content))}"
    return (
        f"Judged anew every year, a family has a new chance to be wrong: the {q:g} of the first look is "
        f"spent over looks ({spending}{this if number_of else ''})."
    )


def _flags(content: ReportContent) -> str:
    alert = content.science.alert
    return (
        f"Confirmed: q at most {alert.q_confirmed:g} at the first look and less at later ones, a fitted loss "
        f"of at least {percent(alert.min_decline_fraction)} over the record, an own slope that falls, a "
        "control, no step that most woodlands share, and no red gate. Watch: q passes, or after shrinkage a "
        f"decline has a probability of at least {percent(alert.watch_probability)}, but something of that is "
        "missing. Provisional: an unusual fall within a year in a season that is not final, held to the same "
        f"season of earlier years; at most {alert.provisional_per_1000:g} false in 1,000 woodlands and year; "
        "never called a decline. Severity: from loss, area and standing. Confidence: what vegetation indices "
        "and records of disturbance say; it moves no p. Other words in the tables describe the slope's own "
        "95 % interval (below zero, above zero, or both) and are not tests."
    )


def _contrast(content: ReportContent) -> str:
    rule = content.science.matching
    return (
        f"Each ancient woodland is matched to its {rule.neighbours} nearest other woodlands at most: same "
        f"park and leaf type, within {rule.max_elevation_difference_m:g} m of elevation and a factor of "
        f"{rule.max_area_ratio:g} in area. The yearly mean difference is one number a year, and its slope is "
        "tested over all orders of the years: years are the replicates. Woodlands share weather and "
        "prediction error; counting each as an independent replicate would find differences that are not "
        "there."
    )


def _calibration(content: ReportContent) -> str:
    measured = content.calibration
    if measured is None:
        return "How often this rule raises a false alarm was not measured for this report."
    parts = [
        _false_alarms(measured),
        _power_measured(measured),
        sentence(measured.note),
        _when(measured),
        "" if measured.is_current else "It was made under other scientific choices than this report's.",
    ]
    return " ".join(part for part in parts if part)


def _false_alarms(measured: Calibration) -> str:
    if not math.isfinite(measured.share_with_a_confirmed):
        return "The rule was calibrated; how often nothing but noise is confirmed is not stated."
    worlds = count(measured.n_worlds, "simulated world") if measured.n_worlds else "simulated worlds"
    return (
        f"On {worlds} in which nothing declines, {percent(measured.share_with_a_confirmed, 1)} had at least "
        "one confirmed decline."
    )


def _power_measured(measured: Calibration) -> str:
    if not math.isfinite(measured.power):
        return ""
    where = f" ({printable(measured.power_world)})" if measured.power_world else ""
    return f"Where woodlands do decline, {percent(measured.power)} of those were confirmed{where}."


def _when(measured: Calibration) -> str:
    when = f"Measured on {measured.calibrated_on}" if measured.calibrated_on else "Measured"
    if measured.command:
        return f"{when} by `{printable(measured.command)}`."
    return f"{when}." if measured.calibrated_on else ""


def calibrated(content: ReportContent) -> dict[str, Any]:
    """Return the table of a calibration's figures, each with what is promised; empty without one."""
    lines = content.calibration.lines if content.calibration else ()
    shown = lines[:MOST_ROWS]
    return {"rows": [_calibrated_row(line) for line in shown], "more": more(lines, shown)}


def _calibrated_row(line: CalibratedLine) -> list[str]:
    bound = _rate(line.bound, line)
    kept = "" if not math.isfinite(line.bound) else ", kept" if line.is_kept else ", not kept"
    return [
        sentence(line.measure)[:-1],
        breakable(line.world),
        str(line.n_years or MISSING),
        number(line.sims, 0),
        _rate(line.value, line),
        f"{bound}{kept}",
    ]


def _rate(value: float, line: CalibratedLine) -> str:
    return number(value, 2) if line.is_count else percent(value, 1)
