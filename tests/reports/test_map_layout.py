"""Labels that do not overlap, distances that are true, grid references that people use."""

from __future__ import annotations

import itertools
from pathlib import Path

import geopandas
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from reports.labels import Box, Leader, place_labels
from reports.maps import park_map, woodland_outline
from reports.places import Plane, degrees_text, grid_reference, round_length
from reports.woodland import WoodlandLine

FRAME = Box(85, 60, 170, 120)
_points = st.lists(st.tuples(st.floats(15, 155), st.floats(15, 105)), min_size=1, max_size=12, unique=True)


@settings(max_examples=40, deadline=None)
@given(_points)
def test_labels_overlap_neither_each_other_nor_any_symbol_and_stay_on_the_map(
    points: list[tuple[float, float]],
) -> None:
    symbols = [Box(x, y, 2.6, 2.6) for x, y in points]
    placed = place_labels([Box(x, y, 5.4, 4.2) for x, y in points], FRAME, symbols)
    assert all(box.lies_in(FRAME) for box in placed)
    assert not any(a.meets(b) for a, b in itertools.combinations(placed, 2))
    assert not any(box.meets(symbol) for box in placed for symbol in symbols)


def test_a_label_covers_an_unflagged_symbol_only_when_it_would_else_go_far() -> None:
    lonely = place_labels([Box(50, 50, 4, 4)], FRAME, [], [])[0]
    moved = place_labels([Box(50, 50, 4, 4)], FRAME, [], [lonely])[0]
    assert not moved.meets(lonely)
    crowd = [Box(x, y, 3, 3) for x in range(20, 80, 2) for y in range(20, 80, 2)]
    assert place_labels([Box(50, 50, 4, 4)], FRAME, [], crowd)[0] == lonely


def test_a_map_without_room_still_labels_every_symbol() -> None:
    full = place_labels([Box(2, 2, 4, 4)] * 3, Box(2, 2, 4, 4), [])
    assert full == (Box(2, 2, 4, 4),) * 3


@pytest.mark.parametrize(
    ("line", "is_crossing"),
    [
        (Leader(0, 5, 20, 5), True),
        (Leader(0, 0, 3, 4), False),
        (Leader(5, 0, 5, 20), True),
        (Leader(10, 0, 10, 20), False),
    ],
)
def test_a_line_crosses_a_box_when_it_enters_it(line: Leader, is_crossing: bool) -> None:
    assert Box(5, 5, 2, 2).crossed_by(line) is is_crossing


def test_leaders_that_form_an_x_cross_and_parallel_ones_do_not() -> None:
    assert Leader(0, 0, 2, 2).crosses(Leader(0, 2, 2, 0))
    assert not Leader(0, 0, 2, 2).crosses(Leader(1, 0, 3, 2))


def test_a_plane_is_true_to_one_percent_within_fifty_kilometres() -> None:
    # Geodesic lengths on WGS 84 from (-1.7, 51.4): 0.5 degrees east 34.789 km, 0.4 degrees north 44.503 km.
    plane = Plane(-1.7, 51.4)
    east, north = plane.to_metres(np.array([[-1.2, 51.4], [-1.7, 51.8]]))
    assert east[0] == pytest.approx(34_789, rel=0.01)
    assert north[1] == pytest.approx(44_503, rel=0.01)


def test_metres_of_a_plane_go_back_to_the_degrees_they_came_from() -> None:
    degrees = np.array([[-1.31, 51.9], [-1.7, 51.4]])
    plane = Plane(-1.7, 51.4)
    np.testing.assert_allclose(plane.to_degrees(plane.to_metres(degrees)), degrees, atol=1e-12)


@pytest.mark.parametrize(
    ("longitude", "latitude", "reference"),
    [
        (-0.12457, 51.50068, "TQ 302 796"),  # the clock tower at Westminster
        (-5.00355, 56.79685, "NN 166 712"),  # the top of Ben Nevis
        (-1.7797, 51.5558, "SU 153 842"),  # Swindon
        (13.4, 52.5, ""),
        (-9.5, 53.0, ""),
    ],
)
def test_a_place_in_britain_has_a_grid_reference(longitude: float, latitude: float, reference: str) -> None:
    found = grid_reference(longitude, latitude)
    assert found[:2] == reference[:2]
    if reference:
        numbers = zip(found.split()[1:], reference.split()[1:], strict=True)
        assert all(abs(int(a) - int(b)) <= 1 for a, b in numbers)


def test_scale_bars_are_round_and_fit() -> None:
    assert [round_length(metres) for metres in (1999.0, 2000.0, 7400.0, 95.0)] == [1000, 2000, 5000, 50]


def test_coordinates_name_their_hemisphere() -> None:
    assert degrees_text(-1.34, 51.7012) == "51.7012° N, 1.3400° W"


def test_a_clearing_stays_empty_whichever_way_its_ring_was_drawn() -> None:
    shell = [(0, 0), (4, 0), (4, 4), (0, 4)]
    hole = [(1, 1), (2, 1), (2, 2), (1, 2)]
    for ring in (hole, hole[::-1]):
        outline = woodland_outline(Polygon(shell, [ring]))
        turns = [_turning(outline.vertices[start : start + 4]) for start in (0, 5)]
        assert turns[0] * turns[1] < 0


def _turning(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def test_real_inventory_polygons_and_a_wood_with_clearings_are_mapped(shared: Path) -> None:
    inventory = geopandas.read_file(shared / "data/woodland_polygons/Ancient_Woodland_swindon.geojson")
    wytham = geopandas.read_file(shared / "data/woodland_polygons/wytham_perimeter_with_clearings.shp")
    shapes = [*inventory.geometry, *wytham.set_crs(27700, allow_override=True).to_crs(4326).geometry]
    lines = [WoodlandLine(str(i), "", "", "ASNW", True, 1.0, shape) for i, shape in enumerate(shapes)]
    drawn = park_map(lines, {"0": 1})
    assert drawn.count(b"<path") > len(lines)
    assert drawn == park_map(lines, {"0": 1})
