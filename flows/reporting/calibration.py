"""Calibration: how often the rule was wrong and right in the last simulation that was recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from monitoring.calibration.figures import Measure
from reports.judged import CalibratedLine, Calibration
from reports.wording import long_date
from warehouse.reader import Reader

#: What computes a calibration, where it does not say so itself.
COMMAND = "underwood calibrate"


def calibration_of(reader: Reader, config_hash: str) -> Calibration | None:
    """Return the last calibration of the alert rule; None where none was recorded.

    A figure it does not state is NaN, a word empty: what a calibration holds may grow.
    """
    rows = reader.calibrations()
    if not rows:
        return None
    stated = json.loads(rows[-1]["figures"])
    lines = tuple(_line(row) for row in stated.get("figures") or () if isinstance(row, dict))
    found = next((line for line in lines if line.measure == Measure.FOUND), None)
    n_worlds = _number(stated, "n_worlds")
    return Calibration(
        n_worlds=int(n_worlds) if math.isfinite(n_worlds) else 0,
        share_with_a_confirmed=_number(stated, "share_with_a_confirmed"),
        note=_text(stated, "note"),
        power=found.value if found else _number(stated, "power"),
        power_world=found.world if found else "",
        calibrated_on=long_date(rows[-1]["calibrated_at"]),
        command=_text(stated, "command") or COMMAND + _seed(stated),
        is_current=rows[-1]["config_hash"] == config_hash,
        lines=lines,
    )


def _seed(stated: Mapping[str, Any]) -> str:
    return f" --seed {stated['seed']}" if isinstance(stated.get("seed"), int) else ""


def _line(row: Mapping[str, Any]) -> CalibratedLine:
    at_most, at_least, sims = (_number(row, name) for name in ("at_most", "at_least", "sims"))
    n_years = _number(row, "n_years")
    return CalibratedLine(
        measure=_text(row, "measure"),
        world=_text(row, "world"),
        n_years=int(n_years) if math.isfinite(n_years) else 0,
        sims=int(sims) if math.isfinite(sims) else 0,
        value=_number(row, "by_rule"),
        bound=at_most if math.isfinite(at_most) else at_least,
        is_kept=row.get("is_kept") is not False,
        is_count=row.get("measure") == Measure.PROVISIONAL,
    )


def _number(stated: Mapping[str, Any], name: str) -> float:
    value = stated.get(name)
    return float(value) if isinstance(value, int | float) else math.nan


def _text(stated: Mapping[str, Any], name: str) -> str:
    value = stated.get(name)
    return value if isinstance(value, str) else ""
