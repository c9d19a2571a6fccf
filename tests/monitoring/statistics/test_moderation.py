import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import polygamma
from scipy.stats import f as f_distribution
from scipy.stats import t

from monitoring.statistics.moderation import inverse_trigamma, moderate


def variances(prior_degrees, prior_variance, degrees, n=4000, seed=1):
    """Return sample variances of woodlands whose true ones are scaled inverse chi-square about a prior."""
    rng = np.random.default_rng(seed)
    true = prior_variance * prior_degrees / rng.chisquare(prior_degrees, n)
    return true * rng.chisquare(degrees, n) / degrees, true


def likeliest_prior(variance, degrees):
    """Return (variance, degrees) of the prior under which the variances, scaled F, are likeliest."""

    def unlikely(logs):
        return -f_distribution.logpdf(variance, degrees, np.exp(logs[1]), scale=np.exp(logs[0])).sum()

    return np.exp(minimize(unlikely, (0.0, 1.0), method="Nelder-Mead").x)


@pytest.mark.parametrize(("prior_degrees", "prior_variance"), [(4.0, 1.0), (10.0, 6.25)])
def test_the_prior_behind_the_variances_is_found(prior_degrees, prior_variance):
    found = moderate(variances(prior_degrees, prior_variance, 7)[0], np.full(4000, 7))
    assert found.prior_degrees == pytest.approx(prior_degrees, rel=0.1)
    assert found.prior_variance == pytest.approx(prior_variance, rel=0.03)


def test_moments_find_the_prior_that_the_likelihood_finds():
    variance = variances(6.0, 2.0, 7)[0]
    found = moderate(variance, np.full(4000, 7))
    by_likelihood = likeliest_prior(variance, 7)
    assert (found.prior_variance, found.prior_degrees) == pytest.approx(by_likelihood, rel=0.1)


def test_a_steadied_variance_is_the_weighted_mean_of_own_and_prior():
    degrees = np.array([7, 7, 5, 1])
    found = moderate(np.array([1.0, 4.0, 0.2, 30.0]), degrees)
    weight = degrees / (degrees + found.prior_degrees)
    expected = weight * np.array([1.0, 4.0, 0.2, 30.0]) + (1 - weight) * found.prior_variance
    np.testing.assert_allclose(found.variance, expected)
    np.testing.assert_allclose(found.degrees, degrees + found.prior_degrees)
    assert 0 < found.prior_degrees < np.inf


def test_the_steadied_variance_is_nearer_the_truth_than_the_own():
    own, true = variances(4.0, 1.0, 7)
    steadied = moderate(own, np.full(4000, 7)).variance
    error = [np.mean(np.log(each / true) ** 2) for each in (own, steadied)]
    assert error[1] < 0.75 * error[0]


def test_a_moderated_t_keeps_its_error_where_variances_differ():
    """Nine years of noise at 4,000 woodlands of unequal scatter: 5 % pass at 5 %, 0.1 % at 0.1 %."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(4000, 9)) * np.sqrt(4 / rng.chisquare(4, (4000, 1)))
    (slope, _), squares, *_ = np.polyfit(np.arange(9) - 4, noise.T, 1, full=True)
    found = moderate(squares / 7, np.full(4000, 7))
    p = t.cdf(slope / np.sqrt(found.variance / 60), found.degrees)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.01)
    assert np.mean(p <= 0.001) <= 0.0025


def test_woodlands_that_scatter_alike_share_one_variance():
    found = moderate(np.full(5, 2.0), np.full(5, 7))
    assert np.isinf(found.prior_degrees)
    assert np.isinf(found.degrees).all()
    assert np.ptp(found.variance) == 0


def test_an_exact_line_takes_the_priors_share_and_bends_nobody_elses():
    own = np.array([1.0, 4.0, 0.2, 30.0])
    among = moderate(np.append(own, 0.0), np.full(5, 7))
    alone = moderate(own, np.full(4, 7))
    np.testing.assert_array_equal(among.variance[:4], alone.variance)
    share = alone.prior_degrees / (alone.prior_degrees + 7)
    assert among.variance[4] == pytest.approx(share * alone.prior_variance)


def test_a_woodland_without_a_variance_stays_without():
    found = moderate(np.array([1.0, 4.0, 0.2, np.nan]), np.array([7, 7, 7, 0]))
    assert np.isnan(found.variance).tolist() == [False, False, False, True]
    shared = moderate(np.array([1.0, 1.0, 1.0, np.nan]), np.array([7, 7, 7, 0]))
    assert np.isnan(shared.variance).tolist() == [False, False, False, True]


@pytest.mark.parametrize("own", [[], [2.0], [2.0, 5.0], [2.0, 5.0, 0.0, np.nan]])
def test_fewer_than_three_variances_are_left_as_they_are(own):
    variance, degrees = np.array(own), np.full(len(own), 7)
    found = moderate(variance, degrees)
    np.testing.assert_array_equal(found.variance, variance)
    np.testing.assert_array_equal(found.degrees, degrees)
    assert found.prior_degrees == 0
    assert np.isnan(found.prior_variance)


@pytest.mark.parametrize("value", [1e-6, 0.01, 0.5, 1.6449340668482264, 30.0, 1e6])
def test_the_inverse_of_the_trigamma_is_that_of_a_root_finder(value):
    root = brentq(lambda x: polygamma(1, x) - value, 1e-4, 1e8, xtol=1e-14)
    assert inverse_trigamma(value) == pytest.approx(root, rel=1e-7)


def test_the_trigamma_of_one_is_a_sixth_of_pi_squared():
    assert inverse_trigamma(np.pi**2 / 6) == pytest.approx(1.0)
