"""Angle grids: the published package's cases, real products, rubbish, and a scene's c-factors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.archive.angles import granule_metadata
from flows.archive.parks import PARKS
from flows.archive.products import optical_products
from flows.sources.assets import angles
from flows.sources.assets.angle_grids import AngleGrids, filled
from flows.sources.assets.angles import BAND_IDS, AzimuthMean, parse_angles, scene_factors
from flows.sources.xml_documents import MAX_BYTES, MAX_ELEMENTS
from monitoring.errors import PixelReadError, UnreachableError
from monitoring.grid import PixelSet
from monitoring.scenes import ANGLES, S2_BANDS, Scene, Sensor

CASES = ("t30ucc_summer", "t30vvh_autumn", "t31uct_old_baseline")
REAL = (
    "S2A_MSIL2A_20190212_N0212_T07HFE",
    "S2A_MSIL2A_20230821_N0509_T01KAB",
    "S2B_MSIL2A_20220413_N0400_T33XWJ",
)

# --- small documents


def grid(rows: str) -> str:
    values = "".join(f"<VALUES>{row.strip()}</VALUES>" for row in rows.split("/"))
    steps = '<COL_STEP unit="m">5000</COL_STEP><ROW_STEP unit="m">5000</ROW_STEP>'
    return f"{steps}<Values_List>{values}</Values_List>"


def looked(band: str, detector: int, zenith: str, azimuth: str) -> str:
    numbers = f'bandId="{BAND_IDS.index(band)}" detectorId="{detector}"'
    return (
        f"<Viewing_Incidence_Angles_Grids {numbers}><Zenith>{grid(zenith)}</Zenith>"
        f"<Azimuth>{grid(azimuth)}</Azimuth></Viewing_Incidence_Angles_Grids>"
    )


def document(*views: str, zenith: str = "40 40/40 40", azimuth: str = "150 150/150 150") -> bytes:
    sun = f"<Zenith>{grid(zenith)}</Zenith><Azimuth>{grid(azimuth)}</Azimuth>"
    return (
        "<n1:Tile xmlns:n1='x'><Tile_Geocoding><HORIZONTAL_CS_CODE>EPSG:32630</HORIZONTAL_CS_CODE>"
        "<Geoposition resolution='10'><ULX>500000</ULX><ULY>5700000</ULY></Geoposition></Tile_Geocoding>"
        f"<Tile_Angles><Sun_Angles_Grid>{sun}</Sun_Angles_Grid>{''.join(views)}</Tile_Angles></n1:Tile>"
    ).encode()


GOOD = looked("B08", 1, "6 6/6 NaN", "100 100/100 NaN")


def one_band(*views: str, mean: AzimuthMean = AzimuthMean.CIRCULAR) -> AngleGrids:
    return parse_angles(document(*views), ["B08"], mean)


# --- the published package's cases

Case = tuple[AngleGrids, dict[str, np.ndarray], dict[str, float]]


@pytest.fixture(params=CASES)
def case(shared: Path, request: pytest.FixtureRequest) -> Case:
    folder = shared / "golden" / "nbar" / str(request.param)
    with np.load(folder / "case.npz", allow_pickle=False) as stored:
        golden = {name: stored[name] for name in stored.files}
    grids = parse_angles((folder / "MTD_TL.xml").read_bytes(), BAND_IDS, AzimuthMean.ARITHMETIC)
    return grids, golden, json.loads((folder / "case.json").read_text())


def test_grids_are_the_published_packages(case: Case) -> None:
    grids, golden, facts = case
    assert grids.epsg == facts["epsg"]
    assert np.array_equal(grids.easting_m, golden["x"])
    assert np.array_equal(grids.northing_m, golden["y"])
    directions = [grids.sun, *(grids.view[band] for band in BAND_IDS)]
    ours = np.array([[one.zenith, one.azimuth] for one in directions])
    assert list(golden["angles_band"]) == ["Sun", *BAND_IDS]
    np.testing.assert_allclose(ours, golden["angles"], rtol=1e-9)


def test_factors_at_the_cells_are_the_published_packages(case: Case) -> None:
    grids, golden, _ = case
    for band, published, complete in zip(
        golden["c_band"], golden["c_grid"], golden["c_grid_filled"], strict=True
    ):
        ours = grids.c_grid(str(band))
        np.testing.assert_allclose(ours, published, rtol=1e-9)
        every = filled(ours)
        for cell in np.argwhere(np.abs(every / complete - 1) > 1e-9):
            candidates = nearest_values(published, cell)
            assert len(candidates) > 1
            for value in (every[tuple(cell)], complete[tuple(cell)]):
                assert np.isclose(candidates, value, rtol=1e-9, atol=0).any()


def nearest_values(grid: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Values of all seen cells that are equally near to a cell."""
    seen = np.argwhere(np.isfinite(grid))
    apart = ((seen - cell) ** 2).sum(axis=1)
    return np.asarray(grid[tuple(seen[apart == apart.min()].T)])


def test_nbar_of_a_window_is_the_published_packages(case: Case) -> None:
    grids, golden, facts = case
    for band in map(str, golden["c_band"]):
        numbers = golden[f"dn_{band}"].astype(np.float64)
        cell_m = 240 / len(numbers)
        centres = (np.arange(len(numbers)) + 0.5) * cell_m
        east, north = np.meshgrid(facts["window_ulx"] + centres, facts["window_uly"] - centres)
        c = grids.c_at(band, east.ravel(), north.ravel()).reshape(numbers.shape)
        nbar = np.where(numbers > 0, (numbers + facts["dn_offset_applied"]) * c, np.nan)
        np.testing.assert_allclose(nbar, golden[f"nbar_{band}"], rtol=1e-9)


# --- real products


def real(shared: Path, product: str) -> bytes:
    (path,) = (shared / "data" / "s2_product_metadata" / product).rglob("MTD_TL.xml")
    return path.read_bytes()


@pytest.mark.parametrize("product", REAL)
def test_a_real_product_gives_plausible_factors_everywhere(shared: Path, product: str) -> None:
    grids = parse_angles(real(shared, product))
    assert grids.sun.zenith.shape == (23, 23)
    assert set(np.diff(grids.easting_m)) == {5000.0}
    assert set(np.diff(grids.northing_m)) == {-5000.0}
    east = grids.easting_m[0] + np.linspace(-2_500, 107_300, 500)
    north = grids.northing_m[0] + np.linspace(2_500, -107_300, 500)
    for band in S2_BANDS:
        seen = grids.view[band].zenith
        assert 0 < np.nanmin(seen) < np.nanmax(seen) < 13
        c = grids.c_at(band, east, north)
        assert np.all((c > 0.93) & (c < 1.07))


def test_a_real_arctic_product_needs_the_circular_mean(shared: Path) -> None:
    """Its views lie about north: 0.02 and 359.8 degrees in one grid."""
    azimuth = parse_angles(real(shared, REAL[2])).view["B08"].azimuth
    assert np.nanmax(np.abs((azimuth + 180) % 360 - 180)) < 15
    assert np.nanmin(azimuth) < 1 < 359 < np.nanmax(azimuth)


# --- means, filling, interpolation


def test_azimuths_on_both_sides_of_north_mean_north() -> None:
    views = looked("B08", 1, "6 6/6 6", "359 359/359 NaN"), looked("B08", 2, "8 8/8 8", "1 1/3 3")
    ours = one_band(*views).view["B08"]
    published = one_band(*views, mean=AzimuthMean.ARITHMETIC).view["B08"]
    assert np.allclose((ours.azimuth + 180) % 360 - 180, [[0, 0], [1, 3]])
    assert np.array_equal(published.azimuth, [[180, 180], [181, 3]])
    assert np.array_equal(ours.zenith, np.full((2, 2), 7.0))


def test_opposite_views_keep_the_direction_between_them() -> None:
    views = looked("B08", 1, "2 2/2 2", "100 100/100 100"), looked("B08", 2, "2 2/2 2", "280 280/280 280")
    assert np.allclose(one_band(*views).view["B08"].azimuth, 190)


def test_one_detector_is_its_own_mean_in_both_ways() -> None:
    both = [one_band(GOOD, mean=mean).view["B08"] for mean in AzimuthMean]
    np.testing.assert_allclose(both[0].azimuth, both[1].azimuth, rtol=1e-12)
    assert np.isnan(both[0].zenith[1, 1])
    assert np.isfinite(both[0].zenith).sum() == 3


def test_an_unseen_cell_takes_the_nearest_and_of_two_the_northern() -> None:
    nan = np.nan
    grid = np.array([[1.0, nan, nan], [nan, nan, 2.0], [3.0, nan, nan]])
    assert filled(grid).tolist() == [[1.0, 1.0, 2.0], [1.0, 2.0, 2.0], [3.0, 3.0, 2.0]]
    assert np.isnan(grid).sum() == 6


def test_factors_lie_bilinearly_between_centres_and_stop_at_the_edge() -> None:
    views = looked("B08", 1, "2 10/2 10", "100 100/100 100")
    grids = one_band(views)
    (left, right), _ = grids.c_grid("B08")
    east = np.array([500_000.0, 502_500.0, 505_000.0, 506_250.0, 507_500.0, 900_000.0])
    c = grids.c_at("B08", east, np.full(6, 5_695_000.0))
    assert c == pytest.approx(
        [left, left, (left + right) / 2, left / 4 + 3 * right / 4, right, right], rel=1e-12
    )


def test_a_band_nobody_saw_is_an_error_of_its_own() -> None:
    grids = one_band(looked("B08", 1, "NaN NaN/NaN NaN", "NaN NaN/NaN NaN"))
    with pytest.raises(PixelReadError, match="band B08: no cell"):
        grids.c_at("B08", np.array([5e5]), np.array([5.6e6]))


# --- rubbish


def swapped(old: str, new: str) -> bytes:
    good = document(GOOD)
    assert old.encode() in good
    return good.replace(old.encode(), new.encode())


RUBBISH = {
    "nothing": (b"", "not XML"),
    "not XML": (b"\x89PNG\r\n\x1a\n", "not XML"),
    "cut off": (document(GOOD)[:-40], "not XML"),
    "an error page": (b"<html><body>403</body></html>", "no Tile_Angles"),
    "unknown encoding": (b"<?xml version='1.0' encoding='utf-99'?><a/>", "not XML"),
    "too large": (b" " * (MAX_BYTES + 1), f"larger than {MAX_BYTES}"),
    "too many elements": (b"<b>" + b"<a/>" * MAX_ELEMENTS, "more than 20000 elements"),
    "a DOCTYPE": (
        b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/x.dtd'>" + document(GOOD),
        "declares a document type",
    ),
    "an entity bomb": (
        b"<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><a>&b;</a>",
        "declares a document type",
    ),
    "no view": (document(), "B08: granule metadata has no view angles"),
    "a word": (swapped("40 40", "40 forty"), "zenith 'forty': not a number"),
    "infinity": (swapped("40 40", "40 inf"), "zenith inf: must be within 0 to 89.9"),
    "a sun under the horizon": (swapped("40 40", "40 95"), "zenith 95: must be"),
    "a turn too many": (swapped("150 150", "150 1500"), "azimuth 1500: must be"),
    "ragged rows": (document(GOOD, zenith="40 40/40 40 40"), "rows of the grid differ"),
    "another shape": (document(looked("B08", 1, "6/6", "100/100")), r"grid of \(2, 1\) cells"),
    "fewer azimuths": (document(looked("B08", 1, "6 6/6 6", "100/100")), "zeniths but"),
    "empty rows": (document(GOOD, zenith=" / "), "1 to 64 cells"),
    "a huge grid": (document(GOOD, zenith=" ".join(["40"] * 65)), "1 to 64 cells"),
    "two steps": (swapped('<COL_STEP unit="m">5000', '<COL_STEP unit="m">60'), "2 different steps"),
    "no corner": (swapped("<ULX>500000</ULX>", ""), "no ULX"),
    "an empty corner": (swapped("<ULX>500000</ULX>", "<ULX/>"), "ULX ''"),
    "a corner nowhere": (swapped("500000", "NaN"), "ULX nan"),
    "no zone": (swapped("EPSG:32630", "EPSG:27700"), "not a UTM zone"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_refused_in_one_line(name: str) -> None:
    content, reason = RUBBISH[name]
    with pytest.raises(PixelReadError, match=reason) as refused:
        parse_angles(content, ["B08"])
    assert "\n" not in str(refused.value)


@given(st.data())
def test_a_damaged_document_is_refused_or_finite(data: st.DataObject) -> None:
    content = bytearray(document(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PixelReadError):
        grids = parse_angles(bytes(content), ["B08"])
        assert np.isfinite(grids.c_at("B08", np.array([5.03e5]), np.array([5.696e6]))).all()


# --- a scene


PIXELS = PixelSet(32630, np.array([50_300, 50_301], np.int32), np.array([569_600, 569_600], np.int32))
EVERY_BAND = document(*(looked(band, 1, "6 6/6 6", "100 100/100 100") for band in S2_BANDS))


def scene(*hrefs: tuple[str, str]) -> Scene:
    return Scene(
        "S2A_one", "sentinel-2-l2a", "simulated", Sensor.S2, "sentinel-2a", datetime(2024, 6, 1, tzinfo=UTC),
        "one", "05.10", 1000, "by baseline", 32630, (-2, 51, -1, 52), hrefs,
    )  # fmt: skip


def giving(content: bytes) -> Callable[[str, int], bytes]:
    def fetch(address: str, limit: int) -> bytes:
        assert (address, limit) == ("https://x.example/MTD_TL.xml?sig=secret", MAX_BYTES)
        return content

    return fetch


WITH_ANGLES = scene(("B04", "b04.tif"), (ANGLES, "https://x.example/MTD_TL.xml?sig=secret"))


def test_a_scene_with_angles_has_a_factor_of_each_band_at_each_pixel() -> None:
    factors = scene_factors(WITH_ANGLES, PIXELS, giving(EVERY_BAND))
    assert factors is not None
    assert tuple(factors) == S2_BANDS
    expected = parse_angles(EVERY_BAND).c_grid("B11")[0, 0]
    assert factors["B11"] == pytest.approx([expected, expected])


def test_a_scene_without_angles_asks_for_nothing() -> None:
    assert scene_factors(scene(("B04", "b04.tif")), PIXELS, giving(b"")) is None


@pytest.mark.parametrize(
    ("content", "pixels", "reason"),
    [
        (b"<a/>", PIXELS, "no Tile_Angles"),
        (EVERY_BAND, replace(PIXELS, epsg=32631), "EPSG:32630, the pixels in EPSG:32631"),
    ],
)
def test_unusable_angles_name_the_scene_and_no_secret(content: bytes, pixels: PixelSet, reason: str) -> None:
    with pytest.raises(PixelReadError, match=rf"scene S2A_one, MTD_TL: .*{reason}") as refused:
        scene_factors(WITH_ANGLES, pixels, giving(content))
    assert "secret" not in str(refused.value)


def test_a_source_that_does_not_answer_is_not_called_unusable() -> None:
    def silent(address: str, limit: int) -> bytes:
        raise UnreachableError("x.example: no answer after 5 attempts")

    with pytest.raises(UnreachableError, match="no answer"):
        scene_factors(WITH_ANGLES, PIXELS, silent)


# --- the simulated archive


@pytest.mark.parametrize("park", PARKS, ids=lambda park: park.code)
def test_simulated_angles_are_small_near_overhead_and_change_next_to_nothing(park: object) -> None:
    for product in optical_products(park, 20170401)[::6]:  # type: ignore[arg-type]
        one = product.sensing
        content = granule_metadata(product, "granule").encode()
        assert len(content) < 20_000
        grids = parse_angles(content)
        west, south, east, north = one.park.bounds_m
        for band in S2_BANDS:
            seen = grids.view[band]
            assert np.isfinite(seen.zenith).all()
            assert 0.8 < seen.zenith.min() < seen.zenith.max() < 3.2
            c = grids.c_at(band, np.linspace(west, east, 5), np.linspace(north, south, 5))
            assert np.abs(c - 1).max() < (0.01 if 2 <= one.sensed_at.month <= 10 else 0.016)


def test_two_simulated_detectors_meet_at_a_seam() -> None:
    product = optical_products(PARKS[0], 20170401)[0]
    text = granule_metadata(product, "granule").encode()
    root = angles._document(text)
    band_8 = [g for g in root.iter("Viewing_Incidence_Angles_Grids") if g.get("bandId") == "7"]
    seen = [np.isfinite(angles._direction(one).zenith) for one in band_8]
    assert len(seen) == 2
    assert (seen[0] | seen[1]).all()
    assert (seen[0] & seen[1]).any()
    assert not (seen[0] & seen[1]).all()
