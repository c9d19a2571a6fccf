"""What the warehouse answers when asked where a figure comes from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from warehouse_world import (
    NOW,
    alert_row,
    assessment,
    empty,
    estimate,
    filled,
    history,
    load,
    prepare,
    scene,
    trend_row,
)

from monitoring.errors import LeaseHeldError, WarehouseError
from monitoring.identities import estimate_id
from warehouse.answering.provenance import read_chain, read_unpublished
from warehouse.lease import lease
from warehouse.publish import lease_path
from warehouse.reader import Record
from warehouse.records import ModelRow, PromotionRow, ReportAlertRow, ReportRow
from warehouse.writer import open_writer

LATER = NOW + timedelta(days=90)
NAMED = ("woodland_id", "season", "target", "encoder", "head", "config_hash", "inputs_hash", "boundary")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "warehouse.duckdb")


def id_of(row: Record) -> str:
    return estimate_id(**{name: row[name] for name in NAMED})


def test_an_estimate_is_found_by_its_id_alone(path: Path) -> None:
    with read_chain(path) as chain:
        for season in ("2017-Q4", "2025-Q4"):
            (row,) = chain.estimates("a", season)
            found = chain.estimate_of_id(id_of(row))
            assert found is not None
            assert (found["woodland_id"], found["season"], found["mean"]) == ("a", season, row["mean"])
        assert chain.estimate_of_id(estimate_id(**dict.fromkeys(NAMED, "a"))) is None


def test_sql_names_an_estimate_as_python_does_whatever_its_texts(tmp_path: Path) -> None:
    path, odd = empty(tmp_path / "warehouse.duckdb"), "Éire 1:,|' 🌳"
    with open_writer(path, now=NOW) as writer:
        prepare(writer)
        writer.load_models([ModelRow("head", odd, "{}", "00")], now=NOW)
        load(writer, tmp_path, [estimate(head=odd, inputs_hash=odd)])
    with read_chain(path) as chain:
        (row,) = chain.estimates("a", "2025-Q4")
        assert row["head"] == odd
        assert chain.estimate_of_id(id_of(row)) is not None


def test_what_held_at_a_moment_is_what_was_recorded_by_then(path: Path, tmp_path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        load(writer, tmp_path, [estimate(mean=70.0, inputs_hash="inputs-2")], LATER)
    with read_chain(path) as chain:
        for as_of, mean in ((NOW, 84.0), (LATER, 70.0), (None, 70.0)):
            (row,) = chain.estimates("a", "2025-Q4", "richness", as_of)
            assert row["mean"] == mean
        assert chain.estimates("a", "2025-Q4", "richness", NOW - timedelta(days=1)) == ()
        (row,) = chain.estimates("a", "2025-Q4")
        assert chain.estimate_of_id(id_of(row), NOW) is None


def test_a_trend_rests_on_the_final_seasons_known_when_it_was_recorded(path: Path, tmp_path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        load(writer, tmp_path, [estimate(mean=70.0, inputs_hash="inputs-2")], LATER)
    with read_chain(path) as chain:
        alert = chain.alert("alert-a")
        assert alert is not None
        trend = chain.trend("a", alert)
        assert trend is not None
        series = chain.series(trend)
    assert [row["mean"] for row in series] == [row.mean for row in history() if row.woodland_id == "a"]


def test_an_alert_has_the_figures_it_was_last_raised_with_by_then(path: Path, tmp_path: Path) -> None:
    judged = assessment("2026-Q4", "series-2")
    row = alert_row("a", judged)
    with open_writer(path, now=LATER) as writer:
        writer.load_trends([trend_row("a", judged)], now=LATER)
        writer.load_alerts([replace(row, alert=replace(row.alert, slope=-3.0))], now=LATER)
    with read_chain(path) as chain:
        slopes = {as_of: (chain.alert("alert-a", as_of) or {})["slope"] for as_of in (NOW, LATER, None)}
    assert slopes == {NOW: -2.0, LATER: -3.0, None: -3.0}


def test_scenes_are_those_used_by_then_with_their_checksums(path: Path) -> None:
    stated = replace(scene(1), checksums=(("B04", "1220ab"),))
    with open_writer(path, now=NOW) as writer:
        writer.load_scenes("block-1", "2025-Q4", [stated], now=NOW)
        writer.load_scenes("block-1", "2025-Q4", [stated, scene(2)], now=LATER)
    with read_chain(path) as chain:
        assert [len(chain.scenes("2025-Q4", "block-1", moment)) for moment in (NOW, LATER, None)] == [1, 2, 2]
        assert chain.scenes("2025-Q4", "block-1", NOW)[0]["checksums"] == '{"B04": "1220ab"}'


def test_a_report_is_found_by_its_pdf_with_the_alerts_it_told_of(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        writer.load_reports([ReportRow("2025-Q4", "", "/a.pdf", "5e", "run-1", NOW)], now=NOW)
        writer.load_report_alerts([ReportAlertRow("5e", "alert-a", "CONFIRMED", "open")], now=NOW)
    with read_chain(path) as chain:
        found = chain.report("5e")
        assert found is not None
        assert (found["path"], found["generated_at"]) == ("/a.pdf", NOW)
        assert chain.report_alerts("5e") == ({"alert_id": "alert-a", "level": "CONFIRMED", "state": "open"},)
        assert chain.report("5e", NOW - timedelta(days=1)) is None


def test_the_difference_of_two_models_is_over_what_both_estimated(path: Path, tmp_path: Path) -> None:
    by_another = [estimate("a", f"{year}-Q4", 90.0, head="head-2") for year in (2024, 2025)]
    with open_writer(path, now=LATER) as writer:
        load(writer, tmp_path, by_another, LATER)
    with read_chain(path) as chain:
        first, second = chain.models("richness")
        assert (first["head_from"], second["head_from"], second["head"]) == (None, "head-1", "head-2")
        found = chain.difference(second)
    # 100 - 2 * 7 = 86 and 100 - 2 * 8 = 84 by the first head.
    assert found == {"n_woodlands": 1, "n_seasons": 2, "mean_change": 5.0, "largest_change": 6.0}


def test_promotions_come_by_target_and_time(path: Path) -> None:
    later = PromotionRow("richness", LATER, "encoder-1", "head-1", "encoder-1", "head-2", "{}", "[]")
    with open_writer(path, now=LATER) as writer:
        writer.load_promotion(later, now=LATER)
        writer.load_promotion(replace(later, promoted_at=NOW, head="head-1"), now=LATER)
    with read_chain(path) as chain:
        assert [row["head"] for row in chain.promotions("richness")] == ["head-1", "head-2"]
        assert chain.promotions("biomass") == ()


def test_a_hostile_id_is_only_ever_a_text(path: Path) -> None:
    hostile = "alert-a' or 1=1; drop table alert; --"
    with read_chain(path) as chain:
        assert chain.alert(hostile) is None
        assert chain.estimates(hostile, "2025-Q4") == ()
        assert chain.report(hostile) is None
        assert chain.alert("alert-a") is not None


def test_the_warehouse_is_read_under_its_lease_only(path: Path) -> None:
    with read_unpublished(path, wait_s=0.0) as chain:
        assert chain.alert("alert-a") is not None
    with (
        lease(lease_path(path)),
        pytest.raises(LeaseHeldError, match="held by"),
        read_unpublished(path, wait_s=0.0),
    ):
        pytest.fail("opened while somebody holds the lease")


def test_a_snapshot_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="nothing has been published"), read_chain(tmp_path / "none"):
        pytest.fail("opened")


def test_of_a_damaged_snapshot_the_reader_is_told_what_to_do(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(4096, len(content), 512):
        content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(WarehouseError, match="publish again"), read_chain(path) as chain:
        chain.estimates_of_season("2025-Q4")
