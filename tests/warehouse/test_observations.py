"""What was observed, and whether it was enough: numbered findings, and what they do to a series."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from warehouse_world import NAN, NOW, empty, estimate, filled, load, prepare, scene

from monitoring.completeness import PassSeen, completeness
from monitoring.errors import WarehouseError
from monitoring.indices import IndexValue
from monitoring.scenes import Sensor
from monitoring.science import CompletenessRule
from monitoring.seasons import Season
from warehouse.content import content_digest
from warehouse.database import connect
from warehouse.reader import read
from warehouse.records import AssetFailureRow, BlockSeasonRow, CompletenessRow, IndexRow, ObservationRow
from warehouse.staging import read_rows, write_rows
from warehouse.writer import open_writer

LATER = NOW + timedelta(days=90)
WHOLE = BlockSeasonRow("2024-Q4", "block-1", 200.0, 190, 0.05, 0.2, True, True, 190, 4, "", "run-1")
HOLED = replace(WHOLE, found=100, missing_share=0.5, is_complete=False, reason="100 of 200 passes missing")
OPTICAL = CompletenessRow(
    "2024-Q4", "block-1", Sensor.S2, "", 94, "30UXC", 73.0, 70, '["2024-03-01"]', "orbit 94", "run-1"
)
RADAR = replace(OPTICAL, sensor=Sensor.S1_ASCENDING, relative_orbit=30, tile="", expected=NAN, found=30)
COUNTED = ObservationRow("a", "2024-Q4", "inputs-1", 30.0, 1.5, 12.0, 0.0, 9, 3, True, "run-1")
FAILED = AssetFailureRow(
    "2024-Q4", "block-1", "s2-0001", "B04", 5, "404", NOW - timedelta(days=2), NOW, "waiting", "run-1"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "warehouse.duckdb")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of that warehouse as it is before a test."""
    return content_digest(filled(tmp_path_factory.mktemp("untouched") / "warehouse.duckdb"))


def index(day: datetime, value: float, name: str = "ndvi", **fields: object) -> IndexRow:
    row = IndexRow("a", "simulated", f"s2-{day:%Y%m%d}", day, name, value, 0.9, True)
    return replace(row, **fields)  # type: ignore[arg-type]


def june(day: int, year: int = 2024) -> datetime:
    return datetime(year, 6, day, 11, tzinfo=UTC)


def load_indices(path: Path, rows: list[IndexRow], now: datetime = NOW) -> int:
    staged = write_rows(path.with_name("indices.parquet"), IndexRow, rows)
    with open_writer(path, now=now) as writer:
        return writer.load_indices(staged, run_id="run-1", now=now)


def test_a_year_under_its_floor_is_not_in_the_series_until_its_passes_arrive(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        assert writer.load_block_seasons([HOLED], now=NOW) == 1
    with read(path) as reader:
        assert 2024 not in reader.series("richness")[0].years
        (year,) = reader.history("a", season="2024-Q4")
        (whole,) = reader.history("a", season="2023-Q4")
        (park,) = reader.park_summary("richness", season="2024-Q4")[:1]
    assert (year["is_final"], year["why_not_final"]) == (False, "100 of 200 passes missing")
    assert (whole["is_final"], whole["why_not_final"]) == (True, "")
    assert park["is_final"] is False
    with open_writer(path, now=LATER) as writer:
        assert writer.load_block_seasons([WHOLE], now=LATER) == 1
    with read(path) as reader:
        assert reader.series("richness")[0].years.tolist() == list(range(2017, 2026))


def test_a_year_under_its_floor_without_a_reason_still_gets_one(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        writer.load_block_seasons([replace(HOLED, reason="")], now=NOW)
    with read(path) as reader:
        assert reader.history("a", season="2024-Q4")[0]["why_not_final"]


def test_only_the_woodlands_of_the_block_lose_the_year(path: Path) -> None:
    elsewhere = replace(estimate("b", "2024-Q4", 60.0, inputs_hash="inputs-2"), block_id="block-2")
    with open_writer(path, now=LATER) as writer:
        load(writer, path.parent, [elsewhere], LATER)
        writer.load_block_seasons([HOLED], now=LATER)
    with read(path) as reader:
        one, other = reader.series("richness")
        assert len(reader.park_summary("richness", season="2024-Q4")) == 2
        assert [row["is_final"] for row in reader.park_summary(season="2024-Q4")] == [False, True]
    assert (2024 in one.years, 2024 in other.years) == (False, True)


def test_a_provisional_season_says_that_it_is_one(path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        load(writer, path.parent, [estimate("a", "2025-Q2", 1.0)], LATER)
    with read(path) as reader:
        assert reader.history("a", season="2025-Q2")[0]["why_not_final"].startswith("provisional")


def test_a_standing_that_comes_back_is_recorded_again(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        added = [writer.load_block_seasons([each], now=NOW) for each in (WHOLE, WHOLE, HOLED, WHOLE, WHOLE)]
    with read(path) as reader:
        (standing,) = reader.standing("2024-Q4")
        assert reader.standing(park="Vale") == (standing,)
        assert reader.standing(park="Elsewhere") == ()
    assert added == [1, 0, 1, 1, 0]
    assert (standing["number"], standing["is_complete"], standing["missing_share"]) == (3, True, 0.05)


def test_an_unknown_share_is_nan_and_recorded_once(path: Path) -> None:
    unknown = replace(WHOLE, expected=NAN, missing_share=NAN, reason="no pattern of passes yet")
    with open_writer(path, now=NOW) as writer:
        assert [writer.load_block_seasons([unknown], now=NOW) for _ in range(2)] == [1, 0]
    with read(path) as reader:
        (standing,) = reader.standing()
    assert math.isnan(standing["missing_share"])
    assert math.isnan(standing["expected"])


def test_the_streams_of_a_block_season_are_one_finding(path: Path) -> None:
    other = replace(OPTICAL, block_id="block-2")
    found = [[OPTICAL, RADAR, other], [RADAR, OPTICAL], [OPTICAL], [replace(OPTICAL, found=73)]]
    with open_writer(path, now=NOW) as writer:
        assert [writer.load_completeness(streams, now=NOW) for streams in found] == [3, 0, 1, 1]
    with read(path) as reader:
        shown = reader.completeness(block_id="block-1")
        assert len(reader.completeness("2024-Q4")) == 2
    assert [(row["sensor"], row["found"], row["number"]) for row in shown] == [("s2", 73, 3)]


def test_the_missing_share_of_a_sensor_is_that_of_the_streams_somebody_can_judge(path: Path) -> None:
    short = replace(OPTICAL, tile="30UWC", expected=27.0, found=26)
    with open_writer(path, now=NOW) as writer:
        writer.load_completeness([OPTICAL, short, RADAR], now=NOW)
    with read(path) as reader:
        radar, optical = reader.missing("2024-Q4")
        assert len(reader.missing(park="Vale")) == 2
        assert reader.missing(park="Elsewhere") == ()
    assert optical["missing_share"] == pytest.approx(4 / 100)
    assert math.isnan(radar["missing_share"])
    assert radar["found"] == 30


def test_a_sensor_with_more_passes_than_expected_misses_none(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        writer.load_completeness([replace(OPTICAL, found=80)], now=NOW)
    with read(path) as reader:
        assert reader.missing()[0]["missing_share"] == 0.0


def test_the_completeness_of_a_block_season_becomes_its_rows(path: Path) -> None:
    season = Season(2024, 4)
    passes = [
        PassSeen(Sensor.S2, "sentinel-2a", 94, "30UXC", day)
        for year in range(2020, 2025)
        for day in (datetime(year, 1, 3, 11, tzinfo=UTC) + timedelta(days=10 * step) for step in range(36))
        if year < 2024 or day.month < 4
    ]
    found = completeness(passes, season, (), CompletenessRule())
    streams = [
        CompletenessRow.of(s, season=season.id, block_id="block-1", run_id="run-1") for s in found.streams
    ]
    standing = BlockSeasonRow.of(
        found, block_id="block-1", is_frozen=False, n_scenes=9, n_left_out=1, run_id="run-1"
    )
    with open_writer(path, now=NOW) as writer:
        assert writer.load_completeness(streams, now=NOW) == len(streams) > 0
        assert writer.load_block_seasons([standing], now=NOW) == 1
    with read(path) as reader:
        (kept,) = reader.standing()
        (optical,) = reader.missing(season.id)
        assert reader.history("a", season=season.id)[0]["why_not_final"] == found.reason
    assert kept["is_complete"] is False
    assert kept["missing_share"] == optical["missing_share"] == pytest.approx(found.missing_share)


def test_what_was_seen_of_a_woodland_stands_beside_its_estimate(path: Path) -> None:
    unseen = replace(COUNTED, inputs_hash="inputs-0", n_snow=7.0)
    with open_writer(path, now=NOW) as writer:
        assert writer.load_observations([COUNTED, unseen], now=NOW) == 2
        assert writer.load_observations([COUNTED, unseen], now=LATER) == 0
        assert writer.load_observations(
            [replace(COUNTED, n_leaf_off=1, is_phenology_covered=False)], now=LATER
        )
    with read(path) as reader:
        (year,) = reader.history("a", season="2024-Q4")
        (before,) = reader.history("a", season="2023-Q4")
        assert [row["inputs_hash"] for row in reader.observations("2024-Q4")] == ["inputs-0", "inputs-1"]
    assert (year["n_snow"], year["n_leaf_on"], year["n_leaf_off"]) == (1.5, 9.0, 1.0)
    assert year["is_phenology_covered"] is False
    assert math.isnan(before["n_snow"])
    assert before["is_phenology_covered"] is None


def test_counts_that_nobody_made_are_recorded_as_unknown(path: Path) -> None:
    bare = ObservationRow("a", "2024-Q4", "inputs-1", NAN, NAN, NAN, NAN, NAN, NAN, None, "run-1")
    with open_writer(path, now=NOW) as writer:
        assert [writer.load_observations([bare], now=NOW) for _ in range(2)] == [1, 0]


def test_the_growing_season_is_summed_up_by_its_median(path: Path) -> None:
    summer = [index(june(day), value) for day, value in ((1, 0.8), (6, 0.9), (11, 0.7), (16, 0.86))]
    thin = index(june(21), 0.1, coverage=0.4)
    clouded = index(june(26), NAN, coverage=0.0)
    edges = [
        index(datetime(2023, month, day, 11, tzinfo=UTC), value)
        for month, day, value in ((5, 14, 0.1), (5, 15, 0.5), (9, 30, 0.6), (10, 1, 0.2))
    ]
    raw = index(june(16), 0.86, is_nbar=False)
    rows = [*summer[:-1], raw, thin, clouded, *edges]
    assert load_indices(path, rows) == len(rows)
    with read(path) as reader:
        before, year = reader.index_history("a", "ndvi")
        months = {(row["year"], row["month"]): row["value"] for row in reader.index_months("a")}
        assert reader.index_history("a", "nirv") == ()
        assert len(reader.index_history(park="Vale")) == 2
    assert (year["year"], year["n"], year["n_nbar"]) == (2024, 4, 3)
    assert year["value"] == pytest.approx(0.83)
    assert (before["value"], before["n"]) == (pytest.approx(0.55), 2)
    assert months[2023, 10] == 0.2
    assert months[2024, 6] == pytest.approx(0.83)


def test_an_index_value_becomes_a_row() -> None:
    value = IndexValue("a", "s2-20240601", "simulated", june(1), "ndvi", 0.8, 0.9, True)
    assert IndexRow.of(value) == index(june(1), 0.8)


def test_the_same_indices_in_any_order_are_recorded_once(path: Path, tmp_path: Path) -> None:
    rows = [
        index(june(day), 0.5 + day / 100, name) for day in range(1, 29) for name in ("ndvi", "nirv", "nbr")
    ]
    other = filled(tmp_path / "other.duckdb")
    assert load_indices(path, rows) == load_indices(other, rows[::-1]) == 84
    assert load_indices(path, rows, LATER) == 0
    assert content_digest(path) == content_digest(other)
    with read(path) as one, read(other) as two:
        assert one.index_history() == two.index_history()


def test_an_index_found_otherwise_later_is_added_and_counts(path: Path) -> None:
    assert load_indices(path, [index(june(1), 0.8), index(june(6), 0.8)]) == 2
    assert load_indices(path, [index(june(1), 0.7), index(june(6), 0.8)], LATER) == 1
    with read(path) as reader:
        (year,) = reader.index_history("a")
    assert (year["value"], year["n"]) == (pytest.approx(0.75), 2)


@pytest.mark.parametrize(
    ("rubbish", "message"),
    [
        ([index(june(1), 0.8, woodland_id="nowhere")], "foreign key.*id: nowhere"),
        ([index(june(1), 0.8), index(june(1), 0.7)], "a/simulated/s2-20240601/ndvi: twice in one batch"),
        ([index(june(1), 0.8, index_name="evi")], "CHECK.*index_name"),
        ([index(june(1), math.inf)], "CHECK.*isfinite"),
        ([index(june(1), 0.8, coverage=1.2)], "CHECK.*coverage"),
        ([index(june(1), 0.8, coverage=NAN)], "NOT NULL.*coverage"),
    ],
)
def test_one_bad_index_refuses_its_whole_batch(
    path: Path, untouched: str, rubbish: list[IndexRow], message: str
) -> None:
    with pytest.raises(WarehouseError, match=message) as refusal:
        load_indices(path, [index(june(21), 0.8), *rubbish])
    assert "\n" not in str(refusal.value)
    assert content_digest(path) == untouched


def test_indices_of_a_run_nobody_recorded_are_refused(path: Path) -> None:
    staged = write_rows(path.with_name("indices.parquet"), IndexRow, [index(june(1), 0.8)])
    with open_writer(path, now=NOW) as writer, pytest.raises(WarehouseError, match="run_id: run-9"):
        writer.load_indices(staged, run_id="run-9", now=NOW)


def test_an_asset_that_came_through_in_a_later_season_is_recovered_in_the_earlier_one(path: Path) -> None:
    later = replace(FAILED, season="2025-Q2", state="recovered", attempts=6, run_id="run-1")
    with open_writer(path, now=NOW) as writer:
        assert [writer.load_asset_failures([FAILED], now=NOW) for _ in range(2)] == [1, 0]
    with read(path) as reader:
        (waiting,) = reader.asset_failures("2024-Q4", park="Vale")
    with open_writer(path, now=LATER) as writer:
        assert writer.load_asset_failures([later, replace(later, scene_id="s2-0002")], now=LATER) == 2
    with read(path) as reader:
        (recovered,) = reader.asset_failures("2024-Q4")
        assert len(reader.asset_failures("2025-Q2")) == 2
        assert reader.asset_failures(park="Elsewhere") == ()
    assert (waiting["state"], waiting["attempts"], waiting["first_failed_at"]) == (
        "waiting",
        5,
        NOW - timedelta(days=2),
    )
    assert (recovered["state"], recovered["attempts"]) == ("recovered", 5)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda w: w.load_asset_failures([replace(FAILED, state="lost")], now=NOW), "CHECK.*state"),
        (lambda w: w.load_asset_failures([replace(FAILED, error="")], now=NOW), "CHECK.*error"),
        (
            lambda w: w.load_asset_failures(
                [replace(FAILED, last_failed_at=NOW - timedelta(days=9))], now=NOW
            ),
            "CHECK.*last_failed_at",
        ),
        (
            lambda w: w.load_block_seasons([replace(WHOLE, missing_share=1.5)], now=NOW),
            "CHECK.*missing_share",
        ),
        (lambda w: w.load_block_seasons([WHOLE, HOLED], now=NOW), "twice in one batch, not alike"),
        (lambda w: w.load_block_seasons([replace(WHOLE, season="2024")], now=NOW), "CHECK.*season"),
        (lambda w: w.load_completeness([replace(OPTICAL, found=-1)], now=NOW), "CHECK.*found"),
        (
            lambda w: w.load_observations([replace(COUNTED, woodland_id="x")], now=NOW),
            "woodland x is not recorded",
        ),
        (lambda w: w.load_observations([replace(COUNTED, n_s2=-1.0)], now=NOW), "CHECK.*n_s2"),
    ],
)
def test_a_finding_that_cannot_be_is_refused_in_one_line(
    path: Path, untouched: str, load, message: str
) -> None:
    with open_writer(path, now=NOW) as writer, pytest.raises(WarehouseError, match=message) as refusal:
        load(writer)
    assert "\n" not in str(refusal.value)
    assert content_digest(path) == untouched


def test_the_orbit_and_tile_of_a_scene_are_kept_and_an_unstated_orbit_is_null(path: Path) -> None:
    stated = replace(scene(1), relative_orbit=94, tile="30UXC")
    with open_writer(path, now=NOW) as writer:
        writer.load_scenes("block-1", "2024-Q4", [stated, scene(2)], now=NOW)
    with read(path) as reader:
        kept = [(row["relative_orbit"], row["tile"]) for row in reader.scenes()]
    assert kept == [(94, "30UXC"), (None, "")]


def test_every_method_accepts_an_empty_batch(tmp_path: Path) -> None:
    with open_writer(empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        prepare(writer)
        staged = write_rows(tmp_path / "none.parquet", IndexRow, [])
        assert writer.load_completeness([], now=NOW) == 0
        assert writer.load_block_seasons([], now=NOW) == 0
        assert writer.load_observations([], now=NOW) == 0
        assert writer.load_asset_failures([], now=NOW) == 0
        assert writer.load_indices(staged, run_id="run-1", now=NOW) == 0


@pytest.mark.parametrize(
    "rows", [[COUNTED, replace(COUNTED, woodland_id="b", is_phenology_covered=None)], []]
)
def test_staged_counts_come_back_as_they_went(tmp_path: Path, rows: list[ObservationRow]) -> None:
    path = write_rows(tmp_path / "x.parquet", ObservationRow, rows)
    assert read_rows(path, ObservationRow) == tuple(rows)


def test_a_staged_time_comes_back_in_utc_and_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "x.parquet", IndexRow, [index(june(6), 0.8), index(june(1), 0.8)])
    assert [row.acquired_at for row in read_rows(path, IndexRow)] == [june(1), june(6)]
    with pytest.raises(
        WarehouseError, match=r"staged season_observations .*columns woodland_id string, source"
    ):
        read_rows(path, ObservationRow)


def test_a_full_year_of_many_woodlands_loads_in_one_statement(path: Path) -> None:
    """40 thousand rows, as 66 woodlands at 200 acquisitions have; and no index takes room beside them."""
    start = datetime(2024, 1, 1, 11, tzinfo=UTC)
    rows = [
        index(start + timedelta(days=day), 0.5, name, scene_id=f"s2-{day}-{part}")
        for day in range(365)
        for part in range(37)
        for name in ("ndvi", "nirv", "nbr")
    ]
    assert load_indices(path, rows) == len(rows) == 40_515
    assert load_indices(path, rows, LATER) == 0
    with connect(path, read_only=True) as connection:
        named = "select count(*) from duckdb_indexes() where table_name = 'index_observation'"
        assert connection.execute(named).fetchone() == (0,)


def test_scenes_that_come_back_bring_back_the_estimate_made_from_them(path: Path) -> None:
    """Inputs A, then B while scenes were lost, then A again: the older estimate is the one that holds."""
    shown = []
    for day, (inputs, mean) in enumerate((("inputs-a", 30.0), ("inputs-b", 20.0), ("inputs-a", 30.0))):
        at = LATER + timedelta(days=day)
        row = replace(estimate("a", "2024-Q4", mean, inputs_hash=inputs), block_id="block-1")
        with open_writer(path, now=at) as writer:
            load(writer, path.parent, [row], at)
            writer.load_block_seasons([replace(WHOLE, inputs_hash=inputs)], now=at)
        with read(path) as reader:
            shown.append(reader.history("a", season="2024-Q4")[0]["mean"])
    assert shown == [30.0, 20.0, 30.0]
