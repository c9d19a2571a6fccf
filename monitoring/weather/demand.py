"""Demand: the water that air and sun ask of a well-watered grass, by the equations of FAO-56.

Allen, Pereira, Raes & Smith (1998) Crop evapotranspiration, FAO Irrigation and Drainage Paper 56. Equation
numbers below are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.weather.daily import Array, DailyWeather, DayAxis

Days = NDArray[np.int64]

#: MJ per square metre and minute.
SOLAR_CONSTANT = 0.0820
#: MJ per K^4, square metre and day.
STEFAN_BOLTZMANN = 4.903e-9
#: Of a hypothetical grass.
ALBEDO = 0.23
#: Zero Celsius in kelvin, as FAO-56 rounds it where radiation is (eq. 39) ...
_KELVIN = 273.16
#: ... and where the wind's part is (eq. 6).
_KELVIN_OF_WIND = 273.0
#: Wind where none is known, m/s at 2 m (FAO-56 p. 63, the mean of 2,000 stations).
ASSUMED_WIND2_MS = 2.0
#: Share of the extraterrestrial radiation by the square root of the temperature range, inland (eq. 50).
INLAND_RADIATION = 0.16
#: Mean distance to the sun varies with the length of the year (eq. 23, 24).
_DAYS_OF_YEAR = 365

WIND = "wind 2 m/s"
DEWPOINT = "dewpoint = lowest temperature"
RADIATION = "radiation from the range of temperature"
ELEVATION = "elevation 0 m"


@dataclass(frozen=True)
class Demand:
    """Reference evapotranspiration, and what had to be assumed for it."""

    et0_mm: Array
    """(C, D) mm per day, never below 0; NaN where an input is."""
    assumed: tuple[str, ...]
    """What stands in for columns that the weather lacks altogether."""


def demand(weather: DailyWeather) -> Demand:
    """Return the reference evapotranspiration of every place and day.

    Where the weather lacks dewpoint, wind or radiation altogether, FAO-56's own stand-ins are taken: the
    lowest temperature (eq. 48), 2 m/s, and radiation from the range of temperature, at most that of a clear
    sky (eq. 50). A single missing value stays missing. Elevation, if unknown, is that of the sea.
    """
    elevation_m = np.zeros(len(weather.latitude)) if weather.elevation_m is None else weather.elevation_m
    ra_mj = extraterrestrial_radiation(weather.latitude, day_of_year(weather.days))
    rso_mj = clear_sky_radiation(ra_mj, elevation_m[:, None])
    return Demand(
        penman_monteith(
            weather.tmax_c,
            weather.tmin_c,
            weather.tmin_c if weather.dewpoint_c is None else weather.dewpoint_c,
            np.array(ASSUMED_WIND2_MS) if weather.wind10_ms is None else wind_at_2_m(weather.wind10_ms),
            _radiation_by_range(weather, ra_mj, rso_mj) if weather.rs_mj is None else weather.rs_mj,
            rso_mj,
            elevation_m[:, None],
        ),
        _assumed(weather),
    )


def _assumed(weather: DailyWeather) -> tuple[str, ...]:
    lacking = {
        DEWPOINT: weather.dewpoint_c,
        WIND: weather.wind10_ms,
        RADIATION: weather.rs_mj,
        ELEVATION: weather.elevation_m,
    }
    return tuple(words for words, values in lacking.items() if values is None)


def _radiation_by_range(weather: DailyWeather, ra_mj: Array, rso_mj: Array) -> Array:
    """Return the solar radiation that the range of temperature suggests (eq. 50), MJ per m2 and day."""
    spread_c = np.maximum(weather.tmax_c - weather.tmin_c, 0)
    found: Array = np.minimum(INLAND_RADIATION * np.sqrt(spread_c) * ra_mj, rso_mj)
    return found


def day_of_year(days: DayAxis) -> Days:
    """Return 1 for 1 January, ..., 365 or 366 for 31 December."""
    first = days.astype("datetime64[Y]").astype("datetime64[D]")
    numbers: Days = (days - first).astype(np.int64) + 1
    return numbers


def extraterrestrial_radiation(latitude: Array, day: Days) -> Array:
    """Return the radiation above the air (C, D), MJ per m2 and day, for C latitudes and D days of the year.

    Degrees, north positive. In the polar night it is 0 (eq. 21-25).
    """
    phi = np.radians(latitude)[:, None]
    turn = 2 * np.pi * day / _DAYS_OF_YEAR
    distance, declination = 1 + 0.033 * np.cos(turn), 0.409 * np.sin(turn - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    found: Array = np.maximum(24 * 60 / np.pi * SOLAR_CONSTANT * distance * height, 0)
    return found


def clear_sky_radiation(ra_mj: Array, elevation_m: Array) -> Array:
    """Return the radiation on the ground under a clear sky, MJ per m2 and day (eq. 37)."""
    found: Array = (0.75 + 2e-5 * elevation_m) * ra_mj
    return found


def daylight_hours(latitude: float, day: int) -> float:
    """Return the hours from sunrise to sunset (eq. 34), of use where hours of sunshine were measured."""
    declination = 0.409 * np.sin(2 * np.pi * day / _DAYS_OF_YEAR - 1.39)
    return float(24 / np.pi * np.arccos(np.clip(-np.tan(np.radians(latitude)) * np.tan(declination), -1, 1)))


def wind_at_2_m(wind10_ms: Array) -> Array:
    """Return the speed at 2 m of a wind measured at 10 m (eq. 47)."""
    found: Array = wind10_ms * (4.87 / np.log(67.8 * 10 - 5.42))
    return found


def saturation_pressure(temperature_c: Array) -> Array:
    """Return the vapour pressure of saturated air, kPa (eq. 11)."""
    found: Array = 0.6108 * np.exp(17.27 * temperature_c / (temperature_c + 237.3))
    return found


def penman_monteith(
    tmax_c: Array,
    tmin_c: Array,
    dewpoint_c: Array,
    wind2_ms: Array,
    rs_mj: Array,
    rso_mj: Array,
    elevation_m: Array,
) -> Array:
    """Return reference evapotranspiration, mm per day, not below 0 (eq. 6); soil heat flux is 0 (eq. 42).

    All shapes that broadcast. The mean temperature is that of highest and lowest (eq. 9), the vapour in the
    air that of the dewpoint (eq. 14).
    """
    mean_c = (tmax_c + tmin_c) / 2
    saturated = (saturation_pressure(tmax_c) + saturation_pressure(tmin_c)) / 2
    vapour = saturation_pressure(dewpoint_c)
    slope = 4098 * saturation_pressure(mean_c) / (mean_c + 237.3) ** 2
    gamma = 0.665e-3 * air_pressure(elevation_m)
    net_mj = (1 - ALBEDO) * rs_mj - net_long_wave(tmax_c, tmin_c, vapour, rs_mj, rso_mj)
    by_wind = gamma * 900 / (mean_c + _KELVIN_OF_WIND) * wind2_ms * (saturated - vapour)
    et0 = (0.408 * slope * net_mj + by_wind) / (slope + gamma * (1 + 0.34 * wind2_ms))
    found: Array = np.maximum(et0, 0)
    return found


def air_pressure(elevation_m: Array) -> Array:
    """Return the pressure of the air, kPa (eq. 7)."""
    found: Array = 101.3 * ((293 - 0.0065 * elevation_m) / 293) ** 5.26
    return found


def net_long_wave(tmax_c: Array, tmin_c: Array, vapour: Array, rs_mj: Array, rso_mj: Array) -> Array:
    """Return the heat radiated off, MJ per m2 and day (eq. 39); in the polar night the sky counts as clear.

    `vapour`: pressure of the vapour in the air, kPa.
    """
    black_body = STEFAN_BOLTZMANN * ((tmax_c + _KELVIN) ** 4 + (tmin_c + _KELVIN) ** 4) / 2
    clear = np.where(rso_mj > 0, np.minimum(rs_mj / np.where(rso_mj > 0, rso_mj, 1), 1), 1)
    found: Array = black_body * (0.34 - 0.14 * np.sqrt(vapour)) * (1.35 * clear - 0.35)
    return found
