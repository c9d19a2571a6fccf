"""Breaks: a fire, a harvest, a slow decline and a field, each with a known story."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.corroboration.breaks import Break, break_of, break_words, find_break, step_at
from monitoring.corroboration.noise import Noise, fitted_noise
from monitoring.corroboration.stable_history import seasonal_regressors
from monitoring.errors import TrendError
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.theil_sen import theil_sen

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]
#: Codes of `qa` that are usable: clear and water.
CLEAR = ("0", "1")


def rows(shared: Path, name: str) -> list[dict[str, str]]:
    path = shared / "data" / "pixel_series_disturbance" / name
    if not path.is_file():
        pytest.skip(f"no pixel series at {path}")
    with path.open() as file:
        return list(csv.DictReader(file))


def landsat(shared: Path, name: str) -> tuple[Days, Floats, Floats]:
    """Days, NBR and SWIR2 reflectance of the clear observations."""
    clear = [
        r for r in rows(shared, name) if r["qa"] in CLEAR and min(float(r["nir"]), float(r["swir2"])) > 0
    ]
    clear.sort(key=lambda row: int(row["dates"]))
    ordinals = np.array([int(row["dates"]) for row in clear])
    nir, swir = (np.array([float(row[band]) for row in clear]) / 1e4 for band in ("nir", "swir2"))
    return np.datetime64("0001-01-01") + (ordinals - 1), (nir - swir) / (nir + swir), swir


def annual(days: Days, values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Years and their medians over June to September."""
    year = days.astype("datetime64[Y]").astype(np.int64) + 1970
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    summer = (month >= 6) & (month <= 9)
    years = np.unique(year[summer])
    return years, np.array([np.median(values[summer & (year == one)]) for one in years])


@pytest.mark.parametrize("look_from", ["2017-01-01", "2019-01-01", "2022-01-01"])
def test_the_fire_in_sichuan_is_dated_to_the_first_image_after_it(shared: Path, look_from: str) -> None:
    """COLD and S-CCD both say 2024-03-23; no image is between 15 and 23 March."""
    days, nbr, _ = landsat(shared, "1_hls_sc.csv")
    fire = find_break(days, nbr, np.datetime64(look_from))
    assert (str(fire.last_day_before), str(fire.first_day)) == ("2024-03-15", "2024-03-23")
    assert fire.p == 0.001
    assert fire.is_abrupt
    assert fire.transition_years == 0
    assert -0.75 < fire.size < -0.55


def test_the_year_of_an_annual_step_leads_to_its_month(shared: Path) -> None:
    days, nbr, _ = landsat(shared, "1_hls_sc.csv")
    assert break_words(break_of(days, nbr, 2024), "NBR") == "NBR fell by 0.64 in March 2024"


def test_no_fall_is_found_before_the_fire(shared: Path) -> None:
    days, nbr, _ = landsat(shared, "1_hls_sc.csv")
    before = days < np.datetime64("2024-03-01")
    found = find_break(days[before], nbr[before], np.datetime64("2017-01-01"))
    assert found.size > 0
    assert break_words(found, "NBR") == ""


def test_the_harvest_of_2004_is_found_in_2004(shared: Path) -> None:
    path = shared / "data" / "trend_reference" / "trend_cases.json"
    if not path.is_file():
        pytest.skip(f"no reference cases at {path}")
    case = next(one for one in json.loads(path.read_text()) if one["id"] == "bfast_harvest")["data"]
    time = np.array(case["time"])
    starts = np.array([np.datetime64(f"{int(one)}-01-01") for one in time])
    days = starts + np.round(365 * (time % 1)).astype(int)
    harvest = find_break(days, np.array(case["value"], float), np.datetime64("2003-01-01"))
    assert str(harvest.first_day)[:4] == "2004"
    assert harvest.is_abrupt
    assert harvest.size < -0.2


def test_bark_beetle_is_a_slow_decline_and_no_abrupt_break(shared: Path) -> None:
    """S-CCD at its default finds none either; the annual NBR and SWIR2 tell it plainly."""
    days, nbr, swir = landsat(shared, "2_mpb_co_landsat.csv")
    for values in (nbr, swir):
        found = find_break(days, values, np.datetime64("2003-01-01"))
        assert not found.is_abrupt
        assert found.transition_years >= 1
    to_2012 = days < np.datetime64("2013-01-01")
    for values, sign in ((nbr, 1), (-swir, 1)):
        years, medians = annual(days[to_2012], values[to_2012])
        assert mann_kendall(sign * medians[None]).p_decline[0] < 0.01
        assert theil_sen(years, sign * medians[None]).high[0] < 0


def test_the_field_in_henan_has_no_step_where_the_baseline_changed(shared: Path) -> None:
    """Baseline 04.00 of 25 January 2022 adds 1000; this collection has taken it off already."""
    clear = sorted(
        (row for row in rows(shared, "3_crop_sentinel2.csv") if row["QA60"] == "0"),
        key=lambda row: row["Tile"],
    )
    days = np.array([datetime.strptime(r["Tile"][:8], "%Y%m%d") for r in clear], "datetime64[D]")  # noqa: DTZ007
    for band in ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"):
        step = step_at(days, np.array([float(row[band]) for row in clear]), np.datetime64("2022-01-25"))
        assert abs(step.size) < 300, band
        if band in ("B2", "B11", "B12"):  # bands that follow the crop less, so the interval can tell
            assert -1000 < step.low < 0 < step.high < 1000
    shifted = np.array([float(row["B12"]) for row in clear]) + 1000.0 * (days >= np.datetime64("2022-01-25"))
    assert step_at(days, shifted, np.datetime64("2022-01-25")).low > 500


def season(days: Days) -> Floats:
    return 0.5 + 0.2 * np.cos(2 * np.pi * (days - days[0]).astype(float) / 365.25)


def fortnights(years: int) -> Days:
    return np.datetime64("2016-01-01") + np.arange(0, 365 * years, 15)


def noisy(days: Days, seed: int) -> Floats:
    return season(days) + np.random.default_rng(seed).normal(0, 0.02, len(days))


def test_a_fall_that_was_planted_is_found_on_its_day() -> None:
    days = fortnights(8)
    felled = days >= np.datetime64("2021-06-01")
    found = find_break(days, noisy(days, 1) - 0.3 * felled, np.datetime64("2019-01-01"))
    assert found.first_day == days[felled][0]
    assert abs(found.size + 0.3) < 0.02
    assert found.is_abrupt
    assert "seed 0" in found.method


def test_a_fall_over_two_years_is_called_slow() -> None:
    days = fortnights(10)
    ramp = np.clip((days - np.datetime64("2020-01-01")).astype(float) / 730, 0, 1)
    found = find_break(days, noisy(days, 2) - 0.3 * ramp, np.datetime64("2019-01-01"))
    assert found.transition_years == 2
    assert not found.is_abrupt
    assert break_words(found, "NDVI").startswith("NDVI fell by 0.3 over about 2 years from ")


def test_one_missed_cloud_is_no_break() -> None:
    days = fortnights(8)
    values = noisy(days, 3)
    cloudy = values.copy()
    cloudy[150] = -0.4
    with_cloud, without = (find_break(days, one, np.datetime64("2019-01-01")) for one in (cloudy, values))
    assert with_cloud.p > 0.05
    assert without.p > 0.05


def test_the_same_series_gives_the_same_break() -> None:
    days = fortnights(6)
    assert repr(find_break(days, noisy(days, 4), np.datetime64("2019-01-01"))) == repr(
        find_break(days, noisy(days, 4), np.datetime64("2019-01-01"))
    )


def reason_of(days: Days, values: Floats, look_from: str) -> str:
    found: Break = find_break(days, values, np.datetime64(look_from))
    assert np.isnan(found.p)
    assert np.isnat(found.first_day)
    assert break_words(found, "NBR") == ""
    return found.reason


def test_too_little_to_judge_is_said() -> None:
    days = fortnights(4)
    values = noisy(days, 5)
    assert "0 values over 0.0 years" in reason_of(days, values, "2015-01-01")
    assert "0 values to look at, at least 4" in reason_of(days, values, "2025-01-01")
    assert "0 values over" in reason_of(days[:0], values[:0], "2018-01-01")
    assert "0 values over" in reason_of(days, np.full(len(days), np.nan), "2018-01-01")


def test_a_series_without_any_noise_has_a_defined_answer() -> None:
    days = fortnights(6)
    flat = find_break(days, np.full(len(days), 0.5), np.datetime64("2019-01-01"))
    assert break_words(flat, "NBR") == ""
    assert flat.p == 1.0


def test_days_that_run_backwards_are_refused() -> None:
    days = fortnights(4)[::-1]
    with pytest.raises(TrendError, match="follows"):
        find_break(days, np.zeros(len(days)), np.datetime64("2018-01-01"))
    with pytest.raises(TrendError, match="values before"):
        step_at(fortnights(4), np.zeros(98), np.datetime64("2016-02-01"))


def test_the_memory_of_a_series_is_recovered() -> None:
    days = fortnights(12)
    design = seasonal_regressors(days, 2)
    root = np.linalg.cholesky(Noise(0.05, 0.75, 64.0).covariance(days))
    drawn = np.random.default_rng(6).standard_normal((6, len(days))) @ root.T
    long = [fitted_noise(days, one, design) for one in drawn]
    short = [fitted_noise(days, one, design) for one in np.random.default_rng(7).normal(0, 0.05, drawn.shape)]
    mean_sd = [float(np.mean([np.sqrt(n.covariance(days).mean()) for n in each])) for each in (short, long)]
    true = float(np.sqrt(Noise(0.05, 0.75, 64.0).covariance(days).mean()))
    assert 0.9 * true < mean_sd[1] < 2 * true
    assert mean_sd[0] < 0.6 * true


@pytest.mark.slow
@pytest.mark.parametrize("noise", [Noise(0.03, 0.0, 8), Noise(0.03, 0.5, 128), Noise(0.03, 0.95, 64)])
def test_series_without_a_break_rarely_show_one(noise: Noise) -> None:
    """100 series of eight years and 200 days: at most 5 %, two standard errors allowed."""
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(100):
        days = np.datetime64("2016-01-01") + np.sort(rng.choice(365 * 8, 200, replace=False))
        values = season(days) + np.linalg.cholesky(noise.covariance(days)) @ rng.standard_normal(200)
        hits += find_break(days, values, np.datetime64("2019-01-01")).p <= 0.05
    assert hits / 100 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)
