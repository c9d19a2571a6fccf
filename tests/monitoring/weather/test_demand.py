"""Demand: FAO-56, against pyet's numbers and the textbook's own examples."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitoring.weather.daily import DailyWeather
from monitoring.weather.demand import (
    clear_sky_radiation,
    day_of_year,
    daylight_hours,
    demand,
    extraterrestrial_radiation,
    penman_monteith,
    saturation_pressure,
    wind_at_2_m,
)

SUMMER = np.array(["2022-07-01", "2022-07-02"], "datetime64[D]")


def two_days() -> DailyWeather:
    """A dry and a dull day at one place in the south of England."""
    return DailyWeather(
        SUMMER,
        np.array([50.9]),
        np.array([[28.0, 18.0]]),
        np.array([[12.0, 11.0]]),
        np.zeros((1, 2)),
        np.array([40.0]),
        np.array([[9.0, 12.0]]),
        np.array([[3.0, 3.0]]),
        np.array([[26.0, 9.0]]),
    )


@pytest.mark.parametrize("place", ["cairngorms", "new_forest"])
def test_demand_agrees_with_an_independent_library(shared: Path, place: str) -> None:
    with (shared / "golden" / "fao56" / f"{place}.csv").open() as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> np.ndarray:
        return np.array([[float(row[name]) for row in rows]])

    days = np.array([row["date"] for row in rows], "datetime64[D]")
    latitude, elevation_m = column("latitude")[0, :1], column("elevation_m")[0, :1]
    ra_mj = extraterrestrial_radiation(latitude, day_of_year(days))
    rso_mj = clear_sky_radiation(ra_mj, elevation_m[:, None])
    weather = DailyWeather(
        days,
        latitude,
        column("tmax_c"),
        column("tmin_c"),
        np.zeros_like(ra_mj),
        elevation_m,
        column("dewpoint_c"),
        column("wind10_ms"),
        column("rs_mj"),
    )
    found = demand(weather)
    assert found.assumed == ()
    np.testing.assert_allclose(ra_mj, column("ra_mj"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(rso_mj, column("rso_mj"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.et0_mm, column("et0_mm_pyet"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.et0_mm, column("et0_mm_equations"), rtol=0, atol=1e-6)


def test_the_sun_above_the_air_is_that_of_the_textbook() -> None:
    """FAO-56 example 8: 3 September at 20 S."""
    day = day_of_year(np.array(["2022-09-03"], "datetime64[D]"))
    assert extraterrestrial_radiation(np.array([-20.0]), day)[0, 0] == pytest.approx(32.2, abs=0.05)


def test_uccle_on_6_july_asks_for_3_9_mm() -> None:
    """FAO-56 example 18: humidity 84 and 63 %, wind 10 km/h at 10 m, 9.25 h of sunshine."""
    tmax, tmin, latitude, day = 21.5, 12.3, 50.80, 187
    vapour = (saturation_pressure(np.array(tmin)) * 0.84 + saturation_pressure(np.array(tmax)) * 0.63) / 2
    logarithm = np.log(vapour / 0.6108)
    dewpoint = 237.3 * logarithm / (17.27 - logarithm)
    ra = extraterrestrial_radiation(np.array([latitude]), np.array([day]))
    rs = (0.25 + 0.5 * 9.25 / daylight_hours(latitude, day)) * ra
    height = np.array(100.0)
    wind = wind_at_2_m(np.array(10 / 3.6))
    rso = clear_sky_radiation(ra, height)
    et0 = penman_monteith(np.array(tmax), np.array(tmin), dewpoint, wind, rs, rso, height)
    assert et0[0, 0] == pytest.approx(3.9, abs=0.05)


def test_what_a_table_lacks_is_assumed_and_said() -> None:
    known = demand(two_days())
    poor = demand(replace(two_days(), elevation_m=None, dewpoint_c=None, wind10_ms=None, rs_mj=None))
    assert known.assumed == ()
    assert poor.assumed == (
        "dewpoint = lowest temperature",
        "wind 2 m/s",
        "radiation from the range of temperature",
        "elevation 0 m",
    )
    assert (np.abs(poor.et0_mm - known.et0_mm) < 2).all()
    assert poor.et0_mm[0, 0] > poor.et0_mm[0, 1]


def test_a_single_missing_value_is_not_assumed() -> None:
    gappy = two_days()
    assert gappy.wind10_ms is not None
    gappy.wind10_ms[0, 1] = np.nan
    found = demand(gappy)
    assert np.isfinite(found.et0_mm).tolist() == [[True, False]]
    assert found.assumed == ()


def test_the_polar_night_asks_for_next_to_nothing() -> None:
    winter = np.array(["2022-12-20", "2022-12-21"], "datetime64[D]")
    dark = replace(two_days(), days=winter, latitude=np.array([75.0]), rs_mj=None, dewpoint_c=None)
    assert extraterrestrial_radiation(dark.latitude, day_of_year(winter)).tolist() == [[0.0, 0.0]]
    assert np.isfinite(demand(dark).et0_mm).all()


def test_weather_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\) \(places, days\)"):
        replace(two_days(), tmin_c=np.zeros((1, 3)))
