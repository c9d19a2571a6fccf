"""The whole rule in worlds whose truth is known: short runs, fixed seeds. Bounds: three standard errors."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.calibration.figures import MOST_ANY_CONFIRMED, MOST_FALSE_SHARE
from monitoring.calibration.rates import ever_confirmed, provisional_rate, realised_rates, simulated
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


#: The fewest worlds that have all there is: independent noise, memory, heavy tails and years in common.
QUICK = ("as given", "autocorrelation 0.5", "t4, very unequal, autocorrelation 0.3", "common year 20 %")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in null_worlds(SMALL)],
)
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


FEW = declining(World(n_woodlands=40, n_parks=2), 0.8)


def test_the_same_seed_and_name_give_the_same_rates_and_others_give_others():
    alone = rates(FEW, sims=7, with_watch=True)
    assert rates(FEW, sims=7, with_watch=True) == alone
    assert rates(FEW, sims=7, with_watch=True, seed=2) != alone
    assert rates(FEW, sims=7, with_watch=True, name="another") != alone


def first_draw(rng):
    return (int(rng.integers(10**9)),)


def test_a_simulation_draws_the_same_whatever_the_others_are():
    """So it cannot matter which process it falls to."""
    seven = simulated(first_draw, 7, 1, "", 1)
    assert len(np.unique(seven)) == 7
    np.testing.assert_array_equal(simulated(first_draw, 3, 1, "", 1), seven[:3])


@pytest.mark.slow
def test_two_processes_give_the_rates_of_one():
    assert rates(FEW, sims=7, with_watch=True, processes=2) == rates(FEW, sims=7, with_watch=True)


def test_progress_counts_every_simulation():
    told = []
    rates(World(n_woodlands=40, n_parks=2), sims=7, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 7), (7, 7)]


@pytest.mark.parametrize("sims", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_spending_the_error_over_ten_looks_keeps_what_testing_ten_times_loses(sims):
    found = ever_confirmed(World(n_woodlands=120, n_parks=3), TrendTest(), AlertRule(), sims, 1)
    spent, harmonic, unspent = (found[way][1] for way in ("inverse square", "harmonic", "none"))
    assert harmonic <= spent <= at_most(MOST_ANY_CONFIRMED, sims)
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
