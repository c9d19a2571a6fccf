"""Maps of woodlands: trends are told by symbol, hatch, outline and number as well as by colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from reports.canvas import GREY, INK, MM_PER_INCH, axes_at, new_figure, report_style, svg
from reports.flags import LOOKS, Flag, Look, flag_of
from reports.labels import Box, place_labels
from reports.places import Plane, plane_about, round_length
from reports.woodland import WoodlandLine

WIDTH_MM = 170.0
_LEGEND_MM = 13.0
_TALLEST_MM, _LOWEST_MM = 138.0, 85.0
_LABEL_MM = 4.2
_SMALLEST_SIDE_M = 2_000.0
_SCALE_BAR_MM = 42.0
#: Height kept free at the foot of a map for scale bar and north arrow, so that no woodland lies under them.
_FOOT_MM, _SMALL_FOOT_MM = 12.0, 7.5
_POINTS_PER_MM = 72 / MM_PER_INCH


@dataclass(frozen=True)
class Sheet:
    """Axes that show a stretch of ground, and how ground becomes paper."""

    axes: Axes
    plane: Plane
    west_m: float
    south_m: float
    mm_per_m: float
    width_mm: float
    height_mm: float

    def on_paper(self, ground_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return millimetres from the frame's lower left corner for (N, 2) metres of the plane."""
        return (ground_m - (self.west_m, self.south_m)) * self.mm_per_m

    @property
    def frame(self) -> Box:
        """The frame on paper, less a margin."""
        return Box(self.width_mm / 2, self.height_mm / 2, self.width_mm - 2, self.height_mm - 2)


def park_map(woodlands: Sequence[WoodlandLine], numbers: Mapping[str, int]) -> bytes:
    """Return the map of one park's woodlands; those in `numbers` carry their number."""
    plane = plane_about([line.geometry for line in woodlands])
    bounds = _bounds(woodlands, plane)
    ratio = _side(bounds, 1) / _side(bounds, 0)
    height = float(np.clip(WIDTH_MM * ratio + _FOOT_MM, _LOWEST_MM, _TALLEST_MM))
    with report_style():
        figure = new_figure(WIDTH_MM, height + _LEGEND_MM)
        axes = axes_at(figure, 0.4, _LEGEND_MM, WIDTH_MM - 0.8, height - 0.8)
        sheet = _sheet(axes, plane, bounds, WIDTH_MM - 0.8, height - 0.8, _FOOT_MM)
        _draw_woodlands(sheet, woodlands)
        points = _draw_symbols(sheet, woodlands)
        _draw_scale_and_north(sheet)
        _draw_numbers(sheet, woodlands, numbers, points)
        _draw_legend(figure, woodlands)
        return svg(figure)


def locator_map(line: WoodlandLine, woodlands: Sequence[WoodlandLine]) -> bytes:
    """Return two small maps: where in its park the woodland lies, and its outline."""
    side, gap = 49.0, 3.0
    plane = plane_about([other.geometry for other in woodlands])
    with report_style():
        figure = new_figure(2 * side + gap, side)
        place = axes_at(figure, 0.3, 0.3, side - 0.6, side - 0.6)
        sheet = _sheet(place, plane, _bounds(woodlands, plane), side - 0.6, side - 0.6, _SMALL_FOOT_MM)
        _draw_locator(sheet, line, woodlands)
        outline = axes_at(figure, side + gap + 0.3, 0.3, side - 0.6, side - 0.6)
        _draw_outline(outline, line, woodlands, side - 0.6)
        return svg(figure)


def _draw_locator(sheet: Sheet, line: WoodlandLine, woodlands: Sequence[WoodlandLine]) -> None:
    others = _points(sheet.plane, [other for other in woodlands if other.id != line.id])
    sheet.axes.scatter(others[:, 0], others[:, 1], s=4, color="#a9b3ae", linewidths=0)
    here = _points(sheet.plane, [line])[0]
    _scatter(sheet.axes, here[None, :], LOOKS[flag_of(line)])
    sheet.axes.scatter(here[0], here[1], s=260, facecolors="none", edgecolors=INK, linewidths=1.0)
    _draw_scale_and_north(sheet, small=True)


def _draw_outline(axes: Axes, line: WoodlandLine, woodlands: Sequence[WoodlandLine], side_mm: float) -> None:
    plane = plane_about([line.geometry])
    west, south, east, north = plane.project(line.geometry).bounds
    half = 0.66 * max(east - west, north - south, 150.0)
    sheet = _sheet(axes, plane, (-half, -half, half, half), side_mm, side_mm, _SMALL_FOOT_MM)
    reach = shapely.transform(shapely.box(-half, -half, half, half), plane.to_degrees)
    others = [other for other in woodlands if other.id != line.id and other.geometry.intersects(reach)]
    for other in others:
        _draw_polygon(sheet, other, Look("#e7eae8", "", 0, "", "#a9b3ae", "-"))
    _draw_polygon(sheet, line, LOOKS[flag_of(line)])
    _draw_scale_and_north(sheet, small=True)


def _bounds(woodlands: Sequence[WoodlandLine], plane: Plane) -> tuple[float, float, float, float]:
    """Return west, south, east, north in metres with a margin, at least `_SMALLEST_SIDE_M` across."""
    west, south, east, north = shapely.total_bounds([plane.project(line.geometry) for line in woodlands])
    margin = 0.07 * max(east - west, north - south)
    wide, high = max(east - west, _SMALLEST_SIDE_M), max(north - south, _SMALLEST_SIDE_M)
    x, y = (west + east) / 2, (south + north) / 2
    return x - wide / 2 - margin, y - high / 2 - margin, x + wide / 2 + margin, y + high / 2 + margin


def _side(bounds: tuple[float, float, float, float], axis: int) -> float:
    return bounds[axis + 2] - bounds[axis]


def _sheet(
    axes: Axes,
    plane: Plane,
    bounds: tuple[float, float, float, float],
    width_mm: float,
    height_mm: float,
    foot_mm: float,
) -> Sheet:
    """Return the sheet that shows all of `bounds` above its foot, one scale in both directions."""
    scale = min(width_mm / _side(bounds, 0), (height_mm - foot_mm) / _side(bounds, 1))
    x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    west, south = x - width_mm / scale / 2, y - (height_mm + foot_mm) / scale / 2
    axes.set_xlim(west, west + width_mm / scale)
    axes.set_ylim(south, south + height_mm / scale)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
    return Sheet(axes, plane, west, south, scale, width_mm, height_mm)


def _draw_woodlands(sheet: Sheet, woodlands: Sequence[WoodlandLine]) -> None:
    for line in woodlands:
        _draw_polygon(sheet, line, LOOKS[flag_of(line)])


def _draw_polygon(sheet: Sheet, line: WoodlandLine, look: Look) -> None:
    # A fifth of a millimetre on paper: what the eye does not see is not drawn.
    polygon = sheet.plane.project(line.geometry).simplify(0.2 / sheet.mm_per_m)
    for part in shapely.get_parts(polygon):
        if not part.is_empty:
            patch = PathPatch(
                woodland_outline(part), facecolor=look.colour, edgecolor=look.edge, linewidth=0.5
            )
            patch.set(hatch=look.hatch or None, linestyle=look.line)
            sheet.axes.add_patch(patch)


def woodland_outline(polygon: shapely.Polygon) -> Outline:
    """Return the polygon as one path, its clearings left empty."""
    # Rings that run the other way than their shell stay empty, whichever way the source drew them.
    wound = shapely.orient_polygons(polygon)
    rings = [wound.exterior, *wound.interiors]
    return Outline.make_compound_path(
        *(Outline(np.asarray(ring.coords)[:, :2], closed=True) for ring in rings)
    )


def _points(plane: Plane, woodlands: Sequence[WoodlandLine]) -> NDArray[np.float64]:
    inside = [line.geometry.representative_point() for line in woodlands]
    return plane.to_metres(np.array([[point.x, point.y] for point in inside]).reshape(-1, 2))


def _draw_symbols(sheet: Sheet, woodlands: Sequence[WoodlandLine]) -> NDArray[np.float64]:
    """Draw one symbol per woodland, what matters most on top; return (W, 2) millimetres on paper."""
    points = _points(sheet.plane, woodlands)
    flags = np.array([flag_of(line) for line in woodlands])
    for flag in reversed(Flag):
        if (flags == flag).any():
            _scatter(sheet.axes, points[flags == flag], LOOKS[flag])
    return sheet.on_paper(points)


def _scatter(axes: Axes, points: NDArray[np.float64], look: Look) -> None:
    style: dict[str, Any] = {
        "marker": look.marker,
        "s": look.size**2,
        "facecolor": look.colour,
        "edgecolor": look.edge,
    }
    axes.scatter(points[:, 0], points[:, 1], linewidths=0.7, zorder=3, **style)


def _draw_numbers(
    sheet: Sheet, woodlands: Sequence[WoodlandLine], numbers: Mapping[str, int], points: NDArray[np.float64]
) -> None:
    order = sorted((numbers[line.id], row) for row, line in enumerate(woodlands) if line.id in numbers)
    symbols = [Box(float(x), float(y), 2.6, 2.6) for x, y in points]
    never = [symbols[row] for _, row in order] + _furniture(sheet)
    labels = [_label_box(number, points[row]) for number, row in order]
    placed = place_labels(labels, sheet.frame, never, symbols)
    for (number, row), box in zip(order, placed, strict=True):
        _draw_number(sheet, str(number), points[row], box)


def _label_box(number: int, point: NDArray[np.float64]) -> Box:
    return Box(float(point[0]), float(point[1]), 1.6 + 1.9 * len(str(number)), _LABEL_MM)


def _draw_number(sheet: Sheet, text: str, point: NDArray[np.float64], box: Box) -> None:
    here = point / (sheet.width_mm, sheet.height_mm)
    there = np.array([box.x / sheet.width_mm, box.y / sheet.height_mm])
    axes, on_frame = sheet.axes, sheet.axes.transAxes
    axes.plot(*zip(here, there, strict=True), color=INK, linewidth=0.6, transform=on_frame, zorder=4)
    plate: dict[str, Any] = {
        "boxstyle": "round,pad=0.18",
        "facecolor": "white",
        "edgecolor": INK,
        "linewidth": 0.6,
    }
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 7.5, "fontweight": "bold"}
    axes.text(there[0], there[1], text, transform=on_frame, bbox=plate, zorder=5, **style)


def _furniture(sheet: Sheet) -> list[Box]:
    """Return the places that scale bar and north arrow take on a large map."""
    return [Box(25, 6, 50, 12), Box(sheet.width_mm - 8, 6, 16, 12)]


def _draw_scale_and_north(sheet: Sheet, *, small: bool = False) -> None:
    longest = (16.0 if small else _SCALE_BAR_MM) / sheet.mm_per_m
    length = round_length(longest)
    left, base = (2.0, 2.4) if small else (4.0, 4.0)
    right = left + length * sheet.mm_per_m
    _on_paper(sheet, [left, left, right, right], [base + 1, base, base, base + 1])
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    _write(sheet, (left + right) / 2, base + 0.8, text, "bottom")
    x, high = sheet.width_mm - (2.6 if small else 5), 5.0 if small else 8.0
    top = base + high - 1
    _on_paper(sheet, [x - 1.2, x, x + 1.2], [top - 2.4, top, top - 2.4])
    _on_paper(sheet, [x, x], [top, base - 1])
    _write(sheet, x - 3.2, base + 0.2, "N", "bottom")


def _on_paper(sheet: Sheet, x_mm: Sequence[float], y_mm: Sequence[float]) -> None:
    x, y = np.array(x_mm) / sheet.width_mm, np.array(y_mm) / sheet.height_mm
    sheet.axes.plot(x, y, color=INK, linewidth=0.9, transform=sheet.axes.transAxes, zorder=6)


def _write(sheet: Sheet, x_mm: float, y_mm: float, text: str, vertical: str) -> None:
    where = (x_mm / sheet.width_mm, y_mm / sheet.height_mm)
    plate: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    style: dict[str, Any] = {"ha": "center", "va": vertical, "fontsize": 7, "bbox": plate, "zorder": 6}
    sheet.axes.text(where[0], where[1], text, transform=sheet.axes.transAxes, **style)


def _draw_legend(figure: Figure, woodlands: Sequence[WoodlandLine]) -> None:
    handles = list(_legend_handles([flag_of(line) for line in woodlands]))
    figure.legend(handles=handles, loc="lower left", ncols=3, bbox_to_anchor=(0.0, 0.005), labelcolor=GREY)


def _legend_handles(flags: Sequence[Flag]) -> Iterator[Line2D]:
    for flag in Flag:
        if flag in flags:
            look, n = LOOKS[flag], flags.count(flag)
            symbol = Line2D([], [], linestyle="none", marker=look.marker, markersize=look.size)
            symbol.set(markerfacecolor=look.colour, markeredgecolor=look.edge, markeredgewidth=0.7)
            symbol.set_label(f"{flag.value} ({n})")
            yield symbol
