"""The name of an assessment: equal for equal judgements, another for anything that could change them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flows.assessing.evidence import Evidence
from flows.assessing.histories import Histories
from flows.assessing.names import judged_hash, series_hash
from monitoring.gates.replay import ReplayDifference
from monitoring.gates.seen import SeenYears
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.weather.years import WeatherYears

YEARS = np.arange(2017, 2026)
ONES, DAYS = np.ones(9), np.zeros(9, np.int64)
ASH = RichnessSeries("ash", YEARS, 50.0 + ONES, ONES)
OAK = RichnessSeries("oak", YEARS, 40.0 + ONES, ONES)
SEEN = SeenYears("ash", YEARS, ONES, ONES, ONES, ONES, ONES)
SITES = {"ash": Site("ash", "Vale"), "oak": Site("oak", "Vale")}
HISTORIES = Histories((ASH, OAK), SITES, (SEEN,))
NAME = judged_hash(HISTORIES)


def test_the_order_of_the_woodlands_does_not_matter() -> None:
    assert judged_hash(replace(HISTORIES, series=(OAK, ASH))) == NAME
    assert series_hash([OAK, ASH]) == series_hash([ASH, OAK])
    assert len(NAME) == 12


def test_the_same_values_in_other_arrays_have_the_same_name() -> None:
    again = RichnessSeries("ash", YEARS.copy(), ASH.mean.copy(), ASH.sd.copy())
    assert judged_hash(replace(HISTORIES, series=(again, OAK))) == NAME


@pytest.mark.parametrize(
    "other",
    [
        replace(HISTORIES, series=(ASH,)),
        replace(HISTORIES, series=(replace(ASH, mean=ASH.mean + 1e-12), OAK)),
        replace(HISTORIES, series=(replace(ASH, sd_year=ONES), OAK)),
        replace(HISTORIES, series=(replace(ASH, outside=np.array([2016])), OAK)),
        replace(HISTORIES, sites={**SITES, "ash": Site("ash", "Vale", leaf_type="conifer")}),
        replace(HISTORIES, seen=()),
    ],
)
def test_another_history_site_or_count_has_another_name(other: Histories) -> None:
    assert judged_hash(other) != NAME


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(weather=(WeatherYears("ash", YEARS, DAYS, DAYS, DAYS),)),
        Evidence(replayed=(ReplayDifference("ash", 2019, -0.1, (2022,)),)),
        Evidence(index_rows=({"woodland_id": "ash", "year": 2020, "value": 0.8},)),
    ],
)
def test_evidence_that_came_later_makes_another_assessment(evidence: Evidence) -> None:
    assert judged_hash(HISTORIES, evidence) != NAME


def test_another_look_is_another_assessment() -> None:
    assert judged_hash(HISTORIES, look=2) != judged_hash(HISTORIES, look=1)


def test_a_woodland_of_the_boundary_file_without_a_history_does_not_matter() -> None:
    assert judged_hash(replace(HISTORIES, sites={**SITES, "elm": Site("elm")})) == NAME
