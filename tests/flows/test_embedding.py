"""Embedding a folder of d-pixels: one file with everything, NaN where nothing was observed."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from flows.modelling.embedding import Request, embed_file
from models.encoders.card import card_with_dims, encoder_card
from models.encoders.encoder import load_encoder
from models.encoders.inputs.dpixel_files import read_dpixel_directory
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


#: The golden case in which nothing is missing.
PRESTO_CASE = "all_present/"


def ignore(_done: int, _total: int) -> None:
    pass


def embed(tile: Path, out: Path) -> dict[str, np.ndarray]:
    embed_file(Request("underwood-student-1", tile, out, device="cpu"), ignore)
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


@pytest.mark.parametrize(
    ("numbers", "arrays"),
    [
        ("all", {"embedding", "int8", "scale", "reason", "encoder"}),
        ("float32", {"embedding", "reason", "encoder"}),
        ("float16", {"embedding", "reason", "encoder"}),
        ("int8", {"int8", "scale", "reason", "encoder"}),
    ],
)
def test_the_form_of_the_numbers_is_the_users_choice(
    tile: Path, tmp_path: Path, numbers: str, arrays: set[str]
) -> None:
    out = tmp_path / "e.npz"
    embed_file(Request("underwood-student-1", tile, out, device="cpu", numbers=numbers), ignore)
    with np.load(out, allow_pickle=False) as file:
        assert set(file.files) == arrays
        if numbers == "float16":
            assert file["embedding"].dtype == np.float16


def test_a_form_that_is_none_of_them_is_wrong_use(tile: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--numbers int4: must be one of all, float32, float16, int8"):
        embed_file(Request("underwood-student-1", tile, tmp_path / "e.npz", numbers="int4"), ignore)


@pytest.mark.parametrize("memory", [1, 100_000])
def test_a_memory_bound_changes_not_one_byte(tile: Path, tmp_path: Path, memory: int) -> None:
    request = Request("underwood-student-1", tile, tmp_path / "bounded.npz", device="cpu")
    embed_file(dataclasses.replace(request, memory_bytes=memory), ignore)
    embed_file(dataclasses.replace(request, out=tmp_path / "free.npz"), ignore)
    assert (tmp_path / "bounded.npz").read_bytes() == (tmp_path / "free.npz").read_bytes()


def points(tile: Path, path: Path) -> Path:
    """The tile's pixels as point samples: the same arrays without the image's axes."""
    arrays = {file.stem: np.load(file) for file in tile.glob("*.npy")}
    flat = {
        name: array.reshape(len(array), 20, *array.shape[3:]) if array.ndim > 1 else array
        for name, array in arrays.items()
    }
    np.savez(path, **flat)
    return path


def test_point_samples_embed_as_the_same_pixels_of_a_folder(tile: Path, tmp_path: Path) -> None:
    samples = points(tile, tmp_path / "points.npz")
    of_folder, of_points = embed(tile, tmp_path / "a.npz"), embed(samples, tmp_path / "b.npz")
    assert of_points["embedding"].shape == (20, 128)
    assert of_points["embedding"].tobytes() == of_folder["embedding"].tobytes()


@pytest.mark.parametrize("dims", [16, 32, 64, 128])
def test_a_prefix_is_the_first_numbers_under_a_name_of_its_own(
    shared: Path, tile: Path, dims: int, tmp_path: Path
) -> None:
    card = encoder_card("tessera-v2-nano")
    weights = shared / "golden/tessera_v2/nano_random_full.safetensors"
    assert card_with_dims(card, dims).id == ("tessera-v2-nano" if dims == 128 else f"tessera-v2-nano-d{dims}")
    assert encoder_card(card_with_dims(card, dims).id) == card_with_dims(card, dims)
    pinned = dataclasses.replace(
        card, weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(), bytes=0
    )
    pixels, _ = read_dpixel_directory(tile)
    whole = load_encoder(pinned, weights).embed(pixels).values
    short = load_encoder(card_with_dims(pinned, dims), weights).embed(pixels).values
    assert short.shape == (20, dims)
    np.testing.assert_array_equal(short, whole[:, :dims])


def test_an_encoder_that_cannot_be_cut_is_not_cut() -> None:
    with pytest.raises(ModelError, match="underwood-student-1: 64 dims, expected one of 128"):
        card_with_dims(encoder_card("underwood-student-1"), 64)


def presto_samples(shared: Path, path: Path) -> Path:
    with np.load(shared / "golden/presto/cases.npz", allow_pickle=False) as cases:
        case = {name.partition("/")[2]: cases[name] for name in cases.files if name.startswith(PRESTO_CASE)}
    np.savez(
        path, x=case["x"], latlon=case["latlons"], month=case["month"], dynamic_world=case["dynamic_world"]
    )
    return path


def test_presto_embeds_point_samples_from_the_command_line(shared: Path, tmp_path: Path) -> None:
    samples, out = presto_samples(shared, tmp_path / "s.npz"), tmp_path / "e.npz"
    request = Request("presto", samples, out, shared / "weights/presto/default_model.pt", "cpu")
    made = embed_file(request, ignore)
    with np.load(shared / "golden/presto/cases.npz", allow_pickle=False) as cases:
        expected = cases[f"{PRESTO_CASE}embedding"]
    with np.load(out, allow_pickle=False) as file:
        np.testing.assert_allclose(file["embedding"], expected, atol=2e-5)
    assert made.n_missing == 0


def test_a_folder_is_no_table_of_samples(shared: Path, tile: Path, tmp_path: Path) -> None:
    weights = shared / "weights/presto/default_model.pt"
    with pytest.raises(SettingsError, match=r"presto takes an \.npz of presto samples"):
        embed_file(Request("presto", tile, tmp_path / "e.npz", weights, "cpu"), ignore)
