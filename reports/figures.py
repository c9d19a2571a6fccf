"""The report's charts: lines told apart by marker and dash, bands by hatch, nothing by colour alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports.canvas import (
    BROWN,
    GREEN,
    GREY,
    INK,
    PALE,
    axes_at,
    new_figure,
    plain_numbers,
    report_style,
    svg,
    year_axis,
)
from reports.content import NotableYear, Target
from reports.contrasted import ContrastLine, GroupYear
from reports.judged import NAN
from reports.observed import ObservationsOfYear
from reports.woodland import IndexYear, WoodlandLine
from reports.wording import shorten

Floats = NDArray[np.float64]

TEXT_WIDTH_MM = 170.0
_PANELS_PER_ROW = 2
_LEFT_MM, _GAP_MM, _LEGEND_MM = 12.0, 10.0, 9.0
_TITLE_MM, _TICKS_MM = 8.0, 6.0
#: Height of a woodland's history, of the independent check beneath it, and what the one leaves to the other.
_HISTORY_MM, _INDEX_MM, _MAKES_ROOM_MM = 70, 25, 20
#: Of NIRv and NDVI: less than this is weather and calibration.
_LEAST_INDEX_SPAN = 0.1
#: Mean width of a letter of DejaVu Sans at 6.5 points.
_SMALL_LETTER_MM = 1.4

_NOTABLE_LINE: dict[str, Any] = {"color": PALE, "linestyle": (0, (1, 2))}
#: Of a year of extreme heat and drought: dashes and dots, and darker.
_EXTREME_LINE: dict[str, Any] = {"color": GREY, "linestyle": (0, (4, 2, 1, 2))}

_ANCIENT: dict[str, Any] = {"color": GREEN, "marker": "o", "linestyle": "-", "label": "ancient woodland"}
_OTHER: dict[str, Any] = {"color": BROWN, "marker": "s", "linestyle": "--", "label": "other woodland"}


def history_chart(
    line: WoodlandLine, notable: Sequence[NotableYear], target: Target, years: tuple[int, int]
) -> bytes:
    """Return the annual history of one woodland with its band, control, fitted line and notable years.

    It is lower where the independent check has to stand beneath it on the same page.
    """
    height = _HISTORY_MM - (_MAKES_ROOM_MM if line.indices else 0)
    with report_style():
        figure = new_figure(TEXT_WIDTH_MM, height)
        axes = axes_at(figure, _LEFT_MM, 18, TEXT_WIDTH_MM - _LEFT_MM - 1, height - 23)
        when, mean, sd = _history(line, years)
        _band(axes, when, mean, sd, GREEN, "", "± 1 standard deviation")
        _draw_control(axes, line)
        _draw_fit(axes, line)
        axes.plot(when, mean, color=GREEN, marker="o", markersize=4, label="estimate, mean over the woodland")
        _mark_outside(axes, line)
        # Beside a lower frame the whole unit has no room; the caption has it in full.
        _finish(axes, years, target.short_unit if line.indices else target.unit)
        _mark_missing(axes, when, mean)
        _mark_notable(axes, notable, years)
        _legend(figure, axes, columns=2)
        return svg(figure)


def _mark_outside(axes: Axes, line: WoodlandLine) -> None:
    """Hollow the markers of years that take part in no trend."""
    outside = [value for value in line.history if not value.is_applicable]
    if outside:
        axes.plot(
            [value.year for value in outside],
            [value.mean for value in outside],
            color=GREEN,
            marker="o",
            markersize=4,
            markerfacecolor="white",
            linestyle="none",
            label="outside the area of applicability, left out",
        )


def park_chart(contrasts: Sequence[ContrastLine], notable: Sequence[NotableYear], target: Target) -> bytes:
    """Return the yearly mean of ancient and of other woodland, one panel per park."""
    with report_style():
        figure, panels = _panels(contrasts, 36)
        span = _span(contrasts)
        for axes, contrast in zip(panels, contrasts, strict=True):
            _draw_groups(axes, contrast.years)
            _finish(axes, span, target.unit if axes is panels[0] else "")
            _mark_notable(axes, notable, span)
        _share_y(panels)
        _legend(figure, panels[0])
        return svg(figure)


def contrast_chart(
    contrasts: Sequence[ContrastLine], notable: Sequence[NotableYear], target: Target
) -> bytes:
    """Return the yearly difference, ancient minus other, with its fitted line, one panel per park."""
    with report_style():
        figure, panels = _panels(contrasts, 40)
        span = _span(contrasts)
        for axes, contrast in zip(panels, contrasts, strict=True):
            _draw_difference(axes, contrast)
            _finish(axes, span, f"difference, {target.short_unit}" if axes is panels[0] else "")
            _mark_notable(axes, notable, span)
        _share_y(panels)
        _legend(figure, panels[0])
        return svg(figure)


def index_chart(indices: Sequence[IndexYear], years: tuple[int, int]) -> bytes:
    """Return the growing season's NIRv and NDVI by year, side by side: the independent check."""
    width = (TEXT_WIDTH_MM - _LEFT_MM - 1 - _GAP_MM) / 2
    with report_style():
        figure = new_figure(TEXT_WIDTH_MM, _INDEX_MM)
        for place, (title, values) in enumerate(_index_series(indices)):
            axes = axes_at(figure, _LEFT_MM + place * (width + _GAP_MM), 5, width, _INDEX_MM - 10)
            axes.set_title(f"{title}, independent check")
            _draw_index(axes, indices, values)
            _finish(axes, years, "")
            _span_at_least(axes, _LEAST_INDEX_SPAN)
        return svg(figure)


def _index_series(indices: Sequence[IndexYear]) -> tuple[tuple[str, Floats], ...]:
    return (
        ("NIRv", np.array([value.nirv for value in indices], np.float64)),
        ("NDVI", np.array([value.ndvi for value in indices], np.float64)),
    )


def _draw_index(axes: Axes, indices: Sequence[IndexYear], values: Floats) -> None:
    """Diamonds on dashes, unlike anything the model says; hollow where the view angle was not corrected."""
    when = np.array([value.year for value in indices], np.float64)
    axes.plot(when, values, color=INK, linestyle=(0, (2, 2)), linewidth=0.9)
    corrected = np.array([value.is_nbar for value in indices], np.bool_)
    look: dict[str, Any] = {"linestyle": "none", "marker": "D", "markersize": 3.6, "color": INK}
    axes.plot(when[corrected], values[corrected], **look)
    axes.plot(when[~corrected], values[~corrected], **look, markerfacecolor="white")


def _span_at_least(axes: Axes, span: float) -> None:
    """Widen the y axis where it would blow up differences that mean nothing; three steps or so."""
    low, high = axes.get_ylim()
    wider = max(span - (high - low), 0.0) / 2
    axes.set_ylim(low - wider, high + wider)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10], min_n_ticks=2))


def observations_chart(observations: Sequence[ObservationsOfYear]) -> bytes:
    """Return clear observations per woodland pixel and year as bars, one per sensor."""
    bars: tuple[tuple[str, list[float], dict[str, Any]], ...] = (
        ("Sentinel-2, optical", [o.s2 for o in observations], {"facecolor": GREEN}),
        ("Sentinel-1, ascending", [o.s1_ascending for o in observations], {"hatch": "/////"}),
        ("Sentinel-1, descending", [o.s1_descending for o in observations], {"hatch": "....."}),
    )
    years = np.array([o.year for o in observations], np.float64)
    with report_style():
        figure = new_figure(TEXT_WIDTH_MM, 52)
        axes = axes_at(figure, _LEFT_MM, 15, TEXT_WIDTH_MM - _LEFT_MM - 1, 34)
        for place, (label, values, look) in enumerate(bars):
            style: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.6} | look
            axes.bar(years + 0.27 * (place - 1), np.nan_to_num(values), 0.25, label=label, **style)
        axes.set_ylabel("observations per pixel")
        year_axis(axes, int(years.min()), int(years.max()))
        plain_numbers(axes)
        _legend(figure, axes)
        return svg(figure)


def fitted_line(line: WoodlandLine) -> tuple[Floats, Floats] | None:
    """Return (years, values) of the Theil-Sen line through the history; None where there is no slope.

    The intercept is the median of what the slope leaves (Conover 1980).
    """
    finite = [value for value in line.history if math.isfinite(value.mean)]
    if not math.isfinite(line.slope) or len(finite) < 3:
        return None
    years = np.array([value.year for value in finite], np.float64)
    rest = np.array([value.mean for value in finite]) - line.slope * years
    ends = years[[0, -1]]
    return ends, float(np.median(rest)) + line.slope * ends


def _history(line: WoodlandLine, years: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
    """Return (years, mean, sd) for every year of the span, NaN where the woodland has no value."""
    known = {value.year: value for value in line.history}
    when = range(years[0], years[1] + 1)
    mean = [known[year].mean if year in known else NAN for year in when]
    sd = [known[year].sd if year in known else NAN for year in when]
    return np.array(when, np.float64), np.array(mean), np.array(sd)


def _band(axes: Axes, years: Floats, mean: Floats, sd: Floats, colour: str, hatch: str, label: str) -> None:
    look: dict[str, Any] = {"facecolor": colour, "alpha": 0.16, "linewidth": 0}
    if hatch:
        look = {"facecolor": "none", "edgecolor": colour, "hatch": hatch, "linewidth": 0.4, "alpha": 0.45}
    axes.fill_between(years, mean - sd, mean + sd, label=label, **look)
    alone = _alone(mean)
    axes.vlines(years[alone], (mean - sd)[alone], (mean + sd)[alone], color=colour, linewidth=3, alpha=0.3)


def _alone(mean: Floats) -> NDArray[np.bool_]:
    """True for values between two gaps: a band has no width there, so their spread is drawn as a bar."""
    known = np.pad(np.isfinite(mean), 1)
    return np.asarray(known[1:-1] & ~known[:-2] & ~known[2:])


def _draw_control(axes: Axes, line: WoodlandLine) -> None:
    if line.control:
        years, values = (np.array(column, np.float64) for column in zip(*line.control, strict=True))
        style: dict[str, Any] = {"color": GREY, "linestyle": ":", "marker": "s", "markersize": 2.6}
        axes.plot(
            years, values, **style, linewidth=1.1, label="control: how other woodland changed, at this level"
        )


def _draw_fit(axes: Axes, line: WoodlandLine) -> None:
    fit = fitted_line(line)
    if fit is not None:
        axes.plot(*fit, color=BROWN, linestyle=(0, (6, 2)), linewidth=1.4, label="fitted trend (Theil-Sen)")


def _draw_groups(axes: Axes, years: Sequence[GroupYear]) -> None:
    when = np.array([y.year for y in years], np.float64)
    ancient, other = np.array([y.ancient for y in years]), np.array([y.other for y in years])
    _band(axes, when, other, np.array([y.other_sd for y in years]), BROWN, "////", "its ± 1 sd (hatched)")
    _band(axes, when, ancient, np.array([y.ancient_sd for y in years]), GREEN, "", "its ± 1 sd (shaded)")
    axes.plot(when, ancient, markersize=4, **_ANCIENT)
    axes.plot(when, other, markersize=3.6, **_OTHER)


def _draw_difference(axes: Axes, contrast: ContrastLine) -> None:
    when = np.array([y.year for y in contrast.years], np.float64)
    difference = np.array([y.difference for y in contrast.years])
    if np.nanmin(difference, initial=np.inf) <= 0 <= np.nanmax(difference, initial=-np.inf):
        axes.axhline(0, color=GREY, linewidth=0.8)
    axes.plot(when, difference, color=GREEN, marker="o", markersize=4, label="ancient minus other woodland")
    finite = np.isfinite(difference)
    if math.isfinite(contrast.slope) and finite.any():
        centre = contrast.slope * (when[finite] - when[finite].mean()) + difference[finite].mean()
        label = "fitted trend (least squares)"
        axes.plot(when[finite], centre, color=BROWN, linestyle=(0, (6, 2)), label=label)


def _panels(contrasts: Sequence[ContrastLine], height_mm: float) -> tuple[Figure, list[Axes]]:
    columns = min(len(contrasts), _PANELS_PER_ROW)
    rows = math.ceil(len(contrasts) / columns)
    row_mm = height_mm + _TITLE_MM + _TICKS_MM
    figure = new_figure(TEXT_WIDTH_MM, rows * row_mm + _LEGEND_MM)
    width = (TEXT_WIDTH_MM - _LEFT_MM - 1 - (columns - 1) * _GAP_MM) / columns
    panels = []
    for place, contrast in enumerate(contrasts):
        row, column = divmod(place, columns)
        bottom = _LEGEND_MM + _TICKS_MM + (rows - 1 - row) * row_mm
        axes = axes_at(figure, _LEFT_MM + column * (width + _GAP_MM), bottom, width, height_mm)
        axes.set_title(shorten(contrast.park, 40 if columns > 1 else 90), pad=11)
        panels.append(axes)
    return figure, panels


def _span(contrasts: Sequence[ContrastLine]) -> tuple[int, int]:
    years = [year.year for contrast in contrasts for year in contrast.years]
    return min(years), max(years)


def _share_y(panels: Sequence[Axes]) -> None:
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _finish(axes: Axes, years: tuple[int, int], label: str) -> None:
    axes.margins(y=0.14)
    axes.set_ylabel(label)
    year_axis(axes, *years)
    plain_numbers(axes)


def _mark_missing(axes: Axes, years: Floats, mean: Floats) -> None:
    for year in years[~np.isfinite(mean)]:
        where: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes.text(year, 0.03, "no value", color=GREY, fontsize=6.5, rotation=90, **where)


def _mark_notable(axes: Axes, notable: Sequence[NotableYear], years: tuple[int, int]) -> None:
    """Name the notable years above the frame, where no line can reach; a crowded label is left out."""
    year_mm = axes.get_position().width * TEXT_WIDTH_MM / (years[1] - years[0] + 1)
    taken = -math.inf
    for year in sorted(notable, key=lambda notable_year: notable_year.year):
        if not years[0] <= year.year <= years[1]:
            continue
        look = _EXTREME_LINE if year.is_extreme else _NOTABLE_LINE
        axes.axvline(year.year, linewidth=1.0, zorder=0.5, **look)
        text = shorten(year.label, 16)
        half = len(text) * _SMALL_LETTER_MM / 2
        if year.year * year_mm - half >= taken:
            where: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
            axes.text(year.year, 1.015, text, color=GREY, fontsize=6.5, **where)
            taken = year.year * year_mm + half


def _legend(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """Explain every line and band below the frame, lines first."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: (not isinstance(handles[place], Line2D), place))
    names, shapes = [labels[place] for place in order], [handles[place] for place in order]
    figure.legend(
        shapes, names, loc="lower left", ncols=min(len(names), columns), bbox_to_anchor=(0.005, 0.0)
    )
