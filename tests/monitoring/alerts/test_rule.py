import dataclasses
import uuid

import numpy as np
import pytest

from monitoring.alerts.alert import Confidence, Course, Level, Severity, alert_id
from monitoring.alerts.grounds import Beside
from monitoring.alerts.rule import is_candidate, raise_alerts
from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.errors import SeasonError, TrendError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.science import AlertRule, TrendTest
from monitoring.trends import family as tests_of
from monitoring.trends.controls import park_controls
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.woodlands import Status

YEARS = np.arange(2017, 2026)
#: Noise of 1 taxon; its first rows are those of other woodland that holds, at levels of 40 and more.
NOISE = np.random.default_rng(20).normal(0, 1, (40, 9))
DROUGHTS = np.array([0, -8, 0, 0, 0, -8, 0, 0, 0.0])
#: uuid5 of the fixed namespace and '["wood-1", "richness"]': stored alerts carry it.
ID_OF_WOOD_1 = "9f04a06e-7499-5c31-8f86-c71e06bde89e"


def series(name, values):
    return RichnessSeries(name, YEARS, np.array(values, float), np.ones(9))


def others(count=24, weather=0.0):
    return [series(f"o{i}", 40 + i + NOISE[i] + weather) for i in range(count)]


def alerts_of(
    family, rule=None, season="2025-Q4", park="Hallin Fells", look=1, sites=None, beside=None, parks=None
):
    controls = park_controls(
        family,
        {one.woodland_id: park for one in family} | (parks or {}),
        {one.woodland_id for one in family if one.woodland_id.startswith("o")},
    )
    tested = tests_of.family_trends(family, controls, TrendTest(), look=look)
    return raise_alerts(
        tested, family, controls, rule or AlertRule(), season, "richness", sites, beside or Beside()
    )


def declining(name, per_year, row=30, weather=0.0):
    return series(name, 60 - per_year * np.arange(9) + NOISE[row] + weather)


def noisy(per_year):
    """Return a decliner among others that hold, all with noise of 3 taxa."""
    rest = [series(f"o{i}", 40 + i + 3 * NOISE[i]) for i in range(24)]
    return [series("a", 60 - per_year * np.arange(9) + 3 * NOISE[30]), *rest]


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
    assert alerts_of(family, AlertRule(min_decline_fraction=0.0)) == ()


def test_a_decline_through_droughts_is_still_found():
    (alert,) = alerts_of([declining("a", 2.0, weather=DROUGHTS), *others(weather=DROUGHTS)])
    assert alert.level is Level.CONFIRMED


def test_a_sure_but_small_loss_is_watched_and_says_that_it_is_small():
    family = [declining("a", 0.6), *others()]
    (alert,) = alerts_of(family)
    assert alert.q <= 0.05
    assert alert.decline_fraction < AlertRule().min_decline_fraction
    assert alert.level is Level.WATCH
    assert alert.reason.endswith("; the loss is smaller than what is called to attention")
    (large,) = alerts_of(family, AlertRule(min_decline_fraction=0.05))
    assert large.level is Level.CONFIRMED


def test_a_likely_decline_that_the_family_does_not_confirm_is_watched():
    (alert,) = alerts_of(noisy(2.0), look=10)
    assert alert.level is Level.WATCH
    assert 0.0005 < alert.q < 0.05
    assert "; a decline with probability " in alert.reason
    assert alert.reason.endswith("not confirmed over all woodlands tested (q allowed below 0.001)")


def test_a_woodland_is_watched_from_the_probability_that_the_rule_states():
    trend = dataclasses.replace(a_trend(), q=0.5, q_allowed=0.05, decline_probability=0.8, slope=-1.0)
    assert is_candidate(trend, AlertRule())
    assert not is_candidate(trend, AlertRule(watch_probability=0.81))
    assert is_candidate(dataclasses.replace(trend, q=0.05, decline_probability=0.1), AlertRule())


@pytest.mark.parametrize(
    "missing", [{"slope": np.nan}, {"slope": 0.0}, {"q": np.nan, "decline_probability": np.nan}]
)
def test_a_woodland_that_does_not_fall_or_was_not_tested_is_no_candidate(missing):
    sure = dataclasses.replace(a_trend(), q=0.001, q_allowed=0.05, decline_probability=0.99, slope=-1.0)
    assert is_candidate(sure, AlertRule())
    assert not is_candidate(dataclasses.replace(sure, **missing), AlertRule())


def a_trend():
    return tests_of.family_trends([declining("a", 2.0)], {}, TrendTest())[0]


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
    elsewhere = {f"o{i}": "Brock Vale" for i in range(24)}
    (alert,) = alerts_of([declining("a", 2.0), *others()], parks=elsewhere)
    assert alert.q <= 0.05
    assert alert.level is Level.WATCH
    assert (
        "no other woodland to compare it with (fewer than 5 other woodlands in Hallin Fells)" in alert.reason
    )
    assert alert.reason.endswith("bad years shared by all cannot be ruled out")
    assert "against other woodland" not in alert.reason


def gate(scope, of, gate="G2", state=State.RED):
    return GateFinding(gate, "observation counts", scope, of, state, "observation counts explain 60 % of it")


SITES = {"a": Site("a", "Hallin Fells", True, Status.ASNW, "broadleaved", 200.0, 25.0, "b7")}


@pytest.mark.parametrize(
    ("scope", "of"),
    [(Scope.ALL, ""), (Scope.PARK, "Hallin Fells"), (Scope.BLOCK, "b7"), (Scope.WOODLAND, "a")],
)
def test_a_red_gate_that_reaches_the_woodland_holds_it_on_watch(scope, of):
    (alert,) = alerts_of([declining("a", 2.0), *others()], sites=SITES, beside=Beside((gate(scope, of),)))
    assert alert.level is Level.WATCH
    assert alert.q <= 0.05
    assert alert.held_by == "G2"
    assert alert.reason.endswith("; held back: G2 observation counts explain 60 % of it")


@pytest.mark.parametrize(
    "finding",
    [
        gate(Scope.PARK, "Brock Vale"),
        gate(Scope.BLOCK, "b8"),
        gate(Scope.WOODLAND, "o1"),
        gate(Scope.ALL, "", state=State.PASSED),
        gate(Scope.ALL, "", state=State.NOT_JUDGED),
    ],
    ids=["another park", "another block", "another woodland", "passed", "not judged"],
)
def test_a_gate_that_is_not_red_or_lies_elsewhere_holds_nothing(finding):
    family = [declining("a", 2.0), *others()]
    (alert,) = alerts_of(family, sites=SITES, beside=Beside((finding,)))
    assert alert.level is Level.CONFIRMED
    assert alert == alerts_of(family, sites=SITES)[0]


def test_every_gate_that_holds_is_named_once():
    gates = (gate(Scope.ALL, "", "G4"), gate(Scope.WOODLAND, "a"), gate(Scope.PARK, "Hallin Fells"))
    (alert,) = alerts_of([declining("a", 2.0), *others()], sites=SITES, beside=Beside(gates))
    assert alert.held_by == "G2, G4"
    assert alert.reason.count("G2 ") == alert.reason.count("G4 ") == 1


def test_a_later_look_asks_more_of_the_same_decline():
    (first,) = alerts_of(noisy(2.0))
    (second,), (tenth,) = (alerts_of(noisy(2.0), look=look) for look in (2, 10))
    assert [each.level for each in (first, second, tenth)] == [Level.CONFIRMED, Level.CONFIRMED, Level.WATCH]
    assert first.q == tenth.q


def test_how_a_decline_fares_without_extreme_years_is_passed_on():
    for course, said in (
        (Course.SUSTAINED, "sustained: it goes on without"),
        (Course.DIP, "an extreme-year dip"),
        (Course.UNCERTAIN, "uncertain without the years"),
    ):
        beside = Beside(courses=(("a", course), ("o1", Course.DIP)))
        (alert,) = alerts_of([declining("a", 2.0), *others()], beside=beside)
        assert (alert.course, alert.level) == (course, Level.CONFIRMED)
        assert f"; {said}" in alert.reason
    (plain,) = alerts_of([declining("a", 2.0), *others()])
    assert plain.course is Course.UNKNOWN
    assert "heat" not in plain.reason


def evidence(kind, verdict, text):
    return (("a", (Corroboration("a", kind, verdict, 2021, 0.3, text),)),)


def test_a_felling_is_named_as_the_cause_and_bears_the_decline_out():
    told = evidence("felling", Verdict.AGREES, "felling of 30 % of it in 2021")
    (alert,) = alerts_of([declining("a", 2.0), *others()], beside=Beside(evidence=told))
    assert (alert.confidence, alert.cause) == (Confidence.CORROBORATED, "felling of 30 % of it in 2021")
    assert alert.reason.endswith("; known cause: felling of 30 % of it in 2021")
    assert alert.level is Level.CONFIRMED


def test_an_index_that_falls_too_corroborates_and_names_no_cause():
    told = evidence("nbr", Verdict.AGREES, "NBR falls too (-0.012 a year)")
    (alert,) = alerts_of([declining("a", 2.0), *others()], beside=Beside(evidence=told))
    assert (alert.confidence, alert.cause) == (Confidence.CORROBORATED, "")
    assert alert.reason.endswith("; NBR falls too (-0.012 a year)")


def test_an_index_that_holds_contradicts_and_leaves_the_level():
    told = evidence("nbr", Verdict.DISAGREES, "NBR holds (+0.001 a year)")
    (alert,) = alerts_of([declining("a", 2.0), *others()], beside=Beside(evidence=told))
    assert (alert.confidence, alert.level) == (Confidence.CONTRADICTED, Level.CONFIRMED)
    assert alert.reason.endswith("; NBR holds (+0.001 a year)")


def test_evidence_that_says_nothing_either_way_is_not_told():
    told = evidence("nbr", Verdict.SILENT, "NBR neither falls nor holds")
    (alert,) = alerts_of([declining("a", 2.0), *others()], beside=Beside(evidence=told))
    assert (alert.confidence, alert.cause) == (Confidence.ALONE, "")
    assert "NBR" not in alert.reason


def test_what_is_at_stake_follows_from_area_and_standing():
    family = [declining("a", 2.0), *others()]
    (ancient,) = alerts_of(family, sites=SITES)
    (unknown,) = alerts_of(family)
    (held,) = alerts_of(family, sites=SITES, beside=Beside((gate(Scope.ALL, ""),)))
    assert (ancient.severity, unknown.severity) == (Severity.HIGH, Severity.LOW)
    assert held.severity is Severity.MODERATE


def test_a_step_that_most_woodlands_share_is_suspected_and_not_confirmed():
    stepped = [series(f"a{i}", 60 - 15.0 * (YEARS >= 2022) + NOISE[i]) for i in range(20)]
    found = alerts_of([*stepped, *others(8)])
    suspected = [alert for alert in found if alert.kind == "step" and " in 2022 (" in alert.reason]
    assert len(suspected) > 10
    assert {alert.level for alert in suspected} == {Level.WATCH}
    assert all("so the sensor or the processing is suspected" in alert.reason for alert in suspected)


def test_many_steady_declines_are_not_taken_for_a_shared_step():
    family = [declining(f"a{i}", 3.0, row=i) for i in range(20)]
    found = [alert for alert in alerts_of([*family, *others()]) if alert.woodland_id.startswith("a")]
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
