"""The three gates: sound rows pass, each planted fault is held back with its reason, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flows.quality import Verdict, check_estimates, check_scenes, check_trends
from monitoring.scenes import S1_BANDS, S2_BANDS, Scene, Sensor
from monitoring.science import Estimation, SceneRule, Science
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.trend import Trend

SEASON = Season(2025, 4)
SCIENCE = Science()
NAN = float("nan")
ROWS = 30
RICHNESS = Target("richness", "taxa per standard sample", high=600.0)

Row = dict[str, Any]


def scene(i: int) -> Row:
    optical = i % 2 == 0
    sensor = Sensor.S2 if optical else Sensor.S1_ASCENDING
    one = Scene(
        id=f"scene-{i:02}",
        collection="sentinel-2-l2a" if optical else "sentinel-1-rtc",
        source="simulated",
        sensor=sensor,
        platform="sentinel-2a" if optical else "sentinel-1a",
        acquired_at=SEASON.start + timedelta(days=12 * i),
        acquisition=f"pass-{i:02}",
        baseline="05.09" if optical else "",
        offset_dn=1000 if optical else 0,
        offset_rule="stated",
        epsg=32630,
        bbox=(-2, 51, -1, 52),
        hrefs=tuple((band, "x") for band in (S2_BANDS if optical else S1_BANDS)),
        cloud_fraction=0.4 if optical else NAN,
    )
    return asdict(one)


def estimate(i: int) -> Row:
    return {
        "woodland_id": f"wood-{i:02}",
        "season": SEASON.id,
        "target": "richness",
        "mean": 20.0 + i,
        "sd": 4.0,
        "sd_place": 3.0,
        "sd_year": 2.0,
        "coverage": 1.0 if i else 1 + 2e-16,
        "applicable_share": (1 + 2e-16, 0.0, 0.4)[i % 3],  # outside the area of applicability is no fault
        "n_pixels": 50 + i,
        "n_s2": 21.5,
        "n_s1_ascending": 30.0,
        "n_s1_descending": 0.0,
        "reason": "",
    }


def trend(i: int) -> Row:
    one = Trend(
        woodland_id=f"wood-{i:02}",
        n=9,
        first_year=2017,
        last_year=2025,
        s=-4,
        slope=-0.1,
        slope_low=-0.4,
        slope_high=0.2,
        relative_slope=-0.1,
        p=0.3,
        q=np.nextafter(0.3, 0) if i == 0 else 0.4,
        decline_fraction=0.03,
        minimum_detectable_slope=0.5,
        method="exact-mk",
    )
    return asdict(one)


def scenes_gate(frame: pd.DataFrame, science: Science, _: Target) -> Verdict:
    return check_scenes(frame, SEASON, science)


def estimates_gate(frame: pd.DataFrame, science: Science, target: Target) -> Verdict:
    return check_estimates(frame, SEASON, science, target)


def trends_gate(frame: pd.DataFrame, _: Science, target: Target) -> Verdict:
    return check_trends(frame, SEASON, target)


GATES: dict[str, tuple[Callable[[pd.DataFrame, Science, Target], Verdict], Callable[[int], Row]]] = {
    "scenes": (scenes_gate, scene),
    "estimates": (estimates_gate, estimate),
    "trends": (trends_gate, trend),
}


def table(name: str, rows: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame([GATES[name][1](i) for i in range(rows)])


def verdict(name: str, frame: pd.DataFrame, science: Science = SCIENCE, target: Target = RICHNESS) -> Verdict:
    return GATES[name][0](frame, science, target)


#: What is planted in one row, and how the reason a person reads must begin.
FAULTS: dict[str, list[tuple[Row, str]]] = {
    "scenes": [
        ({"id": None}, "scene has no id"),
        ({"id": " "}, "scene has no id"),
        ({"acquisition": ""}, "acquisition is not named"),
        ({"sensor": "landsat"}, "sensor landsat is not known"),
        ({"sensor": None}, "sensor is not named"),
        ({"cloud_fraction": 1.01}, "cloud fraction 1.01 is not within 0 to 1"),
        ({"cloud_fraction": -0.5}, "cloud fraction -0.5 is not within 0 to 1"),
        ({"acquired_at": SEASON.end}, "acquired at 2026-01-01 00:00, outside season 2025-Q4"),
        (
            {"acquired_at": SEASON.start - timedelta(minutes=1)},
            "acquired at 2024-12-31 23:59, outside season 2025-Q4",
        ),
        ({"acquired_at": pd.NaT}, "moment of acquisition is missing"),
        ({"offset_dn": -1000}, "offset -1000 is not one of 0 and 1000"),
        ({"offset_dn": NAN}, "offset is not known"),
        ({"epsg": 0}, "coordinate reference system 0 is not an EPSG code"),
        ({"epsg": 0, "offset_dn": 5}, "offset 5 is not one of 0 and 1000; coordinate reference system 0"),
    ],
    "estimates": [
        (
            {"mean": NAN, "sd": NAN, "coverage": 0.0, "reason": "no pixel\nwas observed"},
            "no pixel was observed",
        ),
        ({"mean": NAN, "sd": NAN, "n_s2": NAN}, "no estimate, and no reason was given"),
        ({"mean": NAN, "reason": None}, "no estimate, and no reason was given"),
        ({"mean": -0.1}, "mean -0.1 is below 0"),
        ({"mean": 601.0}, "mean 601 is above 600"),
        ({"mean": float("inf")}, "mean inf is above 600"),
        ({"sd": 0.0}, "sd 0 is not above 0"),
        ({"sd": NAN}, "sd is missing"),
        ({"sd": float("inf")}, "sd inf is above 600"),
        ({"sd_place": NAN}, "sd_place is missing"),
        ({"sd_year": NAN}, "sd_year is missing"),
        ({"applicable_share": NAN}, "share inside the area of applicability is missing"),
        ({"sd_place": -1.0}, "sd_place -1 is below 0"),
        ({"sd_year": -0.5}, "sd_year -0.5 is below 0"),
        (
            {"applicable_share": 1.2},
            "share inside the area of applicability 1.2 is not within 0 to 1",
        ),
        ({"coverage": 0.49}, "coverage 0.49 is below 0.5"),
        ({"coverage": 1.1}, "coverage 1.1 is above 1"),
        ({"coverage": NAN}, "coverage is missing"),
        ({"n_pixels": 0}, "0 pixels carry the estimate, at least 1 must"),
        ({"n_s2": 2.5}, "2.5 clear optical observations a pixel, 3 needed"),
        ({"n_s2": NAN}, "number of optical observations is missing"),
        ({"n_s1_ascending": -1.0}, "n_s1_ascending -1 is below 0"),
        ({"season": "2024-Q4"}, "season 2024-Q4 is not 2025-Q4"),
        ({"target": "biomass"}, "target biomass is not richness"),
        ({"woodland_id": None}, "woodland has no id"),
        ({"coverage": 0.1, "n_s2": 1.0}, "coverage 0.1 is below 0.5; 1 clear optical observations a pixel"),
    ],
    "trends": [
        ({"n": 2, "slope": NAN, "p": NAN, "q": NAN, "reason": "2 years, 8 needed"}, "2 years, 8 needed"),
        ({"n": 2}, "2 annual values, a slope needs 3"),
        ({"n": NAN}, "number of years is missing"),
        ({"woodland_id": ""}, "woodland has no id"),
        ({"last_year": 2026}, "last year 2026 is after season 2025-Q4"),
        ({"first_year": 2030}, "first year 2030 is after last year 2025"),
        ({"slope": NAN}, "slope is missing"),
        (
            {"slope": -61.0, "slope_low": -99.0},
            "slope -61 (taxa per standard sample) per year is steeper than 60",
        ),
        ({"slope_low": 0.0}, "slope -0.1 is below its interval, 0"),
        ({"slope_high": -0.2}, "slope -0.1 is above its interval, -0.2"),
        ({"p": 1.2, "q": 1.0}, "p 1.2 is not within 0 to 1; q 1 is below p 1.2"),
        ({"q": -0.2, "p": -0.3}, "p -0.3 is not within 0 to 1; q -0.2 is not within 0 to 1"),
        ({"q": 0.29}, "q 0.29 is below p 0.3, an adjustment cannot do that"),
        ({"p": NAN, "q": NAN}, "p is missing, and no reason was given"),
        ({"slope_low": NAN}, "slope_low is missing, and no reason was given"),
    ],
}


@pytest.mark.parametrize("name", GATES)
def test_a_sound_table_passes_whole(name: str) -> None:
    frame = table(name)
    got = verdict(name, frame)
    assert (got.suite, got.fatal, len(got.quarantined)) == (name, "", 0)
    pd.testing.assert_frame_equal(got.passed, frame)
    assert len(got.results) > 10
    assert all(result.success and result.unexpected_count == 0 for result in got.results)


@pytest.mark.parametrize("name", GATES)
@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=4, deadline=None, phases=[Phase.generate])  # shrinking would take minutes
def test_each_planted_fault_is_held_back_with_its_reason_and_nothing_else_is(name: str, chance: Any) -> None:
    faults = chance.sample(FAULTS[name], chance.randint(1, len(FAULTS[name])))
    at = dict(zip(chance.sample(range(1, ROWS), len(faults)), faults, strict=True))
    rows = [GATES[name][1](i) | (at[i][0] if i in at else {}) for i in range(ROWS)]
    got = verdict(name, pd.DataFrame(rows), replace(SCIENCE, scenes=SceneRule(min_s2_scenes=1)))
    assert got.fatal == ""
    assert list(got.quarantined.index) == sorted(at)
    assert list(got.passed.index) == [i for i in range(ROWS) if i not in at]
    for i, reasons in got.quarantined["reasons"].items():
        assert reasons.startswith(at[i][1]), at[i]
        assert "\n" not in reasons


@pytest.mark.parametrize("name", GATES)
def test_every_planted_fault_is_found_alone(name: str) -> None:
    rows = [GATES[name][1](i + 1) | change for i, (change, _) in enumerate(FAULTS[name])]
    sound = [GATES[name][1](i + 40) for i in range(0, 8, 2)]
    for row in sound if name == "scenes" else ():
        row["acquired_at"] = SEASON.start
    got = verdict(name, pd.DataFrame(rows + sound))
    expected = [reason for _, reason in FAULTS[name]]
    assert len(got.quarantined) == len(expected)
    for found, reason in zip(got.quarantined["reasons"], expected, strict=True):
        assert found.startswith(reason)
        assert found.count(";") == reason.count(";")


@pytest.mark.parametrize(
    ("name", "copied", "reason"),
    [
        ("scenes", ("id",), "scene id scene-04 occurs more than once"),
        ("scenes", ("acquisition",), "acquisition pass-04 occurs more than once, as copies of one scene"),
        (
            "estimates",
            ("woodland_id",),
            "woodland wood-04 has more than one estimate of richness in 2025-Q4",
        ),
        ("trends", ("woodland_id",), "woodland wood-04 has more than one trend"),
    ],
)
def test_of_two_rows_with_one_name_neither_is_believed(
    name: str, copied: tuple[str, ...], reason: str
) -> None:
    frame = table(name)
    frame.loc[9, list(copied)] = frame.loc[4, list(copied)]
    got = verdict(name, frame)
    assert list(got.quarantined["reasons"]) == [reason, reason]
    assert list(got.quarantined.index) == [4, 9]


def test_trends_not_tested_for_want_of_years_pass_with_their_reason() -> None:
    frame = table("trends")
    frame.loc[3, ["n", "p", "q", "reason"]] = [5, NAN, NAN, "5 years, 8 needed"]
    assert len(verdict("trends", frame).quarantined) == 0


def test_too_few_usable_optical_scenes_refuse_the_whole_season() -> None:
    frame = table("scenes", 9)  # five optical, four radar
    frame.loc[[0, 2], "cloud_fraction"] = 3.0
    got = verdict("scenes", frame)
    assert got.fatal == "3 usable optical scenes in 2025-Q4, at least 4 needed"
    assert (len(got.passed), len(got.quarantined)) == (0, 9)
    assert got.quarantined["reasons"][0] == f"cloud fraction 3 is not within 0 to 1; {got.fatal}"
    assert got.quarantined["reasons"][1] == got.fatal


def test_scenes_of_two_sources_are_never_mixed() -> None:
    frame = table("scenes")
    frame.loc[7, "source"] = "earth-search"
    got = verdict("scenes", frame)
    assert got.fatal == "2 sources of scenes in 2025-Q4, they must not be mixed"
    assert len(got.passed) == 0


def test_the_scientific_choices_set_the_bounds() -> None:
    science = Science(
        scenes=SceneRule(max_cloud_fraction=0.3, min_s2_scenes=0), estimation=Estimation(min_coverage=0.9)
    )
    cloudy = verdict("scenes", table("scenes", 4), science)
    assert list(cloudy.quarantined["reasons"]) == ["cloud fraction 0.4 is above 0.3"] * 2
    thin = verdict("estimates", table("estimates", 4).assign(coverage=0.8), science)
    assert list(thin.quarantined["reasons"]) == ["coverage 0.8 is below 0.9"] * 4


def test_the_target_sets_what_is_believed_of_its_values() -> None:
    carbon = Target("carbon", "g per kg", low=-10.0, high=40.0)
    frame = table("estimates", 4).assign(target="carbon", mean=[-11.0, -10.0, 40.0, 41.0], sd=[1, 1, 50, 51])
    found = verdict("estimates", frame, target=carbon)
    assert list(found.quarantined["reasons"]) == [
        "mean -11 is below -10", "mean 41 is above 40; sd 51 is above 50",
    ]  # fmt: skip
    steep = verdict("trends", table("trends", 2).assign(slope=-5.1, slope_low=-9.0), target=carbon)
    assert (
        list(steep.quarantined["reasons"])
        == ["slope -5.1 (g per kg) per year is steeper than 5, which is not plausible"] * 2
    )


def test_a_target_without_a_stated_bound_still_has_finite_values() -> None:
    frame = table("estimates", 3).assign(mean=[1e9, float("inf"), 5.0], sd=[1e8, 1.0, float("inf")])
    found = verdict("estimates", frame, target=Target("richness", "taxa"))
    assert list(found.quarantined["reasons"]) == ["mean inf is above 1e+12", "sd inf is above 1e+12"]
    assert len(verdict("trends", table("trends", 2), target=Target("richness", "taxa")).passed) == 2


@pytest.mark.parametrize(
    ("name", "fatal"),
    [
        ("scenes", "0 usable optical scenes in 2025-Q4, at least 4 needed"),
        ("estimates", "there are no estimates of 2025-Q4"),
        ("trends", ""),
    ],
)
def test_an_empty_table(name: str, fatal: str) -> None:
    got = verdict(name, table(name).iloc[:0])
    assert (got.fatal, len(got.passed), len(got.quarantined)) == (fatal, 0, 0)


@pytest.mark.parametrize("name", GATES)
def test_a_table_without_columns_is_refused(name: str) -> None:
    assert verdict(name, pd.DataFrame()).fatal.startswith(f"{name}: column ")


@pytest.mark.parametrize(
    ("name", "change", "fatal"),
    [
        ("estimates", lambda f: f.drop(columns="sd"), "estimates: column sd is missing"),
        (
            "estimates",
            lambda f: f.assign(mean="30.5"),
            "estimates: column mean holds text where a number belongs",
        ),
        (
            "trends",
            lambda f: f.assign(p=[[0.1]] * ROWS),
            "trends: column p holds what is not a number: ",
        ),
        (
            "scenes",
            lambda f: f.assign(acquired_at=f["acquired_at"].dt.tz_localize(None)),
            "scenes: column acquired_at is datetime64[us], not a time with a zone",
        ),
    ],
)
def test_a_table_of_the_wrong_shape_is_refused_whole(
    name: str, change: Callable[[pd.DataFrame], pd.DataFrame], fatal: str
) -> None:
    got = verdict(name, change(table(name)))
    assert got.fatal.startswith(fatal)
    assert (len(got.passed), len(got.quarantined), got.results) == (0, ROWS, ())


def test_the_frame_handed_in_is_left_as_it_is() -> None:
    frame = table("estimates").set_index(pd.Index([7] * ROWS))
    frame["mean"] = frame["mean"].astype(object)
    before = frame.copy(deep=True)
    got = verdict("estimates", frame.assign(extra="kept"))
    pd.testing.assert_frame_equal(frame, before)
    assert list(got.passed["extra"]) == ["kept"] * ROWS


def test_results_say_which_expectation_failed_on_what() -> None:
    frame = table("trends")
    frame.loc[[2, 5], "q"] = 0.1
    failed = [result for result in verdict("trends", frame).results if not result.success]
    assert [(r.expectation, r.column, r.unexpected_count, r.observed) for r in failed] == [
        ("expect_column_pair_values_a_to_be_greater_than_b", "q, p", 2, "2 of 30 rows failed")
    ]


def test_the_same_table_gives_the_same_verdict() -> None:
    frame = table("estimates")
    frame.loc[3, "sd"] = -1.0
    first, second = verdict("estimates", frame), verdict("estimates", frame)
    assert first.results == second.results
    pd.testing.assert_frame_equal(first.quarantined, second.quarantined)


def test_a_gate_imports_late_says_nothing_and_leaves_no_files(tmp_path: Any) -> None:
    code = (
        "import logging, pandas, sys, flows.quality; logging.basicConfig(level=logging.INFO);"
        "assert 'great_expectations' not in sys.modules;"
        "from monitoring.seasons import Season; from monitoring.targets import Target;"
        "frame = pandas.DataFrame(columns=['woodland_id','reason','n','first_year','last_year','slope',"
        "'slope_low','slope_high','p','q']);"
        "flows.quality.check_trends(frame, Season(2025, 4), Target('richness', 'taxa'))"
    )
    got = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (got.stdout, got.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []
