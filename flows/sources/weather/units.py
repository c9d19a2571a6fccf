"""Units and names: which column or variable holds what, and how it becomes the unit that is computed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from monitoring.errors import WeatherError
from monitoring.weather.daily import Array, DailyWeather

#: What turns one unit into another.
_KELVIN = 273.15
_SECONDS_PER_DAY = 86_400.0
_DAYS_OF_YEAR = 365
#: Rain that packing in 16 bits takes below zero, mm; less is refused.
_PACKING_MM = 0.01
#: How far the lowest temperature of a day may exceed the highest: gridded stations interpolate them apart.
_CROSSED_C = 1.0
#: A year of rain below this is a table in metres that says millimetres.
_MIN_RAIN_MM_PER_YEAR = 1.0


@dataclass(frozen=True)
class Quantity:
    """Something a table may hold of each day."""

    name: str
    """The column of a CSV table, and the field of `DailyWeather`."""
    unit: str
    low: float
    """Lowest believable value in that unit."""
    high: float
    known: Mapping[str, str]
    """Names it goes by in gridded files, each with the unit meant where the file states none."""


#: Extremes on record, rounded outwards: -89.2 and 56.7 Celsius, 1,825 mm of rain in a day, 113 m/s of gust.
QUANTITIES = (
    Quantity("tmax_c", "degC", -90, 60, {
        "mx2t": "K", "t2m_max": "K", "temperature_2m_max": "K", "tasmax": "K", "tx": "degC",
    }),
    Quantity("tmin_c", "degC", -100, 50, {
        "mn2t": "K", "t2m_min": "K", "temperature_2m_min": "K", "tasmin": "K", "tn": "degC",
    }),
    Quantity("precip_mm", "mm", -_PACKING_MM, 2000, {
        "tp": "m", "tp_sum": "m", "total_precipitation_sum": "m", "pr": "kg m-2 s-1", "rr": "mm",
    }),
    Quantity("dewpoint_c", "degC", -100, 45, {
        "d2m": "K", "d2m_mean": "K", "dewpoint_temperature_2m": "K",
    }),
    Quantity("wind10_ms", "m s-1", 0, 100, {
        "si10": "m s-1", "wind_speed_10m": "m s-1", "sfcwind": "m s-1", "fg": "m s-1",
    }),
    Quantity("rs_mj", "MJ m-2", -0.1, 50, {
        "ssrd": "J m-2", "ssrd_sum": "J m-2", "surface_solar_radiation_downwards_sum": "J m-2",
        "rsds": "W m-2", "qq": "W m-2",
    }),
)  # fmt: skip
BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}
NEEDED = ("tmax_c", "tmin_c", "precip_mm")
LOWEST_ELEVATION_M, HIGHEST_ELEVATION_M = -450.0, 9000.0

#: (unit of the file, lower case without blanks, ^, ** and points) -> (unit computed in, factor, offset).
_CONVERSIONS: Mapping[str, tuple[str, float, float]] = {
    "k": ("degC", 1, -_KELVIN), "kelvin": ("degC", 1, -_KELVIN),
    "degc": ("degC", 1, 0), "c": ("degC", 1, 0), "°c": ("degC", 1, 0), "celsius": ("degC", 1, 0),
    "degreescelsius": ("degC", 1, 0), "degreesc": ("degC", 1, 0), "degreecelsius": ("degC", 1, 0),
    "m": ("mm", 1000, 0), "metres": ("mm", 1000, 0), "m/day": ("mm", 1000, 0),
    "mm": ("mm", 1, 0), "mm/day": ("mm", 1, 0), "mmday-1": ("mm", 1, 0), "kgm-2": ("mm", 1, 0),
    "kgm-2s-1": ("mm", _SECONDS_PER_DAY, 0), "mm/s": ("mm", _SECONDS_PER_DAY, 0),
    "ms-1": ("m s-1", 1, 0), "m/s": ("m s-1", 1, 0),
    "jm-2": ("MJ m-2", 1e-6, 0), "j/m2": ("MJ m-2", 1e-6, 0),
    "mjm-2": ("MJ m-2", 1, 0), "mj/m2": ("MJ m-2", 1, 0), "mjm-2day-1": ("MJ m-2", 1, 0),
    "wm-2": ("MJ m-2", _SECONDS_PER_DAY * 1e-6, 0), "w/m2": ("MJ m-2", _SECONDS_PER_DAY * 1e-6, 0),
}  # fmt: skip


def conversion(where: str, quantity: Quantity, stated: str) -> tuple[float, float]:
    """Return the factor and offset that turn a stated unit into the quantity's; WeatherError for another."""
    plain = stated.lower().translate(str.maketrans("", "", " ^*."))
    unit, factor, offset = _CONVERSIONS.get(plain, ("", 1, 0))
    if unit != quantity.unit:
        raise WeatherError(f"{where}: unit {stated!r} cannot become {quantity.unit} of {quantity.name}")
    return factor, offset


def believable(where: str, weather: DailyWeather) -> DailyWeather:
    """Return the weather with packing's rain below zero made none; WeatherError for what no day can be."""
    for quantity in QUANTITIES:
        values: Array | None = getattr(weather, quantity.name)
        if values is not None:
            _refuse_out_of_bounds(where, quantity, values)
    _refuse_crossed(where, weather.tmax_c, weather.tmin_c)
    _refuse_no_rain(where, weather.precip_mm)
    return replace(weather, precip_mm=np.maximum(weather.precip_mm, 0))


def _refuse_out_of_bounds(where: str, quantity: Quantity, values: Array) -> None:
    wrong = values[(values < quantity.low) | (values > quantity.high)]
    if len(wrong):
        hint = "; is it in kelvin?" if quantity.unit == "degC" and wrong[0] > quantity.high else ""
        raise WeatherError(
            f"{where}: {quantity.name} {wrong[0]:.6g}: "
            f"must be from {quantity.low:g} to {quantity.high:g}{hint}"
        )


def _refuse_crossed(where: str, tmax_c: Array, tmin_c: Array) -> None:
    crossed = np.argwhere(tmin_c > tmax_c + _CROSSED_C)
    if len(crossed):
        lowest, highest = tmin_c[tuple(crossed[0])], tmax_c[tuple(crossed[0])]
        raise WeatherError(f"{where}: tmin_c {lowest:g} is above tmax_c {highest:g} of the same day")


def _refuse_no_rain(where: str, precip_mm: Array) -> None:
    """Refuse a table in which no place has a year's rain: it is in metres and says millimetres."""
    days = np.isfinite(precip_mm).sum(axis=1)
    most = np.max(np.nansum(precip_mm, axis=1) / np.maximum(days, 1) * _DAYS_OF_YEAR, initial=0)
    if days.max(initial=0) >= _DAYS_OF_YEAR and most < _MIN_RAIN_MM_PER_YEAR:
        raise WeatherError(
            f"{where}: precip_mm adds up to {most:.3g} mm a year, at least {_MIN_RAIN_MM_PER_YEAR:g} is "
            "expected; is it in metres?"
        )


def named(where: str, quantity: Quantity, names: Iterable[str]) -> str | None:
    """Return which of a file's names holds the quantity, letter case aside; WeatherError for two of them."""
    wanted = {quantity.name, *quantity.known}
    found = [name for name in names if name.lower() in wanted]
    if len(found) > 1:
        raise WeatherError(f"{where}: {' and '.join(map(repr, found))} both hold {quantity.name}")
    return found[0] if found else None
