"""Assess a table: the files it writes, and what its reader can rely on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from flows import cli
from flows.commands import assessing
from flows.own_table.assessed import ALERT_COLUMNS, TREND_COLUMNS
from monitoring.errors import SeasonError, SourceError, WarehouseError

YEARS = range(2017, 2026)
NAMES = ["alerts", "contrasts", "gates", "parks", "trends"]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "assess.md"
Records = list[dict[str, str]]


def table(path: Path, decliners: int = 1, seed: int = 20) -> Path:
    """Write 24 woodlands of one park, a third of them ancient, the first ones falling by 3 taxa a year."""
    rng = np.random.default_rng(seed)
    lines = ["woodland,season,mean,sd,sd_year,park,class"]
    for number in range(24):
        slope, kind = (-3.0 if number < decliners else 0.0), ("ASNW" if number < 8 else "other")
        for year in YEARS:
            mean = 60 + slope * (year - YEARS[0]) + rng.normal(0, 1)
            lines.append(f"w{number:02},{year}-Q4,{mean:.3f},2,1,Vale,{kind}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def run(*arguments: object) -> str:
    app = typer.Typer()
    app.callback()(cli.session)
    assessing.add_commands(app)
    result = CliRunner().invoke(app, ["assess", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def records(path: Path) -> Records:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a table with one decliner."""
    folder = tmp_path_factory.mktemp("assessed")
    run("--histories", table(folder / "h.csv"), "--out", folder / "out")
    return folder / "out"


def test_a_planted_decliner_is_the_only_alert(found: Path) -> None:
    (alert,) = records(found / "alerts.csv")
    assert (alert["woodland"], alert["state"], alert["season"]) == ("w00", "CONFIRMED", "2025-Q4")
    assert -4 < float(alert["slope_per_year"]) < -2
    assert float(alert["q_value"]) < 0.05
    assert float(alert["probability_of_decline"]) > 0.8
    assert "2017" in alert["reason"]


def test_every_woodland_has_a_trend_row(found: Path) -> None:
    trends = records(found / "trends.csv")
    assert [row["woodland"] for row in trends] == [f"w{number:02}" for number in range(24)]
    assert [row["state"] for row in trends] == ["CONFIRMED"] + ["no alert"] * 23
    assert {(row["n_years"], row["first_year"], row["last_year"]) for row in trends} == {
        ("9", "2017", "2025")
    }


def test_each_file_is_there_with_the_columns_that_are_documented(found: Path) -> None:
    assert sorted(path.name for path in found.iterdir()) == [f"{name}.csv" for name in NAMES]
    assert "Vale" in {row["park"] for row in records(found / "contrasts.csv")}
    documented = DOCS.read_text("utf-8")
    for column in (*TREND_COLUMNS, *ALERT_COLUMNS, "state", "probability_of_decline"):
        assert f"`{column}`" in documented


@pytest.mark.slow
def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    output = run("--histories", table(tmp_path / "h.csv"), "--out", tmp_path / "out")
    assert output.startswith("2025-Q4: 1 alert (1 CONFIRMED); 24 woodlands, 24 tested\n")
    assert "alerts.csv, contrasts.csv, gates.csv, parks.csv, trends.csv" in output


def test_the_same_table_gives_the_same_bytes_in_any_order(tmp_path: Path, found: Path) -> None:
    header, *rows = table(tmp_path / "h.csv").read_text("utf-8").splitlines()
    (tmp_path / "back.csv").write_text("\n".join([header, *reversed(rows)]) + "\n", "utf-8")
    run("--histories", tmp_path / "back.csv", "--out", tmp_path / "out")
    for name in NAMES:
        assert (tmp_path / "out" / f"{name}.csv").read_bytes() == (found / f"{name}.csv").read_bytes()


@pytest.mark.slow
def test_parquet_holds_what_csv_holds(tmp_path: Path, found: Path) -> None:
    run("--histories", table(tmp_path / "h.csv"), "--out", tmp_path / "out", "--format", "parquet")
    for name in NAMES:
        rows = pq.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        plain = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
        assert plain == records(found / f"{name}.csv")


def test_without_alerts_the_file_has_its_header(tmp_path: Path) -> None:
    run("--histories", table(tmp_path / "h.csv", decliners=0), "--out", tmp_path / "out")
    (line,) = (tmp_path / "out" / "alerts.csv").read_text("utf-8").splitlines()
    assert line.startswith("woodland,state,kind,slope_per_year,q_value,")


@pytest.mark.slow
def test_a_woodland_with_too_few_years_is_listed_as_not_tested(tmp_path: Path) -> None:
    path = table(tmp_path / "h.csv")
    with path.open("a", encoding="utf-8") as file:
        file.write("young,2024-Q4,50,2,1,Vale,other\nyoung,2025-Q4,50,2,1,Vale,other\n")
        file.write("unseen,2025-Q4,,,,Vale,other\n")
        file.writelines(f"short,{year}-Q4,50,2,1,Vale,other\n" for year in range(2020, 2026))
    output = run("--histories", path, "--out", tmp_path / "out")
    assert "1 woodland-year without an estimate: they stay missing" in output
    rows = {row["woodland"]: row for row in records(tmp_path / "out" / "trends.csv")}
    assert rows["young"]["reason"] == "2 years with an estimate: too few for a slope"
    assert (rows["unseen"]["n_years"], rows["unseen"]["first_year"]) == ("0", "")
    assert rows["short"]["n_years"] == "6"
    for name in ("young", "unseen", "short"):
        assert (rows[name]["state"], rows[name]["q_value"]) == ("not tested", "")
        assert rows[name]["reason"]


@pytest.mark.slow
def test_only_years_up_to_the_season_asked_for_are_judged(tmp_path: Path) -> None:
    output = run("--histories", table(tmp_path / "h.csv"), "--out", tmp_path / "out", "--season", "2024-Q4")
    assert "24 woodland-years left out: after the season assessed" in output
    assert {row["last_year"] for row in records(tmp_path / "out" / "trends.csv")} == {"2024"}


def test_a_season_that_is_not_final_or_not_there_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "h.csv")
    with pytest.raises(SeasonError, match="only final seasons"):
        run("--histories", path, "--out", tmp_path / "out", "--season", "2025-Q3")
    with pytest.raises(SourceError, match="no estimate in 2026: the last is of 2025"):
        run("--histories", path, "--out", tmp_path / "out", "--season", "2026-Q4")
    assert not (tmp_path / "out").exists()


def test_a_refused_table_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("--histories", table(tmp_path / "h.csv"), "--out", out)
    (out / "notes.txt").write_text("mine", "utf-8")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (tmp_path / "bad.csv").write_text("woodland,year,mean\noak,2017,inf\n", "utf-8")
    with pytest.raises(SourceError, match="must be finite"):
        run("--histories", tmp_path / "bad.csv", "--out", out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.slow
def test_a_success_replaces_its_own_files_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("notes.txt", "alerts.csv", "alerts.parquet"):
        (out / name).write_text("old", "utf-8")
    run("--histories", table(tmp_path / "h.csv"), "--out", out)
    kept = {path.name for path in out.iterdir() if path.read_bytes() == b"old"}
    assert kept == {"notes.txt", "alerts.parquet"}


@pytest.mark.slow
def test_where_one_file_cannot_be_replaced_none_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "trends.csv").mkdir(parents=True)
    with pytest.raises(WarehouseError, match=r"trends\.csv: cannot be written: not a file$"):
        run("--histories", table(tmp_path / "h.csv"), "--out", out)
    assert [path.name for path in out.iterdir()] == ["trends.csv"]
    with pytest.raises(WarehouseError, match="cannot be made: File exists"):
        run("--histories", table(tmp_path / "h.csv"), "--out", tmp_path / "h.csv")


def test_a_table_of_one_woodland_without_a_park_is_answered(tmp_path: Path) -> None:
    rows = [f"oak,{year},{60 - 3 * (year - 2017)}" for year in YEARS]
    (tmp_path / "h.csv").write_text("\n".join(["woodland,year,mean", *rows]), "utf-8")
    run("--histories", tmp_path / "h.csv", "--out", tmp_path / "out")
    (trend,) = records(tmp_path / "out" / "trends.csv")
    assert float(trend["slope_per_year"]) == -3
    assert trend["state"] != "CONFIRMED", "no other woodland tells a decline from bad years"
