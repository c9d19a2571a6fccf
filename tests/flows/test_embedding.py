"""Embedding a folder of d-pixels: one file with everything, NaN where nothing was observed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.embedding import embed_directory
from monitoring.errors import ModelError, SettingsError


@pytest.fixture
def tile(shared: Path, tmp_path: Path) -> Path:
    """The awkward tile of the golden vectors, as a folder."""
    folder = tmp_path / "tile"
    folder.mkdir()
    with np.load(shared / "golden" / "tessera_v2" / "tile_input.npz", allow_pickle=False) as arrays:
        for name in arrays.files:
            np.save(folder / f"{name}.npy", arrays[name], allow_pickle=False)
    return folder


def embed(tile: Path, out: Path) -> dict[str, np.ndarray]:
    embed_directory("underwood-student-1", None, tile, out, "cpu", lambda _done, _total: None)
    with np.load(out, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_a_pixel_nobody_observed_is_nan_with_a_reason(tile: Path, tmp_path: Path) -> None:
    written = embed(tile, tmp_path / "e.npz")
    missing = np.isnan(written["embedding"]).all(axis=-1)
    assert written["embedding"].shape == (4, 5, 128)
    assert missing.sum() == 1
    assert missing[1, 0]  # the sixth role of the tile: fully empty
    assert (written["reason"][missing] == 1).all()
    assert np.isnan(written["scale"][missing]).all()
    assert (written["int8"][missing] == 0).all()


def test_codes_times_scale_give_the_embedding_back(tile: Path, tmp_path: Path) -> None:
    written = embed(tile, tmp_path / "e.npz")
    back = written["int8"] * written["scale"][..., None]
    known = np.isfinite(written["embedding"])
    half_step = np.broadcast_to(written["scale"][..., None] / 2, known.shape)[known]
    assert (np.abs(back[known] - written["embedding"][known]) <= half_step * 1.001).all()


def test_a_missing_file_of_days_is_an_error_and_writes_nothing(tile: Path, tmp_path: Path) -> None:
    (tile / "doys.npy").unlink()
    with pytest.raises(ModelError, match=r"doys\.npy"):
        embed(tile, tmp_path / "e.npz")
    assert not (tmp_path / "e.npz").exists()


def test_another_ending_than_npz_is_wrong_use(tile: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.npz"):
        embed(tile, tmp_path / "e.tif")
