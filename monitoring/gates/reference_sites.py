"""G1: sites that should not change; when they do, it is the instruments or the processing that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.stakes import loss_refused_unless_positive, p_words, per_cent
from monitoring.science import GateRule
from monitoring.statistics.change_points import fall_p, strongest_fall
from monitoring.statistics.permutations import orders, share_at_least
from monitoring.statistics.year_effects import departures, median_by_year
from monitoring.trends.histories import RichnessSeries, on_common_years

GATE, NAME, EMBEDDINGS = "G1", "reference sites", "embeddings of reference sites"
#: Sites below which not even figures are given.
MIN_SITES_SHOWN = 20
#: Years below which no order of them is rare enough to mean anything.
MIN_YEARS = 5
#: Weight of the newest year in the moving average (Roberts 1959); its limits come from reordering the years.
EWMA_WEIGHT = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceSite:
    """One site that should not change, with what was predicted there."""

    kind: str
    """Such as `mature conifer interior`, `heath`, `urban` or `quarry`."""
    park: str
    series: RichnessSeries
    """Its annual values, under the site's own id; not differenced against any control."""
    block: str = ""


@dataclass(frozen=True)
class PanelEmbeddings:
    """Mean embedding of every reference site in every year."""

    years: NDArray[np.int64]
    """(T,) ascending."""
    means: Floats
    """(S, T, D) in the order of the sites; NaN where a site has none in that year."""


@dataclass(frozen=True)
class YearFalls:
    """Three views of a year series, each with the one-sided p of a fall by reordering its years."""

    trend_p: float
    trend_change: float
    """Least-squares slope times the length of the record."""
    step_p: float
    step_change: float
    """Mean after minus mean before the strongest fall."""
    step_year: int
    ewma_p: float
    ewma_change: float
    """Moving average at the last year minus the mean of all years."""

    @property
    def views(self) -> tuple[tuple[str, float, float], ...]:
        """(name, p, change) of each view."""
        return (
            ("straight fall", self.trend_p, self.trend_change),
            (f"step in {self.step_year}", self.step_p, self.step_change),
            ("moving average", self.ewma_p, self.ewma_change),
        )


def reference_gate(
    sites: Sequence[ReferenceSite],
    loss: float,
    rule: GateRule,
    embeddings: PanelEmbeddings | None = None,
    seed: int = 0,
) -> tuple[GateFinding, ...]:
    """Return what the reference sites show, for all of them and for each park.

    Red where the yearly median of the sites' departures from their own levels falls beyond what reordering
    the years explains, and by enough of `loss` (the one that matters over the record, target's unit).
    Years are the replicates: sites share them. Only falls count, for a rise hides a decline and makes none.
    Fewer sites than the rule asks are not judged, with figures from 20 sites on. With `embeddings` one more
    finding per scope tells how far the last year's mean embedding lies from the other years'.
    """
    loss_refused_unless_positive(loss)
    years, values = on_common_years([site.series for site in sites])
    _refuse_misaligned(sites, embeddings)
    findings: list[GateFinding] = []
    for scope, of, rows in _groups(sites):
        findings.append(_values_finding(scope, of, years, values[rows], loss, rule, seed))
        if embeddings is not None:
            findings.append(_embeddings_finding(scope, of, embeddings, rows, rule))
    return tuple(findings)


def _refuse_misaligned(sites: Sequence[ReferenceSite], embeddings: PanelEmbeddings | None) -> None:
    if embeddings is None:
        return
    expected = (len(sites), len(embeddings.years))
    if embeddings.means.ndim != 3 or embeddings.means.shape[:2] != expected:
        raise TrendError(
            f"embeddings of reference sites: shape {embeddings.means.shape}, expected {expected}"
        )


def _groups(sites: Sequence[ReferenceSite]) -> list[tuple[Scope, str, NDArray[np.intp]]]:
    parks = np.array([site.park for site in sites], dtype=object)
    by_park = [
        (Scope.PARK, park, np.flatnonzero(parks == park)) for park in sorted(set(parks.tolist())) if park
    ]
    return [(Scope.ALL, "", np.arange(len(sites))), *by_park]


def year_falls(years: NDArray[np.int64], series: Floats, seed: int = 0) -> YearFalls:
    """Return the trend, the step and the moving average of a year series (T,) of at least five finite values.

    All orders of up to nine years, seeded shuffles beyond.
    """
    centred = series - series.mean()
    reordered = centred[orders(len(years), seed)]
    scale = float(np.linalg.norm(centred))
    time = years - years.mean()
    slopes = reordered @ (time / (time @ time))
    slope = float(centred @ time / (time @ time))
    weights = moving_average_weights(len(years))
    step = strongest_fall(years, series)
    return YearFalls(
        trend_p=share_at_least(-slopes, -slope, scale),
        trend_change=slope * float(years[-1] - years[0]),
        step_p=fall_p(series, seed),
        step_change=step.change,
        step_year=step.year,
        ewma_p=share_at_least(-(reordered @ weights), -float(centred @ weights), scale),
        ewma_change=float(centred @ weights),
    )


def moving_average_weights(n: int) -> Floats:
    """Return the weights (n,) that turn n yearly values about zero into their moving average at the last."""
    return EWMA_WEIGHT * (1 - EWMA_WEIGHT) ** np.arange(n - 1, -1, -1.0)


def _values_finding(
    scope: Scope, of: str, years: NDArray[np.int64], values: Floats, loss: float, rule: GateRule, seed: int
) -> GateFinding:
    n = int((np.isfinite(values).sum(axis=1) >= MIN_YEARS).sum())
    panel = median_by_year(departures(values), max(1, min(n, MIN_SITES_SHOWN)))
    known = np.isfinite(panel)
    if n < MIN_SITES_SHOWN or known.sum() < MIN_YEARS:
        reason = f"{n} reference sites in {int(known.sum())} years, {rule.min_reference_sites} sites needed"
        return GateFinding(GATE, NAME, scope, of, State.NOT_JUDGED, reason, {"n_sites": float(n)})
    falls = year_falls(years[known], panel[known], seed)
    state, words = _judged(falls, loss, rule)
    reason = f"{words} ({n} sites)"
    if n < rule.min_reference_sites:
        state, reason = State.NOT_JUDGED, f"{n} sites, {rule.min_reference_sites} needed; {words}"
    return GateFinding(GATE, NAME, scope, of, state, reason, _figures(falls, n, loss))


def _judged(falls: YearFalls, loss: float, rule: GateRule) -> tuple[State, str]:
    red = [view for view in falls.views if _is_red(view[1], view[2], loss, rule)]
    name, p, change = min(red or falls.views, key=lambda view: view[1:])
    share = per_cent(max(0.0, -change / loss))
    words = (
        f"reference sites changed by {change:+.2f} ({name}, {p_words(p)}), {share} of the loss that matters"
    )
    return (State.RED if red else State.PASSED), words


def _is_red(p: float, change: float, loss: float, rule: GateRule) -> bool:
    return p <= rule.gate_error and -change >= rule.min_artefact_share * loss


def _figures(falls: YearFalls, n: int, loss: float) -> dict[str, float]:
    return {
        "n_sites": float(n),
        "trend_p": falls.trend_p,
        "trend_change": falls.trend_change,
        "step_p": falls.step_p,
        "step_change": falls.step_change,
        "step_year": float(falls.step_year),
        "ewma_p": falls.ewma_p,
        "ewma_change": falls.ewma_change,
        "share_of_loss": max(0.0, -min(change for _, _, change in falls.views) / loss),
    }


@dataclass(frozen=True)
class LastYearShift:
    """How far the last year's mean embedding lies from the other years'."""

    distance: float
    """Root mean square over the D numbers, in standard deviations between sites."""
    p: float
    """One-sided p of so large a distance, from how far each earlier year lies from the other earlier ones."""
    order_p: float
    """The same by exchanging years, which cannot fall below 1 / years."""


def last_year_shift(means: Floats) -> LastYearShift:
    """Return the shift of the last year of `means` (S, T, D), T at least five, sites without gaps.

    The distance is that of Hotelling's T2 with the variances between sites in place of a covariance of D
    numbers from T years, which does not exist. An earlier year's distance is taken from the other earlier
    years; the logarithms of these are the scale for the last one (t with T - 2 degrees of freedom), because
    exchanging T years can say no more than 1 / T. NaN p where years do not differ at all.
    """
    spread = means.mean(axis=1).std(axis=0, ddof=1)
    panel = means.mean(axis=0)[:, spread > 0] / spread[spread > 0]
    earlier, every = _distances_from_rest(panel[:-1]), _distances_from_rest(panel)
    distance = every[-1]
    return LastYearShift(
        distance=float(distance),
        p=_beyond(earlier, float(distance), len(panel)),
        order_p=float(np.mean(every >= distance * (1 - 1e-9))),
    )


def _distances_from_rest(panel: Floats) -> Floats:
    """Return, for each of the T rows, the root mean square distance from the mean of the other rows."""
    n, dimensions = panel.shape
    away = (panel - panel.mean(axis=0)) * (n / (n - 1))
    distances: Floats = np.linalg.norm(away, axis=1) / np.sqrt(max(1, dimensions))
    return distances


def _beyond(earlier: Floats, distance: float, n: int) -> float:
    from scipy.special import stdtr

    if distance <= 0 or earlier.min() <= 0:
        return float("nan") if distance <= 0 else 0.0
    # A year lies further from the mean of few years than from that of many.
    logs = np.log(earlier / np.sqrt(1 + 1 / (n - 2)))
    away = np.log(distance / np.sqrt(1 + 1 / (n - 1))) - logs.mean()
    error = logs.std(ddof=1) * np.sqrt(1 + 1 / (n - 1))
    return float(stdtr(n - 2, -away / error)) if error > 0 else float(away <= 0)


def _embeddings_finding(
    scope: Scope, of: str, embeddings: PanelEmbeddings, rows: NDArray[np.intp], rule: GateRule
) -> GateFinding:
    means = embeddings.means[rows]
    means = means[np.isfinite(means).all(axis=(1, 2))]
    n, years = means.shape[:2]
    if n < MIN_SITES_SHOWN or years < MIN_YEARS:
        reason = f"{n} reference sites with an embedding in each of {years} years, {MIN_SITES_SHOWN} needed"
        return GateFinding(GATE, EMBEDDINGS, scope, of, State.NOT_JUDGED, reason, {"n_sites": float(n)})
    shift = last_year_shift(means)
    words = (
        f"mean embedding of reference sites in {embeddings.years[-1]} lies {shift.distance:.2f} standard "
        f"deviations between sites from the other years ({p_words(shift.p)}, {n} sites)"
    )
    is_red = shift.p <= rule.gate_error and shift.distance >= rule.min_embedding_shift
    state = State.RED if is_red else State.PASSED
    state = State.NOT_JUDGED if n < rule.min_reference_sites else state
    return GateFinding(GATE, EMBEDDINGS, scope, of, state, words, _shift_figures(shift, n))


def _shift_figures(shift: LastYearShift, n: int) -> Mapping[str, float]:
    return {
        "n_sites": float(n),
        "distance_site_sd": shift.distance,
        "distance_p": shift.p,
        "distance_order_p": shift.order_p,
    }
