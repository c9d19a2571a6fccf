from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouse_world import (
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
    trend_row,
)

from monitoring.errors import MigrationError, WarehouseError
from monitoring.seasons import Season
from warehouse.reader import read, refuse_mix
from warehouse.records import EstimateKey
from warehouse.writer import open_writer

LATER = NOW + timedelta(days=90)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "warehouse.duckdb")


def test_a_history_is_in_season_order_with_everything_a_number_needs(path: Path) -> None:
    with read(path) as reader:
        rows = reader.history("a", "richness")
    assert [row["season"] for row in rows] == [f"{year}-Q4" for year in range(2017, 2026)]
    assert [row["mean"] for row in rows] == [100.0 - 2 * step for step in range(9)]
    last = rows[-1]
    assert (last["woodland"], last["park"], last["status"], last["is_ancient"]) == (
        "Ash Copse",
        "Vale",
        "ASNW",
        True,
    )
    assert (last["sd"], last["coverage"], last["n_pixels"], last["n_s2"]) == (5.0, 0.9, 100, 30.0)
    assert (last["n_s1_ascending"], last["n_s1_descending"]) == (12.0, 0.0)
    assert (last["encoder"], last["head"], last["run_id"]) == ("encoder-1", "head-1", "run-1")
    assert str(last["season_end"]) == "2026-01-01"
    assert last["is_final"] is True


def test_a_series_holds_final_seasons_only(path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        load(writer, path.parent, [estimate("a", "2025-Q2", 1.0)], LATER)
    with read(path) as reader:
        one, other = reader.series("richness")
        until = reader.series("richness", up_to=Season(2019, 4))
        nowhere = reader.series("richness", park="Elsewhere")
    assert one.woodland_id == "a"
    assert one.years.tolist() == list(range(2017, 2026))
    assert one.mean.tolist() == [100.0 - 2 * step for step in range(9)]
    assert other.mean.tolist() == [60.0] * 9
    assert until[0].years.tolist() == [2017, 2018, 2019]
    assert nowhere == ()


def test_a_season_estimated_again_from_more_scenes_shows_the_newer_figure(path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        load(writer, path.parent, [estimate("a", "2025-Q4", 83.0, inputs_hash="inputs-2")], LATER)
    with read(path) as reader:
        assert reader.history("a", season="2025-Q4")[0]["mean"] == 83.0
        assert len(reader.history("a")) == 9
        assert len(reader.estimate_keys("2025-Q4")) == 3


def test_a_series_never_mixes_models_and_an_earlier_model_can_come_back(path: Path) -> None:
    new = [estimate("a", "2025-Q4", 50.0, head="head-2")]
    with open_writer(path, now=LATER) as writer:
        load(writer, path.parent, new, LATER)
    with read(path) as reader:
        assert [(row["season"], row["head"]) for row in reader.history()] == [("2025-Q4", "head-2")]
        assert reader.trends() == ()
        assert reader.alerts() == ()
    with open_writer(path, now=LATER) as writer:
        assert load(writer, path.parent, history(), LATER) == 0
    with read(path) as reader:
        assert {row["head"] for row in reader.history()} == {"head-1"}
        assert len(reader.history("a")) == 9
        assert len(reader.alerts()) == 1
        assert [row["number"] for row in reader.current_models()] == [3]


def test_a_model_can_be_chosen_by_name(path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        chosen = ("richness", "encoder-1", "head-2", "config-1")
        assert writer.choose_model(*chosen, run_id="run-1", now=LATER) == 1
        assert writer.choose_model(*chosen, run_id="run-1", now=LATER) == 0
    with read(path) as reader:
        assert reader.history() == ()


def test_rows_of_two_models_are_refused() -> None:
    row = {"encoder": "e", "head": "h", "config_hash": "c"}
    refuse_mix([row, row])
    with pytest.raises(WarehouseError, match="e/h/c and e/other/c never mix"):
        refuse_mix([row, row | {"head": "other"}])


def test_only_the_latest_assessment_shows_and_an_alert_not_raised_again_is_closed(path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        again = assessment(series_hash="series-2")
        writer.load_trends([trend_row("a", again, q=0.2), trend_row("b", again)], now=LATER)
    with read(path) as reader:
        assert {row["series_hash"] for row in reader.trends()} == {"series-2"}
        assert [row["q"] for row in reader.trends()] == [0.2, 0.01]
        assert reader.alerts() == ()
        assert len(reader.past_alerts("alert-a")) == 1


def test_an_earlier_season_assessed_later_does_not_replace_the_latest(path: Path) -> None:
    with open_writer(path, now=LATER) as writer:
        earlier = assessment("2024-Q4", "series-0")
        writer.load_trends([trend_row("a", earlier)], now=LATER)
        writer.load_alerts([alert_row("a", earlier)], now=LATER)
    with read(path) as reader:
        assert {row["season"] for row in reader.alerts()} == {"2025-Q4"}
        assert [row["season"] for row in reader.past_alerts("alert-a")] == ["2024-Q4", "2025-Q4"]


def test_an_unknown_figure_is_null_in_the_file_and_nan_in_our_hands(path: Path) -> None:
    with read(path) as reader:
        assert math.isnan(reader.trends()[1]["q"])
    with open_writer(path, now=NOW) as writer:
        count = writer._connection.execute("select count(*) from trend where q is null").fetchone()
    assert count == (1,)


def test_a_park_is_summed_up_by_area_and_says_how_many_woodlands_it_knows(tmp_path: Path) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        prepare(writer)
        cherry, damson = (
            replace(WOODLANDS[0], id=name, area_ha=area) for name, area in (("c", 3.0), ("d", 6.0))
        )
        writer.load_woodlands([cherry, damson], now=NOW)
        load(writer, tmp_path, [estimate("a", mean=100.0), estimate("c", mean=60.0)])
    with read(path) as reader:
        (summary,) = reader.park_summary("richness", park="Vale")
        (vale,) = reader.parks()
    assert summary["is_ancient"] is True
    assert summary["mean"] == pytest.approx((100 * 1 + 60 * 3) / 4)
    assert (summary["n_woodlands"], summary["n_known"]) == (2, 3)
    assert (summary["area_ha"], summary["known_area_ha"]) == (4.0, 10.0)
    assert (vale["n_woodlands"], vale["n_ancient"], vale["area_ha"]) == (4, 3, 13.0)


def test_a_year_mostly_outside_the_area_of_applicability_is_kept_flagged_and_out_of_the_series(
    tmp_path: Path,
) -> None:
    shares = {"2022-Q4": 1.0, "2023-Q4": 0.79, "2024-Q4": 0.8, "2025-Q4": 0.0}
    path = filled(
        tmp_path / "warehouse.duckdb",
        [estimate("a", season, applicable_share=share) for season, share in shares.items()],
    )
    with read(path) as reader:
        rows = reader.history("a")
        (series,) = reader.series("richness")
    assert [(row["season"], row["applicable_share"]) for row in rows] == list(shares.items())
    assert [row["is_applicable"] for row in rows] == [True, False, True, False]
    assert [(row["sd"], row["sd_place"], row["sd_year"]) for row in rows] == [(5.0, 4.0, 3.0)] * 4
    assert (series.years.tolist(), series.outside.tolist()) == ([2022, 2024], [2023, 2025])
    assert len(series.mean) == len(series.sd) == 2


def test_an_estimate_of_a_head_that_states_no_area_of_applicability_counts_as_inside(tmp_path: Path) -> None:
    earlier = replace(estimate("a"), sd_place=math.nan, sd_year=math.nan, applicable_share=math.nan)
    with read(filled(tmp_path / "warehouse.duckdb", [earlier])) as reader:
        (row,) = reader.history("a")
        (series,) = reader.series("richness")
    assert row["is_applicable"] is True
    assert math.isnan(row["applicable_share"])
    assert (series.years.tolist(), series.outside.tolist()) == ([2025], [])


def test_a_park_says_how_much_of_it_lies_inside_and_how_many_woodlands_do_not(tmp_path: Path) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        prepare(writer)
        cherry, damson = (
            replace(WOODLANDS[0], id=name, area_ha=area) for name, area in (("c", 3.0), ("d", 6.0))
        )
        writer.load_woodlands([cherry, damson], now=NOW)
        unknown = replace(estimate("d"), applicable_share=math.nan, sd_year=math.nan)
        load(writer, tmp_path, [estimate("a"), estimate("c", applicable_share=0.2), unknown])
    with read(path) as reader:
        (summary,) = reader.park_summary("richness", park="Vale")
    assert summary["applicable_share"] == pytest.approx((1.0 * 1 + 0.2 * 3) / 4)
    assert (summary["n_woodlands"], summary["n_not_applicable"]) == (3, 1)
    assert (summary["sd_place"], summary["sd_year"]) == (4.0, 3.0)


def test_woodlands_come_back_as_they_went_in(path: Path) -> None:
    with read(path) as reader:
        frame = reader.woodlands()
        assert reader.woodland_values() == WOODLANDS
        assert len(reader.woodlands("Elsewhere")) == 0
    assert frame.crs.to_epsg() == 4326
    assert frame["id"].tolist() == ["a", "b"]
    assert frame.geometry.iloc[1].equals(WOODLANDS[1].geometry)


def test_the_keys_of_what_is_recorded_are_known(path: Path) -> None:
    with read(path) as reader:
        keys = reader.estimate_keys("2025-Q4")
    assert keys == {estimate("a").key, estimate("b").key}
    assert EstimateKey("a", "2025-Q4", "richness", "encoder-1", "head-1", "config-1", "inputs-1") in keys


def test_what_is_not_there_or_no_warehouse_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no such file"), read(tmp_path / "gone.duckdb"):
        pass
    (tmp_path / "letter.duckdb").write_text("dear forester " * 1000)
    with pytest.raises(WarehouseError, match="not a valid DuckDB"), read(tmp_path / "letter.duckdb"):
        pass
    cut = tmp_path / "cut.duckdb"
    cut.write_bytes(filled(tmp_path / "warehouse.duckdb").read_bytes()[:10_000])
    with pytest.raises(WarehouseError, match=r"cut\.duckdb") as refusal, read(cut):
        pass
    assert "\n" not in str(refusal.value)


def test_a_database_of_another_service_is_refused(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "other.duckdb")) as connection:
        connection.execute("create table t (i integer)")
    with pytest.raises(MigrationError, match="schema 0 is older"), read(tmp_path / "other.duckdb"):
        pass


@pytest.mark.parametrize(
    "years",
    [(2015, 2016, 2049, 2099, 2100), pytest.param(range(2015, 2101), marks=pytest.mark.slow)],
    ids=["the first and the last", "all"],
)
def test_every_season_there_is_sorts_and_ends_in_the_warehouse_as_in_the_calendar(
    tmp_path: Path, years: Sequence[int]
) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    seasons = [Season(year, quarter) for year in years for quarter in range(1, 5)]
    shuffled = random.Random(1).sample(seasons, len(seasons))
    with open_writer(path, now=NOW) as writer:
        prepare(writer)
        load(writer, tmp_path, [estimate("a", season.id) for season in shuffled])
    with read(path) as reader:
        rows = reader.history("a")
        (series,) = reader.series("richness")
    assert [row["season"] for row in rows] == [season.id for season in seasons]
    assert [row["season_end"] for row in rows] == [season.end.date() for season in seasons]
    assert [row["is_final"] for row in rows] == [season.is_final for season in seasons]
    assert series.years.tolist() == list(years)


@given(one=st.builds(Season, st.integers(2015, 2100), st.integers(1, 4)), quarters=st.integers(1, 40))
def test_a_later_season_has_the_greater_id(one: Season, quarters: int) -> None:
    later = one
    for _ in range(quarters):
        later = later.next() if later < Season(2100, 4) else later
    assert (later.id > one.id) == (later > one)
