"""G4: a decline that rests on one era of the instruments is not one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.statistics.theil_sen import theil_sen
from monitoring.trends.eras import ERAS, Era

GATE, NAME = "G4", "era left out"
#: Years that must remain for a slope without an era to say anything.
MIN_YEARS_LEFT = 4

Floats = NDArray[np.float64]


def era_gate(
    woodland_ids: Sequence[str], years: NDArray[np.int64], tested: Floats, eras: Sequence[Era] = ERAS
) -> tuple[GateFinding, ...]:
    """Return one finding per candidate woodland: red where the decline turns with any one era left out.

    tested (W, T) holds the tested (control-differenced) series on `years`, NaN where there is none. A decline
    turns when the Theil-Sen slope of the remaining years is zero or above. An era outside the record leaves
    nothing out; one that leaves fewer than four years is not looked at, and with no era left to look at the
    woodland is not judged.
    """
    if tested.shape != (len(woodland_ids), len(years)):
        raise TrendError(f"era gate: series {tested.shape}, expected {(len(woodland_ids), len(years))}")
    if not len(woodland_ids):
        return ()
    whole = theil_sen(years, tested).slope
    slopes = slopes_without_each_era(years, tested, eras)
    names = [era.name for era in eras]
    return tuple(
        _finding(woodland_id, float(whole[row]), slopes[row], names)
        for row, woodland_id in enumerate(woodland_ids)
    )


def slopes_without_each_era(years: NDArray[np.int64], tested: Floats, eras: Sequence[Era]) -> Floats:
    """Return (W, E) slopes, target's unit per year; NaN where the era holds no year of the woodland or all
    but three."""
    known = np.isfinite(tested)
    slopes = np.full((len(tested), len(eras)), np.nan)
    for column, era in enumerate(eras):
        inside = (years >= era.first_year) & (years <= era.last_year)
        looked_at = known[:, inside].any(axis=1) & (known[:, ~inside].sum(axis=1) >= MIN_YEARS_LEFT)
        without = theil_sen(years, np.where(inside, np.nan, tested)).slope
        slopes[:, column] = np.where(looked_at, without, np.nan)
    return slopes


def _finding(woodland_id: str, whole: float, slopes: Floats, names: Sequence[str]) -> GateFinding:
    figures = {"slope_per_year": whole}
    if not np.isfinite(slopes).any():
        reason = f"no era can be left out of this record with {MIN_YEARS_LEFT} years remaining"
        return GateFinding(GATE, NAME, Scope.WOODLAND, woodland_id, State.NOT_JUDGED, reason, figures)
    worst = int(np.nanargmax(slopes))
    figures |= {"worst_slope_per_year": float(slopes[worst]), "eras": float(np.isfinite(slopes).sum())}
    is_red = slopes[worst] >= 0
    verb = "turns" if is_red else "stays a decline"
    reason = f"slope {whole:+.3f} a year {verb} without {names[worst]} ({slopes[worst]:+.3f})"
    state = State.RED if is_red else State.PASSED
    return GateFinding(GATE, NAME, Scope.WOODLAND, woodland_id, state, reason, figures)
