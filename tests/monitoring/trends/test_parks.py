import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from monitoring.errors import TrendError
from monitoring.science import TrendTest
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.parks import CLASSES, WEIGHTINGS, park_trends
from monitoring.trends.sites import Site

YEARS = np.arange(2017, 2026)
RULE = TrendTest()
WEATHER = np.array([0, -8, 1, 0, 2, -6, 0, 1, 0.5])
LINE = np.arange(9.0)
NAN = np.nan


def wood(name, values, **site):
    """A woodland with one value a year; NaN years are absent."""
    values = np.array(values, float)
    known = np.isfinite(values)
    history = RichnessSeries(name, YEARS[: len(values)][known], values[known], np.ones(known.sum()))
    return history, Site(name, **({"park": "Hainich", "area_ha": 10.0} | site))


def found(*woods, rule=RULE, seed=0):
    """Trends by (park, class, weighting); the whole has the empty park."""
    trends = park_trends(
        [history for history, _ in woods], {site.woodland_id: site for _, site in woods}, rule, seed
    )
    return {(trend.park, trend.woodland_class, trend.weighting): trend for trend in trends}


def test_every_park_and_the_whole_are_there_for_each_class_and_weighting():
    trends = found(
        wood("a", WEATHER), wood("b", WEATHER, park="Eifel", is_ancient=True), wood("c", WEATHER, park="")
    )
    assert list(trends) == list(itertools.product(["", "Eifel", "Hainich"], CLASSES, WEIGHTINGS))
    assert {trend.scope for key, trend in trends.items() if key[0] == ""} == {"whole"}
    assert {trend.scope for key, trend in trends.items() if key[0]} == {"park"}
    assert trends["", "all", "woodland"].n_woodlands == 3
    assert trends["Eifel", "ancient", "woodland"].n_woodlands == 1
    assert trends["Eifel", "other", "woodland"].reason == "no woodland"


def test_a_park_that_loses_a_taxon_a_year_has_that_slope_and_the_rarest_order():
    woods = [wood(f"w{i}", 40 + 5 * i - LINE) for i in range(4)]
    for weighting in WEIGHTINGS:
        trend = found(*woods)["Hainich", "all", weighting]
        assert (trend.slope, trend.slope_low, trend.slope_high) == pytest.approx((-1, -1, -1))
        assert trend.p_permutation == trend.p_s_permutation == pytest.approx(2 / 362_880)
        assert (trend.s, trend.n_woodlands, trend.n_years) == (4 * -36, 4, 9)
        assert trend.p_dietz_killeen == pytest.approx(2 * stats.norm.sf(36 / np.sqrt(92)))
        assert (trend.homogeneity, trend.p_homogeneity, trend.reason) == (0, 1, "")
        assert "all 362,880 orders of 9 years" in trend.method


def test_slope_and_interval_are_those_of_least_squares_on_the_mean():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(5, 9))
    trend = found(*[wood(f"w{i}", row) for i, row in enumerate(values)])["", "all", "woodland"]
    line = stats.linregress(YEARS, values.mean(axis=0))
    half = stats.t.ppf(0.975, 7) * line.stderr
    assert (trend.slope, trend.slope_low, trend.slope_high) == pytest.approx(
        (line.slope, line.slope - half, line.slope + half)
    )


def test_a_large_wood_weighs_by_its_area_and_votes_once():
    trends = found(wood("large", 40 - LINE, area_ha=90), wood("small", 40 + LINE, area_ha=10))
    assert trends["Hainich", "all", "area"].slope == pytest.approx(-0.8)
    assert trends["Hainich", "all", "area"].s == pytest.approx(36 * (0.2 - 1.8))
    assert trends["Hainich", "all", "woodland"].slope == pytest.approx(0, abs=1e-12)
    assert trends["Hainich", "all", "woodland"].p_permutation == 1


def test_classes_are_told_apart():
    trends = found(
        wood("a", WEATHER - LINE, is_ancient=True),
        wood("b", WEATHER - LINE, is_ancient=True),
        wood("c", WEATHER),
    )
    slope = {name: trends["Hainich", name, "woodland"].slope for name in CLASSES}
    assert slope["ancient"] - slope["other"] == pytest.approx(-1)
    assert slope["all"] - slope["other"] == pytest.approx(-2 / 3)


def test_a_rich_wood_that_misses_the_first_years_makes_no_rise():
    rich = np.where(LINE < 3, NAN, 90 + WEATHER)
    trends = found(*[wood(f"w{i}", 40 + WEATHER) for i in range(3)], wood("rich", rich))
    trend = trends["Hainich", "all", "woodland"]
    assert (trend.n_woodlands, trend.n_years) == (4, 9)
    assert trend.slope == pytest.approx(stats.linregress(YEARS, WEATHER).slope)


def test_what_is_left_out_is_said():
    sparse, early = np.full(9, NAN), np.append(NAN, WEATHER[1:])
    sparse[[2, 3]] = 50
    woods = [wood(f"w{i}", early) for i in range(3)]
    full = wood("full", WEATHER), wood("sparse", sparse), wood("empty", np.full(9, NAN))
    trend = found(*woods, *full, wood("unmeasured", WEATHER, area_ha=NAN), wood("flat", WEATHER, area_ha=0.0))
    by_area, by_woodland = trend["Hainich", "all", "area"], trend["Hainich", "all", "woodland"]
    assert by_area.method.endswith(
        "left out: 1 woodland without any year, 2 woodlands without a known area, "
        "1 woodland with under half of the years, 1 year that under half of the woodlands have"
    )
    assert (by_area.n_woodlands, by_area.n_years) == (4, 8)
    assert by_woodland.n_woodlands == 6


def test_woodland_without_any_area_or_any_year_is_not_tested_and_says_why():
    trends = found(wood("a", WEATHER, area_ha=NAN), wood("b", np.full(9, NAN), park="Eifel"))
    assert trends["Hainich", "all", "area"].reason == "no woodland: left out 1 woodland without a known area"
    assert trends["Eifel", "all", "woodland"].reason == "no woodland: left out 1 woodland without any year"
    assert trends["Hainich", "all", "woodland"].reason == ""
    for key in (("Hainich", "all", "area"), ("Eifel", "all", "woodland")):
        assert (trends[key].n_woodlands, trends[key].n_years, trends[key].method) == (0, 0, "none")
        for name in ("slope", "p_permutation", "s", "z", "p_dietz_killeen", "homogeneity", "p_homogeneity"):
            assert np.isnan(getattr(trends[key], name))


@pytest.mark.parametrize(("n", "has_slope"), [(1, False), (2, False), (3, True), (7, True)])
def test_too_few_years_have_no_p(n, has_slope):
    trend = found(wood("a", 40 - LINE[:n]), wood("b", 40 - LINE[:n]))["Hainich", "all", "woodland"]
    assert trend.reason == f"{n} common years, 8 needed"
    assert np.isfinite(trend.slope) == has_slope
    for name in ("p_permutation", "p_s_permutation", "p_dietz_killeen", "p_homogeneity"):
        assert np.isnan(getattr(trend, name))


def test_a_constant_park_has_a_slope_of_zero_and_no_memory():
    trend = found(wood("a", np.full(9, 40.0)), wood("b", np.full(9, 30.0)))["Hainich", "all", "area"]
    assert (trend.slope, trend.slope_low, trend.slope_high, trend.s, trend.z) == (0, 0, 0, 0, 0)
    assert trend.p_permutation == trend.p_s_permutation == trend.p_dietz_killeen == trend.p_homogeneity == 1
    assert np.isnan(trend.memory)
    assert trend.warning == ""


def test_rounding_is_no_trend():
    woods = [wood(f"w{i}", np.full(9, 40.1 / (i + 3)), area_ha=1.7 + i / 7) for i in range(50)]
    for weighting in WEIGHTINGS:
        trend = found(*woods)["Hainich", "all", weighting]
        assert (trend.slope, trend.s, trend.p_permutation, trend.p_homogeneity) == (0, 0, 1, 1)


def test_one_woodland_and_one_park_have_nothing_to_be_like():
    trends = found(wood("a", WEATHER))
    assert np.isnan(trends["Hainich", "all", "area"].homogeneity)
    assert np.isnan(trends["", "all", "area"].homogeneity_of_parks)
    assert np.isfinite(trends["", "all", "area"].p_permutation)


def test_no_woodland_has_no_trend():
    assert park_trends([], {}, RULE) == ()


def test_woodland_without_a_site_is_refused_by_name():
    history, _ = wood("lost", WEATHER)
    with pytest.raises(TrendError, match="woodland lost: no site among the 0 given"):
        park_trends([history], {}, RULE)


def test_a_common_decline_is_homogeneous_and_opposite_ones_are_not():
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(6, 9))
    together = [wood(f"w{i}", WEATHER - 3 * LINE + noise[i]) for i in range(6)]
    apart = [wood(f"w{i}", WEATHER + (-1) ** i * LINE + noise[i]) for i in range(6)]
    assert found(*together)["Hainich", "all", "woodland"].p_homogeneity > 0.05
    assert found(*apart)["Hainich", "all", "woodland"].p_homogeneity < 0.001


def test_parks_that_go_opposite_ways_are_told_by_the_whole():
    woods = [
        wood(f"{park}{i}", WEATHER + sign * LINE, park=park)
        for park, sign in (("A", 1), ("B", -1))
        for i in "12"
    ]
    trends = found(*woods)
    assert trends["", "all", "woodland"].p_homogeneity_of_parks == pytest.approx(2 / 362_880)
    assert np.isnan(trends["A", "all", "woodland"].homogeneity_of_parks)


def test_years_that_remember_are_warned_of():
    slow = np.array([0, 1, 2, 2, 1, 0, -1, -1, 0.0])
    trend = found(wood("a", slow), wood("b", slow))["Hainich", "all", "woodland"]
    assert trend.memory > 0.1
    assert trend.warning.startswith(
        f"years are not exchangeable: first-order autocorrelation {trend.memory:.2f}"
    )
    jumping = np.array([1, -1, 1, -1, 1, -1, 1, -1, 1.0])
    assert found(wood("a", jumping))["Hainich", "all", "woodland"].warning == ""


def test_a_gap_in_the_calendar_stays_a_gap():
    values = 40 - 2 * LINE
    values[4] = NAN
    trend = found(wood("a", values), wood("b", values), rule=RULE)["Hainich", "all", "woodland"]
    assert (trend.n_years, trend.slope) == (8, pytest.approx(-2))


def test_two_woods_that_share_no_year_still_have_a_series():
    first, second = np.where(LINE < 5, WEATHER, NAN), np.where(LINE < 5, NAN, WEATHER)
    trend = found(wood("a", first), wood("b", second))["Hainich", "all", "woodland"]
    assert (trend.n_woodlands, trend.n_years) == (1, 5)
    assert np.isfinite(trend.slope)


def test_a_long_record_says_what_was_shuffled():
    rng = np.random.default_rng(9)
    years = np.arange(2017, 2030)
    history = RichnessSeries("a", years, rng.normal(size=13), np.ones(13))
    trend = park_trends([history], {"a": Site("a", is_ancient=True)}, RULE, seed=6)[1]
    shuffles = "99,999 shuffles of 13 years, seed 6"
    assert f"two-sided over {shuffles}; homogeneity over {shuffles}" in trend.method
    assert 0 < trend.p_permutation < 1


def test_order_and_repetition_change_nothing():
    rng = np.random.default_rng(7)
    woods = [wood(f"w{i}", rng.normal(size=9), park="AB"[i % 2], area_ha=1.0 + i) for i in range(6)]
    first, again, backwards = found(*woods), found(*woods), found(*woods[::-1])
    assert str(first) == str(again)
    for key, trend in first.items():
        assert dataclasses.asdict(backwards[key]) == pytest.approx(dataclasses.asdict(trend), nan_ok=True)


@pytest.mark.slow
def test_without_a_trend_one_park_in_twenty_is_called():
    """200 parks of 20 woods that share half of their variance, six years: 0.05 +- 0.031 (2 sd)."""
    rng = np.random.default_rng(8)
    woods = [
        wood(f"{park}-{i}", weather + rng.normal(size=6), park=f"{park}", area_ha=rng.lognormal(2, 1))
        for park, weather in enumerate(rng.normal(size=(200, 6)))
        for i in range(20)
    ]
    every = found(*woods, rule=TrendTest(min_years=6)).values()
    for weighting in WEIGHTINGS:
        trends = [
            trend
            for trend in every
            if (trend.scope, trend.woodland_class, trend.weighting) == ("park", "all", weighting)
        ]
        for name in ("p_permutation", "p_s_permutation", "p_homogeneity"):
            assert 0.015 < np.mean([getattr(trend, name) < 0.05 for trend in trends]) < 0.085
        assert np.mean([trend.p_dietz_killeen < 0.05 for trend in trends]) < 0.09
        assert abs(trends[0].memory) < 0.12
