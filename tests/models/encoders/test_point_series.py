"""Point samples from .npz files: read as they are, refused in one line when they are not."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.encoders.inputs.dpixels import DPixels
from models.encoders.inputs.galileo_series import GalileoSeries
from models.encoders.inputs.point_series import read_point_series
from models.encoders.inputs.presto_series import NO_LAND_COVER, PrestoSeries, normalise
from monitoring.errors import ModelError

PRESTO = {"x": np.full((2, 3, 17), 0.25, np.float32), "month": np.array([4, 11]), "latlon": np.zeros((2, 2))}
D_PIXELS = {"bands": np.full((4, 2, 10), 900, np.uint16), "doys": np.array([3, 90, 200, 366], np.uint16)}
RADAR = {
    "sar_ascending": np.full((5, 2, 2), 5000, np.int16),
    "sar_ascending_doy": np.arange(1, 6, dtype=np.int32),
}
GALILEO = {
    "s_t_x": np.zeros((2, 4, 4, 3, 13), np.float32),
    "sp_x": np.zeros((2, 4, 4, 16), np.float32),
    "t_x": np.zeros((2, 3, 6), np.float32),
    "st_x": np.zeros((2, 18), np.float32),
    "s_t_m": np.zeros((2, 4, 4, 3, 7), np.float32),
    "sp_m": np.ones((2, 4, 4, 3), np.float32),
    "t_m": np.ones((2, 3, 3), np.float32),
    "st_m": np.ones((2, 4), np.float32),
    "months": np.array([[0, 1, 2], [3, 4, 5]]),
}


def saved(folder: Path, arrays: dict[str, Any]) -> Path:
    path = folder / "points.npz"
    np.savez(path, **arrays)
    return path


def read_presto(folder: Path, **changes: Any) -> PrestoSeries:
    series = read_point_series(saved(folder, PRESTO | changes), "presto")
    assert isinstance(series, PrestoSeries)
    return series


def test_presto_needs_three_arrays_and_takes_the_rest_as_missing_nothing(tmp_path: Path) -> None:
    series = read_presto(tmp_path)
    assert series.months.tolist() == [[4, 5, 6], [11, 0, 1]]
    assert (series.dynamic_world == NO_LAND_COVER).all()
    assert not series.hidden.any()


def test_presto_takes_land_cover_a_mask_and_one_month_for_all(tmp_path: Path) -> None:
    mask = np.zeros((2, 3, 17), np.float64)
    mask[0, 1, :2] = 1
    series = read_presto(
        tmp_path,
        mask=mask,
        month=np.int64(6),
        dynamic_world=np.full((2, 3), 1, np.uint8),
        x=PRESTO["x"] * 2.0,
    )
    assert series.x.dtype == np.float32
    assert series.hidden.sum() == 2
    assert series.months.tolist() == [[6, 7, 8]] * 2
    assert (series.dynamic_world == 1).all()


def test_presto_in_raw_units_is_normalised(tmp_path: Path) -> None:
    raw = np.full((2, 3, 16), 300.0)
    arrays = {"raw": raw, "month": PRESTO["month"], "latlon": PRESTO["latlon"]}
    arrays["mask"] = np.zeros((2, 3, 17), np.uint8)
    arrays["mask"][..., :2] = 1
    series = read_point_series(saved(tmp_path, arrays), "presto")
    assert isinstance(series, PrestoSeries)
    np.testing.assert_array_equal(series.x, normalise(raw))


def test_the_golden_samples_read_back(shared: Path, tmp_path: Path) -> None:
    with np.load(shared / "golden/presto/cases.npz") as golden:
        case = {name: golden[f"dw_missing/{name}"] for name in ("x", "dynamic_world", "month", "mask")}
        latlon = golden["dw_missing/latlons"]
    series = read_presto(tmp_path, **case, latlon=latlon)
    np.testing.assert_array_equal(series.x, case["x"])
    assert series.months[0].tolist() == [(3 + step) % 12 for step in range(12)]


def test_d_pixels_without_masks_are_clear_and_without_radar_have_none(tmp_path: Path) -> None:
    pixels = read_point_series(saved(tmp_path, D_PIXELS), "d-pixels")
    assert isinstance(pixels, DPixels)
    assert pixels.n_pixels == 2
    assert pixels.clear.all()
    assert len(pixels.sar_ascending) == len(pixels.sar_descending) == 0


def test_d_pixels_with_masks_and_one_orbit(tmp_path: Path) -> None:
    masks = np.array([[1, 0], [0, 0], [1, 1], [1, 0]], np.uint8)
    pixels = read_point_series(saved(tmp_path, D_PIXELS | RADAR | {"masks": masks}), "d-pixels")
    assert isinstance(pixels, DPixels)
    np.testing.assert_array_equal(pixels.clear, masks == 1)
    assert pixels.sar_ascending_doys.tolist() == [1, 2, 3, 4, 5]
    assert len(pixels.sar_descending) == 0


def test_galileo_takes_the_published_names(tmp_path: Path) -> None:
    series = read_point_series(saved(tmp_path, GALILEO | {"patch_size": np.array(2)}), "galileo")
    assert isinstance(series, GalileoSeries)
    assert (series.n_samples, series.patch_size, series.resolution_m) == (2, 2, 10.0)
    assert series.time.hidden.all()
    assert not series.space_time.hidden.any()


@pytest.mark.parametrize(
    ("layout", "arrays", "message"),
    [
        ("presto", {"x": PRESTO["x"]}, r"arrays missing \['month', 'latlon'\], unknown \[\]"),
        ("presto", PRESTO | {"lat": np.zeros(2)}, r"unknown \['lat'\]"),
        ("presto", PRESTO | {"raw": PRESTO["x"]}, r"unknown \['x'\]"),
        ("presto", PRESTO | {"month": np.zeros(2)}, "month: expected integers, found float64"),
        ("presto", PRESTO | {"month": np.array([1, 13])}, "presto month: 13, expected 0 to 11"),
        ("presto", PRESTO | {"mask": np.full((2, 3, 17), 2)}, "mask: expected 0 and 1 only"),
        ("presto", PRESTO | {"mask": np.full((2, 3), 1)}, "presto hidden: expected bool"),
        ("presto", PRESTO | {"x": PRESTO["x"][0]}, r"x: expected numbers of 3 axes, found float32 \(3, 17\)"),
        ("presto", PRESTO | {"x": PRESTO["x"] * np.nan}, "presto x VV: holds a value that is not finite"),
        ("presto", PRESTO | {"x": PRESTO["x"] * 4000}, "size 1000, normalised is at most 10"),
        ("presto", PRESTO | {"latlon": np.array([["a", "b"]] * 2)}, "latlon: expected numbers"),
        ("d-pixels", PRESTO, r"arrays missing \['bands', 'doys'\]"),
        ("d-pixels", D_PIXELS | {"bands": D_PIXELS["bands"][0]}, r"bands: expected \(T, N, 10\)"),
        ("d-pixels", D_PIXELS | {"bands": D_PIXELS["bands"] * 1.0}, "bands: expected uint16"),
        ("d-pixels", D_PIXELS | {"doys": np.array([0, 1, 2, 3])}, "day of year 0, expected 1-366"),
        (
            "d-pixels",
            D_PIXELS | {"sar_ascending": RADAR["sar_ascending"]},
            "come together, only one is there",
        ),
        ("galileo", GALILEO | {"patch_size": np.array([2])}, "patch_size: expected one number"),
        ("galileo", GALILEO | {"s_t_m": GALILEO["s_t_m"] + 2}, "s_t_m: expected 0 and 1 only"),
        ("tessera", PRESTO, "layout 'tessera', known are d-pixels, presto, galileo"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, layout: str, arrays: dict[str, Any], message: str
) -> None:
    path = saved(tmp_path, arrays)
    with pytest.raises(ModelError, match=message) as caught:
        read_point_series(path, layout)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = saved(tmp_path, PRESTO | {"month": np.array([{}, {}], dtype=object)})
    with pytest.raises(ModelError, match="cannot be read as an"):
        read_point_series(path, "presto")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text", pickle.dumps({"x": 1})])
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "points.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"points\.npz: cannot be read as an \.npz file") as caught:
        read_point_series(path, "presto")
    assert "\n" not in str(caught.value)


def test_a_single_array_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "points.npy", PRESTO["x"])
    with pytest.raises(ModelError, match="no zip of named arrays"):
        read_point_series(tmp_path / "points.npy", "presto")
    with pytest.raises(ModelError, match="not there"):
        read_point_series(tmp_path / "absent.npz", "presto")


def test_a_truncated_member_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, PRESTO)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)  # inside the first array: its checksum no longer fits
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        read_point_series(path, "presto")
