"""Years of extreme heat and drought: as marks in charts, and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reports.content import EXTREME, NotableYear, ReportContent
from reports.woodland import WoodlandLine
from reports.wording import count, listed, percent

#: Share of a group's woodlands with known weather from which a year is marked in its chart.
_MOST = 0.5


def marks(notable: Sequence[NotableYear], woodlands: Sequence[WoodlandLine]) -> tuple[NotableYear, ...]:
    """Return the years to mark in a chart of woodlands: the settings' own, and those extreme for most."""
    known = [line for line in woodlands if line.has_weather]
    counts = Counter(year for line in known for year in line.extreme_years)
    extreme = {year for year, n in counts.items() if n >= _MOST * len(known)}
    named = {year.year: year.label for year in notable}
    years = sorted({year.year for year in notable} | extreme)
    return tuple(NotableYear(year, named.get(year, EXTREME), year in extreme) for year in years)


def mark_caption(shown: Sequence[NotableYear], first: int, last: int) -> str:
    """Return what the marks of extreme years stand for; empty where a chart has none."""
    if not any(year.is_extreme and first <= year.year <= last for year in shown):
        return ""
    return " Dashes and dots: a year of extreme heat and drought."


def weather_words(content: ReportContent) -> str:
    """Return which years were extreme and for how many woodlands, and what that means here."""
    rule = content.science.weather
    known = [line for line in content.woodlands if line.has_weather]
    if not known:
        return "No weather was given, so no alert says whether it outlasts the years of heat and drought."
    counts = Counter(year for line in known for year in line.extreme_years)
    of = count(len(known), "woodland")
    years = listed([f"{year} ({n})" for year, n in sorted(counts.items())])
    return (
        f"A year is extreme with at least {count(rule.extreme_days, 'day')} both hot and dry, in a run of "
        f"{rule.min_run_days} or more; hot and dry are the {percent(rule.extreme_share)} most extreme of all "
        f"days. Of {of} with weather: {f'extreme were {years}' if years else 'no year was extreme'}. "
        "An alert is judged with and without its extreme years: sustained, a dip of those years, or "
        "uncertain."
    )
