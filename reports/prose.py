"""Limits and glossary: what cannot be concluded, and what the words mean."""

from __future__ import annotations

import math
from collections import Counter

from reports.content import ReportContent, Target
from reports.gather import outside_by_year
from reports.summary import typical_detectable
from reports.wording import (
    count,
    listed,
    number,
    printable,
)

Passage = dict[str, str]


def limits(content: ReportContent) -> list[Passage]:
    """Return what cannot be concluded from this report, one passage per reason."""
    target = content.target
    passages = [
        passage("No flag is not no change", _power(content)),
        passage("Woodlands that were not tested", _untested(content)),
        passage(
            "A decline that a whole park shares",
            "The control takes out what all woodland of a park does. When most of it declines, no single "
            "woodland stands out: look at the trends of the parks instead. Those have no control, and a "
            "drought or a sensor can make them.",
        ),
        passage("Where the models are at home", _domain(content)),
        passage("Years outside the area of applicability", _outside(content)),
        passage(
            "A change is not a cause",
            "A decline in these figures says that the woodland looks, from above, more like woodlands with "
            "fewer fungi. Fungi may have declined, or only the canopy that both depend on. That greenness "
            "agrees shows a change of the canopy, not of the fungi.",
        ),
        passage(
            "A mean is not a species list",
            f"{target.meaning}, averaged over the woodland: that is what a figure says. It is not the number "
            "of species the woodland holds, and it says nothing about which.",
        ),
        passage(
            "Changes of satellite",
            "Satellites and their processing changed during the record (among others: Sentinel-1B was lost "
            "in December 2021, Sentinel-2 processing changed in January 2022). What is shared by a park "
            "cancels in the control; an effect on some kinds of woodland only would not.",
        ),
    ]
    if content.is_simulated:
        text = "Scenes, field samples or encoder are simulated. Nothing here may be said of a real place."
        passages.insert(0, passage("This report is simulated", text))
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


def glossary(target: Target) -> list[list[str]]:
    """Return the words a reader needs, each with its meaning, in alphabetical order."""
    return sorted(_words(target), key=lambda pair: pair[0].casefold())


def _words(target: Target) -> list[list[str]]:
    return [
        ["Ancient woodland", "Land wooded since at least 1600, as the national inventory lists it."],
        [
            "Area of applicability",
            "Where a cell looks enough like some field sample for the model to be used.",
        ],
        [
            "Confirmed, watch",
            "The two levels of flag: passed the family's test and every gate; likely, but not passed.",
        ],
        ["Control", "What other woodland of the same park and leaf type did in the same years."],
        ["Coverage", "Share of a woodland's area that has an estimate."],
        ["Ectomycorrhizal fungi", "Fungi that live on tree roots, feed the tree and are fed by it."],
        ["Floor", "Share of the expected passes, optical and radar, under which a season is not final."],
        ["Frozen", "Of a season: no late scene enters it any more."],
        ["Gate", "A question whether a decline may be an artefact: passed, holds back, or not judged."],
        ["Look", "One yearly judgement of all woodlands; each spends part of the error allowed."],
        ["Minimum effect", "A decline so slow that nobody needs to go; a slope must be surely faster."],
        ["Minimum detectable trend", "The slowest decline the record would show in four cases out of five."],
        ["NDVI", "Vegetation index of greenness: (near infrared - red) / (near infrared + red)."],
        ["NIRv", "Near-infrared reflectance of vegetation: NDVI times near infrared."],
        ["Provisional", "An unusual fall within a year in a season that is not final: no decline."],
        ["q", "Chance-corrected p: flagging all with q up to 0.05, about 5 in 100 flags are false."],
        [f"{target.short_name[:1].upper()}{target.short_name[1:]}", f"{target.meaning}; always with its ±."],
        ["Shrinkage", "Drawing a slope towards zero as far as its error is large: an estimate, no test."],
    ]


def passage(head: str, text: str) -> Passage:
    """Return one passage: a head and what stands under it."""
    return {"head": head, "text": text}
