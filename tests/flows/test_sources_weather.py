"""Weather tables: CSV, NetCDF and Zarr say the same, and what cannot be believed is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from flows.sources.weather.reading import nearest_places, open_table, read_weather, weather_years
from flows.sources.weather.table import Places
from monitoring.errors import WeatherError
from monitoring.science import WeatherRule
from monitoring.weather.years import WeatherYears

RULE = WeatherRule()
DAYS = np.arange(np.datetime64("2019-01-01"), np.datetime64("2023-01-01"))
LATITUDE, LONGITUDE = np.array([51.0, 50.9, 50.8]), np.array([-1.6, -1.5])
#: A woodland 1 km from the middle of the grid's second row, first column.
OAK = {"oak": (-1.61, 50.905)}
#: The drought that the tables hold, and the heat at its end.
DROUGHT, HEAT = ("2022-05-01", "2022-08-20"), ("2022-08-11", "2022-08-20")


def between(span: tuple[str, str], days: np.ndarray = DAYS) -> np.ndarray:
    return (days >= np.datetime64(span[0])) & (days <= np.datetime64(span[1]))


def weather() -> dict[str, np.ndarray]:
    """Four years (days, 3, 2) with a drought that ends in heat in 2022; the first cell is sea."""
    random = np.random.default_rng(4)
    shape = len(DAYS), 3, 2
    season = np.sin(2 * np.pi * (np.arange(len(DAYS)) - 110) / 365.25)[:, None, None]
    tmax = 14 + 8 * season + random.normal(0, 2, shape)
    tmax[between(HEAT)] += 14
    rain = random.gamma(0.4, 6, shape)
    rain[between(DROUGHT)] = 0
    found = {"tmax_c": tmax, "tmin_c": tmax - 8, "precip_mm": rain}
    for values in found.values():
        values[:, 0, 0] = np.nan
    return found


def frame(values: dict[str, np.ndarray], row: int = 1, column: int = 0) -> pd.DataFrame:
    """One cell as a CSV table has it."""
    series = {name: each[:, row, column] for name, each in values.items()}
    where = {"latitude": LATITUDE[row], "longitude": LONGITUDE[column]}
    return pd.DataFrame({"date": DAYS.astype(str), **where, **series})


def dataset(values: dict[str, np.ndarray], axis: str = "valid_time") -> xr.Dataset:
    """The same as ERA5-Land has it: kelvin and metres."""
    axes = axis, "latitude", "longitude"
    return xr.Dataset(
        {
            "t2m_max": (axes, values["tmax_c"] + 273.15, {"units": "K"}),
            "t2m_min": (axes, values["tmin_c"] + 273.15, {"units": "K"}),
            "tp": (axes, values["precip_mm"] / 1000, {"units": "m"}),
        },
        {axis: DAYS.astype("datetime64[ns]"), "latitude": LATITUDE, "longitude": LONGITUDE % 360},
    )


def write_csv(path: Path, *tables: pd.DataFrame) -> Path:
    pd.concat(tables).to_csv(path, index=False)
    return path


def one(found: tuple[WeatherYears, ...]) -> WeatherYears:
    (years,) = found
    return years


def test_the_summer_of_the_drought_stands_out(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "daily.csv", frame(weather()))
    reading = read_weather(path, OAK, RULE)
    years = one(reading.years)
    assert years.years.tolist() == [2019, 2020, 2021, 2022]
    assert years.compound_days[:3].tolist() == [0, 0, 0]
    assert 3 <= years.compound_days[3] <= 10
    assert years.place == "50.900 N 1.600 W, 0.9 km"
    assert (reading.first_day, reading.last_day) == ("2019-01-01", "2022-12-31")
    assert "wind 2 m/s" in reading.assumed


def test_csv_netcdf_and_zarr_say_the_same(tmp_path: Path) -> None:
    values = weather()
    source = dataset(values)
    source.to_netcdf(tmp_path / "daily.nc")
    source.to_zarr(tmp_path / "three.zarr", zarr_format=3, consolidated=False)
    source.to_zarr(tmp_path / "two.zarr", zarr_format=2, consolidated=True)
    write_csv(tmp_path / "daily.csv", frame(values), frame(values, 2, 1))
    expected = one(weather_years(tmp_path / "daily.csv", OAK, RULE))
    for name in ("daily.nc", "three.zarr", "two.zarr"):
        found = one(weather_years(tmp_path / name, OAK, RULE))
        assert found.place == expected.place
        for kind in ("years", "hot_days", "dry_days", "compound_days"):
            np.testing.assert_array_equal(getattr(found, kind), getattr(expected, kind))


def test_a_wood_by_the_sea_has_the_weather_of_the_nearest_land(tmp_path: Path) -> None:
    dataset(weather()).to_netcdf(tmp_path / "daily.nc")
    coast = one(weather_years(tmp_path / "daily.nc", {"coast": (-1.6, 51.0)}, RULE))
    assert coast.place == "51.000 N 1.500 W, 7.0 km"


def test_stations_may_have_names_and_an_elevation(tmp_path: Path) -> None:
    table = frame(weather()).assign(cell="Lyndhurst", elevation_m=40.0, wind10_ms=3.0)
    reading = read_weather(write_csv(tmp_path / "daily.csv", table), OAK, RULE)
    assert one(reading.years).place == "Lyndhurst at 50.900 N 1.600 W, 0.9 km"
    assert "elevation 0 m" not in reading.assumed
    assert "wind 2 m/s" not in reading.assumed


def test_missing_days_leave_their_year_out(tmp_path: Path) -> None:
    table = frame(weather())
    kept = ~table["date"].between("2020-02-01", "2020-02-08")
    years = one(weather_years(write_csv(tmp_path / "daily.csv", table[kept]), OAK, RULE))
    assert years.years.tolist() == [2019, 2021, 2022]


def test_rows_sorted_by_day_or_by_place_say_the_same(tmp_path: Path) -> None:
    both = pd.concat([frame(weather()), frame(weather(), 2, 1)])
    by_place = one(weather_years(write_csv(tmp_path / "place.csv", both), OAK, RULE))
    sorted_by_day = both.sort_values("date", kind="stable")
    by_day = one(weather_years(write_csv(tmp_path / "day.csv", sorted_by_day), OAK, RULE))
    np.testing.assert_array_equal(by_place.hot_days, by_day.hot_days)


def test_places_read_some_at_a_time_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset(weather()).to_netcdf(tmp_path / "daily.nc")
    woods = {"a": (-1.5, 50.8), "b": (-1.6, 50.9), "c": (-1.5, 51.0), "b2": (-1.6, 50.9)}
    at_once = weather_years(tmp_path / "daily.nc", woods, RULE)
    monkeypatch.setattr("flows.sources.weather.reading._VALUES_AT_ONCE", 1)
    monkeypatch.setattr("flows.sources.weather.grid_table._VALUES_AT_ONCE", 1000)
    in_parts = weather_years(tmp_path / "daily.nc", woods, RULE)
    assert [each.woodland_id for each in in_parts] == list(woods)
    for whole, part in zip(at_once, in_parts, strict=True):
        assert whole.place == part.place
        np.testing.assert_array_equal(whole.compound_days, part.compound_days)
        np.testing.assert_array_equal(whole.dry_days, part.dry_days)


def hourly(days: int = 3) -> xr.Dataset:
    """ERA5-Land's hours at one cell: rain of 1 mm an hour, adding up from 00 UTC, on the second day only."""
    times = np.datetime64("2021-12-30T00", "ns") + np.arange(24 * days) * np.timedelta64(1, "h")
    hour = np.arange(24 * days)
    since_midnight = (hour - 1) % 24 + 1
    raining = (hour - 1) // 24 == 1
    axes = "valid_time", "latitude", "longitude"
    return xr.Dataset(
        {
            "t2m": (axes, (280.15 + hour % 24)[:, None, None], {"units": "K"}),
            "tp": (axes, np.where(raining, since_midnight / 1000, 0)[:, None, None], {"units": "m"}),
            "u10": (axes, np.full((24 * days, 1, 1), 3.0), {"units": "m s**-1"}),
            "v10": (axes, np.full((24 * days, 1, 1), -4.0), {"units": "m s**-1"}),
        },
        {"valid_time": times, "latitude": [50.9], "longitude": [-1.6]},
    )


def test_a_day_of_hours_has_the_total_that_the_next_midnight_states(tmp_path: Path) -> None:
    hourly().to_netcdf(tmp_path / "hours.nc")
    with open_table(tmp_path / "hours.nc", 0) as table:
        found = table.read(np.array([0]))
        days = [str(day) for day in table.days]
    assert days == ["2021-12-30", "2021-12-31", "2022-01-01"]
    np.testing.assert_allclose(found.precip_mm, [[0, 24, np.nan]], atol=1e-9)
    np.testing.assert_allclose(found.tmax_c, [[30, 30, 30]])
    np.testing.assert_allclose(found.tmin_c, [[7, 7, 7]])
    assert found.wind10_ms is not None
    np.testing.assert_allclose(found.wind10_ms, [[5, 5, 5]])


def test_hours_that_do_not_add_up_from_midnight_are_refused(tmp_path: Path) -> None:
    source = hourly()
    source["tp"][:] = np.where(np.arange(72) % 2, 0.001, 0)[:, None, None]
    source.to_netcdf(tmp_path / "era5.nc")
    with pytest.raises(WeatherError, match="'tp': falls within a day"):
        weather_years(tmp_path / "era5.nc", OAK, RULE)


def test_an_hour_too_few_is_refused(tmp_path: Path) -> None:
    hourly().drop_isel(valid_time=30).to_netcdf(tmp_path / "gap.nc")
    with pytest.raises(WeatherError, match="not an hour later"):
        weather_years(tmp_path / "gap.nc", OAK, RULE)


def test_the_nearest_place_is_found_across_the_date_line() -> None:
    places = Places(np.array([0.0, 0.0]), np.array([179.9, 170.0]))
    row, km = nearest_places(places, np.array([[-179.9, 0.0]]))
    assert row.tolist() == [0]
    assert km[0] == pytest.approx(22.24, abs=0.01)


def test_no_woodland_is_no_answer(tmp_path: Path) -> None:
    assert weather_years(write_csv(tmp_path / "daily.csv", frame(weather())), {}, RULE) == ()


Change = Callable[[pd.DataFrame], pd.DataFrame]
CSV_FAULTS: dict[str, tuple[Change, str]] = {
    "kelvin": (lambda t: t.assign(tmax_c=t.tmax_c + 273.15), r"tmax_c 2\d\d.*kelvin"),
    "negative rain": (lambda t: t.assign(precip_mm=t.precip_mm - 1), "precip_mm -"),
    "rain in metres": (lambda t: t.assign(precip_mm=t.precip_mm / 1e6), "in metres"),
    "crossed": (lambda t: t.assign(tmin_c=t.tmax_c + 5), "is above tmax_c"),
    "a day twice": (lambda t: pd.concat([t[:10], t[9:]]), "2019-01-10 is there twice"),
    "out of order": (lambda t: pd.concat([t[10:20], t[:10], t[20:]]), "2019-01-01 is there out of order"),
    "a gap": (lambda t: pd.concat([t[:100], t[111:]]), "11 days missing after 2019-04-10, at most 10"),
    "no column": (lambda t: t.drop(columns="precip_mm"), "no column 'precip_mm'"),
    "text": (lambda t: t.assign(tmax_c="warm"), "tmax_c|warm"),
    "not a date": (lambda t: t.assign(date="yesterday"), "yesterday"),
    "no date": (lambda t: t.assign(date=""), "without a date|date"),
    "no place": (lambda t: t.assign(latitude=""), "without latitude"),
    "off the earth": (lambda t: t.assign(latitude=95.0), "latitude 95: must be from -90 to 90"),
    "two heights": (lambda t: t.assign(elevation_m=range(len(t))), "more than one elevation_m"),
    "nothing": (lambda t: t[:0], "no day"),
    "far away": (lambda t: t.assign(latitude=52.0), "woodland oak is 121.8 km"),
}


@pytest.mark.parametrize("fault", CSV_FAULTS)
def test_a_table_that_cannot_be_believed_is_refused_in_one_line(tmp_path: Path, fault: str) -> None:
    change, words = CSV_FAULTS[fault]
    path = write_csv(tmp_path / "daily.csv", change(frame(weather())))
    with pytest.raises(WeatherError, match=words) as refused:
        weather_years(path, OAK, RULE)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


GRID_FAULTS: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "another unit": (lambda s: with_unit(s, "tp", "inches"), "unit 'inches' cannot become mm"),
    "Celsius called kelvin": (lambda s: s.assign(t2m_max=s.t2m_max - 273.15), "tmax_c -2"),
    "kelvin called Celsius": (lambda s: with_unit(s, "t2m_max", "degC"), "kelvin"),
    "no rain": (lambda s: s.drop_vars("tp"), "no daily variable for precip_mm"),
    "two of one": (lambda s: s.assign(mx2t=s.t2m_max), "both hold tmax_c"),
    "no axis": (lambda s: s.rename(latitude="y"), "no axis latitude or lat"),
    "backwards": (lambda s: s.isel(valid_time=slice(None, None, -1)), "out of order"),
    "a gap": (lambda s: s.isel(valid_time=np.r_[0:5, 20:100]), "15 days missing after 2019-01-05"),
    "twice a day": (lambda s: twice_a_day(s), "several times on one day"),
    "nothing but sea": (lambda s: s.assign(t2m_max=s.t2m_max * np.nan), "no cell has a temperature"),
    "another calendar": (
        lambda s: s.convert_calendar("360_day", dim="valid_time", align_on="date"),
        "common calendar",
    ),
}


def with_unit(source: xr.Dataset, name: str, unit: str) -> xr.Dataset:
    changed = source.copy()
    changed[name].attrs["units"] = unit
    return changed


def twice_a_day(source: xr.Dataset) -> xr.Dataset:
    half = source.assign_coords(valid_time=source.valid_time + np.timedelta64(12, "h"))
    return xr.concat([source, half], "valid_time").sortby("valid_time")


@pytest.mark.parametrize("fault", GRID_FAULTS)
def test_a_grid_that_cannot_be_believed_is_refused_in_one_line(tmp_path: Path, fault: str) -> None:
    change, words = GRID_FAULTS[fault]
    source = dataset(weather())
    with xr.set_options(keep_attrs=True):
        change(source).to_netcdf(tmp_path / "daily.nc")
    with pytest.raises(WeatherError, match=words) as refused:
        weather_years(tmp_path / "daily.nc", OAK, RULE)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["rubbish.csv", "rubbish.nc", "rubbish.grib", "absent.nc"])
def test_rubbish_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"\x00\xff\xfe rubbish \n\n\x93" * 40)
    with pytest.raises(WeatherError, match=name) as refused:
        weather_years(tmp_path / name, OAK, RULE)
    assert "\n" not in str(refused.value)


def test_an_empty_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(WeatherError, match=r"empty\.zarr"):
        weather_years(tmp_path / "empty.zarr", OAK, RULE)


def test_a_store_that_would_be_unpickled_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "daily.zarr"
    dataset(weather()).to_zarr(path, zarr_format=2, consolidated=False)
    array = path / "tp" / ".zarray"
    stated = json.loads(array.read_text())
    array.write_text(json.dumps({**stated, "filters": [{"id": "pickle"}]}))
    with pytest.raises(WeatherError, match="nothing is unpickled"):
        weather_years(path, OAK, RULE)
