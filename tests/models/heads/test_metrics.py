"""Scores against the golden table of the reference libraries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.heads.metrics import score
from monitoring.errors import ModelError

#: Our field -> the golden table's.
GOLDEN = {"n": "n", "r2": "r2", "rmse": "rmse", "mae": "mae", "me": "bias", "ccc": "ccc", "rpiq": "rpiq"}

values = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


def test_every_score_equals_the_golden_table(shared: Path) -> None:
    tables = json.loads((shared / "golden/metrics/regression.json").read_text())
    assert len(tables) == 7
    for name, table in tables.items():
        got = score(np.array(table["observed"]), np.array(table["predicted"]))
        for ours, theirs in GOLDEN.items():
            expected = table["expected"][theirs]
            found = getattr(got, ours)
            assert found == (None if expected is None else pytest.approx(expected, rel=1e-9)), (name, ours)


@given(arrays(np.float64, 12, elements=values))
@settings(max_examples=50, deadline=None)
def test_a_perfect_prediction_has_no_error(observed: np.ndarray) -> None:
    got = score(observed, observed)
    assert (got.rmse, got.mae, got.me) == (0, 0, 0)
    assert got.rpiq is None
    if np.ptp(observed) > 0:
        assert got.r2 == 1
        assert got.ccc == pytest.approx(1)


@given(arrays(np.float64, 9, elements=values), values)
@settings(max_examples=50, deadline=None)
def test_a_constant_excess_is_the_mean_error(observed: np.ndarray, excess: float) -> None:
    got = score(observed, observed + excess)
    assert got.me == pytest.approx(excess, abs=1e-9)
    assert got.mae == pytest.approx(abs(excess), abs=1e-9)


def test_predicting_the_mean_explains_nothing() -> None:
    assert score(np.array([1.0, 2.0, 6.0]), np.full(3, 3.0)).r2 == pytest.approx(0)


def test_r2_of_constant_observations_is_undefined() -> None:
    assert score(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])).r2 is None
    assert score(np.full(3, 0.1), np.array([1.0, 2.0, 3.0])).r2 is None


def test_coverage_is_the_share_inside_the_interval() -> None:
    observed = np.arange(4.0)
    assert score(observed, observed, np.array([True, True, True, False])).coverage_90 == 0.75
    assert score(observed, observed).coverage_90 is None


@pytest.mark.parametrize(
    ("observed", "predicted"),
    [([1.0], [1.0, 2.0]), ([], []), ([1.0, np.nan], [1.0, 2.0]), ([1.0, 2.0], [1.0, np.inf])],
)
def test_lists_that_cannot_be_compared_are_refused(observed: list[float], predicted: list[float]) -> None:
    with pytest.raises(ModelError, match="scores need"):
        score(np.array(observed), np.array(predicted))
