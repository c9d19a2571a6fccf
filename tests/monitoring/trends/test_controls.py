import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitoring.errors import TrendError
from monitoring.statistics.year_effects import departures, median_by_year, median_without_each
from monitoring.trends.controls import (
    MIN_CONTROLS,
    Control,
    control_values,
    controls_among,
    is_held,
    park_controls,
    series_to_test,
)
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site

YEARS = np.arange(2017, 2026)


def series(name, values, years=YEARS):
    values = np.array(values, float)
    return RichnessSeries(name, np.array(years), values, np.ones(len(values)))


def park_of(family, park="Hallin Fells"):
    return {one.woodland_id: park for one in family}


def others(count, weather, level=40.0):
    return [series(f"o{i}", level + i + weather) for i in range(count)]


WEATHER = np.array([0, -8, 1, 0, 2, -6, 0, 1, 0.0])


def test_the_control_is_what_the_weather_did_to_the_other_woodland():
    family = [series("a", 60 + WEATHER), *others(6, WEATHER)]
    control = park_controls(family, park_of(family), {f"o{i}" for i in range(6)})["a"]
    np.testing.assert_allclose(control.values, WEATHER - WEATHER.mean())
    assert (control.place, control.n_woodlands, control.reason) == ("Hallin Fells", 6, "")


def test_a_control_woodland_is_left_out_of_its_own_control():
    family = others(6, WEATHER)
    family[0] = series("o0", 40 - 5.0 * np.arange(9))
    found = park_controls(family, park_of(family), [one.woodland_id for one in family])
    np.testing.assert_allclose(found["o0"].values, WEATHER - WEATHER.mean())
    assert {control.n_woodlands for control in found.values()} == {5}


def test_two_of_six_controls_in_decline_do_not_bend_the_control():
    family = [series("a", 60 + WEATHER), *others(6, WEATHER)]
    for place in (1, 2):
        family[place] = series(family[place].woodland_id, 40 + WEATHER - 3.0 * (np.arange(9) - 4))
    control = park_controls(family, park_of(family), {f"o{i}" for i in range(6)})["a"]
    np.testing.assert_allclose(control.values, WEATHER - WEATHER.mean(), atol=1e-9)


def test_a_decline_of_the_whole_park_is_invisible_in_the_relative_series():
    shared = -2.0 * np.arange(9)
    family = [series("a", 60 + shared), *others(6, shared)]
    control = park_controls(family, park_of(family), {f"o{i}" for i in range(6)})["a"]
    assert np.ptp(series_to_test(family[0], control)[1]) == pytest.approx(0, abs=1e-9)


def test_fewer_than_five_other_woodlands_make_no_control_and_say_so():
    family = [series("a", 60 + WEATHER), *others(MIN_CONTROLS - 1, WEATHER)]
    control = park_controls(family, park_of(family), {"o0", "o1", "o2", "o3"})["a"]
    assert len(control.years) == 0
    assert control.reason == "fewer than 5 other woodlands in Hallin Fells"
    years, values = series_to_test(family[0], control)
    np.testing.assert_array_equal(years, YEARS)
    np.testing.assert_allclose(values, 60 + WEATHER)


def test_five_controls_serve_others_but_not_each_other():
    family = [series("a", 60 + WEATHER), *others(5, WEATHER)]
    found = park_controls(family, park_of(family), {f"o{i}" for i in range(5)})
    assert found["a"].reason == ""
    assert found["o0"].reason != ""


def test_parks_do_not_control_each_other():
    family = [series("a", 60 + WEATHER), *others(6, WEATHER), series("b", 60 - WEATHER)]
    parks = park_of(family) | {"b": "Brock Vale"}
    found = park_controls(family, parks, {f"o{i}" for i in range(6)})
    assert found["a"].reason == ""
    assert found["b"].reason == "fewer than 5 other woodlands in Brock Vale"


def test_a_woodland_outside_every_park_has_no_control():
    family = [series("a", 60 + WEATHER), *others(6, WEATHER)]
    found = park_controls(family, park_of(family, ""), {f"o{i}" for i in range(6)})
    assert {control.reason for control in found.values()} == {"lies in no park"}


def test_a_woodland_without_a_stated_park_is_refused():
    with pytest.raises(TrendError, match="woodland a: its park is not given"):
        park_controls([series("a", WEATHER)], {}, ())


def test_a_year_that_too_few_controls_saw_has_no_control():
    family = [series("a", 60 + WEATHER), *others(6, WEATHER)]
    for place in (1, 2):
        values = family[place].mean.copy()
        values[3] = np.nan
        family[place] = series(family[place].woodland_id, values)
    control = park_controls(family, park_of(family), {f"o{i}" for i in range(6)})["a"]
    assert 2020 not in control.years
    assert len(control.years) == 8
    assert np.isnan(control_values([family[0]], {"a": control}, YEARS)[0]).tolist() == [
        year == 2020 for year in YEARS
    ]


def test_a_rich_woodland_missing_in_a_drought_does_not_deepen_the_drought():
    weather = WEATHER[:, None] * np.ones(7)
    values = (40 + 10.0 * np.arange(7) + weather).T
    values[4:, 1] = np.nan
    away = departures(values)
    np.testing.assert_allclose(np.nanmedian(away, axis=0), WEATHER - WEATHER.mean(), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    arrays(
        float,
        st.tuples(st.integers(1, 8), st.integers(1, 5)),
        elements=st.one_of(st.integers(-5, 5).map(float), st.just(float("nan"))),
    )
)
def test_the_median_without_each_is_that_of_the_remaining_woodlands(values):
    found = median_without_each(values, at_least=1)
    for row in range(len(values)):
        expected = median_by_year(np.delete(values, row, axis=0), at_least=1)
        np.testing.assert_array_equal(found[row], expected)


NEEDLES, LEAVES = WEATHER, -WEATHER


def sites_of(family, leaf_types, park="Hallin Fells"):
    """Return the sites: `a` is ancient, the rest is not."""
    return {
        one.woodland_id: Site(one.woodland_id, park, one.woodland_id == "a", leaf_type=leaf_type)
        for one, leaf_type in zip(family, leaf_types, strict=True)
    }


def of_two_leaf_types(conifers, broadleaved):
    """Return an ancient conifer wood and other woods of both kinds, which the weather moves opposite ways."""
    needles = [series(f"c{i}", 40 + i + NEEDLES) for i in range(conifers)]
    leaves = [series(f"b{i}", 50 + i + LEAVES) for i in range(broadleaved)]
    family = [series("a", 60 + NEEDLES), *needles, *leaves]
    return family, sites_of(family, ["conifer"] * (1 + conifers) + ["broadleaved"] * broadleaved)


def test_conifers_are_held_to_conifers_where_five_others_exist():
    family, sites = of_two_leaf_types(5, 20)
    control = controls_among(family, sites)["a"]
    np.testing.assert_allclose(control.values, NEEDLES - NEEDLES.mean())
    assert control.woodland == "5 other conifer woodlands in Hallin Fells"


def test_with_four_conifers_all_other_woodland_of_the_park_serves():
    family, sites = of_two_leaf_types(4, 20)
    control = controls_among(family, sites)["a"]
    np.testing.assert_allclose(control.values, LEAVES - LEAVES.mean())
    assert (control.leaf_type, control.woodland) == ("", "24 other woodlands in Hallin Fells")


def test_a_woodland_of_unknown_leaf_type_is_held_to_all_of_its_park():
    family, sites = of_two_leaf_types(6, 6)
    sites["a"] = Site("a", "Hallin Fells", True)
    assert controls_among(family, sites)["a"].woodland == "12 other woodlands in Hallin Fells"


def test_without_leaf_types_the_control_is_that_of_the_park():
    family = [series("a", 60 + WEATHER), *others(6, WEATHER)]
    found = controls_among(family, sites_of(family, [""] * 7))
    expected = park_controls(family, park_of(family), {f"o{i}" for i in range(6)})
    assert found.keys() == expected.keys()
    for name, control in found.items():
        np.testing.assert_array_equal(control.values, expected[name].values)
        assert control.n_woodlands == (6 if name == "a" else 5)


def test_conifers_of_another_park_are_no_controls():
    family, sites = of_two_leaf_types(5, 20)
    sites["c0"] = Site("c0", "Brock Vale", leaf_type="conifer")
    assert controls_among(family, sites)["a"].leaf_type == ""


def test_ancient_woodland_is_never_a_control():
    family, sites = of_two_leaf_types(6, 0)
    sites |= {name: Site(name, "Hallin Fells", True, leaf_type="conifer") for name in ("c0", "c1")}
    assert controls_among(family, sites)["a"].reason == "fewer than 5 other woodlands in Hallin Fells"


def test_the_order_of_woodlands_does_not_change_their_controls():
    family, sites = of_two_leaf_types(7, 6)
    forward, backward = controls_among(family, sites), controls_among(family[::-1], sites)
    for name, control in forward.items():
        np.testing.assert_array_equal(control.values, backward[name].values)
        assert control.woodland == backward[name].woodland


def test_only_a_woodland_with_a_control_is_held_to_one():
    held = Control("Hallin Fells", YEARS, np.zeros(9), 12)
    without = Control("Hallin Fells", np.array([], int), np.array([]), 0, "fewer than 5 other woodlands")
    family = [series(name, WEATHER) for name in "abc"]
    assert is_held(family, {"a": held, "b": without}).tolist() == [True, False, False]
    assert is_held([], {}).tolist() == []
