"""Damage done for real, and whether the check names it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, assessment, estimate, filled, history, load, scene, trend_row

from warehouse.lease import lease
from warehouse.operations.checks import CHECKS, Finding, Outcome, check_file
from warehouse.operations.surroundings import Places, check_lease, check_surroundings
from warehouse.operations.vacuum import rebuild_serving
from warehouse.publish import lease_path, publish
from warehouse.records import BlockSeasonRow, ObservationRow
from warehouse.writer import open_writer

LATER = NOW + timedelta(hours=2)


@pytest.fixture
def warehouse(tmp_path: Path, sound: Path) -> Path:
    """Nine years of two woodlands of one block, whose run is closed, to be damaged."""
    return Path(shutil.copy(sound, tmp_path / "warehouse.duckdb"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = filled(tmp_path_factory.mktemp("sound") / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        writer.load_scenes("block-1", "2025-Q4", [scene(1), scene(2)], now=NOW)
        writer.load_observations(
            [ObservationRow("a", "2025-Q4", "inputs-1", 30.0, 2.0, 12.0, 0.0, 20.0, 10.0, True, "run-1")],
            now=NOW,
        )
        writer.finish_run("run-1", "finished", now=NOW)
    return path


def found_in(path: Path) -> dict[str, Finding]:
    findings, _ = check_file(path, now=LATER)
    return {each.check: each for each in findings}


def not_fine(path: Path) -> dict[str, str]:
    return {name: each.found for name, each in found_in(path).items() if each.outcome is not Outcome.FINE}


def damaged(path: Path, *statements: str) -> Path:
    """Do to the file what no writer would."""
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_a_sound_warehouse_is_fine_in_every_check(warehouse: Path) -> None:
    assert not_fine(warehouse) == {}
    findings, loaded = check_file(warehouse, now=LATER)
    assert len(findings) == 2 + len(CHECKS)
    assert "2025-Q4" in loaded
    assert len(loaded) == 9


#: One damage for each check.
DAMAGE = [
    ("insert into estimate select * from estimate where woodland_id = 'a' and season = '2020-Q4'",
     "keys", "estimate recorded twice: a 2020-Q4 richness"),
    ("delete from estimate where woodland_id = 'a' and season = '2020-Q4'",
     "serving estimates", "current_estimate holds what the log does not: a 2020-Q4"),
    ("update current_woodland set park = 'Elsewhere' where id = 'a'",
     "serving woodlands", "current_woodland holds what the log does not: a"),
    ("update current_summary set mean = mean + 0.001 where season = '2021-Q4'",
     "serving summary", "Vale 2021-Q4 richness"),
    ("update estimate set run_id = 'nobody' where woodland_id = 'a'",
     "references", "estimate -> run: 9 (such as nobody)"),
    ("update season_observation set number = 2",
     "numbers", "season_observation: a number is lacking: a 2025-Q4"),
    ("update trend set p_mann_kendall = 1.5 where woodland_id = 'a'", "bounds", "trend: probabilities"),
    ("update woodland_version set boundary = '000000000000' where woodland_id = 'b'",
     "polygons", "polygon is not the one its boundary names: b"),
    ("update current_estimate set head = 'head-2' where woodland_id = 'a' and season = '2020-Q4'",
     "one model", "series of two models or polygons: a richness"),
    ("update estimate set recorded_at = timestamp '2031-01-01' where woodland_id = 'a'",
     "clock", "estimate recorded in the future: 2031-01-01"),
    ("update schema_migration set sha256 = 'other' where number = 3", "migrations", "0003"),
]  # fmt: skip
#: Others that the same checks find.
MORE_DAMAGE = [
    ("delete from current_estimate where woodland_id = 'a' and season = '2020-Q4'",
     "serving estimates", "current_estimate lacks what the log holds: a 2020-Q4"),
    ("insert into current_estimate select * from current_estimate where season = '2020-Q4' limit 1",
     "serving estimates", "current_estimate holds what the log does not: a 2020-Q4"),
    ("update current_estimate set mean = mean + 1e-9 where woodland_id = 'b' and season = '2019-Q4'",
     "serving estimates", "b 2019-Q4"),
    ("update estimate set woodland_id = 'z' where season = '2020-Q4' and woodland_id = 'a'",
     "references", "estimate -> woodland: z"),
    ("update estimate set boundary = 'ffffffffffff' where season = '2020-Q4' and woodland_id = 'a'",
     "references", "estimate -> boundary: a"),
    ("insert into schema_migration values (999, 'x', 'y', timestamp '2026-01-15')",
     "migrations", "newer than"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "check", "line"),
    [*DAMAGE, *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE_DAMAGE)],
    ids=[f"{check}-{number}" for number, (_, check, _) in enumerate([*DAMAGE, *MORE_DAMAGE])],
)
def test_damage_is_named_with_an_example_and_what_to_do(
    warehouse: Path, statement: str, check: str, line: str
) -> None:
    finding = found_in(damaged(warehouse, statement))[check]
    assert finding.outcome is Outcome.FAILED
    assert line in finding.found
    assert finding.remedy
    assert "\n" not in finding.found


def test_bytes_that_were_flipped_are_named_by_table_and_nothing_else_is_asked(warehouse: Path) -> None:
    content = bytearray(warehouse.read_bytes())
    for place in range(len(content) // 2, len(content), 4096):
        content[place] ^= 255
    warehouse.write_bytes(content)
    findings, loaded = check_file(warehouse, now=LATER)
    assert any(each.check == "file" and each.outcome is Outcome.FAILED for each in findings)
    assert not loaded


def test_a_file_that_is_no_database_is_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_text("not a database")
    (only,), _ = check_file(path, now=LATER)
    assert only.outcome is Outcome.FAILED
    (missing,), _ = check_file(tmp_path / "none.duckdb", now=LATER)
    assert missing.outcome is Outcome.FAILED


def test_a_woodland_left_out_of_a_season_of_its_block_is_a_gap_to_look_at(tmp_path: Path) -> None:
    rows = [row for row in history() if (row.woodland_id, row.season) != ("b", "2021-Q4")]
    finding = found_in(filled(tmp_path / "w.duckdb", rows))["gaps"]
    assert finding.outcome is Outcome.LOOK
    assert finding.found == "woodland without an estimate that others of its block have: b 2021-Q4"


def test_a_year_that_nobody_estimated_is_a_gap_to_look_at(tmp_path: Path) -> None:
    rows = [row for row in history() if row.season != "2021-Q4"]
    finding = found_in(filled(tmp_path / "w.duckdb", rows))["gaps"]
    assert finding.found == "calendar year without any estimate: richness 2021"


def test_a_run_left_open_a_day_ago_is_to_look_at(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    assert found_in(path)["runs"].outcome is Outcome.FINE
    findings, _ = check_file(path, now=NOW + timedelta(days=2))
    (run,) = [each for each in findings if each.check == "runs"]
    assert (run.outcome, run.found) == (Outcome.LOOK, "run that was never closed: 2025-Q4 run-1")


def test_late_scenes_and_a_second_model_are_no_damage(warehouse: Path, tmp_path: Path) -> None:
    standing = BlockSeasonRow(
        season="2025-Q4", block_id="block-1", expected=10.0, found=9, missing_share=0.1, floor=0.5,
        is_complete=True, is_frozen=False, n_scenes=9, n_left_out=0, reason="", run_id="run-1",
        inputs_hash="inputs-2",
    )  # fmt: skip
    with open_writer(warehouse, now=LATER) as writer:
        load(writer, tmp_path, [estimate(mean=98.0, inputs_hash="inputs-2")], LATER)
        writer.load_block_seasons([standing], now=LATER)
        writer.load_trends([trend_row("a", assessment("2025-Q4", "series-2"))], now=LATER)
    assert not_fine(warehouse) == {}
    with open_writer(warehouse, now=LATER) as writer:
        load(writer, tmp_path, [estimate(w, head="head-2") for w in "ab"], LATER)
    assert not_fine(warehouse) == {}


def test_serving_tables_made_anew_are_fine_again(warehouse: Path) -> None:
    damaged(
        warehouse,
        "delete from current_estimate where season = '2020-Q4'",
        "update current_woodland set park = 'Elsewhere'",
        "update current_summary set mean = 0",
    )
    assert set(not_fine(warehouse)) >= {"serving estimates", "serving woodlands", "serving summary"}
    rebuild_serving(warehouse)
    assert not_fine(warehouse) == {}


def around(places: Places) -> dict[str, Finding]:
    findings = check_surroundings(places, loaded=frozenset({"2025-Q4"}), now=LATER)
    return {each.check: each for each in findings}


def test_what_lies_around_the_warehouse_is_looked_at_too(warehouse: Path, tmp_path: Path) -> None:
    places = Places(warehouse, tmp_path / "published" / "w.duckdb", tmp_path / "staging")
    assert around(places)["snapshot"].outcome is Outcome.FAILED
    places.published.parent.mkdir()
    shutil.copy2(warehouse, places.published)
    assert "w.json: missing" in around(places)["snapshot"].found
    publish(warehouse, places.published)
    assert {each.outcome for each in around(places).values()} == {Outcome.FINE}
    for season in ("2024-Q4", "2025-Q4"):
        (places.staging / season).mkdir(parents=True)
        (places.staging / season / "block-1-0123456789abcdef.parquet").touch()
    assert around(places)["staging"].found == "seasons staged and not loaded: 1 (such as 2024-Q4)"
    warehouse.unlink()
    assert "only its snapshot is here" in around(places)["snapshot"].found


def test_the_holder_of_the_lease_is_named(warehouse: Path) -> None:
    assert check_lease(warehouse, NOW).found == "free"
    with lease(lease_path(warehouse)):
        assert "held by process" in check_lease(warehouse, NOW).found
    assert check_lease(warehouse, NOW).found == "free"


def test_a_lease_that_is_no_longer_renewed_is_to_look_at_and_a_damaged_one_is_nobodys(
    warehouse: Path,
) -> None:
    record = lease_path(warehouse)
    with lease(record):
        found = check_lease(warehouse, NOW.replace(year=9000))
        assert (found.outcome, found.remedy) == (Outcome.LOOK, "the next writer takes it over")
        assert found.found.endswith("no longer renewed")
        told = record.read_bytes()
        record.write_bytes(told.replace(b'"token"', b'"broken"'))
        assert check_lease(warehouse, NOW).found == "free"
        record.write_bytes(told)
    record.unlink()
    assert check_lease(warehouse, NOW).found == "free"
    assert not record.exists()
