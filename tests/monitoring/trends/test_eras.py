import numpy as np
import pytest

from monitoring.errors import TrendError
from monitoring.trends.eras import ERAS, Era, without_each, years_of

YEARS = np.arange(2017, 2026)
HALVES = (Era("early", 2017, 2020, "one sensor"), Era("late", 2021, 2025, "another"))


def test_every_year_lies_in_exactly_one_era():
    years = np.arange(2014, 2041)
    assert (np.sum([np.isin(years, years_of(era, years)) for era in ERAS], axis=0) == 1).all()


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (2017, 2018, "borders"),
        (2021, 2022, "Sentinel-1B lost on 2021-12-23"),
        (2021, 2022, "baseline 04.00 from 2022-01-25"),
        (2024, 2025, "Sentinel-2C in the place of Sentinel-2A from 2025-01-21"),
        (2024, 2025, "Sentinel-1C"),
    ],
)
def test_a_new_era_begins_at_the_new_year_nearest_to_a_known_change(before, after, change):
    of = {int(year): era for era in ERAS for year in years_of(era, YEARS)}
    assert of[before] is not of[after]
    assert change in of[before].what + of[after].what


def test_leaving_out_each_era_leaves_the_other_years():
    left = {era.name: kept.tolist() for era, kept in without_each(YEARS, HALVES)}
    assert left == {"early": [2021, 2022, 2023, 2024, 2025], "late": [2017, 2018, 2019, 2020]}


def test_an_era_without_any_of_the_years_is_passed_over():
    assert [era.name for era, _ in without_each(np.array([2018, 2020]), HALVES)] == ["early"]


def test_an_era_with_all_the_years_leaves_none():
    [(_, kept)] = without_each(np.array([2018, 2020]), HALVES)
    assert len(kept) == 0


def test_a_year_in_no_era_is_always_kept():
    assert [kept.tolist() for _, kept in without_each(np.array([2016, 2018]), HALVES)] == [[2016]]


def test_without_years_there_is_nothing_to_leave_out():
    assert list(without_each(np.array([], np.int64))) == []
    assert years_of(ERAS[0], np.array([], np.int64)).tolist() == []


def test_an_era_that_ends_before_it_begins_is_refused():
    with pytest.raises(TrendError, match="era odd: its first year 2020 is after 2019"):
        Era("odd", 2020, 2019, "")
