"""D-pixel directories: read as published, and refused with one line when anything is amiss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.encoders.inputs.dpixel_files import read_dpixel_directory
from monitoring.errors import ModelError


def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "bands": random.integers(1, 5000, (3, 2, 4, 10)).astype(np.uint16),
        "masks": (random.random((3, 2, 4)) < 0.5).astype(np.uint8),
        "doys": np.array([5, 100, 366], np.uint16),
        "sar_ascending": random.integers(1, 5000, (2, 2, 4, 2)).astype(np.int16),
        "sar_ascending_doy": np.array([7, 200], np.int32),
        "sar_descending": np.zeros((0, 2, 4, 2), np.int16),
        "sar_descending_doy": np.zeros(0, np.int32),
    }


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    for name, array in arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


def test_a_tile_is_read_row_by_row(tile: Path) -> None:
    found, shape = read_dpixel_directory(tile)
    assert shape == (2, 4)
    np.testing.assert_array_equal(found.bands[:, 5], arrays()["bands"][:, 1, 1])
    np.testing.assert_array_equal(found.clear, arrays()["masks"].reshape(3, 8) == 1)
    assert found.doys.tolist() == [5, 100, 366]
    assert found.sar_ascending_doys.tolist() == [7, 200]
    assert found.sar_descending.shape == (0, 8, 2)


def test_the_bands_are_not_read_into_memory(tile: Path) -> None:
    found, _ = read_dpixel_directory(tile)
    assert isinstance(found.bands.base, np.memmap) or isinstance(found.bands, np.memmap)


def test_without_masks_everything_is_clear(tile: Path) -> None:
    (tile / "masks.npy").unlink()
    assert read_dpixel_directory(tile)[0].clear.all()


def test_without_an_orbit_there_are_no_frames_of_it(tile: Path) -> None:
    for name in ("sar_ascending", "sar_ascending_doy"):
        (tile / f"{name}.npy").unlink()
    assert read_dpixel_directory(tile)[0].sar_ascending.shape == (0, 8, 2)


@pytest.mark.parametrize("name", ["bands", "doys", "sar_ascending", "sar_ascending_doy"])
def test_a_missing_file_is_an_error_not_zeros(tile: Path, name: str) -> None:
    (tile / f"{name}.npy").unlink()
    with pytest.raises(ModelError, match=rf"{name}\.npy: not there"):
        read_dpixel_directory(tile)


@pytest.mark.parametrize("name", ["bands", "masks", "doys", "sar_ascending"])
def test_a_truncated_file_is_an_error(tile: Path, name: str) -> None:
    path = tile / f"{name}.npy"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ModelError, match=rf"{name}\.npy: cannot be read"):
        read_dpixel_directory(tile)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x80\x04N.", b"PK\x03\x04 not a zip"])
def test_rubbish_is_an_error(tile: Path, content: bytes) -> None:
    (tile / "doys.npy").write_bytes(content)
    with pytest.raises(ModelError, match=r"doys\.npy"):
        read_dpixel_directory(tile)


def test_an_archive_of_arrays_in_place_of_an_array_is_an_error(tile: Path) -> None:
    with (tile / "doys.npy").open("wb") as file:
        np.savez(file, doys=np.array([1, 2, 3]))
    with pytest.raises(ModelError, match=r"doys\.npy: cannot be read"):
        read_dpixel_directory(tile)


def test_a_pickled_array_is_never_loaded(tile: Path) -> None:
    np.save(tile / "doys.npy", np.array([1, 2, 3], object), allow_pickle=True)
    with pytest.raises(ModelError, match=r"doys\.npy: cannot be read"):
        read_dpixel_directory(tile)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("bands", np.zeros((3, 2, 4, 9), np.uint16), r"\(any, any, any, 10\), found uint16 \(3, 2, 4, 9\)"),
        ("bands", np.zeros((3, 2, 4, 10), np.float32), "expected uint16"),
        ("masks", np.zeros((3, 4, 2), np.uint8), r"expected uint8 or bool \(3, 2, 4\)"),
        ("doys", np.zeros(4, np.uint16), r"expected integer \(3\), found uint16 \(4,\)"),
        ("doys", np.zeros(3, np.float64), "expected integers, found float64"),
        ("doys", np.array([5, 0, 9], np.uint16), "day of year 0, expected 1-366"),
        ("sar_ascending", np.zeros((2, 2, 5, 2), np.int16), r"expected int16 \(any, 2, 4, 2\)"),
        ("sar_ascending_doy", np.zeros(9, np.int32), r"expected integer \(2\)"),
    ],
)
def test_a_wrong_shape_type_or_day_is_an_error(
    tile: Path, name: str, wrong: np.ndarray, message: str
) -> None:
    np.save(tile / f"{name}.npy", wrong)
    with pytest.raises(ModelError, match=message):
        read_dpixel_directory(tile)


def test_an_empty_directory_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_dpixel_directory(tmp_path)
    assert "bands.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_golden_tile_reads_back_from_disk_as_it_was(tmp_path: Path, shared: Path) -> None:
    golden = np.load(shared / "golden/tessera_v2/tile_input.npz")
    for name in golden:
        np.save(tmp_path / f"{name}.npy", golden[name])
    found, (height, width) = read_dpixel_directory(tmp_path)
    np.testing.assert_array_equal(found.bands.reshape(golden["bands"].shape), golden["bands"])
    np.testing.assert_array_equal(found.clear.reshape(-1, height, width), golden["masks"] == 1)
    np.testing.assert_array_equal(
        found.sar_descending.reshape(golden["sar_descending"].shape), golden["sar_descending"]
    )
    np.testing.assert_array_equal(found.sar_descending_doys, golden["sar_descending_doy"])
