"""c-factors: the published package's numbers, the closed form at the hot spot, what must hold anywhere."""

from __future__ import annotations

import ast
import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.brdf import WEIGHTS, c_factor, li_sparse, ross_thick

ROOT = Path(__file__).resolve().parents[2]

zeniths = st.floats(0.0, 80.0)
views = st.floats(0.0, 15.0)
azimuths = st.floats(-720.0, 720.0)
bands = st.sampled_from(sorted(WEIGHTS))


def columns(path: Path) -> dict[str, np.ndarray]:
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_kernels_and_factors_are_those_of_the_published_package(shared: Path) -> None:
    points = columns(shared / "golden" / "nbar" / "points.csv")
    angles = points["sun_zenith"], points["view_zenith"], points["relative_azimuth"]
    assert len(angles[0]) == 375
    np.testing.assert_allclose(ross_thick(*angles), points["kvol"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(li_sparse(*angles), points["kgeo"], rtol=0, atol=1e-10)
    published = sorted(set(WEIGHTS) - {"B8A"})
    assert published == sorted(name.removeprefix("c_") for name in points if name.startswith("c_"))
    for band in published:
        np.testing.assert_allclose(c_factor(band, *angles), points[f"c_{band}"], rtol=0, atol=1e-10)


def test_the_hot_spot_is_finite_where_the_published_package_is_not(shared: Path) -> None:
    spots = columns(shared / "golden" / "nbar" / "hotspot.csv")
    zenith = spots["zenith_both"]
    assert spots["published_returns_nan"].sum() == 27
    np.testing.assert_allclose(ross_thick(zenith, zenith, 0.0), spots["kvol_exact"], rtol=0, atol=1e-9)
    assert all(np.isfinite(c_factor(band, zenith, zenith, 0.0)).all() for band in WEIGHTS)


@given(bands, zeniths, azimuths)
def test_a_view_from_straight_above_needs_no_factor(band: str, sun: float, azimuth: float) -> None:
    assert c_factor(band, sun, 0.0, azimuth) == 1.0


@given(bands, zeniths, views, azimuths)
def test_left_and_right_of_the_sun_are_alike(band: str, sun: float, view: float, azimuth: float) -> None:
    here = c_factor(band, sun, view, azimuth)
    assert np.isfinite(here)
    assert here == pytest.approx(c_factor(band, sun, view, -azimuth), rel=1e-12)
    assert here == pytest.approx(c_factor(band, sun, view, azimuth + 360.0), rel=1e-9)


@given(zeniths, zeniths, azimuths)
def test_sun_and_satellite_may_change_places(sun: float, view: float, azimuth: float) -> None:
    for kernel in (ross_thick, li_sparse):
        assert kernel(sun, view, azimuth) == pytest.approx(kernel(view, sun, azimuth), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("sun", [30.0, 45.0, 60.0, 72.0])
def test_the_swath_brightens_near_infrared_by_a_tenth_and_leaves_ndvi(sun: float) -> None:
    """A wood at the two sides of the swath: 9 degrees off the vertical, towards the sun and away from it."""
    red_above, nir_above = 0.03, 0.30
    sides = np.array([20.0, 160.0])
    red, nir = red_above / c_factor("B04", sun, 9.0, sides), nir_above / c_factor("B08", sun, 9.0, sides)
    ndvi = (nir - red) / (nir + red)
    assert 0.085 < 2 * (nir[0] - nir[1]) / (nir[0] + nir[1]) < 0.105
    assert abs(ndvi[0] - ndvi[1]) <= 0.0021


def test_band_8a_takes_the_weights_of_band_8_as_declared() -> None:
    assert WEIGHTS["B8A"] == WEIGHTS["B08"]
    assert "declared choice" in (c_factor.__doc__ or "")


def test_no_positive_reflectance_gives_no_factor() -> None:
    assert np.isnan(c_factor("B12", 89.0, [0.0, 3.0, 9.0], 90.0)).all()
    assert np.isfinite([c_factor(band, 84.0, 15.0, [0.0, 90.0, 180.0]) for band in WEIGHTS]).all()
    assert np.isnan(c_factor("B08", np.nan, 3.0, 0.0))


def test_a_band_without_weights_is_refused() -> None:
    with pytest.raises(KeyError, match="B09"):
        c_factor("B09", 30.0, 5.0, 0.0)


def test_nothing_that_embeds_can_reach_the_c_factors() -> None:
    """The encoders take reflectance as delivered: no module of `models` imports these, however indirectly."""
    reached = reachable(ROOT / "models")
    assert {"monitoring.scenes", "monitoring.series"} <= reached
    assert not reached & {"monitoring.brdf", "monitoring.indices"}
    assert "monitoring.brdf" in reachable(ROOT / "flows" / "sources" / "assets")


def reachable(room: Path) -> set[str]:
    """Modules of ours that the modules below a folder import, and theirs in turn."""
    todo = list(room.rglob("*.py"))
    found: set[str] = set()
    while todo:
        for name in imported(todo.pop()):
            path = ROOT.joinpath(*name.split("."))
            file = next(
                (one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None
            )
            if file is not None and name not in found:
                found.add(name)
                todo.append(file)
    return found


@cache
def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names
