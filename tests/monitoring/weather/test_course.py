"""Course: dips are told from declines, on series that can be checked by eye and on simulated ones."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.alerts.alert import Course
from monitoring.weather.course import Courses, courses
from monitoring.weather.course_rates import course_rates

YEARS = np.arange(2017, 2026)
EXTREME = np.isin(YEARS, (2018, 2022))
NAN = float("nan")


def course_of(*values: float, extreme: np.ndarray = EXTREME) -> tuple[Courses, Course | None]:
    found = courses(YEARS, np.array([values]), extreme)
    return found, found.course[0]


def test_a_fall_that_goes_on_without_the_extreme_years_is_sustained() -> None:
    found, course = course_of(40, 30, 39, 38, 37, 28, 36, 35, 34)
    assert course is Course.SUSTAINED
    assert found.slope[0] < 0
    assert found.p[0] == pytest.approx(2 / 5040)


def test_a_flat_series_that_sags_in_extreme_years_is_a_dip() -> None:
    found, course = course_of(40, 36, 40.2, 39.8, 40.1, 36, 39.9, 40, 40.1)
    assert course is Course.DIP
    assert found.departure[0] == pytest.approx(-4, abs=0.1)
    assert 0.1 < found.mad[0] < 0.2


def test_a_fall_that_needs_the_extreme_years_without_a_dip_is_uncertain() -> None:
    late = np.isin(YEARS, (2024, 2025))
    found, course = course_of(40, 40.3, 39.5, 40.1, 39.4, 39.6, 39.7, 38.9, 38.8, extreme=late)
    assert course is Course.UNCERTAIN
    assert found.p[0] > 0.1


def test_a_steady_or_rising_series_has_no_course() -> None:
    for values in ([40.0] * 9, [40.0 + year for year in range(9)], [40, 41, 39, 40.5, 39.5, 40, 41, 39, 40]):
        found, course = course_of(*values)
        assert course is None
        assert not found.declines.any()


def test_without_an_extreme_year_a_fall_is_sustained_and_nothing_is_a_dip() -> None:
    none = np.zeros(9, bool)
    found, course = course_of(40, 39, 38, 37, 36, 35, 34, 33, 32, extreme=none)
    assert course is Course.SUSTAINED
    assert np.isnan(found.departure[0])
    assert course_of(40, 36, 40, 40, 40, 36, 40, 40, 40, extreme=none)[1] is None


def test_every_year_extreme_or_missing_says_nothing_of_the_others() -> None:
    found, course = course_of(40, 39, 38, 37, 36, 35, 34, 33, 32, extreme=np.ones(9, bool))
    assert course is Course.UNCERTAIN
    assert np.isnan(found.slope[0])
    assert course_of(*[NAN] * 9)[1] is None
    assert course_of(*[NAN] * 8, 40)[1] is None


def test_missing_years_are_left_out() -> None:
    assert course_of(40, NAN, 39, 38, NAN, 28, 36, 35, 34)[1] is Course.SUSTAINED


def test_each_woodland_has_extreme_years_of_its_own() -> None:
    values = np.array([[40, 36, 40.2, 39.8, 40.1, 36, 39.9, 40, 40.1]] * 2)
    other = np.isin(YEARS, (2017, 2020))
    found = courses(YEARS, values, np.stack([EXTREME, other]))
    assert found.course.tolist() == [Course.DIP, None]


def test_no_woodland_is_no_course() -> None:
    assert courses(YEARS, np.empty((0, 9)), EXTREME).course.shape == (0,)


def test_dips_and_declines_are_named_as_often_as_promised() -> None:
    """9 years, extreme 2018 and 2022, sd 0.5, 4,000 draws each: dips >= 90 % and sustained <= 6 % of dips
    alone, sustained >= 95 % of a loss of 0.5 a year."""
    rates = {rate.truth: rate for rate in course_rates(20260401, draws=4000, sds=(0.5,))}
    dips, decline = rates["extreme-year dips only"], rates["decline"]
    assert dips.dip >= 0.90
    assert dips.sustained <= 0.06
    assert decline.sustained >= 0.95
    assert rates["decline and dips"].sustained >= 0.95
    assert rates["stable"].sustained <= 0.06


def test_with_twice_the_noise_few_dips_pass_for_declines() -> None:
    rates = {rate.truth: rate for rate in course_rates(20260401, draws=4000, sds=(1.0,))}
    assert rates["extreme-year dips only"].sustained <= 0.06
    assert rates["extreme-year dips only"].dip >= 0.80
    assert rates["decline"].sustained >= 0.70
    assert rates["decline"].dip <= 0.02


def test_rates_add_up_and_the_same_seed_gives_the_same() -> None:
    rates = course_rates(3, draws=200)
    assert rates == course_rates(3, draws=200)
    assert [rate.sd for rate in rates] == [0.5] * 4 + [1.0] * 4
    for rate in rates:
        assert rate.sustained + rate.dip + rate.uncertain + rate.none == pytest.approx(1)
