"""Stable history: five forest pixels in Romania, as R strucchange and bfast judge them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.corroboration.stable_history import (
    critical_value,
    cusum,
    recursive_residuals,
    seasonal_regressors,
    stable_start,
    year_fraction,
)

Floats = NDArray[np.float64]
#: First observation of the stable history of each pixel, from 1, gaps not counted (bfast's roc_history).
STARTS = [1, 8, 49, 62, 1]


def romania(shared: Path, name: str) -> Floats:
    path = shared / "data" / "forest_monitoring_reference_nrt" / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"no reference series at {path}")
    return np.loadtxt(path, delimiter=",")


def as_r_fitted(shared: Path) -> Floats:
    """The regressors with R's own intercept before theirs: two equal columns, both of which count."""
    design = romania(shared, "X")
    return np.column_stack([np.ones(len(design)), design])


def test_our_seasonal_regressors_are_those_of_the_reference(shared: Path) -> None:
    days = romania(shared, "dates").astype(np.int64).astype("datetime64[ns]")
    assert (
        np.abs(seasonal_regressors(days, 2) - romania(shared, "X")).max() < 1e-6
    )  # six decimals are printed


def test_the_stable_history_starts_where_strucchange_says(shared: Path) -> None:
    design, pixels = as_r_fitted(shared), romania(shared, "y")
    starts = [stable_start(design, pixel) for pixel in pixels.T]
    from_one = [
        int(np.isfinite(pixel[:start]).sum()) + 1 for pixel, start in zip(pixels.T, starts, strict=True)
    ]
    assert from_one == STARTS


def test_the_summed_residuals_are_those_of_strucchange(shared: Path) -> None:
    pixel = romania(shared, "y")[:, 0]
    known = np.isfinite(pixel)
    process = cusum(as_r_fitted(shared)[known][::-1], pixel[known][::-1])
    np.testing.assert_allclose(process, romania(shared, "efp_result"), atol=1e-9)


def test_residuals_are_errors_of_predicting_from_the_past_alone() -> None:
    # With a constant alone each value is held to the mean before it: 4 - 2 over sqrt(1 + 1/1), and so on.
    values = np.array([2.0, 4.0, 3.0, 9.0])
    expected = [2 / np.sqrt(2), 0.0, 6 / np.sqrt(4 / 3)]
    np.testing.assert_allclose(recursive_residuals(np.ones((4, 1)), values), expected)


def test_the_boundary_is_the_published_one() -> None:
    # Brown, Durbin & Evans (1975): 0.948 at 5 %, 1.143 at 1 %, 0.850 at 10 %.
    assert [round(critical_value(level), 3) for level in (0.05, 0.01, 0.1)] == [0.948, 1.143, 0.85]


def test_a_level_that_changed_cuts_off_most_of_what_was_before() -> None:
    noise = np.random.default_rng(3).normal(0, 0.02, 80)
    values = np.where(np.arange(80) < 30, 0.4, 0.7) + noise
    start = stable_start(np.ones((80, 1)), values)
    assert 15 <= start <= 33  # the sums cross their boundary some time after the change


def test_gaps_count_as_positions() -> None:
    noise = np.random.default_rng(3).normal(0, 0.02, 80)
    values = np.where(np.arange(80) < 30, 0.4, 0.7) + noise
    gappy = np.insert(values, 10, [np.nan] * 5)
    assert stable_start(np.ones((85, 1)), gappy) == stable_start(np.ones((80, 1)), values) + 5


@pytest.mark.parametrize(
    "values", [[], [0.5], [0.5] * 20, [np.nan] * 4, [0.1, 0.2]], ids=["none", "one", "flat", "gaps", "two"]
)
def test_what_cannot_be_told_counts_as_stable(values: list[float]) -> None:
    assert stable_start(np.ones((len(values), 1)), np.array(values)) == 0


def test_the_year_runs_from_nought_to_one() -> None:
    days = np.array(["2020-01-01", "2020-12-31", "2021-12-31"], "datetime64[D]")
    assert year_fraction(days).tolist() == [0, 1, 1]
    assert seasonal_regressors(days, 1, trend=True).shape == (3, 4)


@pytest.mark.slow
def test_one_stable_series_in_twenty_is_cut() -> None:
    """600 series of noise: the boundary is asymptotic, so a little under 5 % at 100 values."""
    rng = np.random.default_rng(5)
    days = np.datetime64("2018-01-01") + np.arange(0, 1600, 16)
    design = seasonal_regressors(days, 2)
    cut = np.mean([stable_start(design, rng.normal(0, 1, 100)) > 0 for _ in range(600)])
    assert 0.015 <= cut <= 0.065
