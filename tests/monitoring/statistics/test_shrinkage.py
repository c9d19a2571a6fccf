import numpy as np
import pytest
from scipy.stats import norm

from monitoring.statistics.shrinkage import shrink


def slopes_of(declining, n, error=0.3, seed=1, steepness=-1.0):
    """Return true slopes, a share of them declining, and what is measured of each with an error."""
    rng = np.random.default_rng(seed)
    true = np.where(rng.random(n) < declining, steepness * rng.uniform(0.6, 1.4, n), 0.0)
    errors = np.full(n, error)
    return true, true + rng.normal(0, errors), errors


@pytest.mark.parametrize("declining", [0.05, 0.2, 0.5])
def test_of_slopes_called_probable_declines_that_share_declines(declining):
    """A bound of a tenth of the decline: no true slope lies near it."""
    true, measured, errors = slopes_of(declining, 4000)
    below = shrink(measured, errors, -0.1).below
    called = below >= 0.8
    assert called.sum() > 50
    assert np.mean(true[called] < -0.1) >= 0.8


def test_a_probability_is_the_share_of_woodlands_that_decline():
    """Seven of ten hold, the slopes of the others spread normally about zero: what the prior can describe."""
    rng = np.random.default_rng(1)
    true = np.where(rng.random(6000) < 0.3, rng.normal(0, 1, 6000), 0.0)
    errors = rng.uniform(0.2, 0.5, 6000)
    below = shrink(true + rng.normal(0, errors), errors, -0.1).below
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.8), (0.8, 1.01)):
        inside = (below >= low) & (below < high)
        assert np.mean(true[inside] < -0.1) == pytest.approx(below[inside].mean(), abs=0.06)


def test_of_woodlands_that_all_hold_none_is_called():
    _, measured, errors = slopes_of(0.0, 2000)
    found = shrink(measured, errors, -0.05)
    assert (found.below >= 0.8).sum() == 0
    assert np.abs(found.mean).max() < 0.25 * np.abs(measured).max()
    assert np.sqrt(np.mean(found.mean**2)) < 0.1 * np.sqrt(np.mean(measured**2))


def test_a_steep_decline_among_many_that_hold_is_hardly_pulled_in():
    _, measured, errors = slopes_of(0.02, 1000, seed=5)
    measured[0] = -4.0
    found = shrink(measured, errors)
    assert found.mean[0] == pytest.approx(-4.0, rel=0.15)
    assert found.below[0] > 0.999


def test_shrunk_slopes_are_nearer_the_truth():
    true, measured, errors = slopes_of(0.2, 2000)
    found = shrink(measured, errors)
    assert np.mean((found.mean - true) ** 2) < 0.5 * np.mean((measured - true) ** 2)
    assert np.mean(np.abs(found.mean - true) <= 1.96 * found.sd) > 0.9


def test_slopes_that_spread_normally_are_shrunk_by_the_closed_form():
    """True slopes of sd 1 measured to 0.5: the posterior is 4/5 of the slope, its sd 0.5 times its root."""
    rng = np.random.default_rng(2)
    measured = rng.normal(0, 1, 3000) + rng.normal(0, 0.5, 3000)
    found = shrink(measured, np.full(3000, 0.5), -0.1)
    middle = np.abs(measured) < 2
    np.testing.assert_allclose(found.mean[middle], 0.8 * measured[middle], atol=0.1)
    assert np.median(found.sd) == pytest.approx(0.5 * np.sqrt(0.8), rel=0.05)
    closed = norm.cdf((-0.1 - 0.8 * measured) / (0.5 * np.sqrt(0.8)))
    assert np.mean(np.abs(found.below - closed)) < 0.05


def test_no_slope_changes_its_sign_or_grows():
    _, measured, _ = slopes_of(0.3, 200, seed=8)
    errors = np.random.default_rng(8).uniform(0.1, 1, 200)
    found = shrink(measured, errors)
    assert (np.sign(found.mean) == np.sign(measured)).all()
    assert (np.abs(found.mean) <= np.abs(measured)).all()
    assert ((found.below >= 0) & (found.below <= 1)).all()


def test_woodlands_that_rise_and_fall_are_treated_alike():
    _, measured, errors = slopes_of(0.3, 200)
    down, up = shrink(measured, errors), shrink(-measured, errors)
    np.testing.assert_allclose(up.mean, -down.mean, rtol=1e-9)
    np.testing.assert_allclose(up.below, 1 - down.below, atol=1e-9)


def test_the_unit_of_slopes_does_not_matter():
    _, measured, errors = slopes_of(0.3, 200)
    taxa, thousandths = shrink(measured, errors, -0.1), shrink(1000 * measured, 1000 * errors, -100.0)
    np.testing.assert_allclose(thousandths.mean, 1000 * taxa.mean, rtol=1e-6)
    np.testing.assert_allclose(thousandths.below, taxa.below, atol=1e-6)


def test_each_woodland_is_held_to_its_own_bound():
    _, measured, errors = slopes_of(0.3, 200)
    bounds = np.linspace(-1, 0, 200)
    found = shrink(measured, errors, bounds)
    for row in (0, 100, 199):
        assert found.below[row] == shrink(measured, errors, bounds[row]).below[row]


def test_a_family_of_a_few_takes_a_steep_slope_seriously_and_a_slight_one_for_chance():
    found = shrink(np.array([-8.0, -1.5, 0.5]), np.ones(3), -0.1)
    assert found.below[0] > 0.95
    assert found.mean[0] == pytest.approx(-8, abs=1)
    assert found.below[1] < 0.8
    assert abs(found.mean[1]) < 0.75


def test_few_woodlands_in_which_nothing_happens_are_seldom_watched():
    rng = np.random.default_rng(5)
    watched = [(shrink(rng.normal(0, 1, 12), np.ones(12), -0.1).below >= 0.8).any() for _ in range(200)]
    assert np.mean(watched) <= 0.05


def test_no_slopes_have_no_posteriors():
    assert shrink(np.array([]), np.array([]), -0.1).mean.size == 0


def test_exact_slopes_are_certain_and_unknown_ones_stay_unknown():
    slopes, errors = np.array([-1.0, 1.0, np.nan, -1.0, -0.1]), np.array([0.0, 0.0, 1.0, np.nan, 0.0])
    found = shrink(slopes, errors, -0.1)
    np.testing.assert_array_equal(found.mean, [-1.0, 1.0, np.nan, np.nan, -0.1])
    np.testing.assert_array_equal(found.sd, [0.0, 0.0, np.nan, np.nan, 0.0])
    np.testing.assert_array_equal(found.below, [1.0, 0.0, np.nan, np.nan, 0.0])


def test_slopes_of_zero_with_one_error_have_a_defined_posterior():
    found = shrink(np.zeros(30), np.full(30, 0.5))
    np.testing.assert_array_equal(found.mean, np.zeros(30))
    np.testing.assert_allclose(found.below, 0.5)


def test_no_slopes_have_no_posterior():
    assert shrink(np.array([]), np.array([])).mean.shape == (0,)


def test_a_measured_slope_is_shrunk_the_same_in_whatever_order_it_comes():
    _, measured, errors = slopes_of(0.3, 300)
    order = np.random.default_rng(3).permutation(300)
    np.testing.assert_allclose(
        shrink(measured[order], errors[order]).mean, shrink(measured, errors).mean[order], rtol=1e-9
    )
