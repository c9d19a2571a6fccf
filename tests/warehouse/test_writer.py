from __future__ import annotations

import json
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from shapely import box
from warehouse_world import (
    NAN,
    NOW,
    WOODLANDS,
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

from monitoring.errors import WarehouseError
from monitoring.trends.contrast import Contrast
from warehouse.content import content_digest
from warehouse.database import connect
from warehouse.reader import read
from warehouse.records import AlertRow, ContrastRow, ModelRow, QualityRow, QuarantineRow, ReportRow
from warehouse.writer import Writer, open_writer

LATER = NOW + timedelta(days=90)


def fill_everything(writer: Writer, folder: Path, now: datetime) -> list[int]:
    """Call every method once; return what each says it added."""
    prepare(writer)
    flat = Contrast("Vale", 9, 1, 1, NAN, NAN, NAN, NAN, "none", "one woodland each")
    return [
        writer.load_scenes("block-1", "2025-Q4", [scene(number) for number in range(4)], now=now),
        load(writer, folder, history(), now),
        writer.load_trends([trend_row("a"), trend_row("b", q=NAN)], now=now),
        writer.load_contrasts([ContrastRow(assessment(), flat)], now=now),
        writer.load_alerts([alert_row("a")], now=now),
        writer.load_quality(
            [QualityRow("scenes", "2025-Q4", "all", "at least 4 scenes", "", True, 0, "4", "run-1")], now=now
        ),
        writer.quarantine([QuarantineRow("scenes", "2025-Q4", "s2-0099", "no SCL", "{}", "run-1")], now=now),
        writer.load_reports([ReportRow("2025-Q4", "", "report.pdf", "00", "run-1")], now=now),
        writer.finish_run("run-1", "finished", now=now),
    ]


def test_everything_loaded_twice_is_there_once(tmp_path: Path) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        assert fill_everything(writer, tmp_path, NOW) == [4, 18, 2, 1, 1, 1, 1, 1, 1]
    before = content_digest(path)
    with open_writer(path, now=LATER) as writer:
        assert fill_everything(writer, tmp_path, LATER) == [0] * 9
    assert content_digest(path) == before
    with read(path) as reader:
        assert {row["recorded_at"] for row in reader.history()} == {NOW}
        assert reader.runs()[0]["finished_at"] == NOW


@pytest.fixture(scope="module")
def four_years(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a warehouse of the years 2017 to 2020."""
    return content_digest(filled(tmp_path_factory.mktemp("four") / "warehouse.duckdb", history(2017, 2020)))


@pytest.mark.parametrize(
    ("rubbish", "message"),
    [
        (estimate("a", "2016-Q4", mean=NAN), "NOT NULL.*mean"),
        (estimate("a", "2016-Q4", mean=float("inf")), "CHECK.*isfinite"),
        (estimate("a", "2016-Q4", coverage=1.2), "CHECK.*coverage"),
        (estimate("a", "2016-Q4", coverage=0.0), "CHECK.*coverage"),
        (estimate("a", "2016-Q5"), "CHECK.*season"),
        (estimate("nowhere", "2016-Q4"), "woodland nowhere is not recorded"),
        (estimate("a", "2016-Q4", head="head-9"), "two models for one target"),
        (replace(estimate("a", "2016-Q4"), run_id="run-9"), "run run-9 is not recorded"),
        (replace(estimate("a", "2016-Q4"), n_pixels=0), "CHECK.*n_pixels"),
        (replace(estimate("a", "2016-Q4"), sd=-1.0), "CHECK.*sd"),
        (estimate("a", "2025-Q4", mean=1.0), "a/2025-Q4/richness: twice in one batch"),
    ],
)
def test_one_bad_estimate_refuses_its_whole_batch(tmp_path: Path, four_years: str, rubbish, message) -> None:
    path = filled(tmp_path / "warehouse.duckdb", history(2017, 2020))
    with (
        open_writer(path, now=LATER) as writer,
        pytest.raises(WarehouseError, match=message) as refusal,
    ):
        load(writer, tmp_path, [*history(2021, 2025), rubbish])
    assert "\n" not in str(refusal.value)
    assert content_digest(path) == four_years


def test_an_alert_without_its_trend_is_refused(tmp_path: Path) -> None:
    with open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        prepare(writer)
        with pytest.raises(WarehouseError, match="alert of woodland a at 2025-Q4: its trend is not"):
            writer.load_alerts([alert_row("a")], now=NOW)


def test_an_alert_of_another_season_than_assessed_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="assessed at"):
        AlertRow(assessment("2024-Q4"), alert_row().alert)


def test_a_woodland_whose_polygon_changed_is_refused_and_the_rest_of_its_batch_too(tmp_path: Path) -> None:
    changed = replace(WOODLANDS[0], geometry=box(-1.8, 51.6, -1.79, 51.61))
    new = replace(WOODLANDS[0], id="c")
    with open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        writer.load_woodlands(WOODLANDS, now=NOW)
        with pytest.raises(WarehouseError, match="woodland a: differs"):
            writer.load_woodlands([new, changed], now=NOW)
        assert writer.load_woodlands([new], now=NOW) == 1


def test_a_card_that_changed_under_its_id_is_refused(tmp_path: Path) -> None:
    with open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        prepare(writer)
        with pytest.raises(
            WarehouseError, match=r"model card head-1: differs .* in sha256: '00' recorded, 'ff'"
        ):
            writer.load_models([ModelRow("head", "head-1", '{"retrained": true}', "ff")], now=NOW)


def card(**fields: object) -> ModelRow:
    """The row of an encoder's card."""
    stated = {"id": "encoder-3", "weights_sha256": "aa", "config": {"heads": 4}, "dims": 128, **fields}
    return ModelRow("encoder", "encoder-3", json.dumps(stated), str(stated["weights_sha256"]))


def cards_in(path: Path) -> list[object]:
    with read(path) as reader:
        return [json.loads(row["card"]) for row in reader.models()]


def test_a_card_worded_anew_is_recorded_beside_its_older_wordings(tmp_path: Path) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    worded = [card(pinned_by=who) for who in ("the recipe", "its publisher", "the recipe")]
    with open_writer(path, now=NOW) as writer:
        writer.load_models([worded[0]], now=NOW)
        assert [writer.load_models([each], now=LATER) for each in worded] == [0, 1, 1]
        assert writer.load_models([worded[2]], now=LATER) == 0
    assert cards_in(path) == [json.loads(worded[2].card)]
    with connect(path, read_only=True) as connection:
        first = connection.execute("select card, recorded_at from model_card").fetchall()
        later = connection.execute("select number, card from card_wording order by number").fetchall()
    assert first == [(worded[0].card, NOW.replace(tzinfo=None))]
    assert later == [(2, worded[1].card), (3, worded[2].card)]


@pytest.mark.parametrize("older", [{}, {"config": {}}])
def test_a_field_that_an_older_card_lacks_is_recorded_and_decides_from_then_on(
    tmp_path: Path, older: dict[str, object]
) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    newer = card(selection="v2", config={"heads": 4}, numerics="measured")
    with open_writer(path, now=NOW) as writer:
        assert writer.load_models([card(**older)], now=NOW) == 1
        assert writer.load_models([newer], now=LATER) == 1
        for changed in (card(selection="v1.1"), card(selection="v2", config={"heads": 8})):
            with pytest.raises(WarehouseError, match=r"encoder-3: differs .* in (selection|config\.heads): "):
                writer.load_models([changed], now=LATER)
    assert cards_in(path) == [json.loads(newer.card)]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (card(weights_sha256="bb"), "in weights_sha256: 'aa' recorded, 'bb' now"),
        (card(config={"heads": 8}), r"in config\.heads: 4 recorded, 8 now"),
        (card(dims=64), "in dims: 128 recorded, 64 now"),
        (replace(card(), sha256="bb"), "in sha256: 'aa' recorded, 'bb' now"),
        (replace(card(), kind="head"), "in kind: 'encoder' recorded, 'head' now"),
    ],
)
def test_another_identity_under_a_recorded_id_is_refused_and_named(
    tmp_path: Path, changed: ModelRow, named: str
) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        writer.load_models([card()], now=NOW)
        new = replace(card(), id="encoder-4")
        with pytest.raises(WarehouseError, match=f"model card encoder-3: .*{named}") as refusal:
            writer.load_models([new, changed], now=LATER)
        assert "\n" not in str(refusal.value)
    assert cards_in(path) == [json.loads(card().card)]


def test_a_block_never_mixes_sources(tmp_path: Path) -> None:
    with open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        writer.load_scenes("block-1", "2024-Q4", [scene(1)], now=NOW)
        foreign = scene(2, source="earth-search")
        with pytest.raises(WarehouseError, match="block-1: sources earth-search and simulated never mix"):
            writer.load_scenes("block-1", "2025-Q4", [foreign], now=NOW)
        assert writer.load_scenes("block-2", "2025-Q4", [foreign], now=NOW) == 1


def test_a_time_without_zone_is_refused(tmp_path: Path) -> None:
    with (
        open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer,
        pytest.raises(WarehouseError, match="no time zone"),
    ):
        writer.load_woodlands(WOODLANDS, now=NOW.replace(tzinfo=None))


def test_a_staging_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with (
        open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer,
        pytest.raises(WarehouseError, match=r"gone\.parquet"),
    ):
        writer.load_estimates(tmp_path / "gone.parquet", now=NOW)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_text("a letter to the forester\n" * 1000)
    with pytest.raises(WarehouseError, match="not a valid DuckDB"), open_writer(path, now=NOW):
        pass
    assert path.read_text().startswith("a letter")


@contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    """What a full disk does to a write, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_clear_line_and_the_snapshot_stays(tmp_path: Path) -> None:
    path, published = filled(tmp_path / "warehouse.duckdb"), tmp_path / "published.duckdb"
    with open_writer(path, now=NOW) as writer:
        writer.publish(published)
        before = content_digest(published)
        load(writer, tmp_path, [estimate("a", "2016-Q4")])
        with (
            files_no_larger_than(100_000),
            pytest.raises(WarehouseError, match=r"published\.duckdb") as refusal,
        ):
            writer.publish(published)
        assert "\n" not in str(refusal.value)
        assert content_digest(published) == before
        writer.publish(published)
    assert content_digest(published) == content_digest(path)
    assert [file.name for file in tmp_path.glob(".*")] == []


def test_every_method_accepts_an_empty_batch(tmp_path: Path) -> None:
    with open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        empties: list[Callable[..., int]] = [
            writer.load_woodlands,
            writer.load_models,
            writer.load_trends,
            writer.load_contrasts,
            writer.load_alerts,
            writer.load_quality,
            writer.quarantine,
            writer.load_reports,
        ]
        assert [method([], now=NOW) for method in empties] == [0] * len(empties)
        assert writer.load_scenes("block-1", "2025-Q4", [], now=NOW) == 0
        assert load(writer, tmp_path, []) == 0
