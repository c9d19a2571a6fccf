"""Indices of a woodland on one day, on woods small enough to check by eye."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from monitoring.indices import INDICES, MIN_COVERAGE, IndexValue, index_values, pixel_indices
from monitoring.scenes import S2_BANDS, Scene, Sensor

SCENE = Scene(
    id="S2A_one",
    collection="sentinel-2-l2a",
    source="simulated",
    sensor=Sensor.S2,
    platform="sentinel-2a",
    acquired_at=datetime(2024, 6, 1, 11, 6, tzinfo=UTC),
    acquisition="one",
    baseline="05.10",
    offset_dn=1000,
    offset_rule="by baseline",
    epsg=32630,
    bbox=(-2.0, 51.0, -1.0, 52.0),
    hrefs=(),
)


def pixels(red: list[int], nir: list[int], swir: list[int]) -> np.ndarray:
    """(N, 10) digital numbers with three bands given and the others 1000."""
    values = np.full((len(red), 10), 1000, np.uint16)
    for band, numbers in (("B04", red), ("B08", nir), ("B12", swir)):
        values[:, S2_BANDS.index(band)] = numbers
    return values


def cover(*rows: list[float]) -> sparse.csr_array:
    return sparse.csr_array(np.array(rows))


def indices(
    values: np.ndarray, coverage: sparse.csr_array, clear: list[bool] | None = None, c: object = None
) -> dict[tuple[str, str], IndexValue]:
    woods = [f"W{number}" for number in range(coverage.shape[0])]
    seen = np.ones(len(values), bool) if clear is None else np.array(clear)
    found = index_values(SCENE, values, seen, c, woods, coverage)  # type: ignore[arg-type]
    return {(one.woodland_id, one.index): one for one in found}


def test_one_pixel_gives_the_formulas() -> None:
    found = indices(pixels([300], [3000], [1000]), cover([1.0]))
    ndvi = 2700 / 3300
    expected = {"ndvi": ndvi, "nirv": ndvi * 0.3, "nbr": 2000 / 4000}
    assert tuple(index for _, index in found) == INDICES
    for index, value in expected.items():
        one = found["W0", index]
        assert one.value == pytest.approx(value, rel=1e-12)
        assert one == IndexValue(
            "W0", "S2A_one", "simulated", SCENE.acquired_at, index, one.value, 1.0, False
        )


def test_pixels_count_by_their_area_inside() -> None:
    values = pixels([1000, 1000], [3000, 1000], [1000, 1000])
    assert indices(values, cover([1.0, 0.25]))["W0", "ndvi"].value == pytest.approx(0.5 * 1.0 / 1.25)


def test_what_is_not_clear_is_left_out_and_counted() -> None:
    values = pixels([1000, 1], [3000, 60000], [1000, 1])
    found = indices(values, cover([0.5, 1.0]), clear=[True, False])
    assert found["W0", "ndvi"].value == pytest.approx(0.5)
    assert found["W0", "ndvi"].coverage == pytest.approx(1 / 3)


@pytest.mark.parametrize("missing", ["B04", "B08", "B12"])
def test_a_pixel_without_one_of_the_bands_is_not_seen(missing: str) -> None:
    values = pixels([1000, 1000], [3000, 3000], [1000, 1000])
    values[1, S2_BANDS.index(missing)] = 0
    found = indices(values, cover([1.0, 1.0]))
    assert {one.coverage for one in found.values()} == {0.5}
    assert found["W0", "nirv"].value == pytest.approx(0.15)


def test_a_wood_hardly_seen_or_not_at_all_has_no_value() -> None:
    values = pixels([1000] * 20, [3000] * 20, [1000] * 20)
    one_pixel = [position == 0 for position in range(20)]
    assert indices(values, cover([1.0] * 20), clear=one_pixel) == {}
    assert indices(values, cover([1.0] * 20), clear=[False] * 20) == {}
    two_pixels = [position < 2 for position in range(20)]
    (coverage,) = {one.coverage for one in indices(values, cover([1.0] * 20), clear=two_pixels).values()}
    assert coverage == MIN_COVERAGE


def test_a_wood_without_any_pixel_has_no_value() -> None:
    found = indices(pixels([1000], [3000], [1000]), cover([0.0], [1.0]))
    assert {wood for wood, _ in found} == {"W1"}


def test_factors_move_nirv_and_say_so() -> None:
    values = pixels([300, 300], [3000, 3000], [1000, 1000])
    c = {band: np.array([1.1, 0.9]) for band in S2_BANDS}
    plain, adjusted = indices(values, cover([1.0, 0.0])), indices(values, cover([1.0, 0.0]), c=c)
    assert adjusted["W0", "nirv"].value == pytest.approx(1.1 * plain["W0", "nirv"].value)
    assert adjusted["W0", "ndvi"].value == pytest.approx(plain["W0", "ndvi"].value)
    assert (plain["W0", "ndvi"].is_nbar, adjusted["W0", "ndvi"].is_nbar) == (False, True)


def test_each_band_has_its_own_factor() -> None:
    c = {"B04": np.array([2.0]), "B08": np.array([1.5]), "B12": np.array([0.5])}
    found = indices(pixels([1000], [2000], [1000]), cover([1.0]), c=c)
    assert found["W0", "ndvi"].value == pytest.approx((0.3 - 0.2) / 0.5)
    assert found["W0", "nbr"].value == pytest.approx((0.3 - 0.05) / 0.35)


def test_shapes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 2 pixels"):
        index_values(SCENE, pixels([1], [1], [1]), np.ones(2, bool), None, ["W"], cover([1.0, 1.0]))
    with pytest.raises(ValueError, match="and 2 woodlands"):
        index_values(SCENE, pixels([1], [1], [1]), np.ones(1, bool), None, ["W", "V"], cover([1.0]))


def test_no_pixels_are_no_values() -> None:
    assert indices(pixels([], [], []), sparse.csr_array((3, 0))) == {}


reflectances = arrays(np.float64, 3, elements=st.floats(1e-4, 6.5))


@given(reflectances, st.floats(0.1, 10.0))
def test_ratios_stay_within_one_and_do_not_know_the_scale(bands: np.ndarray, scale: float) -> None:
    here = pixel_indices(*bands[:, None])[0]
    brighter = pixel_indices(*(bands[:, None] * scale))[0]
    assert -1.0 <= here[0] <= 1.0
    assert -1.0 <= here[2] <= 1.0
    assert brighter[[0, 2]] == pytest.approx(here[[0, 2]], abs=1e-12)
    assert brighter[1] == pytest.approx(here[1] * scale, rel=1e-9, abs=1e-12)


@given(
    arrays(np.uint16, (12, 10), elements=st.integers(0, 20_000)),
    arrays(np.bool_, 12),
    arrays(np.float64, (3, 12), elements=st.sampled_from([0.0, 0.2, 0.7, 1.0])),
)
def test_a_wood_does_not_know_its_neighbours(
    values: np.ndarray, clear: np.ndarray, coverage: np.ndarray
) -> None:
    together = index_values(SCENE, values, clear, None, ["A", "B", "C"], sparse.csr_array(coverage))
    alone = index_values(SCENE, values, clear, None, ["B"], sparse.csr_array(coverage[1:2]))
    assert tuple(one for one in together if one.woodland_id == "B") == alone
    assert all(np.isfinite(one.value) and MIN_COVERAGE <= one.coverage <= 1.0 for one in together)
