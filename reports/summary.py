"""The first page in words: what is seen, how sure, what to do next, and what cannot be concluded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from monitoring.seasons import Season
from reports.content import ReportContent, Summary, Target
from reports.contrasted import ContrastLine
from reports.judged import NAN
from reports.woodland import WoodlandLine
from reports.wording import count, interval, long_date, number, percent, plus_minus, printable

SIMULATED_TITLE = "Simulated: not for decisions"


def season_text(content: ReportContent) -> str:
    """Return the season in words: its twelve months, and whether it is final."""
    season = Season.parse(content.season)
    last_day = {1: "31 March", 2: "30 June", 3: "30 September", 4: "31 December"}[season.quarter]
    standing = "final" if season.is_final else "provisional: trends rest on calendar years only"
    return f"Season {season}: the 12 months to {last_day} {season.year} ({standing})"


def simulated_text(content: ReportContent) -> str:
    """Return the notice a simulated report carries; empty for a real one."""
    if not content.is_simulated:
        return ""
    return (
        "The scenes, the field samples or what the encoder was trained on are simulated. This report shows "
        "what the service does. It says nothing about any real woodland."
    )


def cards(content: ReportContent) -> list[dict[str, str]]:
    """Return the three key figures, each with what it counts and one line of context."""
    figures = content.summary
    tested = f"of {count(figures.n_tested, 'woodland')} tested" if figures.n_tested else "no trend tested yet"
    return [
        {"value": number(figures.n_confirmed, 0), "label": "confirmed declines", "note": tested},
        {"value": number(figures.n_watch, 0), "label": "on the watch list", "note": "likely, not confirmed"},
        _mean_card(figures, content.target),
    ]


def _mean_card(figures: Summary, target: Target) -> dict[str, str]:
    if not math.isfinite(figures.latest_mean):
        return {"value": "none yet", "label": f"mean {target.short_name}", "note": "no year has an estimate"}
    first = f"{figures.first_year}: {plus_minus(figures.first_mean, figures.first_sd)}"
    note = first if figures.first_year != figures.latest_year else "the first year on record"
    value = plus_minus(figures.latest_mean, figures.latest_sd)
    return {"value": value, "label": f"mean {target.short_name} in {figures.latest_year}", "note": note}


def paragraphs(content: ReportContent) -> list[dict[str, str]]:
    """Return the three paragraphs a park manager reads first."""
    return [
        {"head": "What is seen", "text": _seen(content)},
        {"head": "How sure it is", "text": _sure(content)},
        {"head": "What to do next", "text": _next(content)},
    ]


def _seen(content: ReportContent) -> str:
    figures = content.summary
    woods = f"This report covers {count(figures.n_woodlands, 'woodland')} of {printable(content.park)} "
    woods += f"({number(figures.area_ha, 0)} ha; {figures.n_ancient} ancient, {figures.n_other} other). "
    parts = (
        _mean_sentence(content),
        _flag_sentence(figures),
        _provisional_sentence(len(content.provisional)),
    )
    return woods + " ".join(part for part in parts if part)


def _mean_sentence(content: ReportContent) -> str:
    figures, target = content.summary, content.target
    if not math.isfinite(figures.latest_mean):
        return "No year has an estimate yet."
    text = f"Their mean {target.name} in {figures.latest_year} is "
    text += f"{plus_minus(figures.latest_mean, figures.latest_sd)} {target.unit}"
    if figures.first_year == figures.latest_year:
        return text + ", the first year on record."
    return text + f"; in {figures.first_year} it was {plus_minus(figures.first_mean, figures.first_sd)}."


def _flag_sentence(figures: Summary) -> str:
    if not figures.n_tested:
        return "No trend could be tested yet: there are not enough years."
    start = f"Of {count(figures.n_tested, 'woodland')} whose trend could be tested, "
    if not figures.n_confirmed + figures.n_watch:
        return start + "none is flagged."
    confirmed = _verb(figures.n_confirmed, "shows a confirmed decline", "show a confirmed decline")
    watch = _verb(figures.n_watch, "is on the watch list", "are on the watch list")
    return f"{start}{confirmed} and {watch}."


def _provisional_sentence(n: int) -> str:
    if not n:
        return ""
    verb = "stands" if n == 1 else "stand"
    where = "in a season that is not final, which is no decline"
    return f"{count(n, 'woodland')} {verb} unusually low {where}."


def _verb(n: int, one: str, many: str) -> str:
    return count(n, one, many) if n else f"none {one}"


def _sure(content: ReportContent) -> str:
    rule, n_tested = content.science.alert, content.summary.n_tested
    if not n_tested:
        needed = content.science.trend.min_years
        return (
            f"A trend is tested once a woodland has {needed} annual values. Until then a rise or fall from "
            "one year to the next is weather and prediction error as much as anything else."
        )
    return (
        f"A decline is confirmed only if it stands out when all tested woodlands are judged together: "
        f"of many confirmed declines, at most about {_false_share(content)} are expected to be false. "
        f"It must also amount to a loss of at least {percent(rule.min_decline_fraction)} over the record, "
        "against other woodland of its park, and no gate against artefacts may hold it back. The watch list "
        f"holds likely declines that are not confirmed. {_borne_out(content)}Figures after ± are one "
        "standard deviation of the prediction."
    )


def _false_share(content: ReportContent) -> str:
    """Return what q had to reach at this look, as a percentage."""
    allowed = allowed_q(content)
    return percent(allowed, 0 if round(100 * allowed) == 100 * allowed else 1)


def allowed_q(content: ReportContent) -> float:
    """Return what q had to reach at this look; what the first allows where it is not recorded."""
    known = (line.tested.q_allowed for line in content.woodlands if line.tested)
    return next((q for q in known if math.isfinite(q)), content.science.alert.q_confirmed)


def _borne_out(content: ReportContent) -> str:
    """Return how many flags other evidence bears out or contradicts, and how many a gate holds back."""
    alerts = [line.alert for line in content.woodlands if line.alert]
    if not alerts:
        return ""
    agreed, against, held = (
        sum(each)
        for each in (
            [alert.confidence == "corroborated" for alert in alerts],
            [alert.confidence == "contradicted" for alert in alerts],
            [bool(alert.held_by) for alert in alerts],
        )
    )
    return (
        f"Of the {count(len(alerts), 'flag')}, other evidence agrees with {agreed or 'none'} and contradicts "
        f"{against or 'none'}; gates hold back {held or 'none'}. "
    )


def _next(content: ReportContent) -> str:
    figures = content.summary
    if not figures.n_tested:
        return "Nothing needs a visit on the strength of this report. Keep the soil-sampling plan going."
    if not figures.n_confirmed + figures.n_watch:
        return (
            "Nothing needs a visit on the strength of this report. Keep to the survey plan; the absence of a "
            "flag does not show that a woodland is unchanged."
        )
    first = "Start with the confirmed declines" if figures.n_confirmed else "Start with the watch list"
    return (
        f"{first}: each has a page with its history, its place and what to check on the ground. Rule out "
        "known felling, storm and mapping errors first. Take soil samples before drawing conclusions, and "
        "keep the watch list in view until next year's final season."
    )


def cannot_conclude(content: ReportContent) -> list[str]:
    """Return that no flag is not no change, what the figure is not, and where the model is not at home."""
    needed = typical_detectable(content.woodlands)
    if math.isfinite(needed):
        power = (
            "A woodland without a flag is not shown to be unchanged: a typical one would have to lose "
            f"{number(needed, 2)} {content.target.slope_unit} before this record is likely to show it."
        )
    else:
        power = "No trend can be concluded yet, in either direction: the record is too short."
    meaning = (
        "The figures are predicted from satellite images, not measured on the ground: they do not say why "
        "something changes, nor how many species a woodland holds."
    )
    n_outside = sum(bool(line.years_outside) for line in content.woodlands)
    return [power, meaning, *([_outside(n_outside)] if n_outside else [])]


def _outside(n_woodlands: int) -> str:
    verb = "was" if n_woodlands == 1 else "were"
    return (
        f"Nothing is concluded from the years in which {count(n_woodlands, 'woodland')} {verb} too unlike "
        "the field samples: they take part in no trend and raise no flag."
    )


def typical_detectable(woodlands: Sequence[WoodlandLine]) -> float:
    """Return the median minimum detectable slope, target's unit per year; NaN where none is known."""
    known = [w.minimum_detectable_slope for w in woodlands if math.isfinite(w.minimum_detectable_slope)]
    return median(known) if known else NAN


def group_alt(contrasts: Sequence[ContrastLine], target: Target) -> str:
    """Return in words what the chart of ancient and other woodland shows."""
    parts = []
    for contrast in contrasts:
        first, last = contrast.years[0], contrast.years[-1]
        parts.append(
            f"{printable(contrast.park)}: ancient woodland {number(first.ancient)} in {first.year} and "
            f"{number(last.ancient)} in {last.year}, other woodland {number(first.other)} and "
            f"{number(last.other)}."
        )
    return f"Line chart of mean {target.name} by year, {target.unit}, with bands. {' '.join(parts)}"


def slope_words(line: WoodlandLine) -> str:
    """Return the slope with its 95 % interval, or that there are not enough years."""
    if not math.isfinite(line.slope):
        return "not enough years"
    between = interval(line.slope_low, line.slope_high)
    return f"{number(line.slope, 2)} ({between})" if between != "–" else number(line.slope, 2)


def dated(content: ReportContent) -> str:
    """Return the date of the report in words."""
    return long_date(content.generated_at)
