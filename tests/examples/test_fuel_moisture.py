"""The fuel moisture example: honest folds, honest features, and the whole comparison on a few visits."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import typer

from models.heads.crew import Crew

SCRIPT = Path(__file__).resolve().parents[2] / "examples/fuel_moisture.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuel_moisture_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


example = loaded()


@pytest.fixture(scope="module")
def visits(shared: Path):
    return example.read_visits(shared / example.SAMPLES)


@pytest.fixture(scope="module")
def few(visits):
    """Ten visits of each of 24 sites that have so many."""
    sites = [site for site in range(100) if (visits.site == site).sum() >= 10][:24]
    return visits.rows(np.concatenate([np.flatnonzero(visits.site == site)[:10] for site in sites]))


def test_the_file_is_the_one_its_readme_describes(visits) -> None:
    assert visits.raw.shape == (1578, 3, 18)
    assert len(np.unique(visits.site)) == 100


def test_ndvi_is_computed_anew_and_radar_at_its_floor_is_missing(shared: Path, visits) -> None:
    with np.load(shared / example.SAMPLES) as file:
        given = file["s1_s2_era5_srtm"].astype(np.float64)
    b3, b4, b7, b8 = (given[..., channel] for channel in (3, 4, 7, 8))
    np.testing.assert_allclose(given[..., 17], (b7 - b3) / (b7 + b3), atol=1e-6)  # as the file has it
    np.testing.assert_allclose(visits.raw[..., 17], (b8 - b4) / (b8 + b4), atol=1e-6)
    assert np.argwhere(np.isnan(visits.raw))[:, 2].tolist() == [0, 1, 1]  # VV once, VH twice
    assert np.isnan(visits.raw[..., :2][given[..., :2] < -49.9]).all()


def test_missing_radar_is_hidden_from_presto(visits) -> None:
    series = example.presto_series(visits)
    assert np.argwhere(series.hidden)[:, 2].tolist() == [0, 1, 1]
    assert np.isfinite(series.x[~series.hidden]).all()


def test_missing_radar_is_the_median_of_its_channel_among_raw_features() -> None:
    raw = np.arange(3 * 3 * 18, dtype=np.float64).reshape(3, 3, 18)
    raw[0, 1, 0] = np.nan
    features = example.raw_features(raw)
    assert features.shape == (3, 3 * 16 + 2), "terrain once"
    assert features[0, 16] == np.median(raw[1:, 1, 0])
    assert np.isfinite(features).all()


def test_no_site_is_on_both_sides_of_any_fold(visits) -> None:
    setting = example.setting_of(visits, np.random.default_rng(0).normal(size=(1578, 2)), 0, Crew())
    for training, held_out in setting.by_site.folds.splits():
        assert not set(visits.site[training]) & set(visits.site[held_out])
    sides = [set(visits.site[side]) for side in next(setting.random.folds.splits())]
    assert sides[0] & sides[1], "random folds part the visits of a site"


def test_every_candidate_on_every_feature_set_is_scored_and_one_is_chosen(shared: Path, few) -> None:
    embedding = example.presto_embeddings(few, shared / example.WEIGHTS)
    assert embedding.values.shape == (240, 128)
    assert not embedding.reason.any()
    values = embedding.values.astype(np.float64)
    features = example.feature_sets(few, values)
    setting = example.setting_of(few, values, 0, Crew())
    tried = example.compare(setting, features, ("mean", "ridge"))
    rows = [example.score_row(each) for found in tried.values() for each in found]
    assert [row["features"] for row in rows] == [name for name in features for _ in range(2)]
    assert all(row["rmse"][1] < row["rmse"][0] < row["rmse"][2] for row in rows)
    assert rows[0]["r2"][0] <= 0, "the mean of other sites explains nothing"
    (chosen,) = [
        row for row in example.rows_on(setting, features["presto"], tried["presto"]) if row["choice"]
    ]
    assert chosen["candidate"] == min(tried["presto"], key=lambda each: each.rmse).candidate
    assert chosen["choice"].startswith(chosen["candidate"])
    assert chosen["random rmse"][0] < chosen["rmse"][0], "random folds flatter"


def test_an_interval_stands_below_its_figure() -> None:
    row = {"candidate": "mean", "rmse": [25.04, 22.0, 28.0], "r2": [0.5, None, None]}
    assert example.readable(row) == {
        "candidate": "mean",
        "rmse": "25\n22 to 28",
        "r2": "0.5\n- to -",
    }


@pytest.mark.parametrize(
    ("candidates", "named"), [("all", "fuel_moisture.npz"), ("oracle", "candidate 'oracle'")]
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, capsys, candidates: str, named: str) -> None:
    with pytest.raises(typer.Exit):
        example.main(candidates, shared=tmp_path)
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


@pytest.mark.slow
def test_the_comparison_says_what_the_embeddings_are_worth(shared: Path) -> None:
    asked = ["--candidates", "mean,ridge,landmarks", "--format", "json"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--shared", str(shared), *asked],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)
    rmse = {(row["features"], row["candidate"]): row["rmse"][0] for row in rows}
    assert len(rmse) == 12
    assert rmse["presto", "landmarks"] < 0.75 * rmse["presto", "mean"]
    assert all(0.86 < row["coverage_90"][0] < 0.94 for row in rows)
    chosen = [row for row in rows if row["choice"]]
    assert len(chosen) == 4, "one for each set of features"
    assert all(row["random rmse"][0] < row["rmse"][0] for row in chosen)
