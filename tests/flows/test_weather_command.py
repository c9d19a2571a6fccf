"""`underwood weather`: rows of one woodland or all, and a word on what was assumed."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import typer
from shapely import box
from typer.testing import CliRunner, Result

from flows.commands import weather
from flows.commands.session import Session
from monitoring.errors import WeatherError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of a service with two woodlands, and beside them two years of a steady climate."""
    woods = {"wood_id": ["oak", "ash"], "name": ["Oak Wood", "Ash Wood"], "status": "ASNW", "park": "Vale"}
    squares = [box(west, 50.9, west + 0.01, 50.91) for west in (-1.6, -1.5)]
    gpd.GeoDataFrame(woods, geometry=squares, crs=4326).to_file(tmp_path / "woods.gpkg")
    path = tmp_path / "underwood.toml"
    path.write_text('catalogue = "none"\nsource = "earth-search"\nwoodlands = "woods.gpkg"\n', "utf-8")
    days = np.arange(np.datetime64("2020-01-01"), np.datetime64("2022-01-01"))
    pd.DataFrame(
        {"date": days.astype(str), "latitude": 50.9, "longitude": -1.55, "tmax_c": 15 + days.astype(int) % 7,
         "tmin_c": 8.0, "precip_mm": 2.0}
    ).to_csv(tmp_path / "daily.csv", index=False)  # fmt: skip
    return path


def run(config: Path, *arguments: str) -> Result:
    app = typer.Typer()
    weather.add_commands(app)
    return CliRunner().invoke(app, list(arguments), obj=Session(config, debug=False))


def test_every_woodland_and_year_has_a_row(config: Path, tmp_path: Path) -> None:
    done = run(config, str(tmp_path / "daily.csv"), "--format", "json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["woodland_id"], row["year"]) for row in rows] == [
        ("oak", 2020), ("oak", 2021), ("ash", 2020), ("ash", 2021),
    ]  # fmt: skip
    assert {row["compound_days"] for row in rows} == {0}
    assert {row["extreme"] for row in rows} == {"no"}
    assert rows[0]["place"].startswith("50.900 N 1.550 W")
    assert "so assumed: dewpoint = lowest temperature; wind 2 m/s" in done.stderr


def test_one_woodland_may_be_asked_for(config: Path, tmp_path: Path) -> None:
    done = run(config, str(tmp_path / "daily.csv"), "--woodland", "ash", "--format", "csv")
    assert [line.split(",")[:3] for line in done.stdout.splitlines()] == [
        ["woodland_id", "woodland", "year"],
        ["ash", "Ash Wood", "2020"],
        ["ash", "Ash Wood", "2021"],
    ]


def test_an_unknown_woodland_is_said_in_one_line(config: Path, tmp_path: Path) -> None:
    done = run(config, str(tmp_path / "daily.csv"), "--woodland", "elm")
    assert isinstance(done.exception, WeatherError)
    assert str(done.exception) == "woodland 'elm': not among the 2 woodlands of the boundary file"
