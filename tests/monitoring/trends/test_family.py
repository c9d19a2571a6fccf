import dataclasses

import numpy as np
import pytest
from scipy.stats import false_discovery_control, kstest, t

from monitoring.errors import SettingsError, TrendError
from monitoring.science import TrendTest
from monitoring.trends import family as trends
from monitoring.trends.controls import Control, park_controls
from monitoring.trends.histories import RichnessSeries

YEARS = np.arange(2017, 2026)
RULE = TrendTest()
DROUGHTS = np.array([0, -8, 0, 0, 0, -8, 0, 0, 0.0])


def series(name, values, years=YEARS):
    values = np.array(values, float)
    return RichnessSeries(name, np.array(years), values, np.ones(len(values)))


def noise_of(n_woodlands, seed=1, noise=None, slope=0.0, level=50.0):
    """Return woodlands of one level and slope with yearly noise, (W, T), normal unless given."""
    if noise is None:
        noise = np.random.default_rng(seed).normal(size=(n_woodlands, 9))
    return [series(f"w{row:04}", level + slope * (np.arange(9) - 4) + each) for row, each in enumerate(noise)]


def remembering(phi, shape, seed=2):
    noise = np.random.default_rng(seed).normal(size=shape)
    for year in range(1, shape[1]):
        noise[:, year] = phi * noise[:, year - 1] + np.sqrt(1 - phi**2) * noise[:, year]
    return noise


def heavy_and_unequal(shape, seed=3):
    """Return noise of Student's t with 4 degrees of freedom, scaled by a different sd at each woodland."""
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, shape) * np.exp(rng.normal(0, 0.5, (shape[0], 1)))


def control(values, years=YEARS):
    return Control("Hallin Fells", np.array(years), np.array(values, float), 12)


def test_a_straight_decline_has_every_figure_checkable_by_eye():
    (found,) = trends.family_trends([series("a", 60 - 2.0 * np.arange(9))], {"a": control(np.zeros(9))}, RULE)
    assert (found.n, found.first_year, found.last_year, found.s) == (9, 2017, 2025, -36)
    assert (found.slope, found.slope_low, found.slope_high, found.relative_slope) == (-2, -2, -2, -2)
    assert found.p == found.q == pytest.approx(1 / 362_880)
    assert found.decline_fraction == pytest.approx(16 / 60)
    assert found.minimum_detectable_slope == pytest.approx(0, abs=1e-12)
    assert found.reason == ""
    assert found.method == (
        "exact-mk (the values lie on a line), park-year control median (12 other woodlands in Hallin Fells), "
        "BH over 1 woodlands"
    )


def test_droughts_shared_with_the_control_drop_out_of_the_test_and_stay_in_the_own_series():
    wood = series("a", 60 - 0.5 * np.arange(9) + DROUGHTS)
    (held,) = trends.family_trends([wood], {"a": control(DROUGHTS)}, RULE)
    (alone,) = trends.family_trends([wood], {}, RULE)
    assert held.s == -36
    assert alone.s > -36
    assert held.slope == alone.slope
    assert held.relative_slope == pytest.approx(-0.5)


def test_a_rising_woodland_has_a_large_p_and_a_negative_decline():
    (found,) = trends.family_trends([series("a", 50 + 1.0 * np.arange(9))], {}, RULE)
    assert found.p == 1
    assert found.decline_fraction == pytest.approx(-8 / 50)


def test_without_a_control_the_method_says_so():
    wood = series("a", 60 - 2.0 * np.arange(9))
    none = Control("", np.array([], int), np.array([]), 0, "lies in no park")
    assert "no control: lies in no park" in trends.family_trends([wood], {"a": none}, RULE)[0].method
    assert "no control: none given" in trends.family_trends([wood], {}, RULE)[0].method


def test_the_method_names_the_test_its_degrees_of_freedom_and_the_memory():
    (found,) = trends.family_trends([series("a", [5, 5, 4, 4, 3, 3, 2, 1], YEARS[:8])], {}, RULE)
    assert found.method == (
        f"moderated t (6 df), autocorrelation {found.memory:.2f}, no control: none given, BH over 1 woodlands"
    )
    assert found.p_mann_kendall == pytest.approx(1 / 5040)


def test_a_very_long_record_is_tested_too():
    (found,) = trends.family_trends([series("a", -np.arange(70.0), range(1950, 2020))], {}, RULE)
    assert found.p == found.p_mann_kendall < 1e-12


def test_the_p_is_that_of_a_t_of_the_tested_slope_against_the_minimum_effect():
    found = trends.family_trends(noise_of(100), {}, RULE)
    for trend, wood in zip(found, noise_of(100), strict=True):
        t_of = (trend.tested_slope + RULE.min_effect_fraction * wood.mean.mean()) / trend.tested_se
        assert trend.p == pytest.approx(t.cdf(t_of, trend.degrees_of_freedom))


def test_too_short_a_record_is_described_but_not_tested():
    family = [series("short", [9, 8, 7, 6, 5, 4, 3], YEARS[2:]), series("long", 60 - np.arange(9.0))]
    short, long = trends.family_trends(family, {}, RULE)
    assert np.isnan([short.p, short.q]).all()
    assert short.slope == -1
    assert short.reason == "7 years with an estimate, 8 needed"
    assert (short.first_year, short.last_year, short.n) == (2019, 2025, 7)
    assert long.q == long.p
    assert "BH over 1 woodlands" in short.method


def test_a_missing_year_counts_as_absent_and_time_still_passes():
    holed = 60 - 2.0 * np.arange(9)
    holed[3] = np.nan
    absent = series("a", np.delete(holed, 3), np.delete(YEARS, 3))
    (with_nan,) = trends.family_trends([series("a", holed)], {}, RULE)
    (without,) = trends.family_trends([absent], {}, RULE)
    assert with_nan == without
    assert with_nan.n == 8
    assert with_nan.slope == -2


def test_years_the_control_lacks_are_left_out_of_every_figure():
    wood = series("a", 60 - 2.0 * np.arange(9))
    (found,) = trends.family_trends([wood], {"a": control(np.zeros(8), YEARS[1:])}, RULE)
    assert (found.n, found.first_year) == (8, 2018)
    (untested,) = trends.family_trends([wood], {"a": control(np.zeros(6), YEARS[3:])}, RULE)
    assert np.isnan(untested.p)
    assert untested.reason == "6 of 9 years have a control, 8 needed"


def with_years_outside(wood, *years):
    kept = ~np.isin(wood.years, years)
    return RichnessSeries(
        wood.woodland_id, wood.years[kept], wood.mean[kept], wood.sd[kept], np.array(years, np.int64)
    )


def test_a_year_outside_the_area_of_applicability_is_absent_from_every_figure_and_the_method_says_so():
    wood = series("a", 60 - 2.0 * np.arange(9))
    absent = series("a", np.delete(wood.mean, 3), np.delete(YEARS, 3))
    (found,) = trends.family_trends([with_years_outside(wood, 2020)], {}, RULE)
    (without,) = trends.family_trends([absent], {}, RULE)
    said = "; left out: 1 of 9 years lies outside the area of applicability"
    assert found == dataclasses.replace(without, method=without.method + said)
    assert found.reason == ""


def test_too_few_years_inside_are_not_tested_and_the_reason_counts_those_outside():
    wood = series("a", 60 - 2.0 * np.arange(9))
    (found,) = trends.family_trends([with_years_outside(wood, 2017, 2018, 2025)], {}, RULE)
    assert np.isnan([found.p, found.q]).all()
    assert (found.n, found.first_year, found.last_year) == (6, 2019, 2024)
    assert found.reason == (
        "6 years with an estimate, 8 needed: 3 of 9 years lie outside the area of applicability"
    )


def test_a_woodland_that_is_never_inside_is_kept_and_says_why():
    wood = with_years_outside(series("a", np.ones(9)), *YEARS.tolist())
    other = series("b", 60 - 2.0 * np.arange(9))
    found, tested = trends.family_trends([wood, other], {}, RULE)
    assert found.reason.endswith("9 of 9 years lie outside the area of applicability")
    assert tested == trends.family_trends([other], {}, RULE)[0]


def test_a_year_cannot_be_both_inside_and_outside():
    wood = RichnessSeries("a", YEARS, np.ones(9), np.ones(9), np.array([2019]))
    with pytest.raises(TrendError, match="woodland a: year 2019 is both tested and outside"):
        trends.family_trends([wood], {}, RULE)


def test_a_woodland_without_any_value_is_kept_and_says_why():
    (found,) = trends.family_trends([series("a", [np.nan] * 9)], {}, RULE)
    assert (found.n, found.first_year, found.last_year) == (0, 0, 0)
    assert np.isnan([found.p, found.slope, found.decline_fraction]).all()
    assert found.reason == "0 years with an estimate, 8 needed"


def test_no_woodlands_make_no_trends():
    assert trends.family_trends([], {}, RULE) == ()


def test_woodlands_of_different_years_share_one_family():
    rng = np.random.default_rng(3)
    early = [series(f"e{i}", rng.normal(50, 2, 9), range(2010, 2019)) for i in range(5)]
    late = [series(f"l{i}", rng.normal(50, 2, 9)) for i in range(5)]
    found = trends.family_trends([*early, *late], {}, RULE)
    p = [trend.p for trend in found]
    np.testing.assert_allclose([trend.q for trend in found], false_discovery_control(p, method="bh"))
    assert len({trend.memory for trend in found}) == 1
    assert {(trend.first_year, trend.last_year) for trend in found} == {(2010, 2018), (2017, 2025)}


def test_a_line_that_starts_below_zero_has_no_decline_fraction():
    (found,) = trends.family_trends([series("a", -5.0 - np.arange(9))], {}, RULE)
    assert np.isnan(found.decline_fraction)
    assert found.p < 0.05


@pytest.mark.parametrize(
    ("years", "values", "message"),
    [
        ([2017, 2018, 2018], [1, 2, 3], "woodland a: year 2018 follows 2018"),
        ([2018, 2017, 2019], [1, 2, 3], "woodland a: year 2017 follows 2018"),
        ([2017, 2018, 2019], [1, np.inf, 3], "woodland a: an infinite value"),
        ([2017, 2018], [1, 2, 3], "woodland a: 2 years, 3 means and 3 sds"),
    ],
)
def test_series_no_test_may_see_are_refused(years, values, message):
    with pytest.raises(TrendError, match=message):
        trends.family_trends([series("a", values, years)], {}, RULE)


def test_a_woodland_given_twice_is_refused():
    with pytest.raises(TrendError, match="woodland a: given twice"):
        trends.family_trends([series("a", np.ones(9)), series("a", np.ones(9))], {}, RULE)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (TrendTest(control="none"), "trend control 'none'"),
        (TrendTest(family="one park"), "trend family 'one park'"),
        (TrendTest(confidence=95), "trend confidence 95"),
        (TrendTest(min_years=2), "trend min_years 2"),
        (TrendTest(correction="Holm"), "trend correction 'Holm'"),
        (TrendTest(spending="greedy"), "trend spending 'greedy'"),
    ],
)
def test_a_rule_that_is_not_carried_out_is_refused(rule, message):
    with pytest.raises(SettingsError, match=message):
        trends.family_trends([series("a", np.ones(9))], {}, rule)


def test_a_stable_woodland_in_a_greening_park_is_not_called_declining_by_its_own_figures():
    rng = np.random.default_rng(8)
    park = [series(f"o{i}", 40 + i + 1.5 * np.arange(9) + rng.normal(0, 0.5, 9)) for i in range(8)]
    family = [series("a", 50 + rng.normal(0, 0.5, 9)), *park]
    controls = park_controls(family, {one.woodland_id: "H" for one in family}, [o.woodland_id for o in park])
    found = trends.family_trends(family, controls, RULE)[0]
    assert found.p < 0.001
    assert abs(found.slope) < 0.2
    assert abs(found.decline_fraction) < 0.05


NO_EFFECT = TrendTest(min_effect_fraction=0.0)


@pytest.mark.parametrize(
    "noise",
    [
        np.random.default_rng(1).normal(size=(1500, 9)),
        remembering(0.5, (1500, 9)),
        heavy_and_unequal((1500, 9)),
    ],
    ids=["independent years", "years that remember", "heavy tails, unequal scatter"],
)
def test_where_nothing_declines_p_is_spread_evenly(noise):
    p = np.array([trend.p for trend in trends.family_trends(noise_of(0, noise=noise), {}, NO_EFFECT)])
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(p <= 0.001) <= 0.004


def test_without_the_pooled_memory_years_that_remember_would_pass_for_trends():
    """What least squares says of the same noise: four times as many slopes at 1 %."""
    noise = remembering(0.5, (1500, 9))
    time = np.arange(9) - 4.0
    slope = noise @ time / 60
    left = noise - noise.mean(axis=1, keepdims=True) - slope[:, None] * time
    naive = t.cdf(slope / np.sqrt((left**2).sum(axis=1) / 7 / 60), 7)
    p = np.array([trend.p for trend in trends.family_trends(noise_of(0, noise=noise), {}, NO_EFFECT)])
    assert np.mean(naive <= 0.01) > 4 * np.mean(p <= 0.01)


def test_a_slope_at_the_minimum_effect_is_called_no_oftener_than_the_error_allows():
    """Woodlands of 50 taxa that lose 0.1 % of them a year, the bound itself."""
    at_bound = trends.family_trends(noise_of(1500, slope=-0.05), {}, RULE)
    without = trends.family_trends(noise_of(1500, slope=-0.05), {}, NO_EFFECT)
    called, easily = (np.mean([trend.p <= 0.05 for trend in found]) for found in (at_bound, without))
    assert 0.03 < called <= 0.055
    assert easily > called


def test_a_larger_minimum_effect_never_makes_a_p_smaller():
    family = noise_of(50, slope=-0.3)
    small, large = (
        np.array([trend.p for trend in trends.family_trends(family, {}, TrendTest(min_effect_fraction=each))])
        for each in (0.001, 0.01)
    )
    assert (large > small).all()


def test_q_under_any_dependence_is_never_smaller():
    family = noise_of(40, slope=-0.3)
    usual = trends.family_trends(family, {}, RULE)
    strict = trends.family_trends(family, {}, TrendTest(correction="BY"))
    assert [one.p for one in strict] == [one.p for one in usual]
    assert all(one.q >= other.q for one, other in zip(strict, usual, strict=True))
    assert strict[0].method.endswith("BY over 40 woodlands")


def test_the_look_and_what_q_has_to_reach_at_it_are_told():
    (first,) = trends.family_trends(noise_of(1), {}, RULE)
    (third,) = trends.family_trends(noise_of(1), {}, RULE, look=3)
    assert (first.look, first.q_allowed) == (1, 0.05)
    assert (third.look, third.q_allowed) == (3, pytest.approx(0.05 / 9))
    (strict,) = trends.family_trends(noise_of(1), {}, RULE, q_confirmed=0.01)
    assert strict.q_allowed == 0.01


def test_one_woodland_alone_is_tested_with_its_own_scatter():
    (found,) = trends.family_trends(noise_of(1, slope=-1.0), {}, RULE)
    assert found.degrees_of_freedom == 7
    assert found.p == found.q < 0.01
    assert found.tested_slope < found.posterior_slope <= 0


def test_a_constant_woodland_neither_declines_nor_disturbs_the_others():
    family = noise_of(30)
    (constant, *rest) = trends.family_trends([series("a", np.full(9, 40.0)), *family], {}, RULE)
    assert (constant.tested_slope, constant.slope, constant.s) == (0, 0, 0)
    assert constant.p > 0.5
    alone = trends.family_trends(family, {}, RULE)
    assert [one.p for one in rest] == [one.p for one in alone]
    (only,) = trends.family_trends([series("a", np.full(9, 40.0))], {}, RULE)
    assert (only.p, only.decline_probability) == (1, 0)


def test_a_prediction_error_of_zero_or_unknown_says_nothing_of_the_years():
    family = noise_of(30)
    plain = trends.family_trends(family, {}, RULE)
    for sd_year in (np.zeros(9), np.full(9, np.nan), np.full(9, 2.5)):
        stated = [dataclasses.replace(one, sd_year=sd_year) for one in family]
        assert trends.family_trends(stated, {}, RULE) == plain


def test_years_stated_to_be_poor_weigh_less():
    """The last year of every wood scatters ten times as much as the others, and is stated to."""
    noise = np.random.default_rng(4).normal(size=(200, 9))
    noise[:, -1] *= 10
    stated = np.where(np.arange(9) == 8, 10.0, 1.0)
    plain = noise_of(0, noise=noise)
    weighted = [dataclasses.replace(one, sd_year=stated) for one in plain]
    spread = [
        np.std([trend.tested_slope for trend in trends.family_trends(family, {}, RULE)])
        for family in (plain, weighted)
    ]
    assert spread[1] < 0.6 * spread[0]


def test_records_of_different_lengths_have_their_own_degrees_of_freedom():
    family = [*noise_of(30), series("short", noise_of(1)[0].mean[:8], YEARS[:8])]
    found = trends.family_trends(family, {}, RULE)
    prior = found[0].degrees_of_freedom - 7
    assert found[-1].degrees_of_freedom == pytest.approx(prior + 6)
    assert found[-1].tested_se > 0


def test_a_family_of_one_park_is_tested_like_any_other():
    family = noise_of(12)
    parks = {one.woodland_id: "H" for one in family}
    held = park_controls(family, parks, [one.woodland_id for one in family])
    found = trends.family_trends(family, held, RULE)
    assert all(np.isfinite([one.p, one.q, one.decline_probability]).all() for one in found)
    assert all("11 other woodlands in H" in one.method for one in found)


def test_the_same_series_give_the_same_trends_in_whatever_order():
    family = noise_of(60, noise=heavy_and_unequal((60, 9)))
    found, again = (trends.family_trends(family, {}, RULE) for _ in range(2))
    assert found == again
    backwards = trends.family_trends(family[::-1], {}, RULE)[::-1]
    for one, other in zip(found, backwards, strict=True):
        assert other.p == pytest.approx(one.p, rel=1e-6)
        assert other.decline_probability == pytest.approx(one.decline_probability, abs=1e-6)
