import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.statistics.change_points import fall_p, strongest_fall
from monitoring.statistics.permutations import every_order

YEARS = np.arange(2017, 2026)


def largest_fall(values):
    """The definition, one split at a time."""
    n = len(values)
    return max((np.mean(values[:k]) - np.mean(values[k:])) * np.sqrt(k * (n - k) / n) for k in range(1, n))


def test_a_clean_fall_is_dated_and_measured():
    fall = strongest_fall(YEARS, np.array([50.0] * 5 + [38.0] * 4))
    assert (fall.year, fall.change) == (2022, -12)
    assert fall.explained == pytest.approx(1)
    assert fall.step_variance == pytest.approx(0, abs=1e-12)
    assert fall.line_variance > 1


def test_a_straight_decline_is_better_told_as_a_line():
    fall = strongest_fall(YEARS, 50.0 - 2 * np.arange(9))
    assert fall.line_variance == pytest.approx(0, abs=1e-12)
    assert fall.step_variance > 1


def test_a_series_that_only_rises_has_no_fall():
    assert strongest_fall(YEARS, np.arange(9.0)).change > 0


def test_three_years_are_too_few_for_a_fall():
    with pytest.raises(ValueError, match="series of 3 values"):
        strongest_fall(YEARS[:3], np.array([3.0, 2.0, 1.0]))


@pytest.mark.parametrize(("before", "p"), [(1, 1 / 9), (2, 1 / 36), (3, 1 / 84), (4, 1 / 126), (7, 1 / 36)])
def test_a_clean_fall_is_as_surprising_as_its_place_allows(before, p):
    assert fall_p(np.where(np.arange(9) < before, 50.0, 40.0)) == pytest.approx(p)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=6))
def test_counting_sets_gives_what_listing_all_orders_gives(values):
    series = np.array(values, float)
    statistics = np.array([largest_fall(series[order]) for order in every_order(len(series))])
    assert fall_p(series) == pytest.approx(np.mean(statistics >= statistics_of(series) - 1e-9))


def statistics_of(series):
    return largest_fall(series)


def test_seventeen_years_are_shuffled_with_a_seed_and_agree_with_the_exact_p(monkeypatch):
    rng = np.random.default_rng(11)
    series = rng.normal(size=12) - 1.5 * (np.arange(12) >= 7)
    exact = fall_p(series)
    monkeypatch.setattr("monitoring.statistics.change_points.EVERY_ORDER_UP_TO", 11)
    assert fall_p(series, seed=1) == fall_p(series, seed=1)
    assert fall_p(series, seed=1) == pytest.approx(exact, abs=4 * np.sqrt(exact / 99_999))


def test_without_a_fall_one_series_in_twenty_looks_like_one():
    rng = np.random.default_rng(6)
    p = np.array([fall_p(row) for row in rng.normal(size=(1_000, 7))])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_the_nile_fell_in_1899(shared: Path):
    cases = json.loads((shared / "data/trend_reference/trend_cases.json").read_text())
    nile = next(case for case in cases if case["id"] == "Nile")
    flow = np.array(nile["data"]["value"], float)
    fall = strongest_fall(1871 + np.arange(100), flow)
    # 1898 is the last year at the old level; residual sums of squares printed by strucchange.
    total, within = nile["published"]["breakpoints"]["RSS"][:2]
    assert fall.year == nile["published"]["breakpoints"]["year"] + 1 == 1899
    assert fall.step_variance * 97 == pytest.approx(within, abs=1)
    assert 1 - fall.explained == pytest.approx(within / total, abs=1e-6)
    assert fall.step_variance < fall.line_variance
