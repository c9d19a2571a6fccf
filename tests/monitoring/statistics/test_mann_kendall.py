import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitoring.statistics.mann_kendall import EXACT_UP_TO, exact_cdf, mann_kendall, normal_cdf

#: One-sided P(S >= s) without ties: Gilbert (1987) table A18, Hollander & Wolfe (1999) table A30.
TABLE = {
    8: {
        14: 0.0543,
        16: 0.0305,
        18: 0.0156,
        20: 0.0071,
        22: 0.00275,
        24: 0.00087,
        26: 0.000198,
        28: 0.0000248,
    },
    9: {18: 0.0376, 20: 0.0223, 22: 0.0124, 24: 0.0063, 26: 0.0029, 28: 0.00121, 30: 0.00043, 36: 0.0000028},
}
#: Smallest |S| significant at 5 % and 1 %, two-sided.
CRITICAL = {6: (13, 15), 7: (15, 19), 8: (18, 22), 9: (20, 26), 10: (23, 29), 12: (30, 38)}


def one(values):
    """The test of one series, as a (1, T) array."""
    return mann_kendall(np.array([values], float))


def p_by_listing_orders(values):
    """The definition: every order of the values is equally likely."""
    s = [
        sum(np.sign(b - a) for a, b in itertools.combinations(order, 2))
        for order in itertools.permutations(values)
    ]
    return np.mean(np.array(s) <= s[0])


@pytest.mark.parametrize("n", TABLE)
def test_the_null_distribution_is_the_printed_table(n):
    pairs = n * (n - 1) // 2
    for s, p in TABLE[n].items():
        assert exact_cdf((1,) * n)[(pairs - s) // 2] == pytest.approx(
            p, abs=0.6 * 10 ** -len(f"{p:f}"[2:].rstrip("0"))
        )


@pytest.mark.parametrize("n", CRITICAL)
def test_the_smallest_significant_s_is_the_printed_one(n):
    pairs = n * (n - 1) // 2
    for s, level in zip(CRITICAL[n], (0.05, 0.01), strict=True):
        at, before = (2 * exact_cdf((1,) * n)[(pairs - each) // 2] for each in (s, s - 2))
        assert at <= level < before


def test_four_years_can_never_be_significant():
    assert one([4, 3, 2, 1]).p_two_sided[0] == pytest.approx(2 / 24)


def test_nine_falls_in_a_row_happen_once_in_362880_orders():
    found = one([9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert found.s[0] == -36
    assert found.p_decline[0] == pytest.approx(1 / 362_880, rel=1e-12)
    assert found.p_rise[0] == 1


def test_the_p_of_scipys_reported_case_is_that_of_r():
    # scipy issue 8456; R cor.test(method = "kendall", exact = TRUE)
    assert one([3, 2, 0, 4, 1]).p_two_sided[0] == pytest.approx(0.8167, abs=5e-5)


def test_ties_are_exact_where_the_normal_approximation_is_six_times_too_large():
    found = one([5, 5, 4, 4, 3, 3, 2, 1])
    assert found.p_two_sided[0] == pytest.approx(2 / 5040)
    assert 2 * normal_cdf(found.s, (1, 1, 2, 2, 2))[0] == pytest.approx(0.00237, abs=5e-6)
    assert found.tied[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=6))
def test_with_or_without_ties_p_is_the_share_of_orders(values):
    found = one(values)
    assert found.p_decline[0] == pytest.approx(p_by_listing_orders(values))
    assert found.p_rise[0] == pytest.approx(p_by_listing_orders([-value for value in values]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=14, unique=True))
def test_without_ties_p_is_that_of_scipy(values):
    expected = stats.kendalltau(np.arange(len(values)), values, method="exact").pvalue
    assert one(values).p_two_sided[0] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=9), st.lists(st.integers(0, 9), max_size=4))
def test_a_missing_year_changes_nothing_but_n(values, gaps):
    holed = list(map(float, values))
    for gap in gaps:
        holed.insert(min(gap, len(holed)), float("nan"))
    complete, with_gaps = one(values), one(holed)
    for name in ("n", "s", "p_decline", "p_rise", "p_two_sided", "tied"):
        assert getattr(with_gaps, name)[0] == getattr(complete, name)[0]


def test_many_series_at_once_give_what_each_gives_alone():
    rng = np.random.default_rng(5)
    values = np.round(rng.normal(0, 1.5, (300, 9)))
    values[rng.random(values.shape) < 0.1] = np.nan
    together = mann_kendall(values)
    alone = [one(row).p_decline[0] for row in values]
    np.testing.assert_array_equal(together.p_decline, alone)


def test_a_constant_series_shows_nothing():
    assert one([5.0] * 9).p_two_sided[0] == 1
    assert one([5.0] * (EXACT_UP_TO + 1)).p_two_sided[0] == 1


def test_one_value_or_none_has_no_p():
    found = mann_kendall(np.array([[1.0, np.nan], [np.nan, np.nan]]))
    assert np.isnan(found.p_decline).all()
    assert np.isnan(found.p_two_sided).all()
    assert found.n.tolist() == [1, 0]


def test_no_series_give_no_tests():
    assert len(mann_kendall(np.empty((0, 9))).p_decline) == 0


def test_the_normal_limit_takes_over_without_a_jump():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(50, EXACT_UP_TO)) + 0.01 * np.arange(EXACT_UP_TO)
    found = mann_kendall(values)
    np.testing.assert_allclose(found.p_decline, normal_cdf(found.s, (1,) * EXACT_UP_TO), atol=1e-3)


@pytest.fixture(scope="module")
def cases(shared: Path):
    listed = json.loads((shared / "data/trend_reference/trend_cases.json").read_text())
    return {case["id"]: case for case in listed}


@pytest.mark.parametrize("name", ["maxau_s", "maxau_Q", "PrecipGL", "Nile", "Conecuh"])
def test_s_and_normal_p_are_those_of_r_for_published_records(cases, name):
    case = cases[name]
    expected = case["computed_with_R"]["trend::mk.test(continuity=TRUE)"]
    values = case["data"]["value"]
    found = one(values)
    ties = tuple(np.unique(values, return_counts=True)[1].tolist())
    assert found.s[0] == expected["S"]
    assert 2 * normal_cdf(-abs(found.s), ties)[0] == pytest.approx(expected["p"], rel=1e-9)


@pytest.mark.parametrize("site", ["we", "ka", "mz", "ko", "bh", "bi"])
def test_long_tied_records_of_the_rhine_have_the_published_p(cases, site):
    published = cases["hcb_rhine"]["published"]["per_site"][site]
    found = one(cases["hcb_rhine"]["data"][site])
    assert found.n[0] == 144
    assert found.s[0] == published["S"]
    assert found.p_two_sided[0] == pytest.approx(published["p"], rel=5e-4)


def test_a_record_with_gaps_has_the_p_of_pymannkendall(shared: Path):
    reference = json.loads((shared / "data/trend_reference/pymannkendall_expected.json").read_text())
    expected = next(c["expected"] for c in reference["cases"] if c["test"] == "test_original_test")
    values = np.array(reference["data"]["arbitrary_1d_data"], float)
    assert np.isnan(values).any()
    found = one(values)
    assert found.s[0] == expected["s"]
    assert found.p_two_sided[0] == pytest.approx(expected["p"], rel=1e-9)


def test_a_river_without_a_trend_shows_none(cases):
    found = one(cases["Conecuh"]["data"]["value"])
    assert found.s[0] == -23
    # Exact p; the published normal one is 0.475.
    assert found.p_two_sided[0] == pytest.approx(0.4801, abs=1e-4)
