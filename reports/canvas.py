"""Figures as small SVG files: the same bytes for the same figure, on every machine and in every process."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.wording import number

MM_PER_INCH = 25.4

INK = "#26302b"
GREY = "#59635e"
PALE = "#c9d0cc"
GREEN = "#1d6b45"
BROWN = "#8a4b12"

#: Text stays text (Typst sets it in the same font) and is never read as mathematics: a name may hold a `$`.
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "underwood",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e8e6",
    "grid.linewidth": 0.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 2.4,
    "legend.borderaxespad": 0.0,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.4,
}

#: Drawing changes matplotlib's settings for the whole process, so only one thread draws at a time.
_drawing = threading.RLock()


@contextmanager
def report_style() -> Iterator[None]:
    """Draw with the report's settings alone, whatever the user's own matplotlib settings are."""
    defaults: dict[Any, Any] = {
        key: value for key, value in mpl.rcParamsDefault.items() if key not in {"backend", "toolbar"}
    }
    with _drawing, mpl.rc_context(rc=defaults | _STYLE):
        yield


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure of that size on an SVG canvas."""
    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
    FigureCanvasSVG(figure)
    return figure


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes whose frame lies at these millimetres from the lower left corner."""
    figure_width, figure_height = (float(inch) * MM_PER_INCH for inch in figure.get_size_inches())
    box = (left / figure_width, bottom / figure_height, width / figure_width, height / figure_height)
    return figure.add_axes(box)


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG without a date or a program's name in it."""
    buffer = io.BytesIO()
    nothing: Any = None
    figure.savefig(buffer, format="svg", metadata={"Date": nothing, "Creator": nothing, "Format": nothing})
    return buffer.getvalue()


def plain_numbers(axes: Axes) -> None:
    """Print the y axis with a real minus, without an offset, in steps of 1, 2 or 5."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))

    def text(value: float, _position: int | None = None) -> str:
        digits = 0 if all(abs(tick - round(tick)) < 1e-9 for tick in axes.get_yticks()) else 1
        if digits and any(abs(10 * tick - round(10 * tick)) > 1e-9 for tick in axes.get_yticks()):
            digits = 2
        return number(value, digits)

    axes.yaxis.set_major_formatter(FuncFormatter(text))


def year_axis(axes: Axes, first: int, last: int) -> None:
    """Mark whole years on the x axis, every second or fifth where they would crowd."""
    width_mm = float(axes.get_window_extent().width / axes.figure.dpi) * MM_PER_INCH
    step = next((n for n in (1, 2, 5) if (last - first + 1) / n * 8.5 <= width_mm), 10)
    years = list(range(last, first - 1, -step))[::-1]
    axes.set_xticks(years, [str(year) for year in years])
    axes.set_xlim(first - 0.5, last + 0.5)
