"""Rules of field samples: which rows are believed, each on a table that can be checked by eye."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.field_samples.continents import BOXES
from flows.sources.field_samples.defects import SampleReading, defect_table
from flows.sources.field_samples.reading import read_samples
from flows.sources.field_samples.rules import all_singletons
from flows.targets import read_target
from monitoring.targets import SampleRules, Target

RICHNESS = read_target("richness")
HEADER = "sample_id,longitude,latitude,continent,raw_obs_div,rarefied"
SOUND = "S0,-2.5,51.5,Europe,30,41.5"


def reading(tmp_path: Path, *rows: str, target: Target = RICHNESS) -> SampleReading:
    path = tmp_path / "samples.csv"
    path.write_text("\n".join([HEADER, SOUND, *rows]) + "\n", "utf-8")
    return read_samples(path, target, year_if_missing=2018)


def ids(samples: Iterable[object]) -> list[str]:
    return [getattr(sample, "id", "") for sample in samples]


def without_rules(**changes: object) -> Target:
    rules = SampleRules(inside_stated_continent=False)
    return replace(RICHNESS, rules=replace(rules, **changes))  # type: ignore[arg-type]


def test_a_zero_without_an_observed_count_is_missing_and_one_with_a_count_is_found(tmp_path: Path) -> None:
    rows = ("S1,-2,51,Europe,NA,0", "S2,-2,52,Europe,0,0")
    found = reading(tmp_path, *rows)
    assert ids(found.samples) == ["S0", "S2"]
    assert found.counts == {"0 without an observed count": 1}
    assert len(reading(tmp_path, *rows, target=without_rules()).samples) == 3


@pytest.mark.parametrize(("taxa", "estimate"), [(2, 2.5), (3, 5), (4, 8.5), (5, 13), (6, 18.5), (7, 25)])
def test_an_estimate_from_as_many_reads_as_taxa_is_refused(
    tmp_path: Path, taxa: int, estimate: float
) -> None:
    assert all_singletons(taxa) == estimate
    found = reading(tmp_path, f"S1,-2,51,Europe,{taxa},{estimate}", f"S2,-3,51,Europe,{taxa},{taxa}")
    assert ids(found.samples) == ["S0", "S2"]
    assert found.counts == {"estimated from as many reads as taxa": 1}


def chao1(reads: list[int]) -> float:
    """Bias-corrected Chao1 from its definition (Chao 1984; Chao and Shen 2003)."""
    n, ones, twos = sum(reads), reads.count(1), reads.count(2)
    unseen = ones**2 / (2 * twos) if twos else ones * (ones - 1) / 2
    return len(reads) + (n - 1) / n * unseen


@given(st.lists(st.integers(1, 6), min_size=2, max_size=30))
def test_only_all_singletons_reach_the_refused_estimate(reads: list[int]) -> None:
    every_taxon_once = set(reads) == {1}
    assert (abs(chao1(reads) - all_singletons(len(reads))) <= 0.001) == every_taxon_once
    assert chao1(reads) <= all_singletons(len(reads)) + 1e-9


def test_one_taxon_is_believed(tmp_path: Path) -> None:
    assert len(reading(tmp_path, "S1,-2,51,Europe,1,1").samples) == 2


def test_an_estimate_far_above_its_observed_count_is_refused(tmp_path: Path) -> None:
    found = reading(tmp_path, "S1,-2,51,Europe,10,40", "S2,-2,52,Europe,10,40.1", "S3,-2,53,Europe,0,1")
    assert ids(found.samples) == ["S0", "S1"]
    assert found.counts == {"estimate above 4 times the observed count": 2}
    assert [each.value for each in found.refused] == ["40.1 of 10", "1 of 0"]


def test_a_row_outside_the_continent_it_states_is_refused(tmp_path: Path) -> None:
    rows = ("S1,132.5,43.6,Europe,30,41", "S2,132.5,43.6,Asia,30,42", "S3,-17,28,Europe,30,43")
    found = reading(tmp_path, *rows)
    assert ids(found.samples) == ["S0", "S2", "S3"], "the Canary Islands are counted to Europe"
    assert found.counts == {"outside the stated continent": 1}
    assert len(reading(tmp_path, *rows, target=without_rules()).samples) == 4


def test_a_continent_that_is_not_known_is_told_and_not_judged(tmp_path: Path) -> None:
    found = reading(tmp_path, "S1,-2,51,Atlantic Ocean,30,41", "S2,-2,52,,30,42")
    assert len(found.samples) == 3
    told = [each.value for each in found.defective if each.reason == "continent not stated or unknown"]
    assert told == ["Atlantic Ocean", ""]


@pytest.mark.parametrize(
    ("continent", "longitude", "latitude"),
    [
        ("europe", -6.3, 57.2),
        ("europe", 55.0, 82.0),
        ("asia", 177.9, 64.7),
        ("asia", -172.0, 65.0),
        ("north america", 173.0, 52.9),
        ("north america", -100.0, 45.0),
        ("south america", -70.0, -33.0),
        ("africa", 25.0, -30.0),
        ("australia", 147.0, -42.0),
        ("oceania", -155.5, 19.6),
        ("antarctica", 166.7, -77.8),
    ],
)
def test_known_places_lie_in_their_continent(continent: str, longitude: float, latitude: float) -> None:
    assert BOXES[continent].holds(longitude, latitude)


@pytest.mark.parametrize(
    ("continent", "longitude", "latitude"),
    [("europe", 83.0, 51.0), ("europe", 6.0, -52.0), ("asia", -100.0, 45.0), ("africa", -2.0, 51.0)],
)
def test_places_elsewhere_do_not(continent: str, longitude: float, latitude: float) -> None:
    assert not BOXES[continent].holds(longitude, latitude)


def test_a_large_estimate_that_comes_twice_from_one_place_is_one_sample(tmp_path: Path) -> None:
    rows = ("S1,9.26,48.4,Europe,114,186.223", "S2,9.26,48.4,Europe,114,186.223")
    found = reading(tmp_path, *rows, "S3,9.27,48.4,Europe,114,186.223")
    assert ids(found.samples) == ["S0", "S1", "S3"]
    assert [(each.sample_id, each.value) for each in found.merged] == [("S2", "S1")]


def test_small_values_that_come_twice_from_one_place_are_replicates(tmp_path: Path) -> None:
    found = reading(tmp_path, "S1,9.26,48.4,Europe,1,1", "S2,9.26,48.4,Europe,1,1")
    assert len(found.samples) == 3
    counted = {each.what: (each.outcome, each.rows) for each in found.defects}
    assert counted["alike in all but the id, by chance"] == ("kept", 1)
    assert counted["several samples at one coordinate"] == ("kept", 2)


def test_every_row_is_accounted_for_once(tmp_path: Path) -> None:
    rows = ("S1,9.26,48.4,Europe,114,186.223", "S2,9.26,48.4,Europe,114,186.223", "S3,9,48,Europe,2,2.5")
    found = reading(tmp_path, *rows)
    assert (found.rows, len(found.samples), len(found.merged), len(found.refused)) == (4, 2, 1, 1)


def test_the_table_of_defects_reads_refused_merged_kept_and_what_is_left(tmp_path: Path) -> None:
    rows = ("S1,9.26,48.4,Europe,114,186.223", "S2,9.26,48.4,Europe,114,186.223", "S3,9,48,Europe,2,2.5")
    *_, refused, merged, blank, left = defect_table(reading(tmp_path, *rows)).splitlines()
    assert refused.endswith("| refused | 1 |")
    assert merged.endswith("| merged | 1 |")
    assert (blank, left) == ("", "2 samples at 2 coordinates, of 4 rows.")


def test_a_table_without_observed_counts_is_not_asked_for_them(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("id,lon,lat,richness\nS1,-2,51,0\nS2,-2,52,2.5\n", "utf-8")
    assert len(read_samples(path, RICHNESS, year_if_missing=2018).samples) == 2
