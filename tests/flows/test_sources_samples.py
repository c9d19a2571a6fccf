"""Field samples: what is read, and that nothing is dropped in silence."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.field_samples.columns import SampleColumns
from flows.sources.field_samples.defects import SampleReading, defect_table
from flows.sources.field_samples.reading import read_samples
from flows.targets import read_target
from monitoring.errors import SampleError
from monitoring.samples import NO_YEAR, FieldSample

RICHNESS = read_target("richness")
HEADER = "sample_id,longitude,latitude,year,richness,reads"
GOOD = "S1,-2.5,51.5,2022,35,24754"


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "samples.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def test_a_row_becomes_a_sample(tmp_path: Path) -> None:
    reading = read_samples(table(tmp_path, GOOD), RICHNESS)
    assert reading.samples == (FieldSample("S1", -2.5, 51.5, 2022, 35.0, (24754.0,)),)
    assert reading.defective == ()


def test_csv_and_parquet_give_the_same_samples(tmp_path: Path) -> None:
    from_csv = read_samples(table(tmp_path, GOOD, "S2,0,50,2019,0,1"), RICHNESS)
    columns = {"sample_id": ["S1", "S2"], "longitude": [-2.5, 0.0], "latitude": [51.5, 50.0]}
    columns |= {"year": [2022, 2019], "richness": [35, 0], "reads": [24754, 1]}
    pq.write_table(pa.table(columns), tmp_path / "samples.parquet")
    assert read_samples(tmp_path / "samples.parquet", RICHNESS) == from_csv


def test_zero_taxa_found_are_a_sample_and_a_missing_count_is_not(tmp_path: Path) -> None:
    reading = read_samples(
        table(tmp_path, "S1,-2,51,2022,0,100", "S2,-2,51,2022,,100", "S3,-2,51,2022,NA,100"), RICHNESS
    )
    assert [sample.value for sample in reading.samples] == [0]
    assert reading.counts == {"no richness": 2}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("S2,,51,2022,35,1", "no longitude"),
        ("S2,-2,NaN,2022,35,1", "no latitude"),
        ("S2,-2,inf,2022,35,1", "latitude is not finite"),
        ("S2,181,51,2022,35,1", "longitude is outside -180 to 180"),
        ("S2,-2,-91,2022,35,1", "latitude is outside -90 to 90"),
        ("S2,-2,51,2022,many,1", "richness is not a number"),
        ("S2,-2,51,2022,-1,1", "richness is outside 0 to 600"),
        ("S2,-2,51,2022,1e9,1", "richness is outside 0 to 600"),
        ("S2,-2,51,,35,1", "no year"),
        ("S2,-2,51,2022.5,35,1", "year is not a whole number"),
        ("S2,-2,51,22,35,1", "year is outside 1990 to 2100"),
        ("S2,-2,51,2022,35,-5", "reads is not above 0"),
        ("S2,-2,51,2022,35,0", "reads is not above 0"),
        ("S2,-2,51,2022,35,some", "reads is not a number"),
        ("S2,-2,51,2022,1_000,1", "richness is not a number"),
        ("S2,0,0.0,2022,35,1", "coordinates are 0, 0"),
        ("S\x072,-2,51,2022,35,1", "the id cannot be printed"),
        ("S" * 201 + ",-2,51,2022,35,1", "the id cannot be printed"),
        (",-2,51,2022,35,1", "no id"),
        ("S2,-2", "no latitude"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    reading = read_samples(table(tmp_path, GOOD, row), RICHNESS)
    assert len(reading.samples) == 1
    assert [(refused.row, refused.reason) for refused in reading.refused] == [(2, reason)]


def test_a_missing_year_is_filled_only_when_asked(tmp_path: Path) -> None:
    path = table(tmp_path, "S1,-2.5,51.5,35", header="sample_id,longitude,latitude,richness")
    with pytest.raises(SampleError, match="no column for year"):
        read_samples(path, RICHNESS)
    (sample,) = read_samples(path, RICHNESS, year_if_missing=2019).samples
    assert sample.year == 2019
    assert math.isnan(sample.effort[0])


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = table(tmp_path, "S1,-2.5,51.5,2020,12", header="nr,x,y,season,taxa")
    columns = SampleColumns(id="nr", longitude="x", latitude="y", year="season", value="taxa")
    assert read_samples(path, RICHNESS, columns).samples[0].value == 12
    with pytest.raises(SampleError, match="no column 'z', it has nr, x"):
        read_samples(path, RICHNESS, SampleColumns(id="z"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "no column for id"),
        ("a.csv", HEADER.encode(), "it is empty"),
        ("a.csv", HEADER.encode() + b"\nS1,-2,51,2022,NA,1\n", "1 rows: no richness"),
        ("a.csv", b"\xff\xfe\x00\x01", "not UTF-8"),
        ("a.csv", HEADER.encode() + b'\n"S1,-2', "unexpected end"),
        ("a.parquet", b"PAR1", "a.parquet"),
        ("a.xlsx", b"PK", "extension '.xlsx'"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleError, match=said) as caught:
        read_samples(tmp_path / name, RICHNESS)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="No such file"):
        read_samples(tmp_path / "none.csv", RICHNESS)


cells = st.sampled_from(["", "NA", "nan", "-2", "51", "2020", "1e400", "x", "99999"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells, cells, cells), max_size=6))
def test_every_row_is_a_sample_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    numbered = [f"S{i}," + ",".join(row) for i, row in enumerate(rows)]
    path = table(tmp_path_factory.getbasetemp(), *numbered, GOOD.replace("S1", "good"))
    reading = read_samples(path, RICHNESS)
    assert len(reading.samples) + len(reading.refused) == len(rows) + 1
    assert all(math.isfinite(sample.value) for sample in reading.samples)


@pytest.fixture(scope="module")
def europe(shared: Path) -> SampleReading:
    path = shared / "data" / "ecm_richness" / "ECM_richness_europe_train.csv"
    return read_samples(path, RICHNESS, year_if_missing=2018)


def test_real_samples_of_europe_are_read_and_their_defects_counted(europe: SampleReading) -> None:
    assert europe.counts == {
        "no richness": 369,
        "estimated from as many reads as taxa": 278,
        "estimate above 4 times the observed count": 171,
        "0 without an observed count": 133,
        "outside the stated continent": 47,
        "no longitude": 3,
    }
    assert (europe.rows, len(europe.merged), len(europe.samples), europe.places) == (6788, 9, 5778, 2574)


def test_the_counts_of_real_defects_are_those_of_another_reader(europe: SampleReading, shared: Path) -> None:
    table = pd.read_csv(shared / "data" / "ecm_richness" / "ECM_richness_europe_train.csv")
    assert europe.counts["no longitude"] == table.longitude.isna().sum()
    located = table[table.longitude.notna()]
    assert europe.counts["no richness"] == located.rarefied.isna().sum()
    valued = located[located.rarefied.notna()]
    assert europe.counts["outside the stated continent"] == (valued.longitude > 70).sum()
    inside = valued[valued.longitude <= 70]
    assert europe.counts["0 without an observed count"] == (inside.rarefied == 0).sum()
    counted = inside[inside.rarefied > 0]
    ties = (counted.raw_obs_div**2 + 1) / 2
    singletons = (counted.raw_obs_div > 1) & np.isclose(counted.rarefied, ties, atol=0.001)
    assert europe.counts["estimated from as many reads as taxa"] == singletons.sum()
    rest = counted[~singletons]
    far = rest.rarefied / rest.raw_obs_div > 4
    assert europe.counts["estimate above 4 times the observed count"] == far.sum()
    large = rest[~far & (rest.rarefied >= 20)]
    assert len(europe.merged) == large.duplicated(["longitude", "latitude", "raw_obs_div", "rarefied"]).sum()


def test_real_samples_are_as_the_table_has_them(europe: SampleReading, shared: Path) -> None:
    with (shared / "data" / "ecm_richness" / "ECM_richness_europe_train.csv").open(newline="") as file:
        rows = {row["sample_id"]: row for row in csv.DictReader(file)}
    assert all(sample.value == float(rows[sample.id]["rarefied"]) for sample in europe.samples)
    assert all(sample.longitude == float(rows[sample.id]["longitude"]) for sample in europe.samples)
    believed = {sample.id for sample in europe.samples}
    assert [sample.id for sample in europe.samples] == [name for name in rows if name in believed]
    assert max(sample.value for sample in europe.samples) < 580


def test_the_documented_table_of_defects_is_the_one_that_is_printed(europe: SampleReading) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "samples.md").read_text("utf-8")
    assert defect_table(europe) in documented


def test_a_real_table_without_richness_is_refused(shared: Path) -> None:
    path = shared / "data" / "ecm_richness" / "GFv5_EcM_unassigned_per_sample_UK.csv"
    with pytest.raises(SampleError, match="no column for richness"):
        read_samples(path, RICHNESS)


@pytest.mark.parametrize("copy", [GOOD, "S1,-2,51,2022,36,1", "S1,,51,2022,36,1"])
def test_an_id_that_is_used_twice_refuses_the_table(tmp_path: Path, copy: str) -> None:
    with pytest.raises(SampleError, match=r"id 'S1' is used by rows 1 and 3, an id names one sample$"):
        read_samples(table(tmp_path, GOOD, "S2,-2,51,2022,35,1", copy), RICHNESS)


def test_places_and_years_may_be_left_out_where_they_are_not_needed(tmp_path: Path) -> None:
    path = table(tmp_path, "S1,35", "S2,36", header="id,richness")
    reading = read_samples(path, RICHNESS, needs_year=False, needs_coordinates=False)
    assert [sample.year for sample in reading.samples] == [NO_YEAR, NO_YEAR]
    assert all(math.isnan(sample.longitude) and math.isnan(sample.latitude) for sample in reading.samples)
    with pytest.raises(SampleError, match="no column for longitude"):
        read_samples(path, RICHNESS, needs_year=False)


def test_what_is_not_needed_is_still_refused_where_it_is_impossible(tmp_path: Path) -> None:
    path = table(tmp_path, GOOD, "S2,999,51,2022,35,1", "S3,-2,51,1066,35,1", "S4,,51,,35,1")
    reading = read_samples(path, RICHNESS, needs_year=False, needs_coordinates=False)
    assert [sample.id for sample in reading.samples] == ["S1", "S4"]
    assert math.isnan(reading.samples[1].latitude), "half a place is none"


def test_a_named_group_is_read_and_needed(tmp_path: Path) -> None:
    header = HEADER + ",site"
    path = table(tmp_path, GOOD + ",Wytham", "S2,-2,51,2022,35,1,", header=header)
    reading = read_samples(path, RICHNESS, SampleColumns(group="site"))
    assert [sample.group for sample in reading.samples] == ["Wytham"]
    assert reading.counts == {"no group": 1}
    assert read_samples(path, RICHNESS).samples[0].group == ""


def test_efforts_are_read_from_their_columns_or_those_that_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, "S1,-2,51,2022,35,100,7", "S2,-3,51,2022,35,,9", header=HEADER + ",runs")
    reading = read_samples(path, RICHNESS)
    assert reading.samples[0].effort == (100.0,)
    assert [(each.what, each.outcome, each.rows) for each in reading.defects] == [("no reads", "kept", 1)]
    named = read_samples(path, RICHNESS, SampleColumns(effort={"reads": "runs"}))
    assert [sample.effort for sample in named.samples] == [(7.0,), (9.0,)]
    with pytest.raises(SampleError, match="richness knows no effort 'depth', known are reads"):
        read_samples(path, RICHNESS, SampleColumns(effort={"depth": "runs"}))


def test_an_id_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    (sample,) = read_samples(table(tmp_path, GOOD.replace("S1", "=1+1")), RICHNESS).samples
    assert sample.id == "=1+1"
