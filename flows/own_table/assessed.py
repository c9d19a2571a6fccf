"""Files of an assessment: trends, contrasts, alerts, parks and gates, for other tools to read."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.assessing.histories import Histories
from flows.files import whole_file
from flows.quality.gate import REASONS, Verdict
from flows.tables import FileFormat
from monitoring.alerts.alert import Alert
from monitoring.errors import WarehouseError
from monitoring.gates.finding import GateFinding
from monitoring.trends.contrast import Contrast
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.parks import ParkTrend
from monitoring.trends.trend import NAN, Trend

if TYPE_CHECKING:
    from flows.assessing.find import Findings

Row = Mapping[str, Any]
#: What the columns of a file are called, and the field each one shows.
Names = Mapping[str, str]

TESTED, NOT_TESTED = "no alert", "not tested"
#: Fields that are named by their unit, in every file.
_PER_YEAR = {
    "slope_per_year": "slope",
    "slope_low_per_year": "slope_low",
    "slope_high_per_year": "slope_high",
}
TREND_COLUMNS: Names = {
    "woodland": "woodland_id",
    "n_years": "n",
    "first_year": "first_year",
    "last_year": "last_year",
    **_PER_YEAR,
    "relative_slope_per_year": "relative_slope",
    "p_value": "p",
    "q_value": "q",
    "q_allowed": "q_allowed",
    "look": "look",
    "decline_fraction": "decline_fraction",
    "probability_of_decline": "decline_probability",
    "minimum_detectable_per_year": "minimum_detectable_slope",
    "p_mann_kendall": "p_mann_kendall",
    "tested_slope_per_year": "tested_slope",
    "tested_se_per_year": "tested_se",
    "degrees_of_freedom": "degrees_of_freedom",
    "autocorrelation": "memory",
    "posterior_slope_per_year": "posterior_slope",
    "posterior_sd_per_year": "posterior_sd",
    "method": "method",
    "reason": "reason",
}
ALERT_COLUMNS: Names = {
    "woodland": "woodland_id",
    "state": "level",
    "kind": "kind",
    "slope_per_year": "slope",
    "q_value": "q",
    "decline_fraction": "decline_fraction",
    "severity": "severity",
    "confidence": "confidence",
    "course": "course",
    "held_by": "held_by",
    "cause": "cause",
    "reason": "reason",
    "season": "season",
    "target": "target",
    "alert_id": "id",
}
_RENAMED = {field: column for column, field in {**_PER_YEAR, "p_value": "p", "q_value": "q"}.items()}


def write_assessed(
    findings: Findings, histories: Histories, out: Path, form: FileFormat = FileFormat.CSV
) -> tuple[Path, ...]:
    """Write `alerts`, `contrasts`, `gates`, `parks` and `trends` into a folder; return their paths.

    A file of the same name is replaced, after all files have been written whole; what else lies in the folder
    is left alone. The same findings give the same bytes. A missing figure is an empty cell, null in Parquet.
    WarehouseError where the folder cannot be written.
    """
    out = Path(out)
    tables = assessed_tables(findings, histories)
    paths = {name: out / f"{name}.{form.value}" for name in sorted(tables)}
    _make(out)
    _refuse_folders(paths.values())
    write = {FileFormat.CSV: _write_csv, FileFormat.PARQUET: _write_parquet}[form]
    # All drafts are whole before the first of them gets its name, when the stack unwinds.
    with ExitStack() as stack:
        for name, path in paths.items():
            write(tables[name], stack.enter_context(whole_file(path)))
    return tuple(paths.values())


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(f"{out}: cannot be made: {error.strerror}") from error


def _refuse_folders(paths: typing.Iterable[Path]) -> None:
    for path in paths:
        if path.exists() and not path.is_file():
            raise WarehouseError(f"{path}: cannot be written: not a file")


def assessed_tables(findings: Findings, histories: Histories) -> dict[str, pa.Table]:
    """Return the tables of an assessment by the name of their file; one without rows has its columns."""
    return {
        "alerts": _alerts(findings),
        "contrasts": _table(Contrast, findings.contrasts, _names_of(Contrast)),
        "gates": _gates(findings.gates),
        "parks": _table(ParkTrend, findings.park_trends, _names_of(ParkTrend)),
        "trends": _trends(findings, histories),
    }


def _alerts(findings: Findings) -> pa.Table:
    """Return the alerts, with the probability of decline of their trends beside them."""
    chance = {trend.woodland_id: trend.decline_probability for trend in findings.trends}
    table = _table(Alert, findings.alerts, ALERT_COLUMNS)
    values = [_or_none(chance.get(alert.woodland_id, NAN)) for alert in findings.alerts]
    place = table.schema.get_field_index("decline_fraction") + 1
    return table.add_column(place, "probability_of_decline", pa.array(values, pa.float64()))


def _trends(findings: Findings, histories: Histories) -> pa.Table:
    """Return one row per woodland of the histories, in their order, tested or not."""
    found = {trend.woodland_id: trend for trend in findings.trends}
    held = _held_back(findings.verdict)
    rows = [
        found[one.woodland_id] if one.woodland_id in found else _without_trend(one, held)
        for one in histories.series
    ]
    levels = {alert.woodland_id: alert.level.value for alert in findings.alerts}
    states = [levels.get(row.woodland_id, NOT_TESTED if math.isnan(row.p) else TESTED) for row in rows]
    return _table(Trend, rows, TREND_COLUMNS).add_column(1, "state", pa.array(states, pa.string()))


def _held_back(verdict: Verdict) -> dict[str, str]:
    rows = verdict.quarantined
    return dict(zip(rows["woodland_id"], rows[REASONS], strict=True)) if len(rows) else {}


def _without_trend(series: RichnessSeries, held: Mapping[str, str]) -> Trend:
    years = series.years[np.isfinite(series.mean)]
    too_few = f"{len(years)} years with an estimate: too few for a slope"
    why = f"held back: {held[series.woodland_id]}" if series.woodland_id in held else too_few
    first, last = (int(years[0]), int(years[-1])) if len(years) else (0, 0)
    return Trend(
        series.woodland_id, len(years), first, last, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, "none", why
    )


def _gates(gates: Sequence[GateFinding]) -> pa.Table:
    table = _table(GateFinding, gates, _names_of(GateFinding, without=("figures",)))
    figures = [
        json.dumps({name: _or_none(value) for name, value in sorted(gate.figures.items())}) for gate in gates
    ]
    return table.append_column("figures", pa.array(figures, pa.string()))


def _names_of(kind: type, without: Sequence[str] = ()) -> Names:
    """Return the plain fields of a dataclass by their column; slopes, p and q are called as in all files."""
    fields = (field.name for field in dataclasses.fields(kind) if field.name not in without)
    return {_RENAMED.get(name, name): name for name in fields}


def _table(kind: type, rows: Sequence[Any], names: Names) -> pa.Table:
    types = typing.get_type_hints(kind)
    return pa.table(
        {
            column: pa.array([_cell(row, field) for row in rows], _arrow_type(types[field]))
            for column, field in names.items()
        }
    )


def _cell(row: Any, field: str) -> Any:
    value = getattr(row, field)
    if field in ("first_year", "last_year") and value == 0:
        return None
    return _or_none(value) if isinstance(value, float) else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _arrow_type(kind: Any) -> pa.DataType:
    """Return the type of a column; text for an enumeration."""
    return {float: pa.float64(), int: pa.int64(), bool: pa.bool_()}.get(kind, pa.string())


def _write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path)


def _write_csv(table: pa.Table, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(_records(table))


def _records(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield rows as text that reads back to the same numbers."""
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
