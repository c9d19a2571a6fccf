"""Field samples: what is read, and that nothing is dropped in silence."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.samples import SampleColumns, read_samples
from monitoring.errors import SampleError
from monitoring.samples import FieldSample

HEADER = "sample_id,longitude,latitude,year,richness,reads"
GOOD = "S1,-2.5,51.5,2022,35,24754"


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "samples.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def test_a_row_becomes_a_sample(tmp_path: Path) -> None:
    reading = read_samples(table(tmp_path, GOOD))
    assert reading.samples == (FieldSample("S1", -2.5, 51.5, 2022, 35.0, 24754.0),)
    assert reading.refused == ()


def test_csv_and_parquet_give_the_same_samples(tmp_path: Path) -> None:
    from_csv = read_samples(table(tmp_path, GOOD, "S2,0,50,2019,0,1"))
    columns = {"sample_id": ["S1", "S2"], "longitude": [-2.5, 0.0], "latitude": [51.5, 50.0]}
    columns |= {"year": [2022, 2019], "richness": [35, 0], "reads": [24754, 1]}
    pq.write_table(pa.table(columns), tmp_path / "samples.parquet")
    assert read_samples(tmp_path / "samples.parquet") == from_csv


def test_zero_taxa_found_are_a_sample_and_a_missing_count_is_not(tmp_path: Path) -> None:
    reading = read_samples(
        table(tmp_path, "S1,-2,51,2022,0,100", "S2,-2,51,2022,,100", "S3,-2,51,2022,NA,100")
    )
    assert [sample.richness for sample in reading.samples] == [0]
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
        ("S2,-2,51,2022,-1,1", "richness is outside 0 to 10000"),
        ("S2,-2,51,2022,1e9,1", "richness is outside 0 to 10000"),
        ("S2,-2,51,,35,1", "no year"),
        ("S2,-2,51,2022.5,35,1", "year is not a whole number"),
        ("S2,-2,51,22,35,1", "year is outside 1990 to 2100"),
        ("S2,-2,51,2022,35,-5", "reads is outside 0 to inf"),
        (",-2,51,2022,35,1", "no id"),
        ("S1,-2,51,2022,35,1", "the id was used by an earlier row"),
        ("S2,-2", "no latitude"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    reading = read_samples(table(tmp_path, GOOD, row))
    assert len(reading.samples) == 1
    assert [(refused.row, refused.reason) for refused in reading.refused] == [(2, reason)]


def test_a_missing_year_is_filled_only_when_asked(tmp_path: Path) -> None:
    path = table(tmp_path, "S1,-2.5,51.5,35", header="sample_id,longitude,latitude,richness")
    with pytest.raises(SampleError, match="no column for year"):
        read_samples(path)
    (sample,) = read_samples(path, year_if_missing=2019).samples
    assert sample.year == 2019
    assert math.isnan(sample.reads)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = table(tmp_path, "S1,-2.5,51.5,2020,12", header="nr,x,y,season,taxa")
    columns = SampleColumns(id="nr", longitude="x", latitude="y", year="season", richness="taxa")
    assert read_samples(path, columns).samples[0].richness == 12
    with pytest.raises(SampleError, match="no column 'z', it has nr, x"):
        read_samples(path, SampleColumns(id="z"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "no column for id"),
        ("a.csv", HEADER.encode(), "it is empty"),
        ("a.csv", HEADER.encode() + b"\nS1,-2,51,2022,NA,1\n", "1 rows: no richness"),
        ("a.csv", b"\xff\xfe\x00\x01", "codec"),
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
        read_samples(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="No such file"):
        read_samples(tmp_path / "none.csv")


cells = st.sampled_from(["", "NA", "nan", "-2", "51", "2020", "1e400", "x", "99999"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells, cells, cells), max_size=6))
def test_every_row_is_a_sample_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    numbered = [f"S{i}," + ",".join(row) for i, row in enumerate(rows)]
    reading = read_samples(table(tmp_path_factory.getbasetemp(), *numbered, GOOD.replace("S1", "good")))
    assert len(reading.samples) + len(reading.refused) == len(rows) + 1
    assert all(math.isfinite(sample.richness) for sample in reading.samples)


def test_real_samples_of_europe_are_read_and_their_defects_counted(shared: Path) -> None:
    path = shared / "data" / "ecm_richness" / "ECM_richness_europe_train.csv"
    reading = read_samples(path, year_if_missing=2018)
    assert reading.counts == {"no richness": 369, "no longitude": 3}
    assert len(reading.samples) == 6416
    with path.open(newline="") as file:
        first = next(csv.DictReader(file))
    assert reading.samples[0].id == first["sample_id"]
    assert reading.samples[0].richness == float(first["rarefied"])
    assert max(sample.richness for sample in reading.samples) < 580


def test_a_real_table_without_richness_is_refused(shared: Path) -> None:
    path = shared / "data" / "ecm_richness" / "GFv5_EcM_unassigned_per_sample_UK.csv"
    with pytest.raises(SampleError, match="no column for richness"):
        read_samples(path)
