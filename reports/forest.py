"""Slopes of parks and classes with their intervals, one below the other: a forest plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.canvas import BROWN, GREEN, GREY, INK, axes_at, new_figure, report_style, svg
from reports.judged import ParkTrendLine
from reports.park_pages import CLASS_WORDS, place_of
from reports.wording import number, shorten

WIDTH_MM = 170.0
#: Places in one figure: more would not fit a page.
MOST_PLACES = 12
_LEFT_MM, _BOTTOM_MM, _TOP_MM = 52.0, 17.0, 2.0
_ROW_MM, _GAP_MM = 3.8, 3.0
#: Letters of a place's name left of the frame.
_LONGEST_NAME = 30
_LOOKS: dict[str, dict[str, Any]] = {
    "all": {"color": INK, "marker": "D"},
    "ancient": {"color": GREEN, "marker": "o"},
    "other": {"color": BROWN, "marker": "s"},
}


def drawn(trends: Sequence[ParkTrendLine]) -> list[tuple[ParkTrendLine, ...]]:
    """Return the trends to draw, every woodland counting one, in groups of places that fit a figure."""
    shown = [one for one in trends if one.weighting == "woodland" and math.isfinite(one.slope)]
    places = list(dict.fromkeys(place_of(one) for one in shown))
    batches = [places[first : first + MOST_PLACES] for first in range(0, len(places), MOST_PLACES)]
    return [tuple(one for one in shown if place_of(one) in batch) for batch in batches]


def forest_chart(trends: Sequence[ParkTrendLine], unit: str) -> bytes:
    """Return the slopes as marks on their intervals, classes told apart by their marks."""
    depth, heads = _depths(trends)
    height = max(depth.values()) + _ROW_MM
    with report_style():
        figure = new_figure(WIDTH_MM, height + _BOTTOM_MM + _TOP_MM)
        axes = axes_at(figure, _LEFT_MM, _BOTTOM_MM, WIDTH_MM - _LEFT_MM - 2, height)
        axes.set_ylim(height, 0)
        axes.axvline(0, color=GREY, linewidth=0.8)
        for one in trends:
            _draw(axes, one, depth[place_of(one), one.woodland_class])
        axes.set_yticks([at for _, at in heads], [shorten(name, _LONGEST_NAME) for name, _ in heads])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"slope, {unit}")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: number(value, 2)))
        classes = [name for name in _LOOKS if any(one.woodland_class == name for one in trends)]
        handles = [Line2D([], [], linewidth=1.2, markersize=4, **_LOOKS[name]) for name in classes]
        labels = [CLASS_WORDS[name] for name in classes]
        figure.legend(handles, labels, loc="lower left", ncols=len(labels), bbox_to_anchor=(0.3, 0.0))
        return svg(figure)


def _depths(
    trends: Sequence[ParkTrendLine],
) -> tuple[dict[tuple[str, str], float], list[tuple[str, float]]]:
    """Return how far from the top each row lies, and each place with the middle of its rows, millimetres."""
    depth: dict[tuple[str, str], float] = {}
    heads: list[tuple[str, float]] = []
    at = _ROW_MM
    for place in dict.fromkeys(place_of(one) for one in trends):
        rows = [one for one in trends if place_of(one) == place]
        heads.append((place, at + _ROW_MM * (len(rows) - 1) / 2))
        for one in rows:
            depth[place, one.woodland_class] = at
            at += _ROW_MM
        at += _GAP_MM
    return depth, heads


def _draw(axes: Axes, one: ParkTrendLine, at: float) -> None:
    look = _LOOKS.get(one.woodland_class, _LOOKS["all"])
    if math.isfinite(one.slope_low) and math.isfinite(one.slope_high):
        axes.plot([one.slope_low, one.slope_high], [at, at], color=look["color"], linewidth=1.2)
    axes.plot([one.slope], [at], linestyle="none", markersize=4, **look)
