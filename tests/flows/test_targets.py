"""Targets as configuration: what is built in, and that a new one needs no code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.sources.field_samples.columns import SampleColumns
from flows.sources.field_samples.reading import read_samples
from flows.targets import BUILT_IN_TARGETS, read_target
from monitoring.errors import SettingsError
from monitoring.targets import Effort, LabelError, SampleRules

SMALLEST = 'name = "n"\nunit = "u"\nhigh = 9\n'


def own(tmp_path: Path, text: str, name: str = "own.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("path", sorted(BUILT_IN_TARGETS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_built_in_target_is_read_by_its_name(path: Path) -> None:
    target = read_target(path.stem)
    assert (target.name, target) == (path.stem, read_target(path))


def test_richness_is_as_its_file_says() -> None:
    target = read_target("richness")
    assert (target.transform, target.low, target.high) == ("sqrt", 0.0, 600.0)
    assert [(each.name, each.scale, each.standard) for each in target.effort] == [("reads", "log", None)]
    assert target.label_error == LabelError("poisson", 1.0)
    assert target.rules == SampleRules(
        zero_needs_count=True, max_extrapolation=4.0, refuse_all_singletons=True, alike_from=20.0
    )


def test_a_file_of_ones_own_needs_a_name_and_a_unit(tmp_path: Path) -> None:
    target = read_target(own(tmp_path, SMALLEST))
    assert (target.name, target.unit, target.transform, target.effort) == ("n", "u", "none", ())
    assert read_target(str(tmp_path / "own.toml")) == target


def test_an_effort_may_go_by_its_own_name(tmp_path: Path) -> None:
    target = read_target(own(tmp_path, SMALLEST + '[[effort]]\nname = "cores"\nstandard = 3\n'))
    assert target.effort == (Effort("cores", standard=3.0),)


def test_a_folder_of_ones_own_goes_before_what_is_built_in(tmp_path: Path) -> None:
    own(tmp_path, SMALLEST.replace('"n"', '"richness"'), "richness.toml")
    assert read_target("richness", tmp_path).unit == "u"
    assert read_target("fuel_moisture", tmp_path) == read_target("fuel_moisture")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "key 'name' is missing"),
        (SMALLEST.replace("9", "inf"), "high must be a finite number"),
        (SMALLEST + "low = nan", "low nan must be below high 9"),
        (SMALLEST + "low = -inf", "low must be a finite number"),
        (SMALLEST + "low = 9", "low 9 must be below high 9"),
        (SMALLEST + "low = -1\ntransform = 'sqrt'", "sqrt needs low >= 0, got -1"),
        (SMALLEST + "wanted = 1", "unknown key 'wanted'; known are name, unit"),
        (SMALLEST + "[rules]\nmax_ratio = 1", "unknown key 'rules.max_ratio'"),
        (SMALLEST + "[rules]\nmax_extrapolation = 0.5", "max_extrapolation 0.5: must be 1 or more"),
        (SMALLEST + "[rules]\nzero_needs_count = 1", "rules.zero_needs_count: expected true or false, got 1"),
        (SMALLEST + "low = true", "low: expected a number, got True"),
        (SMALLEST + "transform = 'cube'", "transform 'cube': known are none, sqrt, log1p"),
        (SMALLEST + "columns = 'x'", "columns: expected a list, got 'x'"),
        (SMALLEST + "columns = [1]", "columns[0]: expected text, got 1"),
        (SMALLEST + "effort = 1", "effort: expected a list, got 1"),
        (SMALLEST + "rules = 1", "rules: expected a table, got 1"),
        (SMALLEST + "[[effort]]\nscale = 'log'", "key 'effort[0].name' is missing"),
        (SMALLEST + "[[effort]]\nname = 'e'\nstandard = 0", "effort e: standard 0: must be above 0"),
        (SMALLEST + "[[effort]]\nname = 'e'\nscale = 'cube'", "effort e: scale 'cube'"),
        (SMALLEST + "[label_error]\nkind = 'odd'", "label_error: kind 'odd'"),
        (SMALLEST + "[label_error]\nvalue = -1", "label_error: value -1"),
        (SMALLEST.replace('"n"', '"N!"'), "a name is lower case letters"),
        ("name = ", "Invalid value"),
        ("# " + "x" * 70_000, "at most 65536 are read"),
    ],
)
def test_a_wrong_target_file_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    path = own(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_target(path)
    assert str(caught.value).startswith(f"target file {path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["richnes", "", "../richness", "/etc/passwd"])
def test_a_name_that_is_not_known_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(SettingsError, match="known are fuel_moisture, richness, soil_organic_carbon, or"):
        read_target(name)


def test_a_file_that_is_not_there_or_misnamed_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        read_target(tmp_path / "none.toml")
    own(tmp_path, SMALLEST)
    with pytest.raises(SettingsError, match="name 'n', the file says 'own'"):
        read_target("own", tmp_path)


def test_soil_organic_carbon_is_read_with_configuration_alone(tmp_path: Path) -> None:
    path = tmp_path / "soil.csv"
    rows = (
        "P1,-2.5,51.5,2018,21.5,20",
        "P2,-2.6,51.5,2018,480,30",
        "P3,-2.7,51.5,2018,900,30",
        "P4,-2,51,2018,9,",
    )
    path.write_text("\n".join(["id,lon,lat,year,OC,depth", *rows]), "utf-8")
    reading = read_samples(path, read_target("soil_organic_carbon"))
    assert [(sample.id, sample.value) for sample in reading.samples] == [("P1", 21.5), ("P2", 480), ("P4", 9)]
    np.testing.assert_array_equal([sample.effort for sample in reading.samples], [[20], [30], [np.nan]])
    assert reading.counts == {"soil_organic_carbon is outside 0 to 600": 1}


def test_a_share_of_unnamed_taxa_is_read_with_configuration_alone(shared: Path, tmp_path: Path) -> None:
    target = read_target(
        own(
            tmp_path,
            'name = "unassigned_share"\nunit = "share of EcM OTUs"\nhigh = 1\n'
            'columns = ["Prop_EcM_OTUs_unassigned"]\n',
        )
    )
    path = shared / "data" / "ecm_richness" / "GFv5_EcM_unassigned_per_sample_UK.csv"
    reading = read_samples(path, target, SampleColumns(group="Biome"))
    assert (reading.rows, len(reading.samples)) == (274, 271)
    assert reading.counts == {"year is not a number": 3}, "2003 to 2015 is no year"
    assert reading.samples[0].year == 2011
    assert reading.samples[0].group == "forest"
    assert 0 <= min(sample.value for sample in reading.samples) < max(s.value for s in reading.samples) == 1
