"""What a replay says of few observations weighs the poor years of the tested line, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from flows.assessing.artefacts import with_replay_error
from monitoring.gates.replay import ReplayDifference
from monitoring.science import Science
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site

YEARS = np.arange(2017, 2026)
POOR = (2022, 2023)
SITES = {"ash": Site("ash", "Vale", True), "oak": Site("oak", "Vale"), "elm": Site("elm", "Dale", True)}
#: Thinning moves the ancient wood of Vale by 3 taxa either way: a root mean square of 3.
REPLAYED = (ReplayDifference("ash", 2019, 3.0, POOR), ReplayDifference("ash", 2020, -3.0, POOR))


def series(name: str, sd_year: float = 4.0) -> RichnessSeries:
    return RichnessSeries(name, YEARS, np.full(9, 50.0), np.full(9, 6.0), sd_year=np.full(9, sd_year))


def test_the_error_of_poor_years_grows_where_the_replay_speaks_of_the_woodland() -> None:
    ash, oak, elm = with_replay_error(
        [series("ash"), series("oak"), series("elm")], SITES, REPLAYED, Science()
    )
    assert ash.sd_year.tolist() == pytest.approx([4, 4, 4, 4, 4, 5, 5, 4, 4])
    assert oak.sd_year.tolist() == elm.sd_year.tolist() == [4.0] * 9
    assert ash.mean.tolist() == [50.0] * 9


def test_an_unknown_error_stays_unknown() -> None:
    bare = RichnessSeries("ash", YEARS, np.full(9, 50.0), np.full(9, 6.0))
    (found,) = with_replay_error([bare], SITES, REPLAYED, Science())
    assert found is bare


def test_without_a_replay_nothing_changes() -> None:
    one = series("ash")
    assert with_replay_error([one], SITES, (), Science()) == (one,)
