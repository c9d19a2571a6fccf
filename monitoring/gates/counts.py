"""G2: how much of the tested slope the number of observations explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.seen import SeenYears
from monitoring.gates.stakes import loss_refused_unless_positive, p_words, per_cent
from monitoring.science import GateRule
from monitoring.statistics.permutations import share_at_least
from monitoring.trends.histories import placed_on

GATE, NAME = "G2", "observation counts"
#: The fields of `SeenYears` that are held against the estimates.
COUNTS = ("n_s2", "n_s1_ascending", "n_s1_descending", "leaf_on_share")
#: Years below which four coefficients and a level cannot be fitted to changes.
MIN_YEARS = 7
#: Woodlands with known counts in a scope below which nothing is fitted.
MIN_WOODLANDS = 5
#: Directions in which counts hardly move against the others are left out of the fit.
_RELATIVE_CUT = 1e-6
#: Orders of the years beside the observed one.
SHUFFLES = 9_999
_TINY = 1e-300
NAN = float("nan")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """What the counts explain of the mean tested slope of the woodlands of one scope."""

    coefficients: Floats
    """(4,) target's unit per unit of each count, in the order of `COUNTS`; fitted over all parks."""
    count_trends: Floats
    """(4,) mean slope of each count, per year."""
    tested_slope: float
    """Mean least-squares slope of the tested series, target's unit per year."""
    slope: float
    """The part of it that coefficients and trends explain, target's unit per year."""
    p: float
    """One-sided p of so clearly negative an explained slope, by reordering the years of all parks at once."""
    n_woodlands: int
    n_years: int
    span: int
    """Last year minus first year."""


def counts_gate(
    woodland_ids: Sequence[str],
    years: NDArray[np.int64],
    tested: Floats,
    seen: Mapping[str, SeenYears],
    park_of: Mapping[str, str],
    loss: float,
    rule: GateRule,
    seed: int = 0,
) -> tuple[GateFinding, ...]:
    """Return what the observation counts explain, over all woodlands and in each park.

    tested (W, T) holds the tested (control-differenced) series on `years`, NaN where there is none. Red where
    the explained part of the slope is a fall beyond what reordered years explain and enough of `loss` (the
    one that matters over the record, target's unit). Not judged where a count is not known in most cells, or
    below seven years or five woodlands.
    """
    loss_refused_unless_positive(loss)
    if tested.shape != (len(woodland_ids), len(years)):
        raise TrendError(f"counts gate: series {tested.shape}, expected {(len(woodland_ids), len(years))}")
    counts = _counts(woodland_ids, years, seen)
    parks = [park_of.get(one, "") for one in woodland_ids]
    found = explained_by_counts(years, tested, counts, parks, seed)
    unknown = _unknown_by_park(tested, counts, parks)
    return tuple(_finding(park, found.get(park), unknown[park], loss, rule) for park in sorted(unknown))


def _unknown_by_park(tested: Floats, counts: Floats, parks: Sequence[str]) -> dict[str, str]:
    """Return the counts that are not known, by park and, as empty text, over all."""
    of = np.array(parks, dtype=object)
    return {"": _unknown(tested, counts)} | {
        park: _unknown(tested[of == park], counts[of == park]) for park in sorted(set(parks)) if park
    }


def _counts(woodland_ids: Sequence[str], years: NDArray[np.int64], seen: Mapping[str, SeenYears]) -> Floats:
    """Return (W, T, 4), NaN where unknown."""
    known = [(row, seen[name]) for row, name in enumerate(woodland_ids) if name in seen]
    counts = np.full((len(woodland_ids), len(years), len(COUNTS)), np.nan)
    for column, name in enumerate(COUNTS):
        of_one = placed_on(years, [(one.years, getattr(one, name)) for _, one in known])
        counts[[row for row, _ in known], :, column] = of_one
    return counts


def explained_by_counts(
    years: NDArray[np.int64], tested: Floats, counts: Floats, parks: Sequence[str], seed: int = 0
) -> dict[str, Explained]:
    """Return what counts (W, T, 4) explain of the slopes of `tested` (W, T), by park and, as ``, over all.

    Changes from year to year of the park means are regressed on changes of their counts, each park with its
    own mean change and one coefficient per count for all: it belongs to the encoder and the head, not to a
    park. A decline and a count that both run straight explain nothing of each other, only years that go
    against the run tell. Woodlands of a park-year share their counts, and parks may share years: so years are
    the replicates. Departures from each park's line are reordered, all at once (Freedman and Lane 1983), and
    each order's explained slope is held to its own residual. A cell without value or count is filled with
    the woodland's mean in both. Parks with fewer than five woodlands take no part; empty with fewer years.
    """
    known = np.isfinite(tested) & np.isfinite(counts).all(axis=2)
    kept_years = known.sum(axis=0) * 2 >= max(1, int((known.sum(axis=1) >= MIN_YEARS).sum()))
    kept_rows = known[:, kept_years].sum(axis=1) >= MIN_YEARS
    names, member = np.unique(np.array(parks, dtype=str)[kept_rows], return_inverse=True)
    sizes = np.bincount(member, minlength=len(names))
    if not (sizes >= MIN_WOODLANDS).any():
        return {}
    cells = np.ix_(kept_rows, kept_years)
    x = _by_park(_about_mean(tested[cells], known[cells]), member, sizes)
    c = _by_park(_about_mean(counts[cells], known[cells][:, :, None]), member, sizes)
    return _fit(years[kept_years], x, c, names[sizes >= MIN_WOODLANDS], sizes[sizes >= MIN_WOODLANDS], seed)


def _by_park(departures: Floats, member: NDArray[np.intp], sizes: NDArray[np.intp]) -> Floats:
    """Return the mean over the woodlands of each park with enough of them, parks on axis 0."""
    sums = np.zeros((len(sizes), *departures.shape[1:]))
    np.add.at(sums, member, departures)
    means: Floats = sums / np.expand_dims(sizes, tuple(range(1, sums.ndim)))
    return means[sizes >= MIN_WOODLANDS]


def _about_mean(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return departures from the mean over the known years (axis 1), zero where unknown."""
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, values - mean, 0.0)


def _fit(
    years: NDArray[np.int64],
    x: Floats,
    c: Floats,
    names: NDArray[np.str_],
    sizes: NDArray[np.intp],
    seed: int,
) -> dict[str, Explained]:
    """Return the fit of departures x (P, T) on departures c (P, T, 4)."""
    unit = np.sqrt(np.mean(c**2, axis=(0, 1)))
    unit = np.where(unit > 0, unit, 1.0)
    changes = _changes(c / unit)
    inverse = np.linalg.pinv(np.einsum("ptk,ptl->kl", changes, changes), rcond=_RELATIVE_CUT, hermitian=True)
    time = (years - years.mean()) / np.sum((years - years.mean()) ** 2)
    slopes, trends = x @ time, np.einsum("t,ptk->pk", time, c / unit)
    slopes, trends = np.append(slopes, np.average(slopes, weights=sizes)), _with_mean(trends, sizes)
    residual = x - (x @ time)[:, None] * (years - years.mean())
    coefficients, scatter = _reordered(changes, inverse, residual, seed)
    explained = coefficients @ trends.T
    clarity = explained / scatter[:, None]
    return {
        str(name): Explained(
            coefficients=coefficients[0] / unit,
            count_trends=trends[column] * unit,
            tested_slope=float(slopes[column]),
            slope=float(explained[0, column]),
            p=share_at_least(
                -clarity[:, column], -float(clarity[0, column]), float(np.ptp(clarity[:, column]))
            ),
            n_woodlands=int(size),
            n_years=len(years),
            span=int(years[-1] - years[0]),
        )
        for column, (name, size) in enumerate(zip([*names, ""], [*sizes, sizes.sum()], strict=True))
        if name or column == len(names)
    }


def _changes(values: Floats) -> Floats:
    """Return changes from year to year (axis 1) minus their mean, which is all that a straight run has."""
    changes: Floats = np.diff(values, axis=1)
    changes -= changes.mean(axis=1, keepdims=True)
    return changes


def _with_mean(trends: Floats, sizes: NDArray[np.intp]) -> Floats:
    return np.concatenate([trends, np.average(trends, axis=0, weights=sizes)[None, :]])


def _reordered(changes: Floats, inverse: Floats, residual: Floats, seed: int) -> tuple[Floats, Floats]:
    """Return coefficients (K, 4) and residual root sums of squares (K,) of K orders, the observed one first.

    Products of counts and values are summed over parks before any order is tried, so that an order costs
    the same however many parks there are.
    """
    n = residual.shape[1]
    tried = _tried(n, seed)
    of_pairs = np.einsum("ptk,ps->kts", changes, residual)
    later, earlier = tried[:, 1:], tried[:, :-1]
    place = np.arange(n - 1)
    products = (of_pairs[:, place, later] - of_pairs[:, place, earlier]).sum(axis=2).T
    apart = ((residual[:, :, None] - residual[:, None, :]) ** 2).sum(axis=0)
    ends = ((residual[:, tried[:, -1]] - residual[:, tried[:, 0]]) ** 2).sum(axis=0) / (n - 1)
    total = apart[later, earlier].sum(axis=1) - ends
    coefficients = products @ inverse
    left = total - (coefficients * products).sum(axis=1)
    return coefficients, np.sqrt(np.maximum(left, total.max() * _RELATIVE_CUT**2) + _TINY)


@lru_cache(maxsize=4)
def _tried(n: int, seed: int) -> NDArray[np.int64]:
    """Return the orders tried, (K, n), the observed one first: enough for the gate's error."""
    observed = np.arange(n)
    shuffles = np.random.default_rng(seed).permuted(np.tile(observed, (SHUFFLES, 1)), axis=1)
    return np.concatenate([observed[None, :], shuffles])


def _finding(of: str, found: Explained | None, unknown: str, loss: float, rule: GateRule) -> GateFinding:
    scope = Scope.PARK if of else Scope.ALL
    if unknown or found is None:
        too_few = f"fewer than {MIN_WOODLANDS} woodlands with {MIN_YEARS} years"
        why = f"{unknown} not known" if unknown else too_few
        return GateFinding(GATE, NAME, scope, of, State.NOT_JUDGED, f"observation counts: {why}")
    lost = -found.slope * found.span / loss
    is_red = found.p <= rule.gate_error and lost >= rule.min_artefact_share
    state = State.RED if is_red else State.PASSED
    return GateFinding(GATE, NAME, scope, of, state, _words(found, lost), _figures(found, lost))


def _unknown(tested: Floats, counts: Floats) -> str:
    """Return the counts that most cells with a value lack, such as `n_s2, leaf_on_share`."""
    cells = np.isfinite(tested)
    share = np.isfinite(counts[cells]).mean(axis=0) if cells.any() else np.ones(len(COUNTS))
    return ", ".join(name for name, known in zip(COUNTS, share.tolist(), strict=True) if known < 0.5)


def _share_of_slope(found: Explained) -> float:
    """Return the explained share of a fall, NaN where the tested series do not fall."""
    return max(0.0, found.slope / found.tested_slope) if found.tested_slope < 0 else NAN


def _words(found: Explained, lost: float) -> str:
    share = _share_of_slope(found)
    of_slope = f"{per_cent(share)} of the slope" if np.isfinite(share) else "no fall"
    return (
        f"observation counts explain {of_slope} ({found.slope:+.3f} of {found.tested_slope:+.3f} a year, "
        f"{p_words(found.p)}, {found.n_woodlands} woodlands in {found.n_years} years), "
        f"{per_cent(max(0.0, lost))} of the loss that matters"
    )


def _figures(found: Explained, lost: float) -> dict[str, float]:
    coefficients = dict(zip(COUNTS, found.coefficients.tolist(), strict=True))
    trends = dict(zip(COUNTS, found.count_trends.tolist(), strict=True))
    return {
        "explained_slope_per_year": found.slope,
        "tested_slope_per_year": found.tested_slope,
        "share_of_slope": _share_of_slope(found),
        "share_of_loss": max(0.0, lost),
        "p": found.p,
        "n_woodlands": float(found.n_woodlands),
        "n_years": float(found.n_years),
        **{f"coefficient_{name}": value for name, value in coefficients.items()},
        **{f"trend_{name}_per_year": value for name, value in trends.items()},
    }
