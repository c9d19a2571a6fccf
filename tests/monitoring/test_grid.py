"""Blocks and pixel sets: exact coverage, checked by eye and by shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import affinity

from monitoring.estimates import PixelEstimates, WoodlandEstimate, aggregate, weighted_mean
from monitoring.grid import PIXEL_SIZE_M, Block, PixelSet, make_blocks, tile_epsg, to_zone, utm_epsg
from monitoring.scenes import Sensor
from monitoring.spatial_error import FULLY_CORRELATED
from monitoring.woodlands import Status, Woodland

EPSG = 32630
WEST, SOUTH = 500_000.0, 5_700_000.0
TO_DEGREES = Transformer.from_crs(EPSG, 4326, always_xy=True)


def woodland(polygon: shapely.Geometry, name: str = "w1") -> Woodland:
    """A woodland from a polygon in metres from (WEST, SOUTH) of zone 30."""
    moved = affinity.translate(polygon, WEST, SOUTH)
    degrees = shapely.transform(moved, lambda xy: np.column_stack(TO_DEGREES.transform(xy[:, 0], xy[:, 1])))
    return Woodland(name, name, "", Status.ASNW, degrees, polygon.area / 1e4)


def cells(n: int, rng: np.random.Generator) -> PixelSet:
    chosen = rng.choice(10_000, n, replace=False)
    return PixelSet(EPSG, (chosen % 100).astype(np.int32), (chosen // 100).astype(np.int32))


def test_a_square_of_two_and_a_half_cells_covers_six_cells_by_eye() -> None:
    # 25 m x 20 m from the corner of a cell: columns 0, 1 whole, column 2 half
    (block,) = make_blocks([woodland(shapely.box(0, 0, 25, 20))], 10_000)
    fractions = {
        (int(c) - 50_000, int(r) - 570_000): f
        for c, r, f in zip(block.pixels.column, block.pixels.row, block.coverage.toarray()[0], strict=True)
        if f > 1e-6
    }
    expected = {(0, 0): 1, (1, 0): 1, (2, 0): 0.5, (0, 1): 1, (1, 1): 1, (2, 1): 0.5}
    assert fractions.keys() == expected.keys()
    assert all(fractions[key] == pytest.approx(expected[key], abs=1e-6) for key in expected)


def test_pixels_run_from_north_to_south_and_west_to_east() -> None:
    (block,) = make_blocks([woodland(shapely.Point(200, 200).buffer(60))], 10_000)
    order = list(zip((-block.pixels.row).tolist(), block.pixels.column.tolist(), strict=True))
    assert order == sorted(order)
    assert len(set(order)) == len(order)


def test_a_hole_is_not_woodland() -> None:
    ring = shapely.box(0, 0, 100, 100).difference(shapely.box(30, 30, 70, 70))
    (block,) = make_blocks([woodland(ring)], 10_000)
    inside = block.pixels.index_of(np.array([50_005]), np.array([570_005]))
    assert inside[0] == -1 or block.coverage.toarray()[0, inside[0]] < 1e-6


def test_overlapping_woodlands_each_keep_their_own_share_of_a_cell() -> None:
    one, two = woodland(shapely.box(0, 0, 40, 40), "a"), woodland(shapely.box(20, 0, 60, 40), "b")
    (block,) = make_blocks([two, one], 10_000)
    assert block.woodland_ids == ("a", "b")
    shares = block.coverage.toarray()
    assert ((shares[0] > 0.99) & (shares[1] > 0.99)).sum() == 2 * 4


def test_a_woodland_smaller_than_a_cell_is_not_lost() -> None:
    (block,) = make_blocks([woodland(shapely.box(3, 3, 7, 6))], 10_000)
    assert block.coverage.sum() * PIXEL_SIZE_M**2 == pytest.approx(12.0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 300), st.floats(1, 80), st.floats(1, 80)),
        min_size=1,
        max_size=3,
    )
)
def test_coverage_adds_up_to_the_area_of_the_polygon(boxes: list[tuple[float, float, float, float]]) -> None:
    polygon = shapely.union_all([shapely.box(x, y, x + w, y + h) for x, y, w, h in boxes])
    (block,) = make_blocks([woodland(polygon)], 100_000)
    zone = to_zone(woodland(polygon), block.pixels.epsg)
    assert block.coverage.sum() * PIXEL_SIZE_M**2 == pytest.approx(zone.area, rel=1e-4, abs=0.05)
    assert block.coverage.max() <= 1 + 1e-6
    assert block.coverage.min() >= 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_index_of_finds_every_cell_and_no_other(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = cells(n, rng)
    asked = cells(200, rng)
    by_hand = {
        (c, r): i for i, (c, r) in enumerate(zip(pixels.column.tolist(), pixels.row.tolist(), strict=True))
    }
    expected = [by_hand.get(key, -1) for key in zip(asked.column.tolist(), asked.row.tolist(), strict=True)]
    assert pixels.index_of(asked.column, asked.row).tolist() == expected
    assert pixels.index_of(pixels.column, pixels.row).tolist() == list(range(n))


def test_an_empty_pixel_set_holds_no_cell() -> None:
    empty = PixelSet(EPSG, np.zeros(0, np.int32), np.zeros(0, np.int32))
    assert empty.index_of(np.array([1, 2]), np.array([1, 2])).tolist() == [-1, -1]


def test_a_cell_in_a_negative_column_is_not_taken_for_another() -> None:
    pixels = PixelSet(EPSG, np.array([-1, 0], np.int32), np.array([5, 5], np.int32))
    assert pixels.index_of(np.array([-1, 0, 1]), np.array([5, 5, 5])).tolist() == [0, 1, -1]


def test_the_digest_names_the_cells_and_the_zone() -> None:
    column, row = np.array([1, 2], np.int32), np.array([3, 3], np.int32)
    assert PixelSet(EPSG, column, row).digest == PixelSet(EPSG, column.copy(), row.copy()).digest
    assert PixelSet(EPSG, column, row).digest != PixelSet(32631, column, row).digest
    assert PixelSet(EPSG, column, row).digest != PixelSet(EPSG, row, column).digest


def test_blocks_do_not_depend_on_the_order_of_woodlands() -> None:
    parts = [woodland(shapely.Point(x, 50).buffer(20), f"w{x}") for x in (50, 300, 12_000)]
    one, other = make_blocks(parts, 10_000), make_blocks(parts[::-1], 10_000)
    assert [block.id for block in one] == [block.id for block in other]
    assert [block.pixels.digest for block in one] == [block.pixels.digest for block in other]
    assert len(one) == 2


def test_a_woodland_is_never_split_between_blocks() -> None:
    long = woodland(shapely.box(9_900, 0, 10_400, 50))
    (block,) = make_blocks([long], 10_000)
    assert block.coverage.sum() * 100 == pytest.approx(to_zone(long, block.pixels.epsg).area, rel=1e-5)


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"),
    [
        (-3.0, 52.0, 32630),
        (0.0, 52.0, 32631),
        (-0.001, 52.0, 32630),
        (180.0, 10.0, 32660),
        (-3.0, -1.0, 32730),
    ],
)
def test_utm_zone(longitude: float, latitude: float, epsg: int) -> None:
    assert utm_epsg(longitude, latitude) == epsg


def counts(n: int) -> dict[Sensor, np.ndarray]:
    return {sensor: np.full(n, 4, np.int64) for sensor in Sensor}


def estimate_of(block: Block, mean: np.ndarray) -> WoodlandEstimate:
    """The estimate of the block's only woodland."""
    two, seen = np.full(len(mean), 2.0), np.isfinite(mean)
    pixels = PixelEstimates(mean, two, two, two, mean - 3, mean + 3, seen, two, np.ones(len(mean), np.int64))
    cells = block.pixels
    (estimate,) = aggregate(
        block.woodland_ids,
        block.coverage,
        pixels,
        counts(len(mean)),
        cells.column,
        cells.row,
        FULLY_CORRELATED,
    )
    return estimate


def test_a_woodland_mean_is_weighted_by_coverage_and_leaves_out_what_was_not_seen() -> None:
    (block,) = make_blocks([woodland(shapely.box(0, 0, 25, 10))], 10_000)
    mean = np.full(len(block.pixels), np.nan)
    first, half = block.pixels.index_of(np.array([50_000, 50_002]), np.array([570_000, 570_000]))
    mean[first], mean[half] = 10.0, 40.0
    estimate = estimate_of(block, mean)
    assert estimate.mean == pytest.approx((10 * 1 + 40 * 0.5) / 1.5, abs=1e-4)
    assert estimate.coverage == pytest.approx(1.5 / 2.5, abs=1e-5)
    assert estimate.n_pixels == 2
    assert estimate.n_s2 == pytest.approx(4)


def test_nothing_seen_gives_no_estimate_and_a_reason() -> None:
    (block,) = make_blocks([woodland(shapely.box(0, 0, 25, 10))], 10_000)
    estimate = estimate_of(block, np.full(len(block.pixels), np.nan))
    assert np.isnan(estimate.mean)
    assert estimate.coverage == 0
    assert estimate.reason


def test_a_weighted_mean_of_equal_values_is_that_value() -> None:
    (block,) = make_blocks([woodland(shapely.Point(100, 100).buffer(55))], 10_000)
    assert weighted_mean(block.coverage, np.full(len(block.pixels), 7.0)) == pytest.approx([7.0])


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"),
    [
        (5.3, 60.6, 32632),
        (2.9, 60.6, 32631),
        (5.3, 64.1, 32631),
        (8.9, 78.0, 32631),
        (9.1, 78.0, 32633),
        (20.9, 78.0, 32633),
        (21.1, 78.0, 32635),
        (41.9, 78.0, 32637),
        (-3.0, 54.5, 32630),
        (-70.66, -33.45, 32719),
    ],
)
def test_a_wood_lies_in_the_zone_of_the_sentinel_2_tiles_that_cover_it(longitude, latitude, epsg):
    assert tile_epsg(longitude, latitude) == epsg
