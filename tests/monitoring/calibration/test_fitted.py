"""The noise fitted to histories is the noise they were drawn with."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.calibration.fitted import fitted_world
from monitoring.calibration.worlds import World, draw, series_of, sites_of
from monitoring.errors import TrendError

NOISY = World(
    common_year=0.2, park_year=0.15, class_year=0.1, unequal=0.5, autocorrelation=0.3, noise_fraction=0.06
)


def fitted(world, seed=1):
    family = draw(world, np.random.default_rng(seed))
    return fitted_world(series_of(family), sites_of(family))


def mean_of_fits(world, seeds=6):
    found = [fitted(world, seed) for seed in range(seeds)]
    return lambda name: np.mean([getattr(one, name) for one in found])


def test_what_a_woodland_does_by_itself_is_fitted():
    of = mean_of_fits(replace(NOISY, class_year=0.0))
    assert of("noise_fraction") == pytest.approx(0.06, rel=0.05)
    assert of("unequal") == pytest.approx(0.5, abs=0.05)
    assert of("autocorrelation") == pytest.approx(0.3, abs=0.05)


@pytest.mark.slow
def test_what_years_do_to_all_to_parks_and_to_classes_is_told_apart():
    of = mean_of_fits(replace(NOISY, autocorrelation=0.0), seeds=12)
    # Nine years give a variance to a third of itself at best.
    assert of("common_year") == pytest.approx(0.2, abs=0.08)
    assert of("park_year") == pytest.approx(0.15, abs=0.04)
    assert of("class_year") == pytest.approx(0.1, abs=0.05)


def test_quiet_years_are_fitted_as_quiet():
    found = fitted(World(common_year=0.0, park_year=0.0))
    assert found.common_year + found.park_year + found.class_year < 0.01
    assert found.autocorrelation < 0.1
    assert found.prediction_error == 0


def test_the_stated_prediction_error_is_recognised():
    assert fitted(World(n_woodlands=600, prediction_error=0.5)).prediction_error == pytest.approx(
        0.5, abs=0.25
    )
    assert fitted(replace(NOISY, prediction_error=0.0)).prediction_error == 0


def test_declines_count_as_lines_and_not_as_noise():
    steep = replace(World(n_woodlands=400), n_declining=100, slope=2.0)
    assert fitted(steep).noise_fraction == pytest.approx(
        fitted(World(n_woodlands=400)).noise_fraction, rel=0.1
    )


def test_size_and_make_up_are_those_of_the_histories():
    found = fitted(World(n_woodlands=90, n_parks=3, share_other=0.4, n_years=8, share_leaving=0.2))
    assert (found.n_woodlands, found.n_parks, found.n_years) == (90, 3, 8)
    assert found.share_other == pytest.approx(0.4, abs=0.01)
    assert found.mean_level == pytest.approx(50, abs=3)


def test_in_a_single_park_what_all_share_is_the_parks():
    found = fitted(World(n_woodlands=60, n_parks=1, common_year=0.3, park_year=0.0))
    assert found.common_year == 0
    assert found.park_year > 0.05


def test_histories_that_cannot_tell_their_noise_are_refused():
    with pytest.raises(
        TrendError, match="0 woodlands with 5 years and a control: to fit their noise at least 20 are needed"
    ):
        fitted(World(n_woodlands=60, n_parks=3, n_years=4))
    with pytest.raises(TrendError, match="0 woodlands with 5 years"):
        fitted_world((), {})
    with pytest.raises(TrendError, match="exact lines"):
        fitted(World(n_woodlands=60, n_parks=3, noise_fraction=0.0))
