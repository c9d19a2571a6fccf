"""The whole rule in worlds whose truth is known: short runs, fixed seeds. Bounds: three standard errors."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.calibration.figures import MOST_ANY_CONFIRMED, MOST_FALSE_SHARE
from monitoring.calibration.rates import ever_confirmed, provisional_rate, realised_rates
from monitoring.calibration.scenarios import declining, null_worlds
from monitoring.calibration.worlds import World
from monitoring.errors import SettingsError
from monitoring.science import AlertRule, TrendTest

SMALL = World(n_woodlands=300, n_parks=5)
SIMS = 30


def rates(world, sims=SIMS, seed=1, **more):
    return realised_rates(world, TrendTest(), AlertRule(), sims, seed, **more)


def at_most(rate, sims):
    return rate + 3 * np.sqrt(rate * (1 - rate) / sims)


@pytest.mark.parametrize("name", null_worlds(SMALL))
def test_where_nothing_declines_hardly_any_family_has_a_false_alarm(name):
    found = rates(null_worlds(SMALL)[name], name=name)
    assert found.any_alone <= at_most(MOST_ANY_CONFIRMED, SIMS)
    assert found.any_confirmed <= found.any_alone


@pytest.mark.parametrize("name", ["as given", "unequal noise", "t4 noise"])
def test_few_of_the_confirmed_are_false_where_some_decline(name):
    found = rates(declining(null_worlds(SMALL)[name], 0.8), name=name)
    assert found.false_share_alone <= at_most(MOST_FALSE_SHARE, SIMS)
    assert np.isnan(rates(SMALL, sims=1).found)


def test_steeper_declines_are_found_more_often():
    found = [rates(declining(SMALL, effect), sims=10).found_alone for effect in (0.2, 0.6, 1.0)]
    assert found[0] < 0.1
    assert found[1] > 0.4
    assert found[2] > 0.9


def test_those_on_watch_that_hold_are_few():
    found = rates(declining(SMALL, 0.6), sims=10, with_watch=True)
    assert found.false_watch < 20
    assert found.found_any >= found.found


def test_the_same_seed_gives_the_same_rates_on_any_number_of_processes():
    world = declining(World(n_woodlands=40, n_parks=2), 0.8)
    alone = rates(world, sims=7, with_watch=True)
    assert rates(world, sims=7, with_watch=True, processes=2) == alone
    assert rates(world, sims=7, with_watch=True, seed=2) != alone
    assert rates(world, sims=7, with_watch=True, name="another") != alone


def test_progress_counts_every_simulation():
    told = []
    rates(World(n_woodlands=40, n_parks=2), sims=7, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 7), (7, 7)]


def test_spending_the_error_over_ten_looks_keeps_what_testing_ten_times_loses():
    found = ever_confirmed(World(n_woodlands=120, n_parks=3), TrendTest(), AlertRule(), 60, 1)
    spent, harmonic, unspent = (found[way][1] for way in ("inverse square", "harmonic", "none"))
    assert harmonic <= spent <= at_most(MOST_ANY_CONFIRMED, 60)
    assert unspent > spent


def test_false_provisional_alerts_stay_within_their_budget_with_normal_noise():
    assert provisional_rate(World(), AlertRule(), 5, 1)[0] <= 0.5
    # Sixty thousand times the budget lets everything through that falls at all.
    loose = AlertRule(provisional_per_1000=60_000)
    assert provisional_rate(replace(SMALL, n_years=7), loose, 2, 1)[0] == pytest.approx(1500, rel=0.1)


def test_nothing_is_simulated_with_no_simulation_or_process():
    with pytest.raises(SettingsError, match="0 simulations on 1 processes: at least 1"):
        rates(SMALL, sims=0)
    with pytest.raises(SettingsError, match="1 simulations on 0 processes"):
        rates(SMALL, sims=1, processes=0)
