"""The PDF as its reader, a screen reader and an archive meet it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pypdf
import pytest
from shapely import Polygon

from monitoring.errors import ReportError
from reports import report
from reports.content import NotableYear, ReportContent
from reports.document import Document
from reports.flags import flagged
from reports.gather import summary_of
from reports.judged import NAN
from reports.made_by import EncoderLine, HeadLine, Provenance
from reports.observed import Quality
from reports.report import compile_document, render, write_report
from reports.woodland import WoodlandLine, YearValue

HOSTILE = '#panic("x") *_[] $a$ @b <c> \\ // /* `z` 木 \U0001f333 \u202eabc #image("/etc/passwd")'
SQUARE = Polygon([(-1.7, 51.4), (-1.69, 51.4), (-1.69, 51.41), (-1.7, 51.41)])


@dataclass(frozen=True)
class Timed:
    """A report, and what it took."""

    path: Path
    took_s: float
    """Processor time of this process: what else the machine does is not the report's."""


@pytest.fixture(scope="module")
def timed(content: ReportContent, tmp_path_factory: pytest.TempPathFactory) -> Timed:
    start = time.process_time()
    path = write_report(content, tmp_path_factory.mktemp("report") / "report.pdf")
    return Timed(path, time.process_time() - start)


@pytest.fixture(scope="module")
def pdf(timed: Timed) -> Path:
    return timed.path


@pytest.fixture(scope="module")
def reader(pdf: Path) -> pypdf.PdfReader:
    return pypdf.PdfReader(pdf)


def words_of(reader: pypdf.PdfReader) -> str:
    text = " ".join(page.extract_text() for page in reader.pages)
    return " ".join(text.replace("\u00ad", "").replace("\u00a0", " ").split())


def structure(node: Any) -> Iterator[Any]:
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from structure(child)
    elif isinstance(node, dict):
        yield node
        if "/K" in node:
            yield from structure(node["/K"])


def bare_content(content: ReportContent, *lines: WoodlandLine) -> ReportContent:
    return replace(
        content,
        woodlands=lines,
        summary=summary_of(lines),
        contrasts=(),
        quality=Quality(),
        is_simulated=False,
        notable_years=(),
        calibration=None,
        provenance=Provenance("0", "0", EncoderLine("e", "", ""), HeadLine("h", 0), (), "none"),
    )


def test_the_document_is_tagged_titled_and_in_british_english(reader: pypdf.PdfReader) -> None:
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    assert reader.metadata.title == "What satellites see of the life beneath the woods"


def test_the_document_declares_the_accessible_and_the_archive_standard(reader: pypdf.PdfReader) -> None:
    xmp = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert "<pdfaid:part>2</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in xmp


def test_every_figure_in_the_document_has_an_alternative_text(
    document: Document, reader: pypdf.PdfReader
) -> None:
    nodes = list(structure(reader.trailer["/Root"]["/StructTreeRoot"]))
    figures = [node for node in nodes if node.get("/S") == "/Figure"]
    pictures = [node for node in figures if "/Alt" in node]
    assert len(pictures) == len(document.figures)
    assert {"/H1", "/H2", "/TH", "/Caption"} <= {node.get("/S") for node in nodes}


def test_the_key_sentences_can_be_read_out_of_the_document(reader: pypdf.PdfReader) -> None:
    words = words_of(reader)
    for sentence in (
        "Simulated: not for decisions",
        "Of 60 woodlands whose trend could be tested, 8 show a confirmed decline and 4 are on the watch",
        "A woodland without a flag is not shown to be unchanged",
        "What to check on the ground",
        "Ancient woodland has lost ground against other woodland.",
        "it says nothing about which",
        "Page 1 of",
        "How to cite",
    ):
        assert sentence in words
    assert "nan" not in words.lower().split()


def test_every_flagged_woodland_has_its_page_and_its_bookmark(
    content: ReportContent, reader: pypdf.PdfReader
) -> None:
    titles = {title.replace("\u00ad", "") for title in _outline(reader.outline)}
    for place, line in enumerate(flagged(content.woodlands), start=1):
        assert f"{place} · {line.name}" in titles


def _outline(entries: Any) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, list):
            yield from _outline(entry)
        else:
            yield str(entry.title)


def test_the_compiler_has_nothing_to_warn_of(content: ReportContent, document: Document) -> None:
    assert compile_document(document, content)[1] == []


def test_the_same_content_gives_the_same_bytes_in_another_process(small_content: ReportContent) -> None:
    code = (
        "import hashlib, runpy, sys\n"
        "from reports.report import render\n"
        "world = runpy.run_path(sys.argv[1])\n"
        "made = world['make_content'](world['woodlands'](12, 4))\n"
        "sys.stdout.write(hashlib.sha256(render(made)).hexdigest())\n"
    )
    world = str(Path(__file__).with_name("conftest.py"))
    environment = os.environ | {"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code, world], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == hashlib.sha256(render(small_content)).hexdigest()


def test_only_the_clock_given_changes_the_date(content: ReportContent) -> None:
    later = replace(bare_content(content, replace_wood()), generated_at=content.generated_at.replace(day=16))
    assert "Made on 16 January 2026" in words_of(_read(render(later)))


def test_a_report_of_two_parks_and_twelve_alerts_takes_under_five_seconds(timed: Timed) -> None:
    assert timed.took_s < 5.0


def _read(pdf: bytes) -> pypdf.PdfReader:
    import io

    return pypdf.PdfReader(io.BytesIO(pdf))


def test_a_name_is_set_as_it_is_and_never_run(content: ReportContent) -> None:
    history = tuple(YearValue(2017 + i, 50.0 - i, 5.0, 0.9, 20.0) for i in range(9))
    line = WoodlandLine(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, True, 1.0, SQUARE, history,
        level="CONFIRMED", kind="decline", alert_reason=HOSTILE, slope=-1.0,
    )  # fmt: skip
    made = replace(
        bare_content(content, line),
        title=HOSTILE,
        park=HOSTILE,
        notable_years=(NotableYear(2020, "$x_1$ <b>"),),
    )
    words = words_of(_read(render(made)))
    assert '#panic("x") *_[] $a$ @b <c> \\ // /* `z` \ufffd \ufffd abc' in words
    assert "root:" not in words


def test_a_woodland_without_any_value_gives_words_instead_of_numbers(content: ReportContent) -> None:
    words = words_of(_read(render(bare_content(content, replace_wood(history=())))))
    assert "No trend could be tested yet: there are not enough years." in words
    assert "No woodland is flagged: there are not enough years to test a trend." in words
    assert "none yet" in words
    assert "How often this rule raises a false alarm was not measured" in words
    assert "nan" not in words.lower()


def test_missing_numbers_are_never_printed_as_nan(content: ReportContent) -> None:
    holes = (
        YearValue(2017, 50.0, NAN),
        YearValue(2018, NAN, NAN),
        YearValue(2019, 51.0, 3.0),
        YearValue(2020, NAN, NAN),
    )
    line = replace_wood(history=holes, level="WATCH", kind="step", n=2)
    words = words_of(_read(render(bare_content(content, line))))
    assert "not enough years" in words
    assert "No reason was recorded." in words
    assert "nan" not in words.lower()


def replace_wood(**fields: Any) -> WoodlandLine:
    return replace(WoodlandLine("w1", "Lone Copse", "", "other", False, 0.4, SQUARE), **fields)


@pytest.mark.parametrize("name", ["A" * 300, "W" * 60 + " " + "m" * 90, "-" * 80])
def test_a_name_without_a_place_to_break_stays_on_the_page(content: ReportContent, name: str) -> None:
    line = replace_wood(name=name, level="WATCH", history=(YearValue(2020, 5.0, 1.0),))
    for page in _read(render(bare_content(content, line))).pages:
        rights: list[float] = []
        page.extract_text(visitor_text=lambda text, _cm, tm, *_, rights=rights: rights.append(tm[4]))
        assert max(rights) < float(page.mediabox.width)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report.txt", "must end in .pdf"),
        ("absent/report.pdf", "does not exist"),
        ("folder.pdf", "is a folder"),
    ],
)
def test_a_place_that_cannot_hold_a_report_is_refused(
    content: ReportContent, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(ReportError, match=message) as caught:
        write_report(content, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_old_report_whole_and_nothing_beside_it(
    content: ReportContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.pdf"
    out.write_bytes(b"the old report")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportError, match=r"report\.pdf: No space left on device"):
        write_report(bare_content(content, replace_wood()), out)
    assert out.read_bytes() == b"the old report"
    assert list(tmp_path.iterdir()) == [out]


def test_a_broken_template_is_one_clear_line(
    content: ReportContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "report.typ").write_text("#panic(1)")
    monkeypatch.setattr(report.resources, "files", lambda _package: tmp_path)
    with pytest.raises(ReportError, match="all parks, 2025-Q4: ") as caught:
        render(bare_content(content, replace_wood()))
    assert "\n" not in str(caught.value)
