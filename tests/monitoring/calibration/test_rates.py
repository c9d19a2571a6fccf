"""The whole rule, from series to alerts, in worlds whose truth is known. Bounds: three standard errors."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.calibration.rates import World, realised_rates, simulated_series
from monitoring.science import AlertRule, TrendTest

#: The test by itself, without the help of a minimum decline.
BARE = AlertRule(min_decline_fraction=0.0)
DECLINING = World(n_declining=6)


def rates(world, rule, families=40, seed=1):
    return realised_rates(world, TrendTest(), rule, families, seed)


def test_without_a_decline_a_family_has_a_false_alarm_at_most_one_time_in_twenty():
    found = rates(World(), BARE, families=80)
    assert found.any_confirmed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)
    # One-sided 5 % of 66 woodlands is 3.3; those whose own slope rises are not counted.
    assert 1.0 < found.watch_per_family < 3.3


def test_noise_with_memory_stays_within_its_known_cost():
    found = rates(World(autocorrelation=0.3), AlertRule())
    assert found.any_confirmed <= 0.07 + 3 * np.sqrt(0.07 * 0.93 / 40)


def test_droughts_of_a_fifth_in_two_years_raise_no_more_alarms_than_none():
    found = rates(World(drought_fraction=0.2), AlertRule())
    assert found.any_confirmed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)
    assert found.watch_per_family < 1


def test_unequal_noise_and_small_parks_do_not_raise_the_false_alarms():
    found = rates(World(n_woodlands=30, n_parks=2, unequal=0.6, park_year=3.0), BARE)
    assert found.any_confirmed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.parametrize(("slope", "confirmed", "found"), [(0.6, 0.3, 0.85), (1.0, 0.85, 0.97)])
def test_steady_declines_are_found_as_often_as_stated(slope, confirmed, found):
    seen = rates(replace(DECLINING, slope=slope), BARE, families=30)
    assert seen.found_confirmed >= confirmed
    assert seen.found >= found


def test_the_same_seed_gives_the_same_rates():
    world = replace(DECLINING, slope=1.0)
    assert rates(world, AlertRule(), families=5) == rates(world, AlertRule(), families=5)
    assert rates(world, AlertRule(), families=5) != rates(world, AlertRule(), families=5, seed=2)


def test_the_simulated_noise_has_the_stated_memory_and_size():
    world = World(n_woodlands=4_000, autocorrelation=0.5, park_year=0.0, unequal=0.0)
    values = np.array([one.mean for one in simulated_series(world, np.random.default_rng(3))])
    # Nine years are too few to centre each wood on; differences of neighbours need no centre.
    steps = np.diff(values, axis=1)
    assert steps.var() == pytest.approx(2 * 1.5**2 * (1 - 0.5), rel=0.03)
