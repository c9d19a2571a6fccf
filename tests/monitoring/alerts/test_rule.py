import uuid

import numpy as np
import pytest

from monitoring.alerts.alert import Level, alert_id
from monitoring.alerts.rule import raise_alerts
from monitoring.errors import SeasonError, TrendError
from monitoring.science import AlertRule, TrendTest
from monitoring.trends import family as tests_of
from monitoring.trends.controls import park_controls
from monitoring.trends.histories import RichnessSeries

YEARS = np.arange(2017, 2026)
#: Eighteen other woodlands that hold, with noise of 1 taxon around levels of 40 to 57.
NOISE = np.random.default_rng(20).normal(0, 1, (40, 9))
DROUGHTS = np.array([0, -8, 0, 0, 0, -8, 0, 0, 0.0])
#: uuid5 of the fixed namespace and '["wood-1", "richness"]': stored alerts carry it.
ID_OF_WOOD_1 = "9f04a06e-7499-5c31-8f86-c71e06bde89e"


def series(name, values):
    return RichnessSeries(name, YEARS, np.array(values, float), np.ones(9))


def others(count=18, weather=0.0):
    return [series(f"o{i}", 40 + i + NOISE[i] + weather) for i in range(count)]


def alerts_of(family, rule=None, season="2025-Q4", park="Hallin Fells"):
    controls = park_controls(
        family,
        {one.woodland_id: park for one in family},
        {one.woodland_id for one in family if one.woodland_id.startswith("o")},
    )
    tested = tests_of.family_trends(family, controls, TrendTest())
    return raise_alerts(tested, family, controls, rule or AlertRule(), season, "richness")


def declining(name, per_year, row=30, weather=0.0):
    return series(name, 60 - per_year * np.arange(9) + NOISE[row] + weather)


def test_a_flat_series_raises_no_alert():
    assert alerts_of([series("a", 60 + NOISE[30]), *others()]) == ()


def test_a_steady_decline_is_confirmed_with_every_figure_in_its_reason():
    (alert,) = alerts_of([declining("a", 2.0), *others()])
    assert (alert.woodland_id, alert.kind, alert.level) == ("a", "decline", Level.CONFIRMED)
    assert (alert.season, alert.target) == ("2025-Q4", "richness")
    assert alert.slope == pytest.approx(-2, abs=0.3)
    assert alert.q <= 0.05
    assert alert.decline_fraction == pytest.approx(16 / 60, abs=0.04)
    assert alert.reason.startswith(
        f"lost {100 * alert.decline_fraction:.0f} % of its expected taxa between 2017 and 2025"
    )
    assert "95 % interval -2." in alert.reason
    assert "9 years, q below 0.001)" in alert.reason
    assert alert.reason.endswith("while other woodland in Hallin Fells held")
    assert "\n" not in alert.reason


def test_droughts_that_all_woodland_shares_raise_no_alert():
    family = [series("a", 60 + NOISE[30] + DROUGHTS), *others(weather=DROUGHTS)]
    assert alerts_of(family, AlertRule(min_decline_fraction=0.0, p_watch=0.01)) == ()


def test_a_decline_through_droughts_is_still_found():
    (alert,) = alerts_of([declining("a", 2.0, weather=DROUGHTS), *others(weather=DROUGHTS)])
    assert alert.level is Level.CONFIRMED


def test_a_significant_but_small_loss_calls_nobody():
    assert alerts_of([series("a", 60 - 0.5 * np.arange(9)), *others()]) == ()
    assert (
        len(
            alerts_of([series("a", 60 - 0.5 * np.arange(9)), *others()], AlertRule(min_decline_fraction=0.05))
        )
        == 1
    )


def test_a_likely_decline_that_the_family_does_not_confirm_is_watched():
    wobble = np.array([0, 3, -3, 3, -3, 3, -3, 3, 0])
    (alert,) = alerts_of([series("a", 60 - 1.4 * np.arange(9) + wobble), *others()])
    assert alert.level is Level.WATCH
    assert "not confirmed over all woodlands tested" in alert.reason
    assert alert.q > 0.05


def test_a_woodland_that_only_stood_still_while_others_gained_raises_no_alert():
    rising = [series(f"o{i}", 40 + i + NOISE[i] + 2 * np.arange(9)) for i in range(18)]
    assert alerts_of([series("a", 60 + 0.2 * np.arange(9)), *rising]) == ()
    assert alerts_of([series("a", np.full(9, 60)), *rising], AlertRule(min_decline_fraction=0.0)) == ()


def test_other_woodland_that_falls_too_is_said_to_fall():
    falling = [series(f"o{i}", 40 + i + NOISE[i] - 1.0 * np.arange(9)) for i in range(18)]
    alert = alerts_of([declining("a", 3.0), *falling])[0]
    assert alert.woodland_id == "a"
    assert alert.reason.split(" while ")[1].startswith("other woodland in Hallin Fells changed by -")


def test_one_abrupt_fall_is_called_a_step_and_dated():
    (alert,) = alerts_of([series("a", 60 - 15.0 * (YEARS >= 2021) + NOISE[31]), *others()])
    assert alert.kind == "step"
    assert ", in one step of -1" in alert.reason
    assert " in 2021 (" in alert.reason


def test_without_enough_other_woodland_nothing_is_confirmed():
    (alert,) = alerts_of([declining("a", 2.0), *others(4)])
    assert alert.q <= 0.05
    assert alert.level is Level.WATCH
    assert (
        "no other woodland to compare it with (fewer than 5 other woodlands in Hallin Fells)" in alert.reason
    )
    assert alert.reason.endswith("bad years shared by all cannot be ruled out")
    assert "against other woodland" not in alert.reason


def test_a_step_that_most_woodlands_share_is_suspected_and_not_confirmed():
    stepped = [series(f"a{i}", 60 - 15.0 * (YEARS >= 2022) + NOISE[i]) for i in range(20)]
    found = alerts_of([*stepped, *others(8)])
    suspected = [alert for alert in found if alert.kind == "step" and " in 2022 (" in alert.reason]
    assert len(suspected) > 10
    assert {alert.level for alert in suspected} == {Level.WATCH}
    assert all("so the sensor or the processing is suspected" in alert.reason for alert in suspected)


def test_many_steady_declines_are_not_taken_for_a_shared_step():
    family = [declining(f"a{i}", 3.0, row=i) for i in range(20)]
    found = alerts_of([*family, *others(8)])
    assert len(found) == 20
    assert {alert.level for alert in found} == {Level.CONFIRMED}


def test_an_event_keeps_its_id_as_seasons_and_kinds_change():
    (first,) = alerts_of([declining("a", 2.0), *others()], season="2025-Q4")
    (later,) = alerts_of([series("a", 60 - 15.0 * (YEARS >= 2021)), *others()], season="2026-Q4")
    assert (first.kind, later.kind) == ("decline", "step")
    assert first.id == later.id == alert_id("a", "richness")
    assert uuid.UUID(first.id).version == 5


def test_ids_differ_by_woodland_and_target_however_they_are_spelt():
    names = [
        ("a", "richness"),
        ("b", "richness"),
        ("a", "evenness"),
        ("a|x", "y"),
        ("a", "x|y"),
        ('a", "x', "y"),
    ]
    assert len({alert_id(*name) for name in names}) == len(names)


def test_the_id_of_a_known_woodland_never_changes():
    assert alert_id("wood-1", "richness") == ID_OF_WOOD_1


def test_a_provisional_season_raises_no_alerts():
    with pytest.raises(SeasonError, match="season 2025-Q2: alerts are raised on final seasons only"):
        alerts_of([declining("a", 2.0), *others()], season="2025-Q2")


def test_a_season_is_not_judged_by_years_after_it():
    with pytest.raises(TrendError, match="woodland a: a trend up to 2025 judged at 2024-Q4"):
        alerts_of([declining("a", 2.0), *others()], season="2024-Q4")


def test_a_trend_without_its_series_is_refused():
    family = [declining("a", 2.0), *others()]
    tested = tests_of.family_trends(family, {}, TrendTest())
    with pytest.raises(TrendError, match="woodland a: a trend without its series"):
        raise_alerts(tested, family[1:], {}, AlertRule(), "2025-Q4", "richness")


def with_years_outside(wood, *years):
    kept = ~np.isin(wood.years, years)
    return RichnessSeries(
        wood.woodland_id, wood.years[kept], wood.mean[kept], wood.sd[kept], np.array(years, np.int64)
    )


def test_a_decliner_never_alerts_where_too_few_years_are_inside_the_area_of_applicability():
    wood = declining("a", 2.0)
    assert len(alerts_of([wood, *others()])) == 1
    assert alerts_of([with_years_outside(wood, 2017, 2018), *others()]) == ()
    assert alerts_of([with_years_outside(wood, *YEARS.tolist()), *others()]) == ()


def test_a_decliner_whose_latest_year_is_outside_raises_no_alert():
    wood = with_years_outside(declining("a", 2.0), 2025)
    family = [wood, *others()]
    assert tests_of.family_trends(family, {}, TrendTest())[0].p < 0.001
    assert alerts_of(family) == ()


def test_a_decline_seen_with_a_year_outside_left_out_says_which_share_was():
    (alert,) = alerts_of([with_years_outside(declining("a", 2.0), 2020), *others()])
    assert alert.level is Level.CONFIRMED
    assert "8 years, q" in alert.reason
    assert alert.reason.endswith("; left out: 1 of 9 years lies outside the area of applicability")


def test_other_woodland_outside_is_no_control():
    """Eighteen controls that fall only in years outside hold in the years that count."""
    fall = -20.0 * np.isin(YEARS, [2019, 2023])
    outside = [with_years_outside(one, 2019, 2023) for one in others(12, weather=fall)]
    controls = park_controls(
        [declining("a", 2.0), *outside], {f"o{i}": "H" for i in range(12)} | {"a": "H"},
        {one.woodland_id for one in outside},
    )  # fmt: skip
    assert controls["a"].years.tolist() == [2017, 2018, 2020, 2021, 2022, 2024, 2025]
    assert np.abs(controls["a"].values).max() < 1.5


def test_woodlands_too_young_to_test_raise_no_alert():
    young = RichnessSeries("a", YEARS[4:], np.array([60, 50, 40, 30, 20.0]), np.ones(5))
    assert alerts_of([young, *others()]) == ()


def test_the_same_series_give_the_same_alerts():
    family = [declining("a", 2.0), declining("b", 1.0, row=31), *others()]
    assert alerts_of(family) == alerts_of(family)
