"""Provisional alerts: an unusual fall within a year, before it is final; never called a decline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from monitoring.alerts.alert import Alert, Level, alert_id
from monitoring.alerts.reasons import TARGET_WORDS
from monitoring.alerts.severity import severity
from monitoring.errors import SeasonError
from monitoring.science import AlertRule
from monitoring.seasons import Season
from monitoring.trends.controls import Control, control_values, is_held
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.model import prediction_ratios, tested_lines
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]

#: Earlier years with a value, of the same anchor, that say how much a woodland varies.
MIN_EARLIER_YEARS = 5
#: Provisional seasons of a year, over which its false alarms are spent.
LOOKS_A_YEAR = 3
#: What a p from Student's t is worth where the noise has heavier tails. With noise of t with 4 degrees of
#: freedom this factor brings the false alarms of a year to what the rule allows (`docs/method.md`).
TAIL_FACTOR = 40.0


@dataclass(frozen=True)
class Falls:
    """Changes of W woodlands from the last year to this, held against what they vary; NaN where unknown."""

    change: Floats
    """(W,) control-differenced, target's unit."""
    z: Floats
    """(W,) change over its standard error: the scatter of the earlier years about their line, moderated."""
    p: Floats
    """(W,) one-sided, before the factor for heavy tails."""
    share: Floats
    """(W,) change over the last year's own value."""


def yearly_falls(series: Sequence[RichnessSeries], controls: Mapping[str, Control], year: int) -> Falls:
    """Return how woodlands changed from `year` - 1 to `year`; seasons of one anchor, a year apart."""
    years, own = on_common_years(series)
    tested = own - control_values(series, controls, years)
    now, before = _column(years, tested, year), _column(years, tested, year - 1)
    earlier = np.where(years < year, tested, np.nan)
    enough = np.isfinite(earlier).sum(axis=1) >= MIN_EARLIER_YEARS
    lines = tested_lines(
        years,
        np.where(enough[:, None], earlier, np.nan),
        prediction_ratios(series, years, tested),
        is_held(series, controls),
    )
    # Two years of a series with autocorrelation phi differ by twice its variance, less what both remember.
    error = lines.scatter_sd * np.sqrt(2 * (1 - np.nan_to_num(lines.memory)))
    change = now - before
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(error > 0, change / error, np.nan)
        share = change / _column(years, own, year - 1)
    p = np.where(np.isinf(lines.degrees), ndtr(z), stdtr(lines.degrees, z))
    return Falls(change, z, p, share)


def _column(years: NDArray[np.int64], values: Floats, year: int) -> Floats:
    found = np.flatnonzero(years == year)
    return values[:, found[0]] if len(found) else np.full(len(values), np.nan)


def provisional_alerts(
    series: Sequence[RichnessSeries],
    controls: Mapping[str, Control],
    sites: Mapping[str, Site],
    rule: AlertRule,
    season: str,
    target: str,
) -> tuple[Alert, ...]:
    """Return the PROVISIONAL alerts of a season that is not final, in the order of `series`.

    series hold seasons of that quarter only, one a year. The limit is set so that not more than
    `rule.provisional_per_1000` of 1,000 woodlands in which nothing changes are named in a year, heavy tails
    included. A woodland without a control is not looked at: bad weather is no fall of it. SeasonError for a
    final season, which is judged by trends.
    """
    judged = Season.parse(season)
    if judged.is_final:
        raise SeasonError(f"season {season}: provisional alerts are for seasons that are not final")
    if not series:
        return ()
    falls = yearly_falls(series, controls, judged.year)
    allowed = rule.provisional_per_1000 / 1000 / LOOKS_A_YEAR / TAIL_FACTOR
    chosen = is_held(series, controls) & (falls.p <= allowed)
    return tuple(
        _alert(series[row].woodland_id, row, falls, sites, judged, target)
        for row in np.flatnonzero(chosen).tolist()
    )


def _alert(
    woodland_id: str, row: int, falls: Falls, sites: Mapping[str, Site], season: Season, target: str
) -> Alert:
    site = sites.get(woodland_id, Site(woodland_id))
    lost = -float(falls.share[row])
    words = TARGET_WORDS.get(target, target.replace("_", " "))
    return Alert(
        id=alert_id(woodland_id, target),
        woodland_id=woodland_id,
        season=season.id,
        target=target,
        kind="fall",
        level=Level.PROVISIONAL,
        reason=(
            f"stands {100 * lost:.0f} % of its {words} below the same season of {season.year - 1}, other "
            f"woodland taken off ({falls.change[row]:+.1f}, {-falls.z[row]:.1f} times what it varies); one "
            "season says nothing of a decline, and the next look renews this or lets it go"
        ),
        slope=float(falls.change[row]),
        q=float("nan"),
        decline_fraction=lost,
        severity=severity(lost, site.area_ha, site.is_ancient, site.status, Level.PROVISIONAL),
    )
