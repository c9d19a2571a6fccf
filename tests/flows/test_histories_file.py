"""Tables of histories: what is read of them, what is left out, and what is refused in one line."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.own_table import columns as columns_read
from flows.own_table.histories import HistoriesReading, read_histories
from monitoring.errors import SeasonError, SourceError, TrendError, UnderwoodError
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.woodlands import Status

HEADER = "woodland,year,mean"
OAK = "oak,2017,60\noak,2018,58\n"
FULL = (
    "woodland,season,mean,sd,sd_year,park,class,leaf_type,elevation_m,area_ha,coverage,block,n_s2\n"
    "oak,2017-Q4,60,3,2,Vale,ASNW,broadleaved,120,14.5,0.9,b1,21\n"
)


def read(
    tmp_path: Path, content: str | bytes, name: str = "h.csv", up_to: Season | None = None
) -> HistoriesReading:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_histories(path, Science(), up_to)


def values(reading: HistoriesReading) -> dict[str, dict[int, float]]:
    return {
        one.woodland_id: dict(zip(one.years.tolist(), one.mean.tolist(), strict=True))
        for one in reading.histories.series
    }


def refusal(tmp_path: Path, content: str | bytes, kind: type[UnderwoodError] = SourceError) -> str:
    with pytest.raises(kind) as caught:
        read(tmp_path, content)
    text = str(caught.value)
    assert text.isprintable(), "one line, nothing that moves a cursor"
    assert "h.csv" in text
    return text.split("h.csv: ")[1]


def test_a_table_with_every_column_fills_series_and_site(tmp_path: Path) -> None:
    histories = read(tmp_path, FULL).histories
    (series,), site, (seen,) = histories.series, histories.sites["oak"], histories.seen
    assert (series.years.tolist(), series.mean.tolist(), series.sd.tolist()) == ([2017], [60.0], [3.0])
    assert series.sd_year.tolist() == [2.0]
    assert (site.park, site.is_ancient, site.leaf_type, site.block) == ("Vale", True, "broadleaved", "b1")
    assert (site.elevation_m, site.area_ha, site.status) == (120.0, 14.5, Status.ASNW)
    assert (seen.years.tolist(), seen.n_s2.tolist()) == ([2017], [21.0])
    assert np.isnan(seen.n_s1_ascending).all()


def test_what_the_table_does_not_state_is_unknown(tmp_path: Path) -> None:
    histories = read(tmp_path, f"{HEADER}\n{OAK}").histories
    (series,), site = histories.series, histories.sites["oak"]
    assert np.isnan(series.sd).all()
    assert series.sd_year.size == 0
    assert (site.park, site.is_ancient, site.leaf_type) == ("the table", False, "")
    assert np.isnan([site.elevation_m, site.area_ha]).all()
    assert histories.seen == ()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_line_ends_byte_order_marks_and_blank_lines_do_not_matter(
    tmp_path: Path, separator: str, end: str, mark: bytes
) -> None:
    text = f"\n{HEADER}\n\n{OAK}\n".replace("\n", end).replace(",", separator)
    assert values(read(tmp_path, mark + text.encode())) == {"oak": {2017: 60.0, 2018: 58.0}}


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    there = read(tmp_path, f"{HEADER}\n{OAK}ash,2017,40\n")
    back = read(tmp_path, "Mean,YEAR,woodland_id\n40,2017,ash\n58,2018,oak\n60,2017,oak\n")
    assert values(there) == values(back)
    assert list(values(back)) == ["ash", "oak"]


@pytest.mark.parametrize("gap", ["", " ", "NaN", "NA", "n/a", "null"])
def test_a_missing_year_stays_missing(tmp_path: Path, gap: str) -> None:
    reading = read(tmp_path, f"{HEADER}\n{OAK}oak,2019,{gap}\noak,2020,55\n")
    assert values(reading) == {"oak": {2017: 60.0, 2018: 58.0, 2020: 55.0}}
    assert reading.remarks == ("1 woodland-year without an estimate: they stay missing",)


def test_a_woodland_without_any_estimate_is_kept_with_no_years(tmp_path: Path) -> None:
    assert values(read(tmp_path, f"{HEADER}\n{OAK}ash,2017,\n"))["ash"] == {}


def test_thin_years_are_left_out_and_years_outside_take_no_part(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        f"{HEADER},coverage,applicable_share\noak,2017,60,0.9,1\noak,2018,58,0.4,1\noak,2019,57,0.9,0.7\noak,2020,56,,\n",
    )
    (series,) = reading.histories.series
    assert (series.years.tolist(), series.outside.tolist()) == ([2017, 2020], [2019])
    assert (reading.n_thin, reading.n_outside, reading.last_year) == (1, 1, 2020)


def test_years_after_the_season_assessed_are_left_out(tmp_path: Path) -> None:
    reading = read(tmp_path, f"{HEADER}\n{OAK}", up_to=Season(2017, 4))
    assert values(reading) == {"oak": {2017: 60.0}}
    assert reading.n_later == 1


def test_a_season_no_estimate_is_of_cannot_be_assessed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^no estimate in 2025: the last is of 2018$"):
        read(tmp_path, f"{HEADER}\n{OAK}").refuse_without(Season(2025, 4))


def test_columns_of_other_names_are_ignored_and_told(tmp_path: Path) -> None:
    reading = read(tmp_path, f"{HEADER},owner,\noak,2017,60,\xc5sa,\n")
    assert reading.remarks == ("columns ignored: owner, (no name)",)
    assert read(tmp_path, f"{HEADER},owner\noak,2017,60,\xff\n".encode("latin-1")).ignored == ("owner",)


@pytest.mark.parametrize("word", ["ancient", "ASNW", "paws", "AWP", "true", "1", "Yes"])
def test_words_of_the_inventory_are_ancient(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"{HEADER},class\noak,2017,60,{word}\n").histories.sites["oak"].is_ancient


@pytest.mark.parametrize("word", ["other", "False", "no", "0"])
def test_other_words_are_other_woodland(tmp_path: Path, word: str) -> None:
    assert not read(tmp_path, f"{HEADER},class\noak,2017,60,{word}\n").histories.sites["oak"].is_ancient


@pytest.mark.parametrize("season", ["2025-Q1", "2025-Q2", "2025-Q3"])
def test_overlapping_windows_are_refused(tmp_path: Path, season: str) -> None:
    text = refusal(tmp_path, f"woodland,season,mean\noak,2024-Q4,60\noak,{season},58\n", SeasonError)
    assert text == (
        f"line 3: season {season}: its window overlaps those of Q4 seasons, the only ones a trend uses"
    )


def test_a_series_never_mixes_encoders(tmp_path: Path) -> None:
    rows = "oak,2017,60,tessera-v1.0\noak,2018,,\noak,2019,58,tessera-v1.1\n"
    text = refusal(tmp_path, f"{HEADER},encoder\n{rows}", TrendError)
    assert text == (
        "encoder 'tessera-v1.0' on line 2 and 'tessera-v1.1' on line 4: a series never mixes them"
    )
    unnamed = refusal(tmp_path, f"{HEADER},encoder\noak,2017,60,a\noak,2018,58,\n", TrendError)
    assert "not stated on line 3" in unnamed


def test_a_woodland_has_one_row_per_year(tmp_path: Path) -> None:
    text = refusal(tmp_path, f"{HEADER}\n{OAK}\nash,2018,1\noak,2017,\n", TrendError)
    assert text == "woodland oak: 2017 is given on line 2 and line 6"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{HEADER}\n{OAK}oak,2019,inf\n", "line 4: mean inf: must be finite"),
        (f"{HEADER}\n{OAK}oak,2019,1e999\n", "line 4: mean inf: must be finite"),
        (f"{HEADER}\n{OAK}oak,2019,many\n", "line 4: mean 'many': not a number"),
        (f"{HEADER}\n{OAK}oak,2019,1_0\n", "line 4: mean '1_0': not a number"),
        (
            'woodland;year;mean\noak;2019;"60,5"\n',
            "line 2: mean '60,5': not a number; write decimals with a point",
        ),
        (f"{HEADER},sd\noak,2017,60,-1\n", "line 2: sd -1: must be from 0 to inf"),
        (f"{HEADER},coverage\noak,2017,60,1.1\n", "line 2: coverage 1.1: must be from 0 to 1"),
        (
            f"{HEADER},applicable_share\noak,2017,60,-0.1\n",
            "line 2: applicable_share -0.1: must be from 0 to 1",
        ),
        (f"{HEADER}\noak,1899,60\n", "line 2: year 1899: must be from 1900 to 2100"),
        (f"{HEADER}\noak,2101,60\n", "line 2: year 2101: must be from 1900 to 2100"),
        (f"{HEADER}\noak,2017.5,60\n", "line 2: year 2017.5: must be a whole number"),
        (f"{HEADER}\noak,,60\n", "line 2: no year"),
        (f"{HEADER}\n,2017,60\n", "line 2: no woodland"),
        (
            f"{HEADER}\n{'o' * 201},2017,60\n",
            "line 2: woodland 'oooooooooooooooooooo': must be at most 200 printable characters",
        ),
        (
            f"{HEADER}\no\x1bk,2017,60\n",
            "line 2: woodland 'o\\x1bk': must be at most 200 printable characters",
        ),
        (f"{HEADER}\n\noak,2017\n", "line 3: 2 cells, the header has 3"),
        (f"{HEADER}\noak,2017,60,1\n", "line 2: 4 cells, the header has 3"),
        (
            f"{HEADER},park\noak,2017,60,Vale\noak,2018,58,Fell\n",
            "woodland oak: park 'Vale' on line 2 and 'Fell' on line 3; it lies in one place",
        ),
        (
            f"{HEADER},class\noak,2017,60,PAWS\noak,2018,58,other\n",
            "woodland oak: class 'PAWS' on line 2 and 'other' on line 3; it lies in one place",
        ),
        (
            f"{HEADER},elevation_m\noak,2017,60,1\noak,2018,58,2\n",
            "woodland oak: elevation_m '1.0' on line 2 and '2.0' on line 3; it lies in one place",
        ),
        (
            f"{HEADER},class\noak,2017,60,old\n",
            "line 2: class 'old': known are other, ancient, ASNW, PAWS, AWP, true and false",
        ),
        (
            f"{HEADER},class\noak,2017,60,other\nash,2017,60,\n",
            "woodland ash: no class, where others have one",
        ),
        (
            "woodland,season,mean\noak,2017,60\n",
            "line 2: season '2017': expected YYYY-Q1 to YYYY-Q4, such as 2025-Q4",
        ),
        ("woodland,year,season,mean\noak,2017,2018-Q4,60\n", "line 2: year 2017 beside season 2018-Q4"),
        (f"{HEADER},target\noak,2017,60,shannon\n", "line 2: target 'shannon': the science says 'richness'"),
        (f"{HEADER}\n", "no rows"),
        (f"{HEADER}\noak,2017,\n", "no year with an estimate among 1 row"),
        ("", "no known column; its columns are none"),
        ("a,b\n1,2\n", "no known column; its columns are a, b"),
        ("woodland,mean\noak,1\n", "no column year or season"),
        ("year,mean\n2017,1\n", "no column woodland or woodland_id"),
        ("woodland,year\noak,2017\n", "no column mean"),
        ("woodland,year,mean,MEAN\noak,2017,1,2\n", "2 columns are called 'mean'"),
        (b"woodland,year,mean\no\xffk,2017,1\n", "not UTF-8 text; save it as UTF-8"),
        (b"woodland,year,mean\no\xffk,2017\n", "line 2: 2 cells, the header has 3"),
        (HEADER.encode("utf-16"), "not UTF-8 text; save it as UTF-8"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    kind = SeasonError if said.startswith("line 2: season") else SourceError
    assert refusal(tmp_path, content, kind) == said


def test_a_quoted_line_end_does_not_shift_the_lines_named(tmp_path: Path) -> None:
    text = refusal(tmp_path, f'{HEADER},note\noak,2017,60,"two\nlines"\noak,2018,x,\n')
    assert text == "line 4: mean 'x': not a number"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "folder.csv", "endless.csv"):
        with pytest.raises(SourceError, match=f"{name}: not a file$"):
            read_histories(tmp_path / name, Science())
    with pytest.raises(SourceError, match=r"absent\.csv: No such file or directory$"):
        read_histories(tmp_path / "absent.csv", Science())
    with pytest.raises(SourceError, match=r"known are \.csv and \.parquet$"):
        read(tmp_path, b"\x1f\x8b", "bomb.csv.gz")


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns_read, "MAX_ROWS", 1)
    assert refusal(tmp_path, f"{HEADER}\n{OAK}") == "2 rows, at most 1 are read"
    monkeypatch.setattr(columns_read, "MAX_FILE_BYTES", 10)
    assert refusal(tmp_path, f"{HEADER}\n{OAK}") == "43 bytes, at most 10 are read"


def parquet(tmp_path: Path, **columns: object) -> HistoriesReading:
    pq.write_table(pa.table(columns), tmp_path / "h.parquet")
    return read_histories(tmp_path / "h.parquet", Science())


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    table = parquet(
        tmp_path,
        woodland=pa.array(["oak", "oak", "ash"]).dictionary_encode(),
        year=pa.array([2017, 2018, 2017], pa.int16()),
        mean=pa.array([60, 58, None], pa.float32()),
        **{"class": [True, None, False]},
    )
    assert values(table) == {"ash": {}, "oak": {2017: 60.0, 2018: 58.0}}
    assert table.histories.sites["oak"].is_ancient


def test_parquet_with_text_or_whole_numbers_is_read_as_csv_would_be(tmp_path: Path) -> None:
    numbered = parquet(tmp_path, woodland=[7, 8], year=["2017", " 2018 "], mean=["60", ""])
    assert values(numbered) == {"7": {2017: 60.0}, "8": {}}


def test_parquet_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"row 2: mean 'x': not a number$"):
        parquet(tmp_path, woodland=["a", "a"], year=[2017, 2018], mean=["1", "x"])
    with pytest.raises(SourceError, match=r"column 'woodland' holds binary, not text or numbers$"):
        parquet(tmp_path, woodland=[b"a"], year=[2017], mean=[1.0])
    with pytest.raises(SourceError, match=r"h\.parquet: .*[Pp]arquet"):
        read(tmp_path, b"PAR1 but no more", "h.parquet")


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds(tmp_path: Path) -> None:
    woods, years = 50_000, 20
    table = pa.table(
        {
            "woodland": pa.array(np.repeat([f"w{number:05}" for number in range(woods)], years)),
            "year": np.tile(np.arange(2006, 2006 + years), woods),
            "mean": np.random.default_rng(1).normal(60, 5, woods * years),
            "park": pa.array(np.repeat([f"p{number % 15}" for number in range(woods)], years)),
        }
    )
    pq.write_table(table, tmp_path / "h.parquet")
    start = time.process_time()
    reading = read_histories(tmp_path / "h.parquet", Science())
    assert time.process_time() - start < 10, "0.6 s when it was written"
    assert len(reading.histories.series) == woods
