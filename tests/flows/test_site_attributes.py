"""A table of site attributes is read, or refused by line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from flows.sources.site_attributes import MOST_BYTES, SiteAttributes, read_site_attributes
from monitoring.errors import BoundaryError


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "sites.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_leaf_type_and_elevation_are_read_by_woodland(tmp_path: Path) -> None:
    path = table(tmp_path, "woodland,leaf_type,elevation_m\nash,broadleaved,120.5\noak, conifer ,-2\n")
    assert read_site_attributes(path) == {
        "ash": SiteAttributes("broadleaved", 120.5),
        "oak": SiteAttributes("conifer", -2.0),
    }


def test_columns_may_come_in_any_order_with_others_between_them(tmp_path: Path) -> None:
    path = table(tmp_path, "elevation_m,owner,woodland,leaf_type\n120,Forestry,ash,mixed\n")
    assert read_site_attributes(path) == {"ash": SiteAttributes("mixed", 120.0)}


def test_what_is_empty_missing_or_cut_short_is_unknown(tmp_path: Path) -> None:
    found = read_site_attributes(table(tmp_path, "woodland,leaf_type,elevation_m\nash,,\noak\n"))
    bare = read_site_attributes(table(tmp_path, "woodland\nelm\n"))
    for one in (*found.values(), *bare.values()):
        assert one.leaf_type == ""
        assert math.isnan(one.elevation_m)
    assert [*found, *bare] == ["ash", "oak", "elm"]


def test_a_table_from_a_spreadsheet_with_a_mark_in_front_is_read(tmp_path: Path) -> None:
    path = table(tmp_path, b"\xef\xbb\xbfwoodland,leaf_type\r\nCoed D\xc5\xb5r,broadleaved\r\n")
    assert read_site_attributes(path)["Coed D\u0175r"].leaf_type == "broadleaved"


def test_a_table_without_rows_knows_nothing(tmp_path: Path) -> None:
    assert read_site_attributes(table(tmp_path, "woodland,leaf_type,elevation_m\n")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,leaf_type\nash,mixed\n", "no column 'woodland'"),
        ("", "no column 'woodland'"),
        ("woodland\nash\noak\nash\n", "line 4: woodland 'ash' given twice"),
        ("woodland,leaf_type\n ,mixed\n", "line 2: no woodland"),
        ("woodland,elevation_m\nash,high\n", "line 2: elevation_m 'high': must be a number of metres"),
        ("woodland,elevation_m\nash,nan\n", "line 2: elevation_m 'nan': must be a number of metres"),
        ("woodland,elevation_m\nash,inf\n", "line 2: elevation_m 'inf': must be a number of metres"),
        (
            "woodland,elevation_m\nash,12000\n",
            "line 2: elevation_m '12000': must be a number of metres from -500",
        ),
        (b"woodland\n\xff\xfe\n", "codec can't decode"),
        ("woodland\n" + "a" * 200_000 + "\n", "field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_believed_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(BoundaryError, match=r"site attributes .*sites\.csv: ") as refusal:
        read_site_attributes(table(tmp_path, text))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoundaryError, match=r"site attributes .*absent\.csv: no such file"):
        read_site_attributes(tmp_path / "absent.csv")


def test_a_table_too_large_to_be_one_is_not_read(tmp_path: Path) -> None:
    path = table(tmp_path, "woodland\nash\n")
    with path.open("r+b") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(BoundaryError, match=f"larger than {MOST_BYTES} bytes"):
        read_site_attributes(path)
