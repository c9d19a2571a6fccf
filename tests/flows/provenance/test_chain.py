"""Provenance: from the PDF in a forester's hand to the scenes, and nothing secret on the way."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from published_service import write_config
from typer.testing import CliRunner, Result
from warehouse_world import NOW, alert_row, assessment, estimate, filled, load, scene, trend_row

from flows.cli import app
from flows.provenance.asking import subject_of
from flows.provenance.chain import follow
from flows.provenance.graph import Graph
from flows.provenance.nodes import science_changes
from flows.provenance.scenes import latest_copies, scenes_behind
from flows.provenance.tree import tree_lines
from flows.reporting.recording import record_report, told_by
from flows.workspace import BUILT_IN_SCIENCE, Workspace, open_workspace
from monitoring.errors import WarehouseError
from monitoring.science import read_science
from warehouse.answering.provenance import read_chain
from warehouse.content import content_digest
from warehouse.lease import lease
from warehouse.publish import lease_path, publish
from warehouse.reader import read
from warehouse.records import BlockSeasonRow, GateFindingRow, PromotionRow
from warehouse.writer import open_writer

LATER = NOW + timedelta(days=90)
PDF = b"%PDF-1.7 all is well"


@pytest.fixture(scope="module")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a service: a warehouse with nine years, a trend and an alert, gates and the scenes of a season."""
    workspace = open_workspace(str(write_config(tmp_path_factory.mktemp("filled"))))
    workspace.settings.home.mkdir()
    signed = replace(scene(1), hrefs=(("B04", "https://user:key@host.org/B04.tif?sig=secret"),))
    stated = replace(signed, checksums=(("B04", "1220ab"),))
    gate = GateFindingRow(assessment(), "G2", "offset", "all", "", "passed", "", '{"shift": 0.1}')
    with open_writer(filled(workspace.warehouse), now=NOW) as writer:
        writer.load_scenes("block-1", "2025-Q4", [stated, scene(2)], now=NOW)
        writer.load_block_seasons([standing(2)], now=NOW)
        writer.load_gate_findings([gate, replace(gate, scope="woodland", of="b", state="red")], now=NOW)
    publish(workspace.warehouse, workspace.published)
    return workspace.settings.home


@pytest.fixture
def workspace(filled_home: Path, tmp_path: Path) -> Workspace:
    """A service with a copy of it."""
    shutil.copytree(filled_home, tmp_path / filled_home.name)
    return open_workspace(str(write_config(tmp_path)))


def standing(n_scenes: int) -> BlockSeasonRow:
    return BlockSeasonRow(
        "2025-Q4", "block-1", 2.0, 2, 0.0, 0.5, True, True, n_scenes, 0, "", "run-1", "inputs-1"
    )


def chain_of(workspace: Workspace, asked: str) -> Graph:
    with read_chain(workspace.published) as chain:
        return follow(chain, subject_of(chain, asked, "richness"))


def underwood(workspace: Workspace, *arguments: object) -> Result:
    config = str(workspace.settings.config_file)
    return CliRunner().invoke(app, ["--config", config, *map(str, arguments)])


def kinds(graph: Graph) -> dict[str, int]:
    found = [node.kind for node in graph.nodes.values()]
    return {kind: found.count(kind) for kind in found}


def test_an_alert_leads_to_nine_years_one_run_two_models_and_the_scenes(workspace: Workspace) -> None:
    graph = chain_of(workspace, "alert-a")
    assert kinds(graph) == {
        "alert": 1, "trend": 1, "estimate": 9, "run": 1, "encoder": 1, "head": 1, "boundary": 1,
        "block-season": 9, "scene": 2,
    }  # fmt: skip
    root, trend = (node for node in graph.nodes.values() if node.kind in ("alert", "trend"))
    assert root.facts["level"] == "CONFIRMED"
    assert (trend.facts["slope"], trend.facts["series_hash"], trend.facts["n"]) == (-2.0, "series-1", 9)
    assert [(gate["gate"], gate["state"]) for gate in trend.facts["gates"]] == [("G2", "passed")]
    below = graph.below(trend.id)
    assert [node.facts["season"] for node in below if node.kind == "estimate"] == [
        f"{year}-Q4" for year in range(2017, 2026)
    ]


def test_an_estimate_lists_its_scenes_with_offsets_and_checksums_and_without_secrets(
    workspace: Workspace,
) -> None:
    first, second = (n for n in chain_of(workspace, "a/2025-Q4").nodes.values() if n.kind == "scene")
    assert first.facts["addresses"] == {"B04": "https://host.org/B04.tif"}
    assert first.facts["checksums"] == {"B04": "1220ab"}
    assert (first.facts["offset_dn"], first.facts["offset_rule"]) == (1000, "baseline 04.00 or later")
    assert second.facts["checksums"] == {}
    shown = underwood(workspace, "provenance", "a/2025-Q4", "--format", "json").stdout
    assert "secret" not in shown
    assert "key@" not in shown


def test_the_same_estimate_is_meant_by_its_id(workspace: Workspace) -> None:
    by_place = chain_of(workspace, "a/2025-Q4/richness")
    estimate_id = by_place.nodes[by_place.root].facts["id"]
    assert chain_of(workspace, estimate_id).as_prov() == by_place.as_prov()
    assert chain_of(workspace, "alert-a").nodes[by_place.root] == by_place.nodes[by_place.root]


def test_a_tree_names_what_it_told_before_in_a_few_words(workspace: Workspace) -> None:
    lines = list(tree_lines(chain_of(workspace, "alert-a")))
    assert lines[0] == "alert alert-a: CONFIRMED, Ash Copse: 2 taxa a year lost over 9 years"
    assert lines[1].startswith("└─ trend at 2025-Q4: slope -2 a year over 9 years, q 0.01; series series-1")
    assert lines[1].endswith("gates G2 passed")
    assert sum("started 2026-01-15 03:00, code 0.1.0" in line for line in lines) == 1
    assert sum("run run-1 (above)" in line for line in lines) == 9
    assert sum("2 scenes from 2024-01-06 to 2024-01-11" in line for line in lines) == 1
    of_one_season = "\n".join(tree_lines(chain_of(workspace, "a/2025-Q4")))
    assert "offset 1000 (baseline 04.00 or later), simulated, 1 checksums" in of_one_season
    assert "s2-0002: sentinel-2a, 2024-01-11 11:00" in of_one_season


def test_json_says_the_same_in_the_words_of_prov(workspace: Workspace) -> None:
    done = underwood(workspace, "provenance", "alert-a", "--format", "json")
    assert done.exit_code == 0, done.output
    prov = json.loads(done.stdout)
    assert prov["root"] == "alert:alert-a"
    assert list(prov["activity"]) == ["run:run-1"]
    assert len(prov["entity"]) == 25
    every = prov["entity"].keys() | prov["activity"].keys()
    ends = [end for name in ("wasDerivedFrom", "wasGeneratedBy", "used", "hadMember") for end in prov[name]]
    assert {node for end in ends for node in end.values()} == every
    assert {"activity": "run:run-1", "entity": "head:head-1"} in prov["used"]
    assert {end["generatedEntity"] for end in prov["wasDerivedFrom"]} >= {"alert:alert-a"}


def test_text_from_elsewhere_cannot_steer_a_terminal(workspace: Workspace) -> None:
    hostile = replace(scene(3), id="s2-\x1b[31m-0003", acquisition="3")
    with open_writer(workspace.warehouse, now=NOW) as writer:
        writer.load_scenes("block-1", "2025-Q4", [hostile], now=NOW)
    publish(workspace.warehouse, workspace.published)
    shown = underwood(workspace, "provenance", "a/2025-Q4").stdout
    assert "\x1b" not in shown
    assert "0003" in shown


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("elm/2025-Q4", "estimate of richness for woodland 'elm' in 2025-Q4: not in the warehouse"),
        ("alert-z", "neither the id of an alert or an estimate"),
        ("5f0c2a52-5d0e-5b7e-9a51-3a7c0f6f4d1b", "not in the warehouse"),
        ("missing.pdf", "cannot be read: No such file"),
        ("0" * 64, "not in the warehouse"),
        ("a' or '1'='1/2025-Q4", "not in the warehouse"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(workspace: Workspace, asked: str, said: str) -> None:
    refused = underwood(workspace, "provenance", asked).exception
    assert isinstance(refused, WarehouseError)
    assert said in str(refused)
    assert "\n" not in str(refused)


def test_as_of_a_day_before_it_was_known_nothing_is_known(workspace: Workspace) -> None:
    before = underwood(workspace, "provenance", "a/2025-Q4", "--as-of", "2026-01-14").exception
    assert "not in the warehouse as of 2026-01-14 00:00 UTC" in str(before)
    assert underwood(workspace, "provenance", "a/2025-Q4", "--as-of", "2026-01-16").exit_code == 0


# --- scenes


def test_a_copy_that_a_reprocessed_one_replaced_is_not_among_the_scenes() -> None:
    old = {"id": "old", "acquisition": "x", "used_at": 1}
    new, other = (
        {"id": "new", "acquisition": "x", "used_at": 2},
        {"id": "y", "acquisition": "y", "used_at": 1},
    )
    assert latest_copies([old, new, other]) == (new, other)
    assert scenes_behind([old, new, other], 2).scenes == (new, other)
    assert scenes_behind([old, new, other], 2).is_certain
    assert not scenes_behind([old, new, other], 1).is_certain
    assert scenes_behind([old, new, other], 3).scenes == (old, new, other)


# --- choices


def test_choices_that_differ_from_the_built_in_ones_are_named() -> None:
    built = read_science(BUILT_IN_SCIENCE)
    assert science_changes(json.dumps(dataclasses.asdict(built))) == {}
    other = replace(built, trend=replace(built.trend, min_years=6))
    changed = science_changes(json.dumps(dataclasses.asdict(other)))
    assert changed == {"trend.min_years": (6, built.trend.min_years)}


# --- reports


def written(workspace: Workspace, content: bytes = PDF) -> Path:
    path = workspace.settings.home / "report.pdf"
    path.write_bytes(content)
    return path


def recorded(workspace: Workspace) -> str:
    path = written(workspace)
    with read(workspace.published) as reader:
        told = told_by(reader, path, "2025-Q4", "", "richness", NOW)
    return record_report(workspace, told, LATER, wait_s=0.0)


def test_a_report_leads_to_its_alerts_as_they_stood_before_the_next_season_is_published(
    workspace: Workspace,
) -> None:
    assert recorded(workspace) == ""
    judged = assessment("2026-Q4", "series-2")
    with open_writer(workspace.warehouse, now=LATER) as writer:
        later = LATER + timedelta(days=1)
        writer.load_trends([trend_row("a", judged)], now=later)
        row = alert_row("a", judged)
        writer.load_alerts([replace(row, alert=replace(row.alert, slope=-3.0))], now=later)
    done = underwood(workspace, "provenance", workspace.settings.home / "report.pdf", "--format", "json")
    assert done.exit_code == 0, done.output
    prov = json.loads(done.stdout)
    report = prov["entity"][prov["root"]]
    assert (report["season"], report["sha256"]) == ("2025-Q4", hashlib.sha256(PDF).hexdigest())
    told = prov["entity"]["alert:alert-a"]
    assert (told["slope"], told["level"], told["state"]) == (-2.0, "CONFIRMED", "open")
    by_digest = underwood(workspace, "provenance", report["sha256"], "--format", "json")
    assert json.loads(by_digest.stdout) == prov


def test_a_report_is_recorded_once_however_often_it_is_written(workspace: Workspace) -> None:
    assert recorded(workspace) == ""
    before = content_digest(workspace.warehouse)
    assert recorded(workspace) == ""
    assert content_digest(workspace.warehouse) == before


def test_a_pdf_that_was_changed_is_no_report_of_ours(workspace: Workspace) -> None:
    recorded(workspace)
    refused = underwood(workspace, "provenance", written(workspace, PDF + b" ")).exception
    assert "not in the warehouse" in str(refused)


def test_while_somebody_loads_a_report_says_how_to_record_it_later(workspace: Workspace) -> None:
    before = content_digest(workspace.warehouse)
    with lease(lease_path(workspace.warehouse)):
        said = recorded(workspace)
    assert said.startswith("not recorded: ")
    assert said.endswith("to record it, write it again later with --at 2026-01-15T03:00:00")
    assert "\n" not in said
    assert content_digest(workspace.warehouse) == before


def test_where_there_is_only_a_snapshot_a_report_is_written_and_not_recorded(workspace: Workspace) -> None:
    workspace.warehouse.unlink()
    assert recorded(workspace) == "not recorded: there is no warehouse here, only a snapshot"


# --- promotions


def test_promotions_and_other_steps_are_listed_with_what_they_changed(
    workspace: Workspace, tmp_path: Path
) -> None:
    woodlands = [{"woodland": "a", "alert_now": "CONFIRMED", "alert_new": "-"}]
    row = PromotionRow(
        target="richness",
        promoted_at=LATER,
        encoder_from="encoder-1",
        head_from="head-1",
        encoder="encoder-1",
        head="head-2",
        figures=json.dumps({"woodlands": 2, "mean change": -1.5, "alerts lost": 1}),
        woodlands=json.dumps(woodlands),
    )
    other = [estimate("a", "2025-Q4", 90.0, head="head-2")]
    choices = replace(estimate("a", "2025-Q4", 91.0, head="head-2"), config_hash="config-2")
    with open_writer(workspace.warehouse, now=LATER) as writer:
        writer.load_promotion(row, now=LATER)
        load(writer, tmp_path, other, LATER)
        load(writer, tmp_path, [choices], LATER + timedelta(days=1))
    done = underwood(workspace, "promotions", "--format", "json")
    assert done.exit_code == 0, done.output
    first, promoted, loaded = json.loads(done.stdout)
    assert (first["step"], first["head"], first["woodlands"]) == ("first", "head-1", None)
    assert (promoted["step"], promoted["woodlands"], promoted["alerts_lost"]) == ("promoted", 2, 1)
    assert (loaded["step"], loaded["mean_change"]) == ("loaded: other choices", 1.0)
    of_head = json.loads(underwood(workspace, "promotions", "--of", "head-2", "--format", "json").stdout)
    assert of_head == woodlands
    none = underwood(workspace, "promotions", "--of", "head-9").stdout
    assert none.strip() == "head head-9: no promotion is recorded"


def test_promotions_are_read_from_the_snapshot_while_somebody_loads(workspace: Workspace) -> None:
    with lease(lease_path(workspace.warehouse)):
        (first,) = json.loads(underwood(workspace, "promotions", "--format", "json").stdout)
    assert first["step"] == "first"
