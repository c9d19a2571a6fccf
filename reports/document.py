"""The whole report as strings and figures: what the template sets, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reports import evidence, figures, forest, maps, prose, summary
from reports.alert_pages import alert_page, history_alt
from reports.artefacts import artefacts
from reports.content import NotableYear, ReportContent, Target
from reports.contrast_pages import balance_rows, contrast_place, contrast_text
from reports.contrasted import ContrastLine
from reports.flags import Flag, by_park, flag_of, flagged, name_of, numbers_of, park_of
from reports.gather import group_years, index_years
from reports.methods import calibrated, methods
from reports.other_alerts import other_alerts
from reports.park_pages import forest_alt, park_section
from reports.weather import mark_caption, marks
from reports.woodland import IndexYear, WoodlandLine
from reports.wording import (
    breakable,
    count,
    interval,
    listed,
    number,
    percent,
    plus_minus,
    printable,
    probability,
    sentence,
    shorten,
)

#: Parks with a chart of their own on the first page; of more parks it shows the mean.
_ON_FIRST_PAGE = 2
#: Parks drawn in one figure: three rows of two.
_PANELS = 6
#: Letters of a name in the table of all woodlands; a flagged woodland's page has it in full.
_LONGEST_NAME = 60
#: Flagged woodlands a map's key and alternative text name; the pages name them all.
_MOST_IN_ALT = 20


@dataclass
class Document:
    """What the template reads: `text` as JSON, `figures` as SVG files by name."""

    text: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, content: bytes, alt: str, caption: str) -> dict[str, str]:
        """Keep a figure and return what the template needs to show it."""
        self.figures[f"{name}.svg"] = content
        return {"file": f"{name}.svg", "alt": printable(alt), "caption": printable(caption)}


def compose(content: ReportContent) -> Document:
    """Return the report's strings and figures; a pure function of its content."""
    document = Document()
    document.text = {
        "front": _front(content),
        "summary": _summary(content, document),
        "maps": _maps(content, document),
        "alerts": _alerts(content, document),
        "others": other_alerts(content),
        "tables": _tables(content),
        "artefacts": artefacts(content),
        "parks": _parks(content, document),
        "contrasts": _contrasts(content, document),
        "checks": _checks(content, document),
        "methods": methods(content),
        "calibrated": calibrated(content),
        "quality": _quality(content, document),
        "limits": prose.limits(content),
        "provenance": evidence.provenance(content),
        "citation": evidence.citation(content),
        "glossary": prose.glossary(content.target),
    }
    return document


def _front(content: ReportContent) -> dict[str, Any]:
    season = summary.season_text(content)
    moment = content.generated_at
    return {
        "title": printable(content.title),
        "park": printable(content.park),
        "season": season,
        "made": f"Made on {summary.dated(content)}",
        "running": shorten(f"{content.park[:1].upper()}{content.park[1:]} · {content.season}", 70),
        "description": printable(f"{content.title}. {season}."),
        "simulated_title": summary.SIMULATED_TITLE,
        "simulated": summary.simulated_text(content),
        "date": {"year": moment.year, "month": moment.month, "day": moment.day},
    }


def _group_figure(
    name: str, contrasts: Sequence[ContrastLine], content: ReportContent, document: Document
) -> dict[str, str]:
    marked = _marks(content, contrasts)
    chart = figures.park_chart(contrasts, marked, content.target)
    caption = f"Mean {content.target.name} of ancient and of other woodland, by year. Bands: ± 1 sd."
    caption += _mark_caption(marked, contrasts)
    return document.add(name, chart, summary.group_alt(contrasts, content.target), caption)


def _marks(content: ReportContent, contrasts: Sequence[ContrastLine]) -> tuple[NotableYear, ...]:
    """Return the years to mark where these parks are drawn; a group that is no park has all woodlands."""
    parks = {contrast.park for contrast in contrasts}
    inside = [line for line in content.woodlands if park_of(line) in parks]
    return marks(content.notable_years, inside or content.woodlands)


def _mark_caption(marked: Sequence[NotableYear], contrasts: Sequence[ContrastLine]) -> str:
    years = [year.year for contrast in contrasts for year in contrast.years]
    return mark_caption(marked, min(years), max(years))


def _panels(contrasts: Iterable[ContrastLine]) -> list[tuple[ContrastLine, ...]]:
    """Return the contrasts that can be drawn, in groups that fit one figure on a page."""
    drawn = [c for c in contrasts if any(year.difference == year.difference for year in c.years)]
    return [tuple(drawn[first : first + _PANELS]) for first in range(0, len(drawn), _PANELS)]


def _groups(content: ReportContent) -> list[tuple[ContrastLine, ...]]:
    """Return ancient and other woodland of each park that has both, as they are: nothing matched."""
    parks = by_park(content.woodlands)
    return _panels(ContrastLine(park, group_years(lines)) for park, lines in parks.items())


def _summary(content: ReportContent, document: Document) -> dict[str, Any]:
    shown = [group for batch in _groups(content) for group in batch]
    if not 0 < len(shown) <= _ON_FIRST_PAGE:
        years = group_years(content.woodlands)
        shown = [ContrastLine("All woodlands", years)] if years else []
    charts = [_group_figure("parks", shown, content, document)] if shown else []
    return {
        "cards": summary.cards(content),
        "paragraphs": summary.paragraphs(content),
        "figures": charts,
        "cannot": summary.cannot_conclude(content),
    }


def _maps(content: ReportContent, document: Document) -> list[dict[str, Any]]:
    numbers = numbers_of(content)
    return [
        _map(place, park, lines, numbers, document)
        for place, (park, lines) in enumerate(by_park(content.woodlands).items(), start=1)
    ]


def _map(
    place: int, park: str, lines: Sequence[WoodlandLine], numbers: dict[str, int], document: Document
) -> dict[str, Any]:
    key = [_key_row(line, numbers[line.id]) for line in flagged(lines)]
    caption = (
        f"Woodlands of {printable(park)} by trend. Numbers lead to the list below and to each woodland's "
        "page. North is up; distances are true to 1 % within 50 km of the map's centre."
    )
    drawn = maps.park_map(lines, numbers)
    return {
        "park": breakable(park),
        "key": key,
        "figure": document.add(f"map-{place}", drawn, _map_alt(park, lines, numbers), caption),
    }


def _map_alt(park: str, lines: Sequence[WoodlandLine], numbers: dict[str, int]) -> str:
    alerted = flagged(lines)
    named = [f"{numbers[line.id]} {name_of(line)} ({flag_of(line).value})" for line in alerted[:_MOST_IN_ALT]]
    listing = f" Numbered: {listed(named)}." if named else " None is flagged."
    return f"Map of {count(len(lines), 'woodland')} of {park}.{listing}"


def _key_row(line: WoodlandLine, place: int) -> dict[str, str]:
    loss = percent(line.decline_fraction)
    return {"number": str(place), "name": breakable(name_of(line)), "flag": flag_of(line).value, "loss": loss}


def _alerts(content: ReportContent, document: Document) -> dict[str, Any]:
    parks = by_park(content.woodlands)
    pages = []
    for place, line in enumerate(flagged(content.woodlands), start=1):
        page = alert_page(line, place, content)
        page["history"] = _history_figure(line, place, content, document)
        page["index"] = _index_figure(line, place, document)
        alt = f"Two maps of woodland {place}, {name_of(line)}: its place in {park_of(line)}, and its outline."
        caption = "Left: ringed, in its park. Right: its outline and neighbours."
        drawn = maps.locator_map(line, parks[park_of(line)])
        page["place"] = document.add(f"place-{place}", drawn, alt, caption)
        pages.append(page)
    return {"pages": pages, "none": _no_alert(content)}


def _no_alert(content: ReportContent) -> str:
    if content.summary.n_tested:
        return "No woodland is flagged in this season."
    return "No woodland is flagged: there are not enough years to test a trend."


def _history_figure(
    line: WoodlandLine, place: int, content: ReportContent, document: Document
) -> dict[str, str] | None:
    years = [value.year for value in line.history]
    if not years:
        return None
    span = (min(years), max(years))
    marked = marks(content.notable_years, [line])
    chart = figures.history_chart(line, marked, content.target, span)
    caption = f"Yearly {content.target.name}, {content.target.unit}.{mark_caption(marked, *span)}"
    return document.add(
        f"history-{place}", chart, f"Woodland {place}. {history_alt(line, content.target)}", caption
    )


def _index_figure(line: WoodlandLine, place: int, document: Document) -> dict[str, str] | None:
    if not line.indices:
        return None
    years = sorted({value.year for value in line.history} | {value.year for value in line.indices})
    chart = figures.index_chart(line.indices, (years[0], years[-1]))
    alt = f"Woodland {place}, {name_of(line)}. {evidence.index_alt(line.indices)}"
    return document.add(f"index-{place}", chart, alt, evidence.index_caption(line.indices))


def _checks(content: ReportContent, document: Document) -> dict[str, Any]:
    """Return the independent check of each park that has one."""
    parks = {park: index_years(lines) for park, lines in by_park(content.woodlands).items()}
    shown = [(park, indices) for park, indices in parks.items() if indices]
    return {
        "text": evidence.CHECK_TEXT,
        "parks": [_park_check(place, *each, document) for place, each in enumerate(shown, start=1)],
    }


def _park_check(place: int, park: str, indices: tuple[IndexYear, ...], document: Document) -> dict[str, Any]:
    chart = figures.index_chart(indices, (indices[0].year, indices[-1].year))
    alt = f"Mean over the woodlands of {park}. {evidence.index_alt(indices)}"
    caption = f"{park}: mean over its woodlands. {evidence.index_caption(indices)}"
    return document.add(f"index-park-{place}", chart, alt, caption)


def _tables(content: ReportContent) -> dict[str, Any]:
    numbers = numbers_of(content)
    groups = [
        {"park": breakable(park), "rows": [_row(line, numbers) for line in sorted(lines, key=_by_name)]}
        for park, lines in by_park(content.woodlands).items()
    ]
    note = (
        f"Latest: mean ± 1 sd of the newest year with an estimate, {content.target.unit}. Slope and "
        f"detectable: {content.target.slope_unit}; the interval is the 95 % one. Detectable: the slowest "
        "decline this record would show in four cases out of five. A dash: not available."
    )
    if any(line.years_outside for line in content.woodlands):
        note += " Outside: years left out of the trend, as unlike the field samples."
    return {"groups": groups, "note": note}


def _by_name(line: WoodlandLine) -> tuple[str, str]:
    return (name_of(line).casefold(), line.id)


def _row(line: WoodlandLine, numbers: dict[str, int]) -> list[str]:
    finite = [value for value in line.history if value.mean == value.mean]
    return [
        breakable(shorten(name_of(line), _LONGEST_NAME)),
        breakable(line.status),
        number(line.area_ha),
        plus_minus(finite[-1].mean, finite[-1].sd) if finite else "no estimate",
        number(line.slope, 2),
        interval(line.slope_low, line.slope_high),
        probability(line.q),
        number(line.minimum_detectable_slope, 2),
        _flag_words(line, numbers),
    ]


def _flag_words(line: WoodlandLine, numbers: Mapping[str, int]) -> str:
    """Return the flag and its number; of an untested woodland the years it has; and the years left out."""
    flag, outside = flag_of(line), len(line.years_outside)
    words = f"{flag.value} ({count(line.n, 'year')})" if flag is Flag.UNTESTED else flag.value
    words += f" ({numbers[line.id]})" if line.id in numbers else ""
    return f"{words}; {outside} outside" if outside else words


def _contrasts(content: ReportContent, document: Document) -> dict[str, Any]:
    texts = [
        {"park": breakable(contrast_place(c)), "text": contrast_text(c, content.target.slope_unit)}
        for c in content.contrasts
    ]
    batches = _panels(replace(c, park=contrast_place(c)) for c in content.contrasts)
    charts = [_contrast_figure(place, some, content, document) for place, some in enumerate(batches, start=1)]
    groups = _groups(content)
    if sum(len(some) for some in groups) > _ON_FIRST_PAGE:
        charts += [
            _group_figure(f"parks-{place}", some, content, document)
            for place, some in enumerate(groups, start=1)
        ]
    none = "" if content.contrasts else "No park has both ancient and other woodland to compare."
    methods = sorted({printable(c.method) for c in content.contrasts if c.method})
    return {
        "texts": texts,
        "figures": charts,
        "none": none,
        "balance": [row for c in content.contrasts for row in balance_rows(c)],
        "undrawn": _undrawn(content.contrasts),
        "method": " ".join(sentence(m) for m in methods),
    }


def _contrast_figure(
    place: int, some: Sequence[ContrastLine], content: ReportContent, document: Document
) -> dict[str, str]:
    marked = _marks(content, some)
    caption = "Yearly difference as it was tested: ancient minus other woodland"
    caption += ", of matched woodlands." if all(c.n_pairs for c in some) else "."
    caption += " Above zero: ancient woodland has more." + _mark_caption(marked, some)
    chart = figures.contrast_chart(some, marked, content.target)
    return document.add(f"contrast-{place}", chart, _contrast_alt(some, content.target), caption)


def _undrawn(contrasts: Sequence[ContrastLine]) -> str:
    """Return that tested contrasts are not drawn, since what was tested is not there any more; or nothing."""
    gone = [printable(contrast_place(c)) for c in contrasts if c.slope == c.slope and not c.years]
    if not gone:
        return ""
    return f"Not drawn, because the histories have changed since they were tested: {listed(gone)}."


def _parks(content: ReportContent, document: Document) -> dict[str, Any]:
    """Return the trends of parks and of the whole, with the figure of their slopes."""
    unit = content.target.slope_unit
    charts = [
        document.add(
            f"slopes-{place}",
            forest.forest_chart(some, unit),
            forest_alt(some, unit),
            "Slopes with their 95 % intervals, every woodland counting one. Left of zero: a fall.",
        )
        for place, some in enumerate(forest.drawn(content.park_trends), start=1)
    ]
    return park_section(content) | {"figures": charts}


def _contrast_alt(contrasts: Sequence[ContrastLine], target: Target) -> str:
    parts = [
        f"{c.park}: {number(c.years[0].difference)} in {c.years[0].year}, "
        f"{number(c.years[-1].difference)} in {c.years[-1].year}"
        for c in contrasts
    ]
    unit = target.short_unit
    return (
        f"Line chart of the yearly difference, ancient minus other woodland, in {unit}. {'; '.join(parts)}."
    )


def _quality(content: ReportContent, document: Document) -> dict[str, Any]:
    observations = content.quality.observations
    figure = None
    if observations:
        chart = figures.observations_chart(observations)
        caption = "Clear observations per woodland pixel and year, by sensor."
        figure = document.add("observations", chart, evidence.observations_alt(content), caption)
    return evidence.quality(content) | {"figure": figure, "observed": evidence.observed(content)}
