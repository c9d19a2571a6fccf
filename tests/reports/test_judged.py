"""What the report says of the grounds of its alerts: test, evidence, gates, parks, weather, calibration."""

from __future__ import annotations

import io
from dataclasses import replace

import pypdf
import pytest

from reports.artefacts import NOTHING_RECORDED, artefacts
from reports.content import NotableYear, ReportContent
from reports.contrast_pages import balance_rows, contrast_text
from reports.contrasted import ContrastLine
from reports.document import Document, compose
from reports.flags import Flag, flag_of, flagged
from reports.forest import MOST_PLACES, drawn, forest_chart
from reports.grounds import beside_words, certainty, how_tested, standing_words, state_words
from reports.judged import NAN, AlertLine, ArtefactLine, Calibration, EvidenceLine, HowTested, ParkTrendLine
from reports.methods import methods
from reports.park_pages import park_section
from reports.prose import glossary
from reports.report import compile_document, render
from reports.summary import allowed_q, paragraphs
from reports.weather import mark_caption, marks, weather_words


def plain(text: str) -> str:
    return " ".join(text.replace("\u00ad", "").replace("\u00a0", " ").replace("-\n", "").split())


def said(content: ReportContent, head: str) -> str:
    return plain(next(each["text"] for each in methods(content) if each["head"] == head))


@pytest.fixture(scope="module")
def made(judged_content: ReportContent, judged_document: Document) -> bytes:
    pdf, warnings = compile_document(judged_document, judged_content)
    assert warnings == []
    return pdf


@pytest.fixture(scope="module")
def pages(made: bytes) -> list[str]:
    return [plain(page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(made)).pages]


@pytest.fixture(scope="module")
def words(pages: list[str]) -> str:
    return " ".join(pages)


@pytest.mark.parametrize(
    "sentence",
    [
        "high severity · corroborated · sustained · assigned to J. Moss, raised at 2024-Q4",
        "Agrees: NBR falls too (−0.012 a year) (index history).",
        "Held back by G2 (observation counts) and G4 (eras).",
        "Known cause: felling of 12 % of it in 2021.",
        "Unusually low in a season that is not final",
        "Alerts dismissed or ended",
        "Thinned in 2023, seen by the ranger.",
        "Could it be an artefact?",
        "Explain 60 % of the loss, p 0.008.",
        "G4 eras 10 2 0",
        "Parks and the whole",
        "The parks go different ways (p 0.020): read them one by one.",
        "7 common years, 8 needed: Chalk Downs National Park (other).",
        "All parks together. Ancient woodland has lost ground",
        "How alike the two kinds are",
        "Where woodlands do decline, 63 % of those were confirmed",
        "How often the rule is wrong and right, simulated",
        "63.0 % 70.0 %, not kept",
    ],
)
def test_what_the_assessment_rests_on_can_be_read_out_of_the_document(words: str, sentence: str) -> None:
    assert sentence in words


def test_no_number_of_the_full_report_is_printed_as_nan(words: str) -> None:
    assert not {"nan", "inf"} & set(words.lower().split())


def test_a_flagged_woodland_keeps_to_one_page_with_all_that_it_rests_on(
    judged_content: ReportContent, pages: list[str]
) -> None:
    full = [text for text in pages if "How it was tested." in text]
    assert len(full) == len(flagged(judged_content.woodlands))
    assert all("What to check on the ground" in text and "Soil: take" in text for text in full)


def test_the_first_of_them_keeps_to_its_page_with_a_long_reason_and_years_left_out(
    judged_content: ReportContent,
) -> None:
    line = flagged(judged_content.woodlands)[0]
    reason = f"{line.alert_reason}; {'NDVI falls too (−0.015 a year against other woodland); ' * 5}left out"
    history = tuple(replace(value, is_applicable=value.year != 2023) for value in line.history)
    fullest = replace(line, alert_reason=reason, history=history)
    content = replace(judged_content, woodlands=(fullest,))
    texts = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render(content))).pages]
    (page,) = [plain(text) for text in texts if "Flagged woodlands" in text]
    assert "Years outside, left out" in page
    assert "in an unflagged wood of its kind nearby." in page


def test_the_full_report_is_the_same_bytes_twice(judged_content: ReportContent, made: bytes) -> None:
    assert render(judged_content) == made


def test_a_report_of_an_older_warehouse_leaves_out_what_was_never_recorded(document: Document) -> None:
    text = document.text
    assert text["artefacts"] == {
        "text": NOTHING_RECORDED, "rows": [], "more": "", "woodlands": [], "red": [], "red_more": "",
    }  # fmt: skip
    assert text["parks"] == {"text": "", "rows": [], "notes": [], "figures": []}
    assert text["others"]["provisional"] == text["others"]["ended"] == []
    assert {page["standing"] for page in text["alerts"]["pages"]} == {""}
    assert {page["test"] for page in text["alerts"]["pages"]} == {"How it was tested is not recorded."}


def test_the_test_is_told_with_every_figure_it_rests_on(judged_content: ReportContent) -> None:
    line = replace(
        judged_content.woodlands[0],
        p=0.0003,
        q=0.009,
        tested=HowTested(-2.31, 0.21, 14.3, 0.12, 2, 0.0125, 0.00012, 0.997, -2.1, 0.2),
    )
    assert plain(how_tested(line, judged_content)) == (
        "Against other woodland it changes by −2.31 taxa per year (standard error 0.21; moderated t, 14 "
        "degrees of freedom; autocorrelation of the family 0.12). One-sided p of a decline faster than 0.1 % "
        "of its level a year: < 0.001; over all woodlands q 0.009, which at yearly look 2 had to reach "
        "0.013. Beside it, exact Mann-Kendall p: < 0.001. After shrinkage a decline has probability above "
        "0.99, estimated at −2.10 taxa per year."
    )


def test_woodlands_that_scatter_alike_have_no_number_of_degrees(judged_content: ReportContent) -> None:
    line = replace(judged_content.woodlands[0], tested=HowTested(-1.0, 0.2, float("inf"), 0.0))
    text = how_tested(line, judged_content)
    assert "moderated t, all woodlands scatter alike" in text
    assert "had to reach" not in text


@pytest.mark.parametrize(("value", "shown"), [(0.97, "0.97"), (0.9951, "above 0.99"), (0.2, "0.20")])
def test_nothing_is_called_certain(value: float, shown: str) -> None:
    assert certainty(value) == shown


@pytest.mark.parametrize(
    ("alert", "shown"),
    [
        (AlertLine("w", "WATCH", "2025-Q4"), "open"),
        (AlertLine("w", "WATCH", "2025-Q4", raised_season="2023-Q4"), "open, raised at 2023-Q4"),
        (
            AlertLine("w", "WATCH", "2025-Q4", state="assigned", assignee="J. Moss"),
            "assigned to J. Moss",
        ),
        (AlertLine("w", "WATCH", "2025-Q4", state="dismissed", assignee="J. Moss"), "dismissed"),
    ],
)
def test_the_state_of_an_alert_names_who_was_asked_and_since_when(alert: AlertLine, shown: str) -> None:
    assert state_words(alert) == shown


def test_evidence_that_agrees_disagrees_or_is_silent_is_told_apart(judged_content: ReportContent) -> None:
    evidence = (
        EvidenceLine("nbr", "agrees", "NBR falls too"),
        EvidenceLine("ndvi", "disagrees", "NDVI holds"),
        EvidenceLine("fire", "silent", "no fire is on record"),
    )
    line = replace(judged_content.woodlands[0], alert=AlertLine("w", "WATCH", "2025-Q4", evidence=evidence))
    text = beside_words(line, judged_content)
    assert text == "Agrees: NBR falls too. Disagrees: NDVI holds. Says neither: no fire is on record."
    bare = replace(line, alert=AlertLine("w", "WATCH", "2025-Q4", course="no weather given"))
    assert beside_words(bare, judged_content) == (
        "Nothing other than this record is known of it. No weather was given to judge its course by."
    )
    unrecorded = replace(line, alert=None)
    assert standing_words(unrecorded) == beside_words(unrecorded, judged_content) == ""


def test_a_provisional_fall_is_no_flag_and_is_never_called_a_decline(
    judged_content: ReportContent, judged_document: Document
) -> None:
    (fall,) = judged_content.provisional
    line = next(line for line in judged_content.woodlands if line.id == fall.woodland_id)
    assert flag_of(line) not in (Flag.CONFIRMED, Flag.WATCH)
    section = judged_document.text["others"]
    (row,) = section["provisional"]
    assert plain(row[2]) == "22 %"
    assert "decline" not in " ".join(row)
    assert "says nothing of a decline" in section["provisional_text"]
    assert "which is no decline" in plain(paragraphs(judged_content)[0]["text"])


def test_red_gates_are_never_cut_from_a_long_list(content: ReportContent) -> None:
    blocks = [ArtefactLine("G5", "tile seam", "block", f"b{i}", "passed", "none") for i in range(200)]
    blocks[150] = replace(blocks[150], state="red", reason="a step of its own")
    part = artefacts(replace(content, artefacts=tuple(blocks)))
    assert [row["red"] for row in part["rows"]].count(True) == 1
    assert len(part["rows"]) == 60
    assert plain(part["more"]) == "And 140 more rows, listed by the warehouse."


def test_gates_of_single_woodlands_are_counted_and_the_red_ones_listed(
    judged_document: Document, judged_content: ReportContent
) -> None:
    part = judged_document.text["artefacts"]
    assert part["woodlands"] == [["G4 eras", "10", "2", "0"]]
    assert [row[0] for row in part["red"]] == ["G4", "G4"]
    scopes = {one.scope for one in judged_content.artefacts} - {"woodland"}
    assert len(part["rows"]) == sum(one.scope in scopes for one in judged_content.artefacts)


def test_parks_are_told_under_both_weightings_with_both_p(judged_content: ReportContent) -> None:
    part = park_section(judged_content)
    assert len(part["rows"]) == 3 * 3 * 2
    assert [plain(cell) for cell in part["rows"][0]] == [
        "The whole", "all woodland", "area", "66", "9", "−0.31", "−0.62 to 0.11", "0.041", "0.034", "0.210",
    ]  # fmt: skip
    assert plain(part["text"]).startswith(
        "All woodland together: −0.31 taxa per year (95 % interval −0.62 to 0.11; p 0.041; 9 years)."
    )
    assert park_section(replace(judged_content, park_trends=()))["text"] == ""


def test_a_park_without_a_slope_is_not_drawn_and_many_parks_take_several_figures() -> None:
    lines = [ParkTrendLine(f"park {i:02d}", "all", "woodland", 5, 9, 0.1, -0.1, 0.3) for i in range(14)]
    lines.append(ParkTrendLine("park 99", "all", "woodland", 1, 2))
    batches = drawn(lines)
    assert [len(batch) for batch in batches] == [MOST_PLACES, 2]
    chart = forest_chart(batches[1], "taxa per year")
    assert b"park 13" in chart
    assert b"nan" not in chart.lower()
    assert chart == forest_chart(batches[1], "taxa per year")


def test_the_contrast_of_all_parks_is_no_park(
    judged_content: ReportContent, judged_document: Document
) -> None:
    assert [text["park"] for text in judged_document.text["contrasts"]["texts"]][-1] == "All parks together"
    assert b"All parks together" in judged_document.figures["contrast-1.svg"]
    assert b"all parks" not in judged_document.figures["parks.svg"].lower()
    assert sum(contrast.is_whole for contrast in judged_content.contrasts) == 1


def test_a_contrast_says_what_was_matched_what_eras_do_and_what_its_p_supposes(
    judged_content: ReportContent,
) -> None:
    park, whole = judged_content.contrasts[0], judged_content.contrasts[-1]
    text = plain(contrast_text(park, "taxa per year"))
    assert "22 ancient and 11 other woodlands in 51 matched pairs" in text
    assert "2 ancient woodlands without a partner or a complete record left out." in text
    assert "With any one era of the sensors left out: −0.44 to −0.12; the sign holds." in text
    assert "too small" not in text
    text = plain(contrast_text(whole, "taxa per year"))
    assert "the sign does not hold: sensors may make it" in text
    assert "p over the signs of their slopes: 0.500" in text
    assert "(autocorrelation 0.31): the p is too small" in text


def test_balance_is_shown_before_and_after_matching(judged_content: ReportContent) -> None:
    elevation, level = ([plain(cell) for cell in row] for row in balance_rows(judged_content.contrasts[0]))
    assert elevation[1:] == [
        "elevation, m", "212.00 / 174.00", "+0.52", "208.00 / 205.00", "+0.04", "matched on, balanced",
    ]  # fmt: skip
    assert level[-1] == "only looked at, not balanced"


def test_a_contrast_whose_years_are_gone_is_told_and_not_drawn(judged_content: ReportContent) -> None:
    gone = tuple(replace(contrast, years=()) for contrast in judged_content.contrasts)
    bare = replace(judged_content, woodlands=judged_content.woodlands[-3:], contrasts=gone)
    part = compose(bare).text["contrasts"]
    assert part["undrawn"].startswith("Not drawn, because the histories have changed")
    assert not any(figure["file"].startswith("contrast") for figure in part["figures"])
    untested = replace(bare, contrasts=(ContrastLine("P", (), reason="1 year"),))
    assert compose(untested).text["contrasts"]["undrawn"] == ""


def test_extreme_years_are_marked_beside_those_of_the_settings(judged_content: ReportContent) -> None:
    chalk = [line for line in judged_content.woodlands if line.park == "Chalk Downs National Park"]
    other = [line for line in judged_content.woodlands if line.park != "Chalk Downs National Park"]
    notable = (NotableYear(2020, "storm"), NotableYear(2022, "drought"))
    assert marks(notable, chalk) == (
        NotableYear(2018, "hot and dry", True),
        NotableYear(2020, "storm"),
        NotableYear(2022, "drought", True),
    )
    assert [year.year for year in marks((), other)] == [2022]
    assert marks(notable, [replace(line, has_weather=False, extreme_years=()) for line in other]) == notable
    assert mark_caption(marks(notable, chalk), 2019, 2021) == ""
    assert "extreme heat and drought" in mark_caption(marks(notable, chalk), 2017, 2025)


def test_the_methods_say_which_years_were_extreme_and_when_no_weather_was_given(
    content: ReportContent, judged_content: ReportContent
) -> None:
    assert "Of 66 woodlands with weather: extreme were 2018 (33) and 2022 (66)." in plain(
        weather_words(judged_content)
    )
    assert weather_words(content).startswith("No weather was given")


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ("Test", "generalised least squares"),
        ("Test", "moderated t"),
        ("Test", "a decline of 0.1 % of the level a year, not against none"),
        ("Trend shown", "Mann-Kendall p is shown beside the test; no flag rests on it"),
        ("Control", "same park and leaf type"),
        ("All woodlands together", "inverse square; this is look 2, where q has to reach 0.013"),
        ("All woodlands together", "Benjamini-Hochberg"),
        ("Flags", "after shrinkage a decline has a probability of at least 80 %"),
        ("Flags", "never called a decline"),
        ("What may be an artefact", "A gate that is not judged holds nothing back"),
        ("Ancient against other", "same park and leaf type, within 100 m of elevation and a factor of 5"),
        ("False alarms", "On 1 000 simulated worlds in which nothing declines, 4.6 % had at least one"),
        ("False alarms", "Measured on 3 January 2026 by `underwood calibrate --seed 1`."),
    ],
)
def test_the_methods_are_those_that_were_used(
    judged_content: ReportContent, head: str, sentence: str
) -> None:
    assert sentence in said(judged_content, head)


def test_a_calibration_that_states_nothing_or_is_of_other_choices_says_so(content: ReportContent) -> None:
    bare = replace(content, calibration=Calibration(is_current=False))
    assert said(bare, "False alarms") == (
        "The rule was calibrated; how often nothing but noise is confirmed is not stated. It was made under "
        "other scientific choices than this report's."
    )
    assert said(replace(content, calibration=None), "False alarms").endswith(
        "was not measured for this report."
    )


def test_the_first_page_says_what_q_had_to_reach_and_what_bears_flags_out(
    content: ReportContent, judged_content: ReportContent
) -> None:
    sure = plain(paragraphs(judged_content)[1]["text"])
    assert "at most about 1.2 % are expected to be false" in sure
    assert "Of the 12 flags, other evidence agrees with 4 and contradicts 4; gates hold back 1." in sure
    assert allowed_q(content) == content.science.alert.q_confirmed
    assert "at most about 5 % are expected" in plain(paragraphs(content)[1]["text"])


def test_the_words_used_are_explained_in_order(content: ReportContent) -> None:
    heads = [head for head, _ in glossary(content.target)]
    assert {"Floor", "Frozen", "NDVI", "NIRv", "Gate", "Look", "Provisional"} <= set(heads)
    assert heads == sorted(heads, key=str.casefold)


def test_an_unknown_balance_is_a_dash() -> None:
    from reports.judged import BalanceLine

    line = ContrastLine("P", (), balance=(BalanceLine("log_area", NAN, NAN, NAN, NAN, NAN, NAN),))
    assert balance_rows(line)[0][2:] == ["– / –", "–", "– / –", "–", "only looked at"]
