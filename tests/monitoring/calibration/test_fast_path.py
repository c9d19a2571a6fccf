"""The rule on arrays is the rule of the service, digit by digit."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.alerts.alert import Level
from monitoring.alerts.rule import raise_alerts
from monitoring.calibration.rates import alerted, family_test, sound_losses
from monitoring.calibration.worlds import World, draw, series_of, sites_of
from monitoring.science import AlertRule, TrendTest
from monitoring.trends.controls import controls_among
from monitoring.trends.family import family_trends

SMALL = World(n_woodlands=60, n_parks=3, noise_fraction=0.05, n_declining=8, slope=1.0)
WORLDS = {
    "steady declines": SMALL,
    "unequal noise with memory and heavy tails": replace(
        SMALL, unequal=0.5, autocorrelation=0.3, has_heavy_tails=True
    ),
    "years of weather in common, and of one class": replace(
        SMALL, common_year=0.2, park_year=0.2, class_year=0.05
    ),
    "errors stated year by year": replace(SMALL, prediction_error=0.5, unequal=0.5),
    "a step in one year for ancient woodland only": replace(
        SMALL,
        artefact_fraction=0.3,
        is_artefact_of_ancient=True,
        n_declining=0,
        share_other=0.3,
        noise_fraction=0.02,
    ),
    "years outside the area of applicability": replace(SMALL, share_leaving=0.3, n_years=10),
    "five other woodlands a park, too few to be held against each other": replace(
        SMALL, n_woodlands=44, n_parks=4, n_declining=4
    ),
    "parks without other woodland": replace(SMALL, share_other=0.0),
    "too few years": replace(SMALL, n_years=7),
    "one park, all declining but one": replace(SMALL, n_woodlands=20, n_parks=1, n_declining=10),
}


def service(family, *rules):
    """Return q by woodland and, for each rule, the levels of the alerts, as the service finds them."""
    series, sites = series_of(family), sites_of(family)
    controls = controls_among(series, sites)
    trends = family_trends(series, controls, TrendTest())
    season = f"{int(family.years[-1])}-Q4"
    found = (raise_alerts(trends, series, controls, rule, season, "richness", sites) for rule in rules)
    levels = [{int(alert.woodland_id): alert.level for alert in alerts} for alerts in found]
    return np.array([trend.q for trend in trends]), levels


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_rule_on_arrays_confirms_and_watches_what_the_service_does(name, seed):
    family = draw(WORLDS[name], np.random.default_rng(seed))
    tested = family_test(family, TrendTest())
    loss = sound_losses(family, tested, 0.05, TrendTest())
    any_level = alerted(family, tested, 0.05, AlertRule(), TrendTest())
    losses = (0.1, 0.0)
    q, by_loss = service(family, *(AlertRule(min_decline_fraction=least) for least in losses))
    np.testing.assert_array_equal(tested.q, q)
    for least, levels in zip(losses, by_loss, strict=True):
        confirmed = {row for row, level in levels.items() if level is Level.CONFIRMED}
        assert set(np.flatnonzero(loss >= least).tolist()) == confirmed
        assert set(np.flatnonzero(any_level).tolist()) == set(levels)


def test_the_worlds_above_hold_what_they_are_there_for():
    alerts = {
        name: service(draw(world, np.random.default_rng(1)), AlertRule())[1][0]
        for name, world in WORLDS.items()
    }
    assert Level.CONFIRMED in alerts["steady declines"].values()
    assert not alerts["too few years"]
    assert set(alerts["a step in one year for ancient woodland only"].values()) == {Level.WATCH}
    name = "five other woodlands a park, too few to be held against each other"
    few = draw(WORLDS[name], np.random.default_rng(1))
    np.testing.assert_array_equal(family_test(few, TrendTest()).is_held, ~few.is_other)
    outside = draw(WORLDS["years outside the area of applicability"], np.random.default_rng(1))
    assert 5 < outside.ends_outside.sum() < 40
