"""Methods, limits and glossary: the words that stand behind every figure of the report."""

from __future__ import annotations

import math
from collections import Counter

from reports.content import ContrastLine, ReportContent, Target
from reports.gather import outside_by_year
from reports.summary import typical_detectable
from reports.wording import (
    count,
    interval,
    listed,
    number,
    percent,
    printable,
    probability,
    sentence,
    signed,
)

Passage = dict[str, str]


def methods(content: ReportContent) -> list[Passage]:
    """Return the methods, one short passage per step."""
    trend, alert = content.science.trend, content.science.alert
    target = content.target
    return [
        _passage(
            "Pixels",
            "Every 10 m cell that a woodland touches is read from Sentinel-2 (optical) and Sentinel-1 "
            "(radar) scenes of twelve months. Cloud, shadow and missing cells are left out, never filled in.",
        ),
        _passage(
            "Embedding and prediction",
            "A frozen encoder turns the year of each cell into a list of numbers. A statistical model fitted "
            f"to field samples predicts {target.name} ({target.unit}) from them, with a standard deviation.",
        ),
        _passage(
            "Woodland figure",
            "A woodland's figure is the mean over its cells, each weighted by the share of it that lies "
            "inside. Its standard deviation takes the errors of near cells as shared and of far cells less "
            "so, as held-out field samples show them to be. A woodland-season is kept out when less than "
            f"{percent(content.science.estimation.min_coverage)} of the area has an estimate.",
        ),
        _passage(
            "Area of applicability",
            "A cell is outside it when its year looks unlike every field sample. A year of a woodland is "
            "shown but not tested, and raises no flag, when less than "
            f"{percent(content.science.estimation.min_applicable_share)} of its estimated area is inside.",
        ),
        _passage(
            "Trend",
            f"From {trend.min_years} calendar years on. The slope is the median of all pairwise slopes "
            "(Theil-Sen) with its 95 % interval. The test is an exact one-sided Mann-Kendall test of the "
            f"woodland minus its control ({trend.control}), so that weather and sensor changes shared by a "
            f"park cancel. The p values of {trend.family} are adjusted together (Benjamini-Hochberg) to q.",
        ),
        _passage(
            "Flags",
            f"Confirmed: q at most {alert.q_confirmed:g} and a fitted loss of at least "
            f"{percent(alert.min_decline_fraction)} over the record. Watch: a decline with probability of at "
            f"least {percent(alert.watch_probability)}, not confirmed. Without other woodland to compare "
            "with, or where most "
            "woodlands fall in the same year, no decline is confirmed. Other words in the tables describe "
            "the slope's own 95 % interval (below zero, above zero, or both) and are not tests.",
        ),
        _passage(
            "Ancient against other",
            "Within a park the yearly difference of the two means is taken, and its slope tested with the "
            "years as replicates. Woodlands share weather and prediction error; counting each as an "
            "independent replicate would find differences that are not there.",
        ),
        _passage("False alarms", _calibration(content)),
    ]


def _calibration(content: ReportContent) -> str:
    measured = content.calibration
    if measured is None:
        return "How often this rule raises a false alarm was not measured for this report."
    text = (
        f"On {count(measured.n_worlds, 'simulated world')} in which nothing declines, "
        f"{percent(measured.share_with_a_confirmed, 1)} had at least one confirmed decline."
    )
    return f"{text} {sentence(measured.note)}".strip()


def limits(content: ReportContent) -> list[Passage]:
    """Return what cannot be concluded from this report, one passage per reason."""
    target = content.target
    passages = [
        _passage("No flag is not no change", _power(content)),
        _passage("Woodlands that were not tested", _untested(content)),
        _passage(
            "A decline that a whole park shares",
            "The control takes out what all woodland of a park does. When most of it declines, no single "
            "woodland stands out: look at the mean of the park over the years instead.",
        ),
        _passage("Where the models are at home", _domain(content)),
        _passage("Years outside the area of applicability", _outside(content)),
        _passage(
            "A change is not a cause",
            "A decline in these figures says that the woodland looks, from above, more like woodlands with "
            "fewer fungi. Fungi may have declined, or only the canopy that both depend on.",
        ),
        _passage(
            "A mean is not a species list",
            f"{target.meaning}, averaged over the woodland: that is what a figure says. It is not the number "
            "of species the woodland holds, and it says nothing about which.",
        ),
        _passage(
            "Changes of satellite",
            "Satellites and their processing changed during the record (among others: Sentinel-1B was lost "
            "in December 2021, Sentinel-2 processing changed in January 2022). What is shared by a park "
            "cancels in the control; an effect on some kinds of woodland only would not.",
        ),
    ]
    if content.is_simulated:
        text = "Scenes, field samples or encoder are simulated. Nothing here may be said of a real place."
        passages.insert(0, _passage("This report is simulated", text))
    return passages


def _power(content: ReportContent) -> str:
    needed = typical_detectable(content.woodlands)
    if not math.isfinite(needed):
        return "The record is too short to say how small a decline it could show."
    return (
        f"Half of the woodlands could show, with 80 % power, only declines faster than {number(needed, 2)} "
        f"{content.target.slope_unit}. Slower ones are likely to be missed. The figure for each woodland is "
        "in the table of all woodlands. It is for one woodland tested alone; in the family it is larger."
    )


def _untested(content: ReportContent) -> str:
    reasons = Counter(printable(line.reason) for line in content.woodlands if line.reason)
    if not reasons:
        return "None: every woodland of this report was tested."
    total = count(reasons.total(), "woodland has", "woodlands have")
    counted = "; ".join(
        f"{reason} ({n})" for reason, n in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))[:5]
    )
    return f"{total[:1].upper() + total[1:]} no test. Reasons: {counted}."


def _domain(content: ReportContent) -> str:
    encoder, head = content.provenance.encoder, content.provenance.head
    text = f"The encoder's training: {_stated(encoder.training_domain)}. "
    text += f"The model's field samples: {_stated(head.training_domain)}. "
    return text + "Woodland unlike both gets figures that may be wrong by more than their ± says."


def _outside(content: ReportContent) -> str:
    years = outside_by_year(content.woodlands)
    if not years:
        return "None: no year of any woodland was left out as unlike the field samples."
    lines = [line for line in content.woodlands if line.years_outside]
    listing = listed([f"{year} ({count(n, 'woodland')})" for year, n in years])
    total = count(len(lines), "woodland has", "woodlands have")
    return (
        f"{total[:1].upper() + total[1:]} years that lie outside it: {listing}. These years are drawn and "
        "listed and are part of the means of parks, but what the model says of them may be far off: they "
        "take part in no trend, no control and no test of ancient against other woodland, and no flag rests "
        "on them."
    )


def _stated(domain: str) -> str:
    return printable(domain).rstrip(".") or "not stated"


def contrast_text(contrast: ContrastLine, slope_unit: str) -> str:
    """Return what one park's contrast says, in plain words."""
    groups = f"{contrast.n_ancient} ancient and {count(contrast.n_other, 'other woodland')}"
    if contrast.reason or not math.isfinite(contrast.slope):
        return f"Not tested ({groups}): {sentence(contrast.reason or 'not enough years')}"
    between = interval(contrast.slope_low, contrast.slope_high)
    figures = f"{signed(contrast.slope)} {slope_unit} (95 % interval {between}; p {probability(contrast.p)}; "
    figures += f"{contrast.n_years} years; {groups})"
    return f"{_direction(contrast)} Slope of the difference: {figures}."


def _direction(contrast: ContrastLine) -> str:
    if contrast.slope_high < 0:
        return "Ancient woodland has lost ground against other woodland."
    if contrast.slope_low > 0:
        return "Ancient woodland has gained on other woodland."
    return "The years do not show that ancient and other woodland move apart."


def glossary(target: Target) -> list[list[str]]:
    """Return the words a reader needs, each with its meaning."""
    return [
        ["Ancient woodland", "Land wooded since at least 1600, as the national inventory lists it."],
        [
            "Area of applicability",
            "Where a cell looks enough like some field sample for the model to be used.",
        ],
        [
            "Confirmed, watch",
            "The two levels of flag: passed the test over all woodlands; likely, but not passed.",
        ],
        ["Control", "What other woodland of the same park did in the same years."],
        ["Coverage", "Share of a woodland's area that has an estimate."],
        ["Ectomycorrhizal fungi", "Fungi that live on tree roots, feed the tree and are fed by it."],
        ["Minimum detectable trend", "The slowest decline the record would show in four cases out of five."],
        ["q", "Chance-corrected p: flagging all with q up to 0.05, about 5 in 100 flags are false."],
        [f"{target.short_name[:1].upper()}{target.short_name[1:]}", f"{target.meaning}; always with its ±."],
    ]


def _passage(head: str, text: str) -> Passage:
    return {"head": head, "text": text}
