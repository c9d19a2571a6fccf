"""Published NPY tiles: mapped, never resampled, and every pixel that is missing says why."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_world import EPSG, INF, NAN, Field, make_field, write_store, write_tile
from pyproj import Transformer

from flows.sources.published.pixels import PublishedPixels
from flows.sources.published.places import open_published
from flows.sources.published.tiles import tiles_of
from models.encoders.card import encoder_card
from models.encoders.embeddings import Reason
from monitoring.errors import CardMismatchError, PixelReadError
from monitoring.grid import PixelSet

CAMBRIDGE = encoder_card("geotessera-1.1-cambridge")
EMBEDDED, OUTSIDE = Reason.EMBEDDED, Reason.OUTSIDE
#: A corner of four tiles, degrees, and the pixel that holds it.
LONGITUDE, LATITUDE = -2.9, 53.2


@pytest.fixture(scope="module")
def content() -> Field:
    """80 by 80 pixels around the corner of four tiles."""
    easting, northing = Transformer.from_crs(4326, EPSG, always_xy=True).transform(LONGITUDE, LATITUDE)
    west, north = int(easting // 10 - 40) * 10, int(northing // 10 + 40) * 10
    return make_field(80, 80, west=west, north=north)


def read(root: Path, pixels: PixelSet, year: int = 2023, card: Any = CAMBRIDGE) -> PublishedPixels:
    with open_published(str(root), card) as source:
        return source.read(pixels, year)


NAMES = {
    (False, True): "grid_-2.95_53.25",
    (True, True): "grid_-2.85_53.25",
    (False, False): "grid_-2.95_53.15",
    (True, False): "grid_-2.85_53.15",
}


def test_a_pixel_belongs_to_the_tenth_of_a_degree_that_holds_its_centre(content: Field) -> None:
    pixels = content.pixels([(5, 5), (5, 75), (75, 5), (75, 75)])
    found = {name: members.tolist() for name, members in tiles_of(pixels)}
    names = [NAMES[False, True], NAMES[True, True], NAMES[False, False], NAMES[True, False]]
    assert found == {name: [position] for position, name in enumerate(names)}


def test_tiles_near_zero_are_named_with_their_sign() -> None:
    pixels = PixelSet(32631, np.array([16_700, 16_600], np.int32), np.array([10, -10], np.int32))
    assert {name for name, _ in tiles_of(pixels)} <= {"grid_0.05_0.05", "grid_0.05_-0.05", "grid_-0.05_-0.05"}


def test_a_woodland_over_four_tiles_takes_each_pixel_from_its_own(tmp_path: Path, content: Field) -> None:
    parts = {name: make_field(80, 80, seed=7 + number, west=content.west, north=content.north)
             for number, name in enumerate(NAMES.values())}  # fmt: skip
    for name, part in parts.items():
        write_tile(tmp_path, name, part)
    places = [(5, 5), (5, 75), (75, 5), (75, 75), (6, 74)]
    found = read(tmp_path, content.pixels(places)).embeddings
    names = [*NAMES.values(), NAMES[True, True]]
    assert (found.reason == EMBEDDED).all()
    np.testing.assert_array_equal(
        found.values, [parts[name].value(*place) for name, place in zip(names, places, strict=True)]
    )


@pytest.mark.parametrize("wide_scales", [False, True])
def test_values_are_code_times_scale_and_missing_pixels_say_why(
    tmp_path: Path, content: Field, wide_scales: bool
) -> None:
    scales = content.scales.copy()
    spoilt = {(1, 1): NAN, (1, 2): INF, (1, 3): 0.0, (1, 4): 1e30}
    for (row, column), scale in spoilt.items():
        scales[0, row, column] = scale
    land = np.ones((80, 80), np.uint8)
    land[2, 2] = 0
    spoiltfield = replace(content, scales=scales)
    write_tile(tmp_path, NAMES[False, True], spoiltfield, land=land, wide_scales=wide_scales)
    found = read(tmp_path, content.pixels([*spoilt, (2, 2), (2, 3)])).embeddings
    lost = [Reason.NOT_PUBLISHED] * 2 + [Reason.CORRUPT_SCALE] * 2 + [Reason.WATER]
    assert found.reason.tolist() == [*lost, EMBEDDED]
    assert np.isnan(found.values[:5]).all()
    np.testing.assert_array_equal(found.values[5], content.value(2, 3))


def test_tiles_as_the_publishers_client_keeps_them_are_read_too(tmp_path: Path, content: Field) -> None:
    local = {
        "tiles": "global_0.1_degree_representation.cambridge",
        "landmasks": "global_0.1_degree_tiff_all",
    }
    write_tile(tmp_path, NAMES[False, True], content, **local)
    found = read(tmp_path, content.pixels([(3, 3)])).embeddings
    np.testing.assert_array_equal(found.values, [content.value(3, 3)])


def test_a_tile_or_a_year_that_is_not_there_is_not_published(tmp_path: Path, content: Field) -> None:
    write_tile(tmp_path, NAMES[False, True], content)
    pixels = content.pixels([(5, 5), (75, 75)])
    assert read(tmp_path, pixels).reason.tolist() == [EMBEDDED, Reason.NOT_PUBLISHED]
    assert (read(tmp_path, pixels, 2030).reason == Reason.NOT_PUBLISHED).all()


@pytest.mark.parametrize(
    "other", [{"epsg": 32631}, {"shift_m": 5.0}, {"shift_m": 0.01}], ids=["zone", "half a pixel", "a cm"]
)
def test_a_tile_on_another_grid_gives_nothing(tmp_path: Path, content: Field, other: dict[str, Any]) -> None:
    write_tile(tmp_path, NAMES[False, True], content, **other)
    found = read(tmp_path, content.pixels([(5, 5), (6, 6)])).embeddings
    assert (found.reason == OUTSIDE).all()
    assert np.isnan(found.values).all()


def test_a_pixel_beyond_its_tiles_raster_is_outside(tmp_path: Path, content: Field) -> None:
    small = replace(content, codes=content.codes[:, :, :10, :10], scales=content.scales[:, :10, :10])
    write_tile(tmp_path, NAMES[False, True], small)
    found = read(tmp_path, content.pixels([(5, 5), (11, 5), (-1, 5)]))
    assert found.reason.tolist() == [EMBEDDED, OUTSIDE, OUTSIDE]


@pytest.mark.parametrize(
    "card", ["geotessera-1.0-vultr", "geotessera-1.1-dclimate", "geotessera-2.0-2B-L~beta1"]
)
def test_tiles_of_another_set_are_refused(tmp_path: Path, content: Field, card: str) -> None:
    write_tile(tmp_path, NAMES[False, True], content)
    with pytest.raises(CardMismatchError, match=r"needs a Zarr store.*v1\.1-cam") as raised:
        read(tmp_path, content.pixels([(5, 5)]), card=encoder_card(card))
    assert "\n" not in str(raised.value)


def damage(tile: Path, root: Path, harm: str) -> None:
    scales = tile.with_name(f"{tile.stem}_scales.npy")
    landmask = root / "landmasks" / "v1.1" / f"{tile.stem}.tiff"
    if harm == "a pickle for codes":
        tile.write_bytes(pickle.dumps(np.zeros((80, 80, 128), np.int8)))
    elif harm == "objects for codes":
        np.save(tile, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif harm == "a truncated tile":
        tile.write_bytes(tile.read_bytes()[:5000])
    elif harm == "codes of float":
        np.save(tile, np.zeros((80, 80, 128), np.float32))
    elif harm == "fewer bands":
        np.save(tile, np.zeros((80, 80, 64), np.int8))
    elif harm == "scales gone":
        scales.unlink()
    elif harm == "scales of another shape":
        np.save(scales, np.ones((80, 79), np.float32))
    elif harm == "land mask gone":
        landmask.unlink()
    else:
        landmask.write_bytes(b"not a tiff")


@pytest.mark.parametrize(
    "harm",
    [
        "a pickle for codes", "objects for codes", "a truncated tile", "codes of float", "fewer bands",
        "scales gone", "scales of another shape", "land mask gone", "land mask broken",
    ],
)  # fmt: skip
def test_a_damaged_tile_is_one_line_that_names_it(tmp_path: Path, content: Field, harm: str) -> None:
    damage(write_tile(tmp_path, NAMES[False, True], content), tmp_path, harm)
    with pytest.raises(PixelReadError, match=r"^tile .*grid_-2\.95_53\.25") as raised:
        read(tmp_path, content.pixels([(5, 5)]))
    assert "\n" not in str(raised.value)


def test_tiles_and_store_of_the_same_embeddings_agree_to_the_byte(tmp_path: Path, content: Field) -> None:
    for name in NAMES.values():
        write_tile(tmp_path / "tiles", name, content)
    store = write_store(tmp_path / "v1.1", content)
    pixels = content.pixels([(row, column) for row in range(0, 80, 7) for column in range(0, 80, 7)])
    assert read(tmp_path / "tiles", pixels).digest == read(store, pixels).digest
