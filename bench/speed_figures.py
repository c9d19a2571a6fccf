"""Figures of a benchmark: latencies, medians, sizes, and the table in which they are shown."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {"warehouse": "warehouse", "postgres": "PostgreSQL", "parquet": "pandas"}
Row = dict[str, Any]
Figure = dict[str, Any]
HEADS: Row = {"what": "what", **NAMES, "bound": "bound", "met": "met", "note": "note"}


def percentiles(taken: Sequence[float]) -> Figure:
    """Return p50 and p95 in milliseconds."""
    p50, p95 = np.percentile(taken, [50, 95]) * 1e3
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3), "n": len(taken)}


def median(taken: Sequence[float]) -> Figure:
    return {"seconds": round(statistics.median(taken), 3), "of": [round(each, 3) for each in taken]}


def bytes_of(path: Path) -> Figure:
    files = [path] if path.is_file() else path.rglob("*")
    return {"bytes": sum(file.stat().st_size for file in files if file.is_file())}


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def latencies(
    ask: Callable[[Any], Any], questions: Iterable[Any], go_on: Callable[[], bool] = lambda: True
) -> list[float]:
    """Return the seconds of each question, asked one after the other."""
    taken = []
    for each in questions:
        if not go_on():
            break
        began = time.perf_counter()
        ask(each)
        taken.append(time.perf_counter() - began)
    return taken


def judged(row: Row, p50: float | None = None, p95: float | None = None, most: float | None = None) -> Row:
    """Return a row with what the warehouse must keep to, in seconds, and whether it does."""
    ours = row["warehouse"]
    held = [("p50", ours.get("p50_ms", 0) / 1e3, p50), ("p95", ours.get("p95_ms", 0) / 1e3, p95),
            ("", ours.get("seconds", 0), most)]  # fmt: skip
    bounds = [(name, found, bound) for name, found, bound in held if bound is not None]
    said = ", ".join(f"{name} <= {shown_seconds(bound)}".strip() for name, _, bound in bounds)
    return row | {"bound": said, "met": all(found <= bound for _, found, bound in bounds)}


def shown(row: Row) -> str:
    """Return a row as text in columns."""
    cells = [str(row["what"]).ljust(54), *(shown_figure(row.get(name, "")).rjust(18) for name in NAMES)]
    met = {True: "met", False: "MISSED"}.get(row.get("met", ""), row.get("met", ""))
    return "  ".join(
        [*cells, str(row.get("bound", "")).rjust(24), met.rjust(6), row.get("note", "")]
    ).rstrip()


def shown_figure(figure: Figure | str) -> str:
    if isinstance(figure, str):
        return figure
    if "p50_ms" in figure:
        return f"{figure['p50_ms']:.2f} / {figure['p95_ms']:.2f} ms"
    if "seconds" not in figure:
        return megabytes(figure["bytes"])
    return f"{figure['seconds']:.2f} s" + (f" (CPU {figure['cpu_s']:.1f})" if "cpu_s" in figure else "")


def shown_seconds(value: float) -> str:
    return f"{value:g} s" if value >= 1 else f"{value * 1e3:g} ms"


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
