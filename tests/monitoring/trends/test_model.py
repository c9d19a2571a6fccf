import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm, t

from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.trends import model
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.model import TestedLines, normal_errors, p_of_decline, prediction_ratios

YEARS = np.arange(2017, 2026)
EQUAL = np.ones((60, 9))


def noise_of(phi=0.0, n=60, seed=1):
    noise = np.random.default_rng(seed).normal(size=(n, 9))
    for year in range(1, 9):
        noise[:, year] = phi * noise[:, year - 1] + np.sqrt(1 - phi**2) * noise[:, year]
    return noise


def lines(slope, error, degrees):
    values = (np.array(each, float) for each in (slope, error, degrees))
    return TestedLines(*values, np.zeros(len(slope)), np.ones(len(slope)))


def test_slope_and_error_are_those_of_statsmodels_with_the_scatter_steadied():
    values = 50 - 0.4 * np.arange(9) + noise_of(0.4)
    found = model.tested_lines(YEARS, values, EQUAL, np.ones(60, bool))
    sigma = found.memory[0] ** np.abs(np.subtract.outer(YEARS, YEARS))
    for row, each in enumerate(values):
        fit = sm.GLS(each, sm.add_constant(YEARS - 2021), sigma=sigma).fit()
        assert found.slope[row] == pytest.approx(fit.params[1], rel=1e-8)
        unscaled = fit.bse[1] / np.sqrt(fit.scale)
        assert found.error[row] == pytest.approx(unscaled * found.scatter_sd[row], rel=1e-8)


def test_woodlands_without_a_control_share_neither_memory_nor_scatter_with_those_that_have_one():
    values = np.concatenate([noise_of(0.0), 5 * noise_of(0.7, seed=2)])
    is_held = np.arange(120) < 60
    found = model.tested_lines(YEARS, values, np.ones((120, 9)), is_held)
    alone = model.tested_lines(YEARS, values[:60], EQUAL, np.ones(60, bool))
    np.testing.assert_array_equal(found.error[:60], alone.error)
    assert set(found.memory[:60].tolist()) == {alone.memory[0]}
    assert found.memory[0] < 0.2 < 0.4 < found.memory[-1]


def test_no_woodlands_and_no_values_have_no_lines():
    assert model.tested_lines(YEARS, np.empty((0, 9)), np.empty((0, 9)), np.array([], bool)).slope.shape == (
        0,
    )
    found = model.tested_lines(YEARS, np.full((2, 9), np.nan), np.ones((2, 9)), np.array([True, False]))
    assert np.isnan([found.slope, found.error]).all()


def test_prediction_variances_are_held_against_their_mean_and_unknown_ones_count_as_it():
    stated = RichnessSeries("a", YEARS[:3], np.ones(3), np.ones(3), sd_year=np.array([1.0, 1.0, 2.0]))
    unknown = RichnessSeries("b", YEARS[:3], np.ones(3), np.ones(3))
    found = prediction_ratios([stated, unknown], YEARS[:3], np.ones((2, 3)))
    assert found.tolist() == [[0.5, 0.5, 2.0], [1.0, 1.0, 1.0]]


def test_p_is_that_of_students_t_and_of_the_normal_limit():
    found = lines([-1.0, -1.0, 2.0], [0.4, 0.4, 1.0], [7, np.inf, 5])
    p = p_of_decline(found, np.array([-0.1, -0.1, 0.0]), mann_kendall(noise_of(n=3)))
    np.testing.assert_allclose(p, [t.cdf(-2.25, 7), norm.cdf(-2.25), t.cdf(2, 5)])


def test_a_line_without_scatter_has_the_exact_p_of_its_order():
    falling = 60 - 2.0 * np.arange(9)[None, :]
    p = p_of_decline(lines([-2.0], [0.0], [7]), np.array([-0.1]), mann_kendall(falling))
    assert p[0] == pytest.approx(1 / 362_880)


def test_what_has_no_slope_has_no_p():
    p = p_of_decline(lines([np.nan], [np.nan], [7]), np.zeros(1), mann_kendall(noise_of(n=1)))
    assert np.isnan(p).all()


@pytest.mark.parametrize("degrees", [5.0, 7.0, 30.0])
def test_the_normal_distribution_put_in_place_of_students_is_as_wide(degrees):
    found = normal_errors(lines([0.0], [0.3], [degrees]))
    assert found[0] == pytest.approx(0.3 * t.std(degrees))


def test_the_normal_distribution_stays_as_it_is_where_the_scatter_is_known():
    assert normal_errors(lines([0.0], [0.3], [np.inf])).tolist() == [0.3]
    assert np.isfinite(normal_errors(lines([0.0, 0.0], [0.3, 0.3], [1.0, 2.0]))).all()
