import dataclasses

import numpy as np
import pytest
from scipy.stats import false_discovery_control

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
        "exact-mk, park-year control median (12 other woodlands in Hallin Fells), BH over 1 woodlands"
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


def test_ties_are_named_in_the_method():
    (found,) = trends.family_trends([series("a", [5, 5, 4, 4, 3, 3, 2, 1], YEARS[:8])], {}, RULE)
    assert found.method.startswith("exact-mk with ties")
    assert found.p == pytest.approx(1 / 5040)


def test_a_very_long_record_says_it_used_the_normal_limit():
    (found,) = trends.family_trends([series("a", -np.arange(70.0), range(1950, 2020))], {}, RULE)
    assert found.method.startswith("normal-mk, tie-corrected")


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
    assert p[5:] == [trend.p for trend in trends.family_trends(late, {}, RULE)]


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
