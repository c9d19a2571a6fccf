import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from monitoring.calibration.contrast_rates import (
    ContrastWorld,
    contrast_rates,
    simulated_sites,
    simulated_values,
)
from monitoring.errors import SettingsError, TrendError
from monitoring.science import MatchRule, TrendTest
from monitoring.trends.contrasts import contrasts
from monitoring.trends.eras import Era
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.matching import ALL_PARKS
from monitoring.trends.mixed_model import mixed_model_check
from monitoring.trends.sites import Site
from monitoring.trends.year_tests import autocorrelation, permutation_ps, sign_flip_p

YEARS = np.arange(2017, 2026)
RULE, MATCH = TrendTest(), MatchRule()
WEATHER = np.array([0, -8, 1, 0, 2, -6, 0, 1, 0.0])
CALM = np.zeros(9)


def woods(prefix, count, values, years=YEARS, park="H", elevation=100.0):
    """Woodlands of one class with the same history at different levels; `a...` are ancient."""
    series = [
        RichnessSeries(f"{prefix}{i}", np.array(years), 40.0 + i + np.array(values), np.ones(len(values)))
        for i in range(count)
    ]
    sites = [
        Site(
            woodland_id=one.woodland_id,
            park=park,
            is_ancient=prefix.startswith("a"),
            leaf_type="oak",
            elevation_m=elevation,
            area_ha=10.0,
        )
        for one in series
    ]
    return series, sites


def together(*groups):
    return [one for group in groups for one in group[0]], [site for group in groups for site in group[1]]


def of(found, park="H"):
    [one] = [one for one in found.contrasts if one.park == park]
    return one


def test_ancient_woodland_that_loses_one_taxon_a_year_more_has_that_contrast():
    pair = together(woods("a", 4, WEATHER - np.arange(9)), woods("o", 3, WEATHER))
    found = of(contrasts(*pair, RULE, MATCH))
    assert (found.n_years, found.n_ancient, found.n_other, found.n_pairs) == (9, 4, 3, 12)
    assert (found.slope, found.slope_low, found.slope_high) == pytest.approx((-1, -1, -1))
    assert found.p == pytest.approx(2 / 362_880)
    assert "all 362,880 orders of 9 years" in found.method
    assert found.reason == ""
    assert found.is_era_stable
    assert found.balance_worst == 0


def test_weather_and_a_decline_shared_by_both_is_no_contrast():
    shared = WEATHER - 3.0 * np.arange(9)
    found = of(contrasts(*together(woods("a", 4, shared), woods("o", 3, shared)), RULE, MATCH))
    assert found.slope == pytest.approx(0, abs=1e-12)
    assert found.p > 0.99


def test_a_decline_of_high_ground_is_no_contrast_once_matched_by_height():
    """Ancient woodland lies higher here, and high woodland of either kind declines."""
    decline = -np.arange(9.0)
    groups = (
        woods("a-high", 6, decline, elevation=500),
        woods("a-low", 2, CALM, elevation=100),
        woods("o-high", 2, decline, elevation=500),
        woods("o-low", 6, CALM, elevation=100),
    )
    anything = MatchRule(neighbours=100, max_elevation_difference_m=10_000)
    assert of(contrasts(*together(*groups), RULE, anything)).slope < -0.1
    assert of(contrasts(*together(*groups), RULE, MATCH)).slope == pytest.approx(0, abs=1e-12)


def test_slope_interval_and_p_are_those_of_others():
    difference = np.random.default_rng(2).normal(size=9)
    found = of(contrasts(*together(woods("a", 2, difference), woods("o", 2, CALM)), RULE, MATCH))
    line = stats.linregress(YEARS, difference)
    half = stats.t.ppf(0.975, 7) * line.stderr
    assert (found.slope, found.slope_low, found.slope_high) == pytest.approx(
        (line.slope, line.slope - half, line.slope + half)
    )
    assert found.p == pytest.approx(line.pvalue, abs=0.03)


def test_p_is_the_share_of_year_orders_with_a_slope_as_steep():
    years, values = np.arange(6), np.random.default_rng(4).normal(size=(3, 6))
    for of_one, p in zip(values, permutation_ps(years, values), strict=True):
        slopes = [np.polyfit(years, order, 1)[0] for order in itertools.permutations(of_one)]
        assert p == pytest.approx(np.mean(np.abs(slopes) >= abs(slopes[0]) - 1e-9))


def test_longer_records_are_shuffled_and_say_how_often():
    years = range(2014, 2026)
    values = np.random.default_rng(4).normal(size=12) - 0.3 * np.arange(12)
    pair = together(woods("a", 2, values, years), woods("o", 2, np.zeros(12), years))
    found = of(contrasts(*pair, RULE, MATCH, seed=3))
    assert "99,999 shuffles of 12 years, seed 3" in found.method
    assert found.p == pytest.approx(stats.linregress(np.arange(12), values).pvalue, abs=0.02)


def test_a_woodland_with_a_gap_does_not_join_and_leave():
    series, sites = together(woods("a", 4, WEATHER), woods("o", 3, WEATHER))
    holed = series[0].mean.copy() + 500
    holed[4] = np.nan
    series[0] = RichnessSeries("a0", YEARS, holed, np.ones(9))
    found = contrasts(series, sites, RULE, MATCH)
    assert (of(found).n_years, of(found).n_ancient, of(found).n_unmatched) == (9, 3, 1)
    assert of(found).slope == pytest.approx(0, abs=1e-12)
    assert [one.woodland_id for one in found.unmatched] == ["a0"]


def test_a_year_most_woodlands_lack_is_left_out_rather_than_the_woodlands():
    series, sites = together(woods("a", 4, WEATHER), woods("o", 4, WEATHER))
    series[0] = RichnessSeries("a0", np.arange(2016, 2026), np.full(10, 50.0), np.ones(10))
    found = of(contrasts(series, sites, RULE, MATCH))
    assert (found.n_years, found.n_ancient, found.n_other) == (9, 4, 4)


@pytest.mark.parametrize(
    ("n_ancient", "n_other", "reason"),
    [(1, 3, "1 ancient woodlands"), (3, 1, "1 other woodlands"), (3, 0, "0 ancient"), (0, 3, "0 ancient")],
)
def test_a_park_without_enough_of_either_has_no_contrast(n_ancient, n_other, reason):
    pair = together(woods("a", n_ancient, WEATHER), woods("o", n_other, WEATHER))
    found = of(contrasts(*pair, RULE, MATCH))
    assert found.reason.startswith(reason)
    assert np.isnan([found.slope, found.slope_low, found.slope_high, found.p]).all()
    assert not found.is_era_stable


def test_too_few_years_keep_the_slope_and_leave_out_the_p():
    years = YEARS[:6]
    pair = together(woods("a", 2, -np.arange(6.0), years), woods("o", 2, np.zeros(6), years))
    found = of(contrasts(*pair, RULE, MATCH))
    assert found.slope == pytest.approx(-1)
    assert np.isnan(found.p)
    assert found.reason == "6 common years, 8 needed"


def test_nothing_to_look_at_is_said_and_not_an_error():
    found = contrasts([], [], RULE, MATCH)
    assert [one.park for one in found.contrasts] == [ALL_PARKS]
    assert found.contrasts[0].reason.startswith("0 ancient woodlands")
    assert found.years == ()


def test_the_whole_is_the_mean_over_ancient_woodlands_of_all_parks():
    groups = (
        woods("a-one", 4, -1.0 * np.arange(9), park="one"),
        woods("o-one", 3, CALM, park="one"),
        woods("a-two", 2, -4.0 * np.arange(9), park="two"),
        woods("o-two", 3, CALM, park="two"),
    )
    found = contrasts(*together(*groups), RULE, MATCH)
    assert [one.park for one in found.contrasts] == ["one", "two", ALL_PARKS]
    assert [one.slope for one in found.contrasts] == pytest.approx([-1, -4, -2])
    assert [np.isnan(one.sign_flip_p) for one in found.contrasts] == [True, True, False]
    assert {row.park for row in found.balance} == {"one", "two", ALL_PARKS}
    drawn = [year.difference for year in found.years if year.park == ALL_PARKS]
    assert np.diff(drawn) == pytest.approx(np.full(8, -2.0))


def test_a_step_between_two_eras_does_not_keep_its_slope_when_an_era_is_left_out():
    halves = (Era("first", 2017, 2020, ""), Era("second", 2021, 2025, ""))
    step = np.where(YEARS > 2020, -3.0, 0.0) + 0.05 * np.arange(9)
    pair = together(woods("a", 2, step), woods("o", 2, CALM))
    found = contrasts(*pair, RULE, MATCH, eras=halves)
    assert of(found).slope < 0 < of(found).era_slope_low
    assert not of(found).is_era_stable
    left = [(one.era, one.n_years, one.slope) for one in found.era_slopes if one.park == "H"]
    assert left == [("first", 5, pytest.approx(0.05)), ("second", 4, pytest.approx(0.05))]


def test_a_record_of_one_era_has_nothing_to_leave_out():
    pair = together(woods("a", 2, -np.arange(9.0)), woods("o", 2, CALM))
    found = of(contrasts(*pair, RULE, MATCH, eras=(Era("all", 2000, 2100, ""),)))
    assert found.is_era_stable
    assert np.isnan(found.era_slope_low)


def test_sign_flips_are_those_counted_by_hand():
    assert sign_flip_p(np.array([-1.0, -2.0, -3.0])) == 2 / 8
    assert sign_flip_p(np.array([-1.0, -2.0, np.nan, 3.0])) == 1
    assert np.isnan(sign_flip_p(np.array([-1.0])))
    assert sign_flip_p(np.full(15, -0.2)) == 2 / 2**15


def test_beyond_twenty_parks_signs_are_drawn_with_the_seed():
    slopes = np.random.default_rng(0).normal(0.3, 1, 24)
    p = sign_flip_p(slopes, seed=1)
    exact = stats.permutation_test(
        (slopes,), np.sum, permutation_type="samples", n_resamples=50_000, rng=np.random.default_rng(5)
    )
    assert p == sign_flip_p(slopes, seed=1)
    assert p == pytest.approx(exact.pvalue, abs=0.01)


def test_noise_without_memory_has_no_autocorrelation_on_average():
    noise = np.random.default_rng(8).normal(size=(2_000, 9))
    found = [autocorrelation(YEARS, one) for one in noise]
    assert np.mean(found) == pytest.approx(0, abs=0.02)
    assert (
        autocorrelation(YEARS, np.array([1.0, 1, 1, 1, 0, -1, -1, -1, -1]) * [1, 1, -1, -1, 0, 1, 1, -1, -1])
        > 0
    )
    assert np.isnan(autocorrelation(YEARS, np.arange(9.0)))
    assert np.isnan(autocorrelation(YEARS[::2], noise[0, ::2]))


def test_a_woodland_without_site_or_given_twice_is_refused():
    series, sites = together(woods("a", 2, WEATHER), woods("o", 2, WEATHER))
    with pytest.raises(TrendError, match="woodland o1: its site is not given"):
        contrasts(series, sites[:-1], RULE, MATCH)
    with pytest.raises(TrendError, match="woodland a0: given twice"):
        contrasts([*series, series[0]], sites, RULE, MATCH)


def simulated(world, seed):
    rng = np.random.default_rng(seed)
    sites = simulated_sites(world, rng)
    values = simulated_values(world, sites, 1, rng)[0]
    years = 2017 + np.arange(world.n_years)
    series = [
        RichnessSeries(s.woodland_id, years, v, np.ones(len(v))) for s, v in zip(sites, values, strict=True)
    ]
    return series, sites


def test_the_order_of_the_woodlands_changes_nothing():
    series, sites = simulated(ContrastWorld(60, 2), 1)
    assert repr(contrasts(series, sites, RULE, MATCH)) == repr(
        contrasts(series[::-1], sites[::-1], RULE, MATCH)
    )


def test_the_mixed_model_finds_the_slope_and_error_of_years_as_replicates():
    series, sites = simulated(ContrastWorld(200, 4, class_year=0.1), 3)
    check = mixed_model_check(series, sites, RULE, MATCH)
    found = of(contrasts(series, sites, RULE, MATCH), ALL_PARKS)
    assert check.warnings == ()
    assert check.slope == pytest.approx(found.slope, rel=1e-6)
    assert check.slope_se == pytest.approx((found.slope_high - found.slope) / stats.t.ppf(0.975, 7), rel=1e-3)
    assert check.n_woodlands == found.n_ancient


def test_a_mixed_model_at_its_boundary_says_so_and_warns_nobody():
    decline = -np.arange(9.0)
    rows = np.array([[1, -2, 1, 0, 0, 0, 1, -2, 1.0], [-1, 2, -1, 0, 0, 0, -1, 2, -1.0]])
    pair = together(woods("a", 1, decline + rows[0]), woods("aa", 1, decline + rows[1]), woods("o", 2, CALM))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check = mixed_model_check(*pair, RULE, MATCH)
    assert any("boundary" in text for text in check.warnings)
    assert check.least_squares_slope == pytest.approx(-1)


def test_a_mixed_model_uses_no_more_woodlands_than_asked():
    series, sites = simulated(ContrastWorld(200, 4, class_year=0.1), 3)
    assert mixed_model_check(series, sites, RULE, MATCH, max_woodlands=30).n_woodlands == 30


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (([], []), "0 matched woodlands, 0 years: too few"),
        (together(woods("a", 2, CALM), woods("o", 2, CALM)), "the differences do not vary: nothing to fit"),
    ],
)
def test_a_mixed_model_with_nothing_to_fit_says_so(pair, text):
    check = mixed_model_check(*pair, RULE, MATCH)
    assert check.warnings == (text,)
    assert np.isnan(check.slope)


def test_simulated_rates_judge_what_the_service_judges():
    world = ContrastWorld(60, 2, slope=0.05)
    series, sites = simulated(world, 4)
    p = of(contrasts(series, sites, RULE, MATCH), ALL_PARKS).p
    just_enough, too_strict = (contrast_rates(world, 1, 4, level) for level in (p * 1.001, p * 0.999))
    assert (just_enough.over_years, too_strict.over_years) == (1, 0)


@pytest.mark.slow
def test_years_as_replicates_keep_their_promise_where_woods_as_replicates_break_it():
    rates = contrast_rates(ContrastWorld(400, 5, class_year=0.02), 300, seed=5)
    assert 0.02 <= rates.over_years <= 0.09
    assert rates.over_woods > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("woodlands", [200, 1_000])
@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, 0.05])
def test_false_alarms_stay_between_three_and_seven_per_cent_whatever_the_classes_do_not_share(
    share, woodlands
):
    rates = contrast_rates(ContrastWorld(woodlands, 8, class_year=share), 1_000, seed=1)
    assert 0.03 <= rates.over_years <= 0.07
    assert 0.03 <= rates.over_years_t <= 0.07


@pytest.mark.slow
def test_welch_over_a_thousand_woods_finds_three_in_ten_contrasts_that_are_not_there():
    rates = contrast_rates(ContrastWorld(1_000, 8, class_year=0.005), 1_000, seed=1)
    assert 0.26 <= rates.over_woods <= 0.35


def test_a_planted_decline_of_ancient_woodland_is_found():
    world = ContrastWorld(400, 5, class_year=0.005, slope=0.1, elevation_gap_m=30)
    assert contrast_rates(world, 50, seed=2).over_years > 0.95


def test_a_world_that_cannot_be_is_refused():
    with pytest.raises(SettingsError, match="shares of variance sum to"):
        ContrastWorld(common_year=0.9, class_year=0.2)
    with pytest.raises(SettingsError, match="at least 4 woodlands a park"):
        ContrastWorld(n_woodlands=10, n_parks=5)
    with pytest.raises(SettingsError, match="sims 0: at least 1"):
        contrast_rates(ContrastWorld(), 0, 1)
