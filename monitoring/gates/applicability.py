"""G6: how much of a woodland still looks like what the head was fitted on, and whether that shrinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.seen import SeenYears
from monitoring.gates.stakes import p_words
from monitoring.science import GateRule
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.theil_sen import theil_sen
from monitoring.statistics.year_effects import median_by_year
from monitoring.trends.histories import placed_on

GATE, NAME = "G6", "applicable share"
#: Years below which a fall of the share cannot be told from chance (5 years: one-sided p of at best 0.008).
MIN_YEARS = 5
NAN = float("nan")

Floats = NDArray[np.float64]


def applicability_gate(
    seen: Sequence[SeenYears], park_of: Mapping[str, str], min_share: float, rule: GateRule
) -> tuple[GateFinding, ...]:
    """Return one finding per woodland and one per park.

    A woodland is red where its latest share is below `min_share`, or where its shares fall (one-sided exact
    Mann-Kendall at the gate's error) by at least the rule's minimum over the record, Theil-Sen. A park is red
    where the yearly median over its woodlands does so; the share of its woodlands that fall goes with it.
    Not judged where no share is known; with fewer than five years only the latest share is looked at.
    """
    if not seen:
        return ()
    years, shares = _on_common_years(seen)
    figures = _figures(years, shares, rule)
    parks = np.array([park_of.get(one.woodland_id, "") for one in seen], dtype=object)
    of_each = zip(*(values.tolist() for values in figures.values()), strict=True)
    of_woodlands = [
        _finding(Scope.WOODLAND, one.woodland_id, dict(zip(figures, own, strict=True)), min_share)
        for one, own in zip(seen, of_each, strict=True)
    ]
    of_parks = [
        _park_finding(
            park, years, shares[parks == park], figures["is_falling"][parks == park], min_share, rule
        )
        for park in sorted(set(parks.tolist()))
        if park
    ]
    return (*of_woodlands, *of_parks)


def _on_common_years(seen: Sequence[SeenYears]) -> tuple[NDArray[np.int64], Floats]:
    years = np.unique(np.concatenate([one.years for one in seen]))
    return years, placed_on(years, [(one.years, one.applicable_share) for one in seen])


def _figures(years: NDArray[np.int64], shares: Floats, rule: GateRule) -> dict[str, Floats]:
    """Return figures by name, each (W,); `is_falling` is 1, 0, or NaN where it cannot be told."""
    test = mann_kendall(shares)
    known = np.isfinite(shares)
    first, last = _edges(years, shares)
    fall = -theil_sen(years, shares).slope * (last - first)
    falling = (test.p_decline <= rule.gate_error) & (fall >= rule.min_applicable_fall)
    return {
        "latest_share": _latest(shares),
        "fall_of_share": fall,
        "p": test.p_decline,
        "n_years": known.sum(axis=1).astype(float),
        "is_falling": np.where(test.n >= MIN_YEARS, falling, np.nan),
    }


def _edges(years: NDArray[np.int64], shares: Floats) -> tuple[Floats, Floats]:
    """Return the first and last year with a share, (W,) each; NaN for none."""
    known = np.isfinite(shares)
    any_known = known.any(axis=1)
    if not len(years):
        return np.full(len(shares), np.nan), np.full(len(shares), np.nan)
    first = years[known.argmax(axis=1)]
    last = years[::-1][known[:, ::-1].argmax(axis=1)]
    return np.where(any_known, first, np.nan), np.where(any_known, last, np.nan)


def _latest(shares: Floats) -> Floats:
    if not shares.shape[1]:
        return np.full(len(shares), np.nan)
    known = np.isfinite(shares)
    position = shares.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.take_along_axis(shares, position[:, None], axis=1)[:, 0]


def _finding(scope: Scope, of: str, figures: Mapping[str, float], min_share: float) -> GateFinding:
    if not np.isfinite(figures["latest_share"]):
        return GateFinding(GATE, NAME, scope, of, State.NOT_JUDGED, "applicable share is not known", figures)
    is_low, is_falling = figures["latest_share"] < min_share, figures["is_falling"] == 1
    state = State.RED if is_low or is_falling else State.PASSED
    return GateFinding(GATE, NAME, scope, of, state, _words(figures, min_share, is_low), figures)


def _words(figures: Mapping[str, float], min_share: float, is_low: bool) -> str:
    beside = f", below {min_share:g}" if is_low else ""
    latest = f"applicable share is {figures['latest_share']:.3f}{beside}"
    if not np.isfinite(figures["is_falling"]):
        return f"{latest} ({figures['n_years']:.0f} years, {MIN_YEARS} needed to tell a fall)"
    verb = "and falls" if figures["is_falling"] else "and does not fall"
    return (
        f"{latest} {verb} ({-figures['fall_of_share']:+.3f} over {figures['n_years']:.0f} years, "
        f"{p_words(figures['p'])})"
    )


def _park_finding(
    park: str, years: NDArray[np.int64], shares: Floats, is_falling: Floats, min_share: float, rule: GateRule
) -> GateFinding:
    of_median = _figures(years, median_by_year(shares, 1)[None, :], rule)
    told = is_falling[np.isfinite(is_falling)]
    figures = {key: float(value[0]) for key, value in of_median.items()} | {
        "share_of_woodlands_falling": float(told.mean()) if len(told) else NAN,
        "n_woodlands": float(len(told)),
    }
    finding = _finding(Scope.PARK, park, figures, min_share)
    reason = f"median {finding.reason}; {told.sum():.0f} of {len(told)} woodlands fall"
    return GateFinding(GATE, NAME, Scope.PARK, park, finding.state, reason, figures)
