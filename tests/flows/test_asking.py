"""What `history`, `sites` and `query` answer, on a small published warehouse."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from flows.commands.asking import HISTORY, moment_of
from flows.workspace import open_workspace
from monitoring.errors import SettingsError, WarehouseError
from warehouse.answering.sites import Near
from warehouse.publish import publish

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asking")
    config = folder / "underwood.toml"
    config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
    workspace = open_workspace(str(config))
    workspace.warehouse.parent.mkdir(parents=True)
    publish(world.filled(workspace.warehouse), workspace.published)
    return config


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), *arguments])


def rows(config: Path, *arguments: str) -> list[dict[str, object]]:
    answer = run(config, *arguments, "--format", "json")
    assert answer.exit_code == 0, (answer.output, answer.exception)
    found: list[dict[str, object]] = json.loads(answer.stdout)
    return found


def refusal(config: Path, *arguments: str) -> str:
    answer = run(config, *arguments)
    assert isinstance(answer.exception, WarehouseError | SettingsError), answer.output
    return str(answer.exception)


def test_a_history_is_shown_by_id_and_by_name(config: Path) -> None:
    by_id, by_name = rows(config, "history", "a"), rows(config, "history", "ash copse")
    assert by_id == by_name
    assert [row["mean"] for row in by_id] == [100.0 - 2 * step for step in range(9)]
    assert tuple(by_id[0]) == HISTORY


def test_a_history_as_of_a_day_says_what_that_means(config: Path) -> None:
    after = run(config, "history", "a", "--as-of", "2026-01-15", "--format", "csv")
    assert "as of 2026-01-15 23:59:59 UTC" in after.stderr
    assert len(after.stdout.splitlines()) == 10
    before = run(config, "history", "a", "--as-of", "2026-01-15T02:59")
    assert before.stdout == "woodland a: no season had been estimated by then\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-15T12:30", datetime(2026, 1, 15, 12, 30, tzinfo=UTC)),
        ("2026-01-15T12:30+01:00", datetime(2026, 1, 15, 11, 30, tzinfo=UTC)),
        ("2026-01-15", datetime(2026, 1, 15, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-02-01", NOW),
    ],
)
def test_a_day_means_all_of_it_and_a_time_is_utc(text: str, expected: datetime) -> None:
    assert moment_of(text, NOW) == expected


@pytest.mark.parametrize("text", ["2026-02-02", "2026-02-01T12:01", "9999-12-31"])
def test_what_is_still_to_come_cannot_be_known(text: str) -> None:
    with pytest.raises(SettingsError, match="still to come"):
        moment_of(text, NOW)


@pytest.mark.parametrize(
    "text", ["2025-Q4", "yesterday", "", "2026-13-01", "2026-01-15'; drop table run; --"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="not a day or time"):
        moment_of(text, NOW)


def test_sites_tell_the_last_season_and_the_alert(config: Path) -> None:
    ash, birch = rows(config, "sites")
    assert (ash["id"], ash["season"], ash["mean"], ash["alert"]) == ("a", "2025-Q4", 84.0, "CONFIRMED")
    assert (birch["id"], birch["mean"], birch["alert"]) == ("b", 60.0, None)
    assert "geometry" not in ash


def test_sites_near_a_point_come_nearest_first(config: Path) -> None:
    birch, ash = rows(config, "sites", "--near", "51.6002,-1.7965", "--within", "1")
    assert (birch["id"], birch["distance_km"]) == ("b", 0.0)
    assert ash["id"] == "a"
    # 0.002 degrees of longitude at latitude 51.6.
    assert ash["distance_km"] == pytest.approx(0.002 * 111.195 * 0.62115, rel=1e-3)
    (only,) = rows(config, "sites", "--near", "51.6002,-1.7965", "--within", "0.1")
    assert only["id"] == "b"


def test_sites_are_chosen_by_park_and_standing(config: Path) -> None:
    assert [row["id"] for row in rows(config, "sites", "--park", "Vale", "--status", "asnw")] == ["a"]
    assert run(config, "sites", "--status", "PAWS").stdout == "no woodland is like that\n"


@pytest.mark.parametrize(
    ("arguments", "trouble"),
    [
        (("--near", "91,0"), "latitude 91"),
        (("--near", "0,181"), "longitude 181"),
        (("--near", "51"), "not LAT,LON"),
        (("--near", "51,0,0"), "not LAT,LON"),
        (("--near", "nan,0"), "finite"),
        (("--near", "51,0", "--within", "0"), "within 0 km"),
        (("--near", "51,0", "--within", "nan"), "within nan km"),
        (("--within", "5"), "--near"),
        (("--park", "Dale"), "there are Vale"),
        (("--status", "old"), "ASNW, PAWS, AWP, other"),
    ],
)
def test_a_place_that_is_none_is_refused_in_one_line(
    config: Path, arguments: tuple[str, ...], trouble: str
) -> None:
    line = refusal(config, "sites", *arguments)
    assert trouble in line
    assert "\n" not in line


@pytest.mark.parametrize("latitude", [0.0, 51.6, -75.0])
def test_a_degree_of_latitude_is_111_km(latitude: float) -> None:
    above = shapely.box(9.9, latitude + 1, 10.1, latitude + 1.1)
    near = Near(latitude, 10.0, 200.0)
    assert near.distances_km(np.array([above], np.object_))[0] == pytest.approx(111.195, rel=1e-4)
    assert near.box.intersects(above)


@pytest.mark.parametrize("place", [Near(89.9, 0, 50), Near(0, 179.9, 50), Near(-89.9, 10, 50)])
def test_around_a_pole_or_the_date_line_every_longitude_is_looked_at(place: Near) -> None:
    west, _, east, _ = place.box.bounds
    assert (west, east) == (-180, 180)


def test_a_query_answers_in_every_form(config: Path, tmp_path: Path) -> None:
    sql = "select id, area_ha, geometry, null::double as n, recorded_at from woodland order by id"
    (ash, _) = rows(config, "query", sql)
    assert ash["n"] is None
    assert str(ash["geometry"]).startswith("POLYGON ((")
    assert ash["recorded_at"] == "2026-01-15T03:00:00+00:00"
    table = list(csv.DictReader(io.StringIO(run(config, "query", sql, "--format", "csv").stdout)))
    assert [(row["id"], row["n"]) for row in table] == [("a", ""), ("b", "")]
    assert run(config, "query", sql, "--out", str(tmp_path / "w.parquet")).stdout == ""
    kept = pq.read_table(tmp_path / "w.parquet")
    assert kept["id"].to_pylist() == ["a", "b"]
    assert b'"primary_column": "geometry"' in kept.schema.metadata[b"geo"]
    assert shapely.from_wkb(kept["geometry"][0].as_py()).equals(world.WOODLANDS[0].geometry)


def test_parquet_goes_to_a_pipe_too(config: Path) -> None:
    answer = run(config, "sites", "--format", "parquet")
    assert pq.read_table(io.BytesIO(answer.stdout_bytes))["id"].to_pylist() == ["a", "b"]


def test_a_cut_answer_says_so(config: Path) -> None:
    cut = run(config, "query", "from site_history", "--limit", "2", "--format", "csv")
    assert len(cut.stdout.splitlines()) == 3
    assert "first 2 rows" in cut.stderr
    whole = run(config, "query", "from site_history", "--format", "csv")
    assert len(whole.stdout.splitlines()) == 19
    assert whole.stderr == ""


def test_an_answer_that_fails_leaves_no_file(config: Path, tmp_path: Path) -> None:
    broken = "select cast(if(i = 250000, 'x', '1') as integer) as v from range(300000) t(i)"
    assert "Conversion Error" in refusal(config, "query", broken, "--out", str(tmp_path / "v.csv"))
    assert not list(tmp_path.iterdir())


def test_json_row_by_row_is_what_json_gives_at_once(config: Path) -> None:
    answer = run(
        config, "query", "select 'a\nb' as t, [1, 2] as l union all select '', []", "--format", "json"
    )
    assert answer.stdout == json.dumps(json.loads(answer.stdout), indent=1) + "\n"
    assert run(config, "query", "select 1 where false", "--format", "json").stdout == "[]\n"
