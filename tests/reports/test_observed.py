"""What the report says was observed, and the independent check beside richness."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pypdf
import pytest
from shapely import Polygon

from monitoring.errors import ReportError
from reports.content import ReportContent
from reports.document import Document, compose
from reports.evidence import index_alt, index_caption, observed
from reports.figures import index_chart
from reports.flags import flagged
from reports.gather import index_years, summary_of
from reports.judged import NAN
from reports.observed import Quality, SeasonSeen, UnreadLine
from reports.report import compile_document
from reports.woodland import IndexYear, WoodlandLine, YearValue

SQUARE = Polygon([(0, 0), (0.01, 0), (0.01, 0.01), (0, 0.01)])


@pytest.fixture(scope="module")
def made(observed_content: ReportContent) -> Document:
    return compose(observed_content)


def wood(name: str, *indices: IndexYear) -> WoodlandLine:
    return WoodlandLine(name, name, "Park", "ASNW", True, 2.0, SQUARE, indices=indices)


def with_quality(content: ReportContent, **fields: object) -> ReportContent:
    return replace(content, quality=replace(Quality(), **fields))  # type: ignore[arg-type]


def test_a_report_of_a_warehouse_that_counted_nothing_is_silent_about_it(document: Document) -> None:
    assert document.text["quality"]["observed"]["text"] == ""
    assert document.text["checks"]["parks"] == []
    assert {page["index"] for page in document.text["alerts"]["pages"]} == {None}
    assert not [name for name in document.figures if name.startswith("index")]


def test_what_was_missed_can_be_read_out_of_the_document(
    observed_content: ReportContent, made: Document
) -> None:
    pdf, warnings = compile_document(made, observed_content)
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    starts = [page.extract_text() for page in reader.pages]
    text = " ".join(starts)
    words = " ".join(text.replace("\u00ad", "").replace("\u00a0", " ").replace("-\n", "").split())
    assert warnings == []
    for said in (
        "What was observed",
        "3 block-seasons are under the floor",
        "2 files could not be read; 1 more came through at a later try.",
        "31 of 73 58 % s2: 31 of 73 passes",
        "2025-Q4 21.0 % 0.0 % 33.0 % 14 2 5 of 14",
        "12, given up",
        "NIRv, independent check",
        "The model that makes the predictions never sees these figures.",
    ):
        assert said in words
    assert "nan" not in words.lower().split()
    pages = [
        next(i for i, page in enumerate(starts) if f"{place} · " in page and "What to check" in page)
        for place in range(1, len(flagged(observed_content.woodlands)) + 1)
    ]
    assert pages == list(range(pages[0], pages[0] + len(pages))), "a flagged woodland has one page"


def test_every_independent_check_is_named_as_one_and_described_in_words(made: Document) -> None:
    pictures = [page["index"] for page in made.text["alerts"]["pages"]] + made.text["checks"]["parks"]
    assert len({picture["alt"] for picture in pictures}) == len(pictures)
    assert {picture["file"] for picture in pictures} <= set(made.figures)
    for picture in pictures:
        assert "independent check" in picture["alt"]
        assert "not used by the model" in picture["caption"]


def test_the_alternative_text_gives_the_first_and_the_last_known_value() -> None:
    years = (IndexYear(2018, 0.84, NAN), IndexYear(2019, 0.86, NAN), IndexYear(2020, NAN, NAN))
    assert index_alt(years).endswith("NIRv has no value; NDVI 0.84 in 2018 and 0.86 in 2019.")


def test_only_years_without_view_angles_are_called_hollow() -> None:
    assert "Hollow" not in index_caption([IndexYear(2018, 0.8, 0.3)])
    assert "Hollow" in index_caption([IndexYear(2018, 0.8, 0.3), IndexYear(2019, 0.8, 0.3, 9, False)])


def test_an_asset_that_came_through_is_counted_and_not_listed(content: ReportContent) -> None:
    lost = UnreadLine("s2-1", "B04", "2025-Q4", 5, "404", "given up")
    part = observed(with_quality(content, unread=(lost, replace(lost, state="recovered"))))
    assert part["unread"] == [["s2-1", "B04", "2025-Q4", "5, given up", "404"]]
    assert part["text"].endswith("1\u00a0file could not be read; 1 more came through at a later try.")
    part = observed(with_quality(content, unread=(replace(lost, state="recovered"),)))
    assert part["text"].endswith("Every file could be read, 1 at a later try.")


def test_many_unread_files_are_counted_not_printed(content: ReportContent) -> None:
    lost = tuple(UnreadLine(f"s2-{i}", "B04", "2025-Q4", 5, "x" * 999, "waiting") for i in range(1000))
    part = observed(with_quality(content, unread=lost))
    assert len(part["unread"]) == 60
    assert part["unread_more"].startswith("And 940\u00a0more rows")
    assert len(json.dumps(part)) < 60_000


@pytest.mark.parametrize(("n_frozen", "said"), [(0, "no"), (3, "3 of 4"), (4, "yes")])
def test_a_season_says_whether_late_scenes_may_still_come(
    content: ReportContent, n_frozen: int, said: str
) -> None:
    seen = SeasonSeen("2025-Q4", 0.05, NAN, 0.0, 4, 0, n_frozen)
    (row,) = observed(with_quality(content, seen=(seen,)))["seasons"]
    assert row == ["2025-Q4", "5.0\u00a0%", "–", "0.0\u00a0%", "4", "0", said]


def test_the_check_of_a_park_is_the_mean_of_the_woodlands_that_have_one() -> None:
    lines = [
        wood("a", IndexYear(2020, 0.8, 0.3, 10), IndexYear(2021, NAN, 0.2, 5)),
        wood("b", IndexYear(2020, 0.9, 0.5, 20, False)),
        wood("c"),
    ]
    first, second = index_years(lines)
    assert (first.ndvi, first.nirv, first.n, first.is_nbar) == (pytest.approx(0.85), 0.4, 30, False)
    assert (second.nirv, second.is_nbar) == (0.2, True)
    assert second.ndvi != second.ndvi
    assert index_years([wood("c")]) == ()


def test_an_index_without_any_value_still_gives_a_chart() -> None:
    svg = index_chart([IndexYear(2020, NAN, NAN)], (2017, 2020))
    assert b"2017" in svg
    assert b"nan" not in svg.lower()


def test_a_woodland_with_a_check_and_no_history_has_one_and_words_for_the_other(
    content: ReportContent,
) -> None:
    line = replace(wood("a", IndexYear(2020, 0.8, 0.3)), level="WATCH")
    made = replace(content, woodlands=(line,), summary=summary_of((line,)), contrasts=())
    (page,) = compose(made).text["alerts"]["pages"]
    assert page["history"] is None
    assert page["index"]["file"] == "index-1.svg"


def test_hostile_words_of_a_catalogue_are_set_as_they_are(content: ReportContent) -> None:
    said = '#panic("x") *_[] $a$ @b <c> ' * 9
    line = replace(
        wood("a", IndexYear(2020, 0.8, 0.3)), level="WATCH", park=said, history=(YearValue(2020, 5.0, 1.0),)
    )
    lost = UnreadLine("S2A_" + "X" * 300, said, "2025-Q4", 5, said, "waiting")
    made = replace(
        with_quality(content, unread=(lost,)), woodlands=(line,), summary=summary_of((line,)), contrasts=()
    )
    pdf, _ = compile_document(compose(made), made)
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        rights: list[float] = []
        page.extract_text(visitor_text=lambda text, _cm, tm, *_, rights=rights: rights.append(tm[4]))
        assert max(rights) < float(page.mediabox.width)


def test_index_years_out_of_order_are_refused() -> None:
    with pytest.raises(ReportError, match=r"woodland 'a': index years \[2021, 2020\] are not in order"):
        wood("a", IndexYear(2021, 0.8, 0.3), IndexYear(2020, 0.8, 0.3))
