"""Yearly: which years are told of, and which stand out."""

from __future__ import annotations

import numpy as np

from monitoring.weather.extremes import ExtremeDays
from monitoring.weather.yearly import (
    Standing,
    extreme_among,
    extreme_years,
    weather_of_years,
    yearly_days,
)


def found_on(days: np.ndarray, compound: list[str], missing: list[str]) -> ExtremeDays:
    """One place with compound days, and days without weather."""
    both = np.isin(days, np.array(compound, "datetime64[D]"))[None]
    known = ~np.isin(days, np.array(missing, "datetime64[D]"))[None]
    return ExtremeDays((both * 0b11).astype(np.uint8), both, known)


def days_from(first: str, last: str) -> np.ndarray:
    return np.arange(np.datetime64(first), np.datetime64(last) + 1)


def test_only_years_from_new_year_to_new_years_eve_count() -> None:
    days = days_from("2019-07-01", "2022-06-30")
    found = yearly_days(found_on(days, ["2019-12-31", "2020-12-31", "2021-01-01"], []), days)
    assert found.years.tolist() == [2020, 2021]
    assert found.compound.tolist() == [[1, 1]]
    assert found.hot.tolist() == found.dry.tolist() == [[1, 1]]


def test_a_leap_year_is_whole_with_366_days() -> None:
    days = days_from("2020-01-01", "2020-12-31")
    everything = [str(day) for day in days]
    assert yearly_days(found_on(days, everything, []), days).compound.tolist() == [[366]]


def test_less_than_a_year_gives_no_year() -> None:
    days = days_from("2020-01-02", "2021-12-30")
    found = yearly_days(found_on(days, [], []), days)
    assert found.years.tolist() == []
    years = weather_of_years(found, [Standing("oak", 0, "here")])
    assert years[0].years.tolist() == years[0].compound_days.tolist() == []


def test_a_year_with_too_many_missing_days_is_left_out() -> None:
    days = days_from("2020-01-01", "2022-12-31")
    missing = ["2021-03-01", "2021-03-02"]
    yearly = yearly_days(found_on(days, ["2020-08-01", "2022-08-01", "2022-08-02"], missing), days)
    oak = [Standing("oak", 0, "here")]
    assert weather_of_years(yearly, oak, max_missing_days=2)[0].years.tolist() == [2020, 2021, 2022]
    strict = weather_of_years(yearly, oak, max_missing_days=1)[0]
    assert strict.years.tolist() == [2020, 2022]
    assert strict.compound_days.tolist() == [1, 2]
    assert strict.place == "here"
    assert extreme_years(strict).tolist() == [2020, 2022]
    assert extreme_years(strict, min_days=2).tolist() == [2022]


def test_a_year_of_unknown_weather_is_not_taken_for_a_normal_one() -> None:
    days = days_from("2020-01-01", "2022-12-31")
    weather = weather_of_years(
        yearly_days(found_on(days, ["2021-08-01"], []), days), [Standing("oak", 0, "")]
    )[0]
    known = extreme_among(np.array([2020, 2021, 2022]), weather)
    assert known is not None
    assert known.tolist() == [False, True, False]
    assert extreme_among(np.array([2021, 2023]), weather) is None
