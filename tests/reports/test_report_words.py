"""What the report says, before it is set: flags, sentences, tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from shapely import Polygon

from monitoring.errors import ReportError
from monitoring.science import AlertRule, Science
from reports.content import ReportContent, Target
from reports.contrast_pages import contrast_text
from reports.contrasted import ContrastLine
from reports.document import Document, compose
from reports.evidence import quality
from reports.figures import fitted_line
from reports.flags import Flag, flag_of, flagged, name_of, numbers_of
from reports.gather import group_years, summary_of
from reports.judged import NAN
from reports.methods import methods
from reports.observed import Quality, QuarantinedLine
from reports.prose import limits
from reports.summary import cannot_conclude, cards, season_text
from reports.woodland import WoodlandLine, YearValue

SQUARE = Polygon([(0, 0), (0.01, 0), (0.01, 0.01), (0, 0.01)])


def wood(name: str, **fields: object) -> WoodlandLine:
    return replace(WoodlandLine(name, name, "Park", "ASNW", True, 2.0, SQUARE), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"level": "CONFIRMED"}, Flag.CONFIRMED),
        ({"level": "WATCH"}, Flag.WATCH),
        ({"slope_low": -0.9, "slope_high": -0.1}, Flag.DOWNWARD),
        ({"slope_low": -0.9, "slope_high": 0.1}, Flag.UNCLEAR),
        ({"slope_low": 0.1, "slope_high": 0.2}, Flag.UPWARD),
        ({}, Flag.UNTESTED),
        ({"slope_low": -0.9, "slope_high": -0.1, "reason": "5 of 8 years"}, Flag.UNTESTED),
    ],
)
def test_a_woodland_gets_the_word_its_trend_allows(fields: dict[str, object], flag: Flag) -> None:
    assert flag_of(wood("a", **fields)) is flag


def test_a_woodland_without_a_name_is_called_by_its_id() -> None:
    assert name_of(replace(wood("w7"), name=" ")) == "Unnamed woodland w7"


def test_confirmed_comes_before_watch_and_the_largest_loss_first() -> None:
    lines = (
        wood("a", level="WATCH", decline_fraction=0.9),
        wood("b", level="CONFIRMED", decline_fraction=0.1),
        wood("c", level="CONFIRMED", decline_fraction=0.4),
        wood("d"),
        wood("e", level="CONFIRMED"),
    )
    assert [line.id for line in flagged(lines)] == ["c", "b", "e", "a"]


def test_the_fitted_line_has_the_slope_and_passes_through_the_middle() -> None:
    history = tuple(YearValue(2017 + i, value, 1.0) for i, value in enumerate((10.0, 8.0, 20.0, 4.0, 2.0)))
    fit = fitted_line(wood("a", history=history, slope=-2.0))
    assert fit is not None
    assert fit[0].tolist() == [2017.0, 2021.0]
    assert fit[1].tolist() == [10.0, 2.0]
    assert fitted_line(wood("a", history=history)) is None


def test_a_group_counts_each_woodland_once_and_skips_missing_years() -> None:
    lines = (
        wood("a", area_ha=100.0, history=(YearValue(2020, 10.0, 2.0), YearValue(2021, NAN, NAN))),
        wood("b", history=(YearValue(2020, 20.0, 4.0),)),
        wood("c", is_ancient=False, history=(YearValue(2020, 9.0, 1.0), YearValue(2021, 8.0, 1.0))),
    )
    first, second = group_years(lines)
    assert (first.ancient, first.ancient_sd, first.other, first.difference) == (15.0, 3.0, 9.0, 6.0)
    assert second.ancient != second.ancient
    summary = summary_of(lines)
    assert (summary.n_ancient, summary.n_other, summary.area_ha) == (2, 1, 104.0)
    assert (summary.first_year, summary.first_mean, summary.latest_mean) == (2020, 13.0, 8.0)


@pytest.mark.parametrize(
    ("low", "high", "start"),
    [
        (-0.5, -0.1, "Ancient woodland has lost ground"),
        (0.1, 0.5, "Ancient woodland has gained"),
        (-0.5, 0.5, "The years do not show"),
    ],
)
def test_a_contrast_is_stated_as_its_interval_allows(low: float, high: float, start: str) -> None:
    line = ContrastLine("Park", (), 9, 4, 5, (low + high) / 2, low, high, 0.03)
    assert contrast_text(line, "taxa per year").startswith(start)


def test_a_contrast_that_was_not_tested_gives_its_reason() -> None:
    line = ContrastLine("Park", (), 2, 4, 5, reason="2 years, at least 3 needed")
    assert contrast_text(line, "taxa per year") == (
        "Not tested (4 ancient and 5\u00a0other woodlands): 2 years, at least 3 needed."
    )


def test_a_provisional_season_is_called_provisional(content: ReportContent) -> None:
    assert "30 September 2025 (provisional" in season_text(replace(content, season="2025-Q3"))
    assert season_text(content).endswith("31 December 2025 (final)")


def test_the_first_page_ends_with_what_cannot_be_concluded_in_two_sentences(content: ReportContent) -> None:
    power, meaning = cannot_conclude(content)
    assert "not shown to be unchanged" in power
    assert "nor how many species" in meaning
    assert not any(". " in sentence for sentence in (power, meaning))


def test_the_rule_in_the_methods_is_the_rule_that_was_used(content: ReportContent) -> None:
    science = Science(alert=AlertRule(q_confirmed=0.01, min_decline_fraction=0.25))
    words = json.dumps(methods(replace(content, science=science)), ensure_ascii=False)
    assert "q at most 0.01" in words
    assert "25\u00a0%" in words


def test_every_figure_has_an_alternative_text_that_says_what_it_shows(document: Document) -> None:
    shown: list[dict[str, str]] = []
    _collect(document.text, lambda item: shown.append(item))
    assert {item["file"] for item in shown} == set(document.figures)
    assert all(len(item["alt"]) > 40 for item in shown)
    assert len({item["alt"] for item in shown}) == len(shown)


def _collect(item: object, found: Callable[[dict[str, str]], None]) -> None:
    if isinstance(item, dict):
        if "alt" in item:
            found(item)
        for value in item.values():
            _collect(value, found)
    elif isinstance(item, list):
        for value in item:
            _collect(value, found)


def test_the_numbers_on_maps_are_those_of_the_pages(content: ReportContent, document: Document) -> None:
    keys = {int(row["number"]): row["name"] for part in document.text["maps"] for row in part["key"]}
    pages = {int(page["number"]): page["name"] for page in document.text["alerts"]["pages"]}
    assert keys == pages
    assert sorted(numbers_of(content).values()) == sorted(pages)


def test_many_kept_out_rows_are_counted_not_printed(content: ReportContent) -> None:
    rows = tuple(QuarantinedLine(f"w{i}", "2020-Q4", "estimates", "coverage") for i in range(1000))
    part = quality(replace(content, quality=Quality(quarantined=rows)))
    assert len(part["quarantined"]) == 60
    assert part["more"] == "And 940\u00a0more rows, listed by the warehouse."


def test_a_card_says_that_nothing_was_tested_yet(content: ReportContent) -> None:
    bare = (wood("a"),)
    shown = cards(replace(content, woodlands=bare, summary=summary_of(bare), contrasts=()))
    assert [card["value"] for card in shown] == ["0", "0", "none yet"]
    assert shown[0]["note"] == "no trend tested yet"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"woodlands": ()}, "it has no woodland"),
        ({"woodlands": (wood("a"), wood("a"))}, "woodland 'a': listed more than once"),
        ({"generated_at": datetime(2026, 1, 1)}, "must be an aware time in UTC"),  # noqa: DTZ001
    ],
)
def test_content_that_cannot_be_a_report_is_refused(
    content: ReportContent, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ReportError, match=message):
        replace(content, **change)  # type: ignore[arg-type]


def test_a_woodland_with_an_unknown_level_or_years_out_of_order_is_refused() -> None:
    with pytest.raises(ReportError, match="level 'ALARM' is not one of WATCH, CONFIRMED"):
        wood("a", level="ALARM")
    with pytest.raises(ReportError, match="not in order"):
        wood("a", history=(YearValue(2021, 1.0, 1.0), YearValue(2020, 1.0, 1.0)))


CARBON = Target(
    name="soil organic carbon",
    unit="g per kg",
    slope_unit="g per kg per year",
    short_name="carbon",
    short_unit="g per kg",
    meaning="Expected carbon in one standard sample, g per kg",
)


def with_years_outside(content: ReportContent, *years: int, n_woodlands: int = 1) -> ReportContent:
    """The report with some years of its first woodlands outside the area of applicability."""
    lines = [
        replace(
            line,
            history=tuple(
                replace(value, applicable_share=0.31, is_applicable=False) if value.year in years else value
                for value in line.history
            ),
        )
        for line in content.woodlands[:n_woodlands]
    ]
    return replace(content, woodlands=(*lines, *content.woodlands[n_woodlands:]))


def passage(content: ReportContent, head: str) -> str:
    return next(each["text"] for each in limits(content) if each["head"] == head)


def test_years_outside_the_area_of_applicability_are_named_where_nothing_can_be_concluded(
    content: ReportContent,
) -> None:
    report = with_years_outside(content, 2019, 2020, n_woodlands=2)
    text = passage(report, "Years outside the area of applicability").replace("\u00a0", " ")
    assert text.startswith("2 woodlands have years that lie outside it: 2019 (2 woodlands) and 2020 (2 woo")
    assert "they take part in no trend" in text
    first_page = " ".join(cannot_conclude(report)).replace("\u00a0", " ")
    assert "2 woodlands were too unlike the field samples" in first_page
    none = passage(content, "Years outside the area of applicability")
    assert none.startswith("None: no year of any woodland")
    assert len(cannot_conclude(content)) == 2


def test_a_woodland_with_years_outside_says_so_in_the_table_and_on_its_page(
    small_content: ReportContent,
) -> None:
    report, without = with_years_outside(small_content, 2019), compose(small_content).figures
    document = compose(report)
    named = report.woodlands[0]
    (page,) = [page for page in document.text["alerts"]["pages"] if [*_outside_facts(page)]]
    assert page["name"].replace("\u00ad", "") == name_of(named)
    assert [*_outside_facts(page)] == ["2019 (31\u00a0% inside)"]
    rows = [row for group in document.text["tables"]["groups"] for row in group["rows"]]
    assert sum("1 outside" in row[-1] for row in rows) == 1
    assert "Outside: years left out of the trend" in document.text["tables"]["note"]
    changed = [name for name, figure in document.figures.items() if figure != without[name]]
    assert changed == [f"history-{page['number']}.svg"]


def _outside_facts(page: dict[str, list[list[str]]]) -> list[str]:
    return [figure for what, figure in page["facts"] if what.startswith("Years outside")]


def test_a_report_of_another_target_speaks_of_no_taxa(small_content: ReportContent) -> None:
    text = compose(replace(small_content, target=CARBON, title="Soil organic carbon")).text
    for line in text["alerts"]["pages"]:
        line["reason"] = ""  # the alert's own sentence, as it was recorded
    said = json.dumps(text)
    assert "g per kg" in said
    assert [
        word for word in ("taxa", "richness", "Richness") if word in said.replace("richness-small", "")
    ] == []
