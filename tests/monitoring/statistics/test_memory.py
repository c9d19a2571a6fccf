import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from monitoring.statistics.memory import Memory, fit_memory, gls_lines, variance_ratios

YEARS = np.arange(2017, 2026)
#: How far a memory pooled over 2,000 series may lie from the truth, its standard error included.
BIAS = 0.02


def remembering(phi, n_series=2000, seed=1, years=9):
    """Return stationary first-order autoregressive noise of variance 1, (W, T)."""
    noise = np.random.default_rng(seed).normal(size=(n_series, years))
    for year in range(1, years):
        noise[:, year] = phi * noise[:, year - 1] + np.sqrt(1 - phi**2) * noise[:, year]
    return noise


def with_gaps(values, share=0.15, seed=9):
    return np.where(np.random.default_rng(seed).random(values.shape) < share, np.nan, values)


def lag_one_of_residuals(values):
    """Return the autocorrelation that anybody would compute first: of what straight lines leave, pooled."""
    time = YEARS - YEARS.mean()
    away = values - values.mean(axis=1, keepdims=True)
    residual = away - (away @ time / (time @ time))[:, None] * time
    return (residual[:, 1:] * residual[:, :-1]).sum() / (residual**2).sum()


def covariance(memory, years, ratios):
    """Return the covariance the module states in words, written out."""
    remembered = memory.phi ** np.abs(np.subtract.outer(years, years))
    return memory.share * remembered + (1 - memory.share) * np.diag(ratios)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5])
def test_the_memory_of_nine_years_is_found_without_bias(phi):
    found = fit_memory(YEARS, remembering(phi))
    assert found.phi == pytest.approx(phi, abs=BIAS)
    assert (found.share, found.n_series) == (1.0, 2000)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5])
def test_the_autocorrelation_of_residuals_misses_it_by_far(phi):
    naive = lag_one_of_residuals(remembering(phi))
    assert naive < phi - 10 * BIAS


def test_the_error_of_a_memory_shrinks_as_series_are_added():
    """Each estimate stands one standard error above the likeliest: noise without memory shows the error."""
    few, many = (
        np.mean([fit_memory(YEARS, remembering(0.0, n, seed)).phi for seed in range(8)]) for n in (20, 500)
    )
    assert 0.05 < few < 0.2
    assert many < 0.05


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5])
def test_gaps_do_not_hide_the_memory(phi):
    found = [fit_memory(YEARS, with_gaps(remembering(phi, seed=seed))).phi for seed in (1, 2, 3)]
    assert np.mean(found) == pytest.approx(phi, abs=BIAS)


def test_a_missing_year_still_takes_time():
    """Noise of every second year is remembered as phi squared, not as phi."""
    values = remembering(0.6, n_series=4000)
    every_second = np.where(YEARS % 2, values, np.nan)
    assert fit_memory(YEARS, every_second).phi == pytest.approx(0.6, abs=2 * BIAS)


def test_error_of_single_years_is_told_from_memory_where_it_differs_between_years():
    """Half of the noise has a memory of 0.5; the rest follows each year's stated prediction variance."""
    rng = np.random.default_rng(7)
    variances = np.exp(rng.normal(0, 0.8, (2000, 9)))
    ratios = variance_ratios(variances, variances)
    values = np.sqrt(0.5) * (remembering(0.5, seed=8) + np.sqrt(ratios) * rng.normal(size=ratios.shape))
    found = fit_memory(YEARS, values, ratios)
    assert found.share == 0.5
    assert found.phi == pytest.approx(0.5, abs=0.1)
    assert fit_memory(YEARS, values).phi < 0.25


def test_stated_errors_that_the_values_do_not_follow_are_not_believed():
    variances = np.exp(np.random.default_rng(7).normal(0, 0.8, (1000, 9)))
    found = fit_memory(YEARS, remembering(0.3, 1000), variance_ratios(variances, variances))
    assert found.share == 1.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_level_slope_and_scale_of_each_woodland_say_nothing_of_its_memory(seed):
    rng = np.random.default_rng(seed)
    noise = with_gaps(remembering(0.3, 40, seed), seed=seed)
    level, slope = rng.normal(50, 20, (40, 1)), rng.normal(0, 3, (40, 1))
    scale = np.exp(rng.normal(0, 1, (40, 1)))
    shifted = level + slope * (YEARS - 2021) + scale * noise
    assert fit_memory(YEARS, shifted).phi == pytest.approx(fit_memory(YEARS, noise).phi, abs=1e-3)


def test_the_order_of_woodlands_does_not_matter():
    values = with_gaps(remembering(0.4, 300))
    order = np.random.default_rng(2).permutation(300)
    assert fit_memory(YEARS, values[order]).phi == pytest.approx(fit_memory(YEARS, values).phi, abs=1e-6)
    shuffled, plain = (gls_lines(YEARS, rows, Memory(0.4)).slope for rows in (values[order], values))
    np.testing.assert_allclose(shuffled, plain[order], rtol=1e-9)


def test_alternating_noise_is_taken_for_noise_without_memory():
    assert 0 <= fit_memory(YEARS, remembering(-0.3)).phi < BIAS


@pytest.mark.parametrize(
    "values",
    [
        np.empty((0, 9)),
        np.full((5, 9), 40.0),
        60 - 2.0 * np.arange(9)[None, :] * np.ones((3, 1)),
        np.full((2, 9), np.nan),
        np.where(np.arange(9) < 3, 1.0 * np.arange(9) ** 2, np.nan)[None, :],
    ],
    ids=["no woodlands", "constant", "exact lines", "no values", "three years"],
)
def test_what_says_nothing_of_memory_has_none(values):
    assert fit_memory(YEARS, values) == Memory(0.0, 1.0, 0)


def test_exact_lines_among_noise_are_left_out():
    noise = remembering(0.3, 50)
    lines = 60 - 2.0 * np.arange(9)[None, :] * np.arange(1, 6)[:, None]
    assert fit_memory(YEARS, np.concatenate([lines, noise])) == fit_memory(YEARS, noise)


def test_one_woodland_has_a_defined_memory_that_is_mostly_prior():
    found = [fit_memory(YEARS, remembering(0.0, 1, seed)).phi for seed in range(10)]
    assert min(found) > 0.1
    assert max(found) < 0.5


def test_without_memory_the_line_is_least_squares():
    values = with_gaps(60 - 0.7 * np.arange(9) + remembering(0.0, 30))
    found = gls_lines(YEARS, values, Memory())
    for row, each in enumerate(values):
        known = np.isfinite(each)
        fit = linregress(YEARS[known], each[known])
        assert found.slope[row] == pytest.approx(fit.slope, rel=1e-8, abs=1e-12)
        assert np.sqrt(found.scatter[row] * found.factor[row]) == pytest.approx(fit.stderr, rel=1e-8)
        assert found.degrees[row] == known.sum() - 2


@pytest.mark.parametrize("memory", [Memory(0.3), Memory(0.6, 0.75), Memory(0.5, 0.25), Memory(0.0, 0.5)])
def test_with_memory_the_line_is_that_of_statsmodels(memory):
    rng = np.random.default_rng(4)
    values = with_gaps(50 + 0.4 * np.arange(9) + remembering(0.5, 30))
    ratios = np.round(variance_ratios(np.exp(rng.normal(0, 0.7, values.shape)), values), 3)
    found = gls_lines(YEARS, values, memory, ratios)
    for row, each in enumerate(values):
        known = np.isfinite(each)
        sigma = covariance(memory, YEARS[known], ratios[row, known])
        fit = sm.GLS(each[known], sm.add_constant(YEARS[known] - 2021), sigma=sigma).fit()
        assert found.slope[row] == pytest.approx(fit.params[1], rel=1e-8, abs=1e-12)
        assert found.scatter[row] == pytest.approx(fit.scale, rel=1e-8)
        assert np.sqrt(found.scatter[row] * found.factor[row]) == pytest.approx(fit.bse[1], rel=1e-8)


def test_a_missing_value_is_as_if_the_year_were_not_there():
    values = 60 - 2.0 * np.arange(9) + remembering(0.3, 5)
    values[:, 4] = np.nan
    holed, cut = (
        gls_lines(YEARS, values, Memory(0.3)),
        gls_lines(np.delete(YEARS, 4), np.delete(values, 4, 1), Memory(0.3)),
    )
    for one, other in zip(vars(holed).values(), vars(cut).values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_an_exact_line_scatters_nothing_at_any_level_and_slope():
    """Rounding in the last digits of 2,000 lines and levels is never taken for noise."""
    rng = np.random.default_rng(0)
    level, slope = np.exp(rng.uniform(-7, 14, (2000, 1))), rng.choice([0.0, 0.001, 0.3], (2000, 1))
    lines = level * (1 - slope * rng.random((2000, 1)) * np.arange(9))
    for memory in (Memory(), Memory(0.3), Memory(0.5, 0.5)):
        assert (gls_lines(YEARS, lines, memory).scatter == 0).all()
    assert fit_memory(YEARS, lines).n_series == 0


def test_two_values_and_none_make_no_line():
    values = np.full((3, 9), np.nan)
    values[1, :1], values[2, :2] = 5.0, (5.0, 4.0)
    found = gls_lines(YEARS, values, Memory(0.3))
    assert np.isnan([found.slope, found.factor, found.scatter]).all()
    assert found.degrees.tolist() == [0, 0, 0]


def test_no_woodlands_have_no_lines():
    assert gls_lines(YEARS, np.empty((0, 9)), Memory()).slope.shape == (0,)


def test_variances_are_held_against_their_mean_over_the_years_with_a_value():
    values = np.array([[1.0, 2.0, 3.0, np.nan], [1.0, 2.0, 3.0, 4.0]])
    variances = np.array([[1.0, 2.0, 3.0, 50.0], [np.nan, 2.0, 6.0, -1.0]])
    assert variance_ratios(variances, values).tolist() == [[0.5, 1.0, 1.5, 1.0], [1.0, 0.5, 1.5, 1.0]]
    assert variance_ratios(np.zeros((1, 3)), np.ones((1, 3))).tolist() == [[1.0, 1.0, 1.0]]
