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
    assert not visits.is_test.any()


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


def test_no_site_is_on_both_sides_of_any_fold(visits) -> None:
    folds = example.folds_of(visits.site, 0, 2)
    assert len(folds) == 10
    for fold in folds:
        assert not set(visits.site[fold.training]) & set(visits.site[fold.held_out])
        split = example.split_of(visits.raw.reshape(len(visits.raw), -1), visits, fold)
        assert np.isfinite(split.training).all()
        for fitted, judged in split.inner():
            assert not set(split.site[fitted]) & set(split.site[judged])
    for repeat in range(2):
        held_out = np.concatenate([fold.held_out for fold in folds if fold.repeat == repeat])
        assert sorted(held_out) == list(range(1578))


def test_missing_values_become_the_training_means_never_the_held_outs() -> None:
    features = np.array([[1.0], [3.0], [np.nan], [100.0]])
    visits = example.Visits(*(np.zeros(4) for _ in range(7)))
    fold = example.Fold(0, np.array([0, 1]), np.array([2, 3]), 0)
    assert example.split_of(features, visits, fold).held_out.tolist() == [[2.0], [100.0]]


def test_every_method_on_every_feature_set_is_scored(shared: Path, few, monkeypatch) -> None:
    monkeypatch.setattr(example, "MOST_TREES", 5)
    monkeypatch.setattr(example, "FOLDS", 2)
    embedding = example.presto_embeddings(few, shared / example.WEIGHTS)
    assert embedding.values.shape == (240, 128)
    assert not embedding.reason.any()
    features = example.feature_sets(few, embedding.values.astype(np.float64))
    rows = example.compare(few, features, example.folds_of(few.site, 0, 1))
    assert len(rows) == 1 + 4 * 3
    assert {(row["features"], row["method"]) for row in rows} >= {("none", "mean"), ("presto", "head")}
    assert all(np.isfinite([row["rmse"], row["mae"], row["r2"]]).all() for row in rows)
    assert rows[0]["r2"] <= 0, "the mean of other sites explains nothing"


def test_the_authors_split_is_shown_where_the_file_flags_one(few, monkeypatch) -> None:
    monkeypatch.setattr(example, "METHODS", {"ridge": example.ridge})
    features = {"raw": np.nan_to_num(few.raw.reshape(len(few.raw), -1))}
    assert example.authors_split(few, features, 0) == []
    flagged = example.Visits(**(vars(few) | {"is_test": few.site >= np.median(few.site)}))
    rows = example.authors_split(flagged, features, 0)
    assert [(row["features"], row["method"]) for row in rows] == [("none", "mean"), ("raw", "ridge")]


def test_without_the_data_one_line_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--shared", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "fuel_moisture.npz" in done.stderr


@pytest.mark.slow
def test_the_whole_comparison_says_what_it_is_worth(shared: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--shared", str(shared), "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rmse = {(row["features"], row["method"]): row["rmse"] for row in json.loads(done.stdout)}
    assert len(rmse) == 13
    assert rmse["presto", "ridge"] < rmse["raw", "ridge"] < 0.9 * rmse["none", "mean"]
    assert rmse["raw", "boosted"] < rmse["presto", "boosted"], "honest: raw channels win with trees"
