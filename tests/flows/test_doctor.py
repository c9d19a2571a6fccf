"""What the operator is told: the doctor's findings before a season, the standing after it."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from stac_world import s2_item
from typer.testing import CliRunner

from flows.cli import app
from flows.commands.looking import MOST_ROWS
from flows.operating.doctor import Finding, examine
from flows.sources.catalogues.catalogue import open_catalogue
from flows.sources.catalogues.looks import look
from warehouse.records import AssetFailureRow, BlockSeasonRow, QuarantineRow, RunRow
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

NOW = datetime(2026, 2, 15, 3, tzinfo=UTC)
ITEMS = {"type": "FeatureCollection", "features": [s2_item("2025-06-01")]}
NAN = float("nan")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two catalogues of one item."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.json").write_text(json.dumps(ITEMS))
    return tmp_path


def settings(place: Path, more: str = "", catalogue: str = "first.json") -> Path:
    path = place / "underwood.toml"
    path.write_text(f'catalogue = "{catalogue}"\nwoodlands = "woods.gpkg"\nhome = "home"\n{more}', "utf-8")
    return path


def finding(what: str, config: Path, now: datetime = NOW) -> Finding:
    (found,) = [each for each in examine(config, now) if each.what == what]
    return found


# --- the doctor


def test_no_second_catalogue_is_fine(place: Path) -> None:
    assert finding("second catalogue", settings(place)) == Finding("second catalogue", True, "none named")


def test_a_second_catalogue_is_opened(place: Path) -> None:
    found = finding("second catalogue", settings(place, 'second_catalogue = "second.json"\n'))
    assert found.ok
    assert found.found.startswith(f"{place / 'second.json'}, source ")


def test_a_second_catalogue_that_is_the_first_is_warned_of(place: Path) -> None:
    found = finding("second catalogue", settings(place, 'second_catalogue = "first.json"\n'))
    assert "warning: it is the first one" in found.found


def test_a_second_catalogue_that_does_not_answer_is_wrong(place: Path) -> None:
    config = settings(place, f'second_catalogue = "{place}/none.json"\n')
    found = finding("second catalogue", config)
    assert not found.ok
    assert found.found == f"catalogue {place}/none.json: cannot be read: No such file or directory"


def test_which_keys_are_set_is_told_and_never_what_they_are(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERWOOD_ACCESS__CDSE_SECRET", "hunter2")
    findings = examine(settings(place, '[access]\ncdse_key = "swordfish"\n'), NOW)
    (keys,) = [each for each in findings if each.what == "access keys"]
    assert keys == Finding("access keys", True, "cdse_key yes, cdse_secret yes, planetary_computer_key no")
    assert not any(secret in repr(findings) for secret in ("hunter2", "swordfish"))


def test_half_a_key_is_one_finding_without_its_value(place: Path) -> None:
    (found,) = examine(settings(place, '[access]\ncdse_key = "swordfish"\n'), NOW)
    assert (found.what, found.ok) == ("settings", False)
    assert "cdse_key and cdse_secret are of use only together" in found.found
    assert "swordfish" not in found.found


def test_a_store_that_needs_keys_is_wrong_without_them(place: Path) -> None:
    found = finding("access keys", settings(place, 'source = "cdse"\n'))
    assert not found.ok
    assert found.found.startswith("access.cdse_key and access.cdse_secret: not set")


def looked(place: Path, block: str, at: datetime) -> Path:
    """Look once at the first catalogue; return what is kept of it."""
    kept = place / "home" / "looks" / "2025-Q4" / f"{block}.json"
    catalogue = open_catalogue(str(place / "first.json"))
    season = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    look(catalogue, (-1.8, 51.6, -1.7, 51.7), *season, kept=kept, now=at)
    return kept


def test_the_last_look_is_told_with_its_age(place: Path) -> None:
    assert finding("last look", settings(place)).found == "none yet"
    looked(place, "b", NOW - timedelta(days=3))
    assert finding("last look", settings(place)) == Finding(
        "last look", True, "season 2025-Q4 of block b on 2026-02-12 03:00 UTC, 3 days ago"
    )
    assert "warning: that is not over yet" in finding("last look", settings(place), NOW.replace(day=1)).found


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_look_is_warned_of(place: Path, content: str) -> None:
    looked(place, "b", NOW).write_text(content)
    found = finding("last look", settings(place))
    assert found.ok
    assert "is damaged, all will be asked for again" in found.found


# --- the standing


RUN = RunRow("run-1", "2025-Q4", "config-1", "{}", "0.1.0", NOW)
BLOCK = BlockSeasonRow(
    season="2025-Q4",
    block_id="block-1",
    expected=100.0,
    found=90,
    missing_share=0.1,
    floor=0.5,
    is_complete=True,
    is_frozen=True,
    n_scenes=90,
    n_left_out=0,
    reason="",
    run_id="run-1",
)
UNDER = replace(
    BLOCK, block_id="block-2", expected=300.0, found=90, missing_share=0.7, is_complete=False, is_frozen=False
)
LOST = AssetFailureRow(
    season="2025-Q4",
    block_id="block-1",
    scene_id="scene-1",
    band="B04",
    attempts=4,
    error="https://store.example/B04.tif: 503",
    first_failed_at=NOW,
    last_failed_at=NOW,
    state="waiting",
    run_id="run-1",
)
HELD = QuarantineRow("scenes", "2025-Q4", "scene-9", "cloud above 1", "{}", "run-1")


def status(
    place: Path,
    *arguments: str,
    runs: Sequence[RunRow] = (RUN,),
    blocks: Sequence[BlockSeasonRow] = (BLOCK,),
    failures: Sequence[AssetFailureRow] = (),
    quarantine: Sequence[QuarantineRow] = (),
) -> Result:
    """What `status` says of a service that has loaded these rows."""
    with open_writer(world.empty(place / "warehouse.duckdb"), now=NOW) as writer:
        for run in runs:
            writer.record_run(run)
        writer.load_block_seasons(blocks, now=NOW)
        writer.load_asset_failures(failures, now=NOW)
        writer.quarantine(quarantine, now=NOW)
        writer.publish(place / "home" / "published" / "underwood.duckdb")
    return CliRunner().invoke(app, ["--config", str(settings(place)), "status", *arguments])


def test_a_season_that_has_all_is_final_and_frozen(place: Path) -> None:
    result = status(place, "--format", "json")
    assert result.exit_code == 0
    (told,) = json.loads(result.stdout)
    (season,) = told["seasons"]
    assert (season["final"], season["frozen"], season["missing"]) == (True, True, 0.1)
    assert (season["unread"], season["quarantined"]) == (0, 0)
    assert (told["not_final"], told["unread"], told["quarantine"]) == ([], [], [])


def test_a_block_under_its_floor_is_named_with_its_reason_and_is_no_failure(place: Path) -> None:
    reason = "optical: 90 of 300 passes"
    result = status(place, "--format", "json", blocks=[BLOCK, replace(UNDER, reason=reason)])
    assert result.exit_code == 0
    (told,) = json.loads(result.stdout)
    assert told["not_final"] == [{"season": "2025-Q4", "block": "block-2", "why": reason}]
    (season,) = told["seasons"]
    assert (season["final"], season["frozen"]) == (False, False)
    assert season["missing"] == pytest.approx((0.1 * 100 + 0.7 * 300) / 400)


def test_a_season_before_the_fourth_quarter_is_provisional(place: Path) -> None:
    runs, blocks = [replace(RUN, season="2025-Q3")], [replace(BLOCK, season="2025-Q3")]
    (told,) = json.loads(status(place, "--format", "json", runs=runs, blocks=blocks).stdout)
    assert [row["final"] for row in told["seasons"]] == [False]
    assert "provisional" in told["not_final"][0]["why"]


def test_what_nobody_can_expect_is_no_number(place: Path) -> None:
    unknown = replace(BLOCK, expected=NAN, found=0, missing_share=NAN)
    (told,) = json.loads(status(place, "--format", "json", blocks=[unknown]).stdout)
    assert told["seasons"][0]["missing"] is None
    assert told["seasons"][0]["final"] is True


def test_a_season_without_scenes_is_neither_frozen_nor_not(place: Path) -> None:
    (told,) = json.loads(status(place, "--format", "json", blocks=[]).stdout)
    assert (told["seasons"][0]["frozen"], told["seasons"][0]["missing"]) == (None, None)


@pytest.mark.parametrize(("state", "code"), [("waiting", 1), ("given up", 1), ("recovered", 0)])
def test_only_an_asset_still_unread_is_a_failure(place: Path, state: str, code: int) -> None:
    result = status(place, failures=[replace(LOST, state=state)])
    assert result.exit_code == code
    assert ("scene-1" in result.stdout) is bool(code)
    assert ("every asset was read" in result.stdout) is not bool(code)


def test_a_row_in_quarantine_is_a_failure(place: Path) -> None:
    result = status(place, quarantine=[HELD])
    assert result.exit_code == 1
    assert "cloud above 1" in result.stdout


@pytest.mark.parametrize(("state", "n_held"), [("waiting", 1), ("recovered", 0)])
def test_a_scene_whose_assets_were_read_at_last_is_held_back_no_more(
    place: Path, state: str, n_held: int
) -> None:
    unread = replace(HELD, gate="pixels", key=LOST.scene_id, reasons=LOST.error)
    failures = [replace(LOST, state=state), replace(LOST, band="B08", state="recovered")]
    result = status(place, "--format", "json", failures=failures, quarantine=[unread])
    (told,) = json.loads(result.stdout)
    assert len(told["quarantine"]) == told["seasons"][0]["quarantined"] == n_held
    assert result.exit_code == n_held


def test_csv_tells_all_that_is_held_back_in_one_table(place: Path) -> None:
    result = status(place, "--format", "csv", blocks=[UNDER], failures=[LOST], quarantine=[HELD])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["gate"], row["key"]) for row in rows] == [
        ("scenes", "scene-9"),
        ("not read", "scene-1 B04"),
        ("not final", "block-2"),
    ]
    assert rows[1]["reasons"] == "waiting after 4 attempts: https://store.example/B04.tif: 503"


def test_the_table_is_narrow_and_its_sections_short(place: Path) -> None:
    failures = [replace(LOST, scene_id=f"scene-{number}") for number in range(MOST_ROWS + 5)]
    result = status(place, blocks=[BLOCK, UNDER], failures=failures)
    assert "and 5 more, which --format json shows" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
