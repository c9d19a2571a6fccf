"""Files that are either whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.files import whole_file, write_whole
from monitoring.errors import WarehouseError


@pytest.mark.parametrize(
    ("place", "why"),
    [("notes.txt/out.json", "notes.txt is not a folder"), ("notes.txt/deeper/out.json", "Not a directory")],
)
def test_a_file_where_a_folder_should_be_is_named_on_one_line(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(WarehouseError, match=f"out.json: cannot be written: .*{why}$"):
        write_whole(tmp_path / place, b"{}")
    assert (tmp_path / "notes.txt").read_text() == "kept"


def test_an_error_while_writing_leaves_the_older_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "out.json", b"older")
    with pytest.raises(RuntimeError, match="stopped"):
        write_half(path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path: Path) -> None:
    with whole_file(path) as draft:
        draft.write_bytes(b"half")
        raise RuntimeError("stopped")
