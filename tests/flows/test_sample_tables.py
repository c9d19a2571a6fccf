"""Tables of field samples: which files are read, and what is said of those that are not."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.sources.field_samples.columns import SampleColumns
from flows.sources.field_samples.reading import read_samples
from flows.targets import read_target
from monitoring.errors import SampleError
from monitoring.samples import FieldSample

RICHNESS = read_target("richness")
HEADER = "sample_id,longitude,latitude,year,richness,reads"
GOOD = "S1,-2.5,51.5,2022,35,24754"
SAMPLE = FieldSample("S1", -2.5, 51.5, 2022, 35.0, (24754.0,))


def read(tmp_path: Path, content: bytes, columns: SampleColumns | None = None) -> tuple[FieldSample, ...]:
    path = tmp_path / "samples.csv"
    path.write_bytes(content)
    samples: tuple[FieldSample, ...] = read_samples(path, RICHNESS, columns).samples
    return samples


def refusal(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(SampleError) as caught:
        read(tmp_path, content)
    text = str(caught.value)
    assert text.isprintable(), "one line, nothing that moves a cursor"
    return text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_line_ends_and_byte_order_marks_do_not_matter(
    tmp_path: Path, separator: str, end: str, mark: bytes
) -> None:
    text = end.join([HEADER, GOOD, "", ""]).replace(",", separator)
    assert read(tmp_path, mark + text.encode()) == (SAMPLE,)


def test_a_separator_in_quotes_separates_nothing(tmp_path: Path) -> None:
    content = f'{HEADER.replace(",", ";")};"a,b,c,d,e,f,g,h"\n{GOOD.replace(",", ";")};"x,y"\n'
    assert read(tmp_path, content.encode()) == (SAMPLE,)


def test_blanks_around_names_and_cells_do_not_matter(tmp_path: Path) -> None:
    content = f"{HEADER}\n{GOOD}\n".replace(",", " , ")
    assert read(tmp_path, content.encode()) == (SAMPLE,)


@pytest.mark.parametrize("number", ["51,5", "24,754", "-0,5", "1.234,5"])
def test_numbers_with_a_comma_refuse_the_table(tmp_path: Path, number: str) -> None:
    content = f"{HEADER}\n{GOOD}\nS2,{number.replace(',', '!')},51,2022,35,1\n".replace(",", ";").replace(
        "!", ","
    )
    said = refusal(tmp_path, content.encode())
    assert f"row 2: longitude {number!r}: write decimals with a point" in said


def test_a_row_with_more_cells_than_the_header_refuses_the_table(tmp_path: Path) -> None:
    said = refusal(tmp_path, f"{HEADER}\n{GOOD}\nS2,-2,5,51,5,2022,35,1\n".encode())
    assert "row 2 has 8 cells, the header 6" in said


def test_empty_cells_past_the_header_do_not_matter(tmp_path: Path) -> None:
    assert read(tmp_path, f"{HEADER}\n{GOOD},,\n".encode()) == (SAMPLE,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{HEADER},forêt\n{GOOD},x\n".encode("latin-1"), "not UTF-8 text (byte 0xea); save it as UTF-8"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "not UTF-8 text (byte 0xff)"),
        (f"{HEADER},richness\n{GOOD},36\n".encode(), "2 columns are called 'richness'"),
        (b"a\x1b[2J,b\n1,2\n", "no column for id (known: sample_id or id)"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_printable_line(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refusal(tmp_path, content)


def test_thousands_of_columns_are_read_and_not_recited(tmp_path: Path) -> None:
    more = ",".join(f"c{i}" for i in range(5000))
    cells = ",".join(["x"] * 5000)
    content = f"{HEADER},{more}\n{GOOD},{cells}\n".encode()
    assert read(tmp_path, content) == (SAMPLE,)
    with pytest.raises(SampleError, match=r"no column 'z', it has sample_id, .* and 4994 more$"):
        read(tmp_path, content, SampleColumns(id="z"))


def test_columns_that_are_not_asked_for_take_no_memory(tmp_path: Path) -> None:
    rows = [f"S{i},-2.5,51.5,2022,35,24754,{'x' * 10_000}" for i in range(500)]
    content = "\n".join([HEADER + ",remark", *rows]).encode()
    tracemalloc.start()
    read(tmp_path, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(content) > 5e6
    assert peak < len(content) / 2


def write_parquet(tmp_path: Path, **columns: object) -> Path:
    stated = {"sample_id": ["S1"], "longitude": [-2.5], "latitude": [51.5], "year": [2022], "richness": [35]}
    pq.write_table(pa.table({**stated, "reads": [24754], **columns}), tmp_path / "samples.parquet")
    return tmp_path / "samples.parquet"


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("sample_id", pa.array(["S1"]).dictionary_encode()),
        ("sample_id", pa.array(["S1"], pa.large_string())),
        ("richness", pa.array([Decimal("35.00")], pa.decimal128(9, 2))),
        ("richness", pa.array([35], pa.uint8())),
        ("year", pa.array([2022.0], pa.float32())),
        ("reads", pa.array(["24754"])),
    ],
)
def test_parquet_types_that_hold_text_or_numbers_are_read(
    tmp_path: Path, column: str, cells: pa.Array
) -> None:
    assert read_samples(write_parquet(tmp_path, **{column: cells}), RICHNESS).samples == (SAMPLE,)


@pytest.mark.parametrize("cells", [pa.array([b"S1"]), pa.array([["S1"]]), pa.array([{"a": 1}])])
def test_parquet_types_that_hold_something_else_are_one_clear_line(tmp_path: Path, cells: pa.Array) -> None:
    path = write_parquet(tmp_path, sample_id=cells)
    with pytest.raises(SampleError, match=r"column 'sample_id' holds .*, not text or numbers"):
        read_samples(path, RICHNESS)


def test_parquet_columns_that_are_not_asked_for_may_hold_anything(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, taxa=pa.array([["Russula", "Lactarius"]]))
    assert read_samples(path, RICHNESS).samples == (SAMPLE,)
