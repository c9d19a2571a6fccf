"""Rows on standard output: the same rows for people and for programs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from flows.tables import Format, show

ROWS = [
    {"woodland": "Ash, [old] Holt", "mean": float("nan"), "n": 3},
    {"woodland": "Elm", "mean": 1.5, "n": 4},
]


def test_json_has_null_for_a_missing_number(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, Format.JSON)
    assert json.loads(capsys.readouterr().out)[0] == {"woodland": "Ash, [old] Holt", "mean": None, "n": 3}


def test_csv_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, Format.CSV)
    back = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["mean"] for row in back] == ["", "1.5"]


def test_a_table_shows_brackets_and_missing_numbers_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, Format.TABLE)
    shown = capsys.readouterr().out
    assert "Ash, [old] Holt" in shown
    assert " - " in shown


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"woodland": "Ash\x1b[2J\x07 Holt\x9b"}], Format.TABLE)
    shown = capsys.readouterr().out
    assert "Ash\ufffd[2J\ufffd Holt\ufffd" in shown
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)


def test_no_rows_say_so_to_people_and_are_an_empty_list_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([], Format.TABLE, empty="no alert is open")
    show([], Format.JSON)
    assert capsys.readouterr().out == "no alert is open\n[]\n"
