"""G3: what fewer observations alone do to richness: rich years embedded again as if they were poor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.stakes import loss_refused_unless_positive, p_words, per_cent
from monitoring.science import GateRule

GATE, NAME = "G3", "thinning replay"
NAN = float("nan")
#: Years of replay below which no interval exists.
MIN_YEARS = 2


@dataclass(frozen=True)
class ReplayDifference:
    """One woodland in one rich year: its estimate from thinned observations minus that from all of them."""

    woodland_id: str
    year: int
    """Calendar year that was embedded again, such as 2020."""
    difference: float
    """Thinned minus full, target's unit; negative: fewer observations look like a loss. NaN: no estimate."""
    like_years: tuple[int, ...]
    """Years whose observation density the thinning imitates, such as (2022, 2023, 2024)."""


@dataclass(frozen=True)
class ReplayStratum:
    """Where a woodland belongs: park x class."""

    park: str
    kind: str
    """Class within the park, such as `ancient broadleaved`."""


@dataclass(frozen=True)
class ReplayOffset:
    """What thinning does to the woodlands of one stratum."""

    stratum: ReplayStratum
    offset: float
    """Mean over years of the mean over woodlands, thinned minus full, target's unit."""
    low: float
    high: float
    """Interval of 1 - 2 x gate error; NaN with fewer than two years."""
    p: float
    """One-sided p of a fall."""
    sd_to_add: float
    """Root mean square difference of a woodland-year: prediction error that a poor year has on top."""
    n_woodlands: int
    n_years: int


def replay_offsets(
    differences: Sequence[ReplayDifference], stratum_of: Mapping[str, ReplayStratum], rule: GateRule
) -> tuple[ReplayOffset, ...]:
    """Return the offset of every stratum with a difference, ordered by park and kind.

    Woodlands of a park share the thinned scenes of a year, so the replicate is the park-year: the scatter of
    yearly means in their stratum, pooled over all strata, with (years - 1) degrees of freedom per park,
    however many strata and woodlands it has. Where the scatter of woodlands alone says more, that counts.
    TrendError for a woodland without stratum.
    """
    cells = _cells(differences, stratum_of)
    tables = {stratum: _Table.of(rows) for stratum, rows in cells.items()}
    scatter, freedom = _pooled_scatter(tables)
    return tuple(_offset(stratum, tables[stratum], scatter, freedom, rule) for stratum in tables)


def replay_gate(
    differences: Sequence[ReplayDifference],
    stratum_of: Mapping[str, ReplayStratum],
    loss: float,
    rule: GateRule,
) -> tuple[GateFinding, ...]:
    """Return one finding per park of `stratum_of`: red where thinning alone falls enough to matter.

    loss is the one that matters over the record, target's unit. The error is divided by the strata of a park.
    Not judged where nothing was embedded again, or fewer than two years.
    """
    loss_refused_unless_positive(loss)
    by_park: dict[str, list[ReplayOffset]] = {
        park: [] for park in sorted({s.park for s in stratum_of.values()})
    }
    for one in replay_offsets(differences, stratum_of, rule):
        by_park[one.stratum.park].append(one)
    return tuple(_finding(park, offsets, loss, rule) for park, offsets in by_park.items() if park)


def _cells(
    differences: Sequence[ReplayDifference], stratum_of: Mapping[str, ReplayStratum]
) -> dict[ReplayStratum, list[ReplayDifference]]:
    cells: dict[ReplayStratum, list[ReplayDifference]] = defaultdict(list)
    for one in differences:
        if one.woodland_id not in stratum_of:
            raise TrendError(f"woodland {one.woodland_id}: its stratum is not given")
        if np.isfinite(one.difference):
            cells[stratum_of[one.woodland_id]].append(one)
    return {key: cells[key] for key in sorted(cells, key=lambda s: (s.park, s.kind))}


@dataclass(frozen=True)
class _Table:
    """The differences of one stratum."""

    year_means: NDArray[np.float64]
    woods_variance: float
    """Of the mean over years, from the scatter of woodlands within years alone."""
    root_mean_square: float
    n_woodlands: int

    @staticmethod
    def of(rows: Sequence[ReplayDifference]) -> _Table:
        values = np.array([one.difference for one in rows])
        years, member = np.unique([one.year for one in rows], return_inverse=True)
        count = np.bincount(member)
        means = np.bincount(member, values) / count
        within = np.bincount(member, (values - means[member]) ** 2) / np.maximum(count - 1, 1)
        return _Table(
            year_means=means,
            woods_variance=float((within / count).sum() / len(years) ** 2),
            root_mean_square=float(np.sqrt(np.mean(values**2))),
            n_woodlands=len({one.woodland_id for one in rows}),
        )


def _pooled_scatter(tables: Mapping[ReplayStratum, _Table]) -> tuple[float, int]:
    """Return the variance of a yearly mean about its stratum, and the degrees of freedom behind it."""
    squares = sum(float(np.sum((t.year_means - t.year_means.mean()) ** 2)) for t in tables.values())
    spare = sum(len(t.year_means) - 1 for t in tables.values())
    of_park: dict[str, int] = {}
    for stratum, table in tables.items():
        of_park[stratum.park] = max(of_park.get(stratum.park, 0), len(table.year_means) - 1)
    return (squares / spare if spare else NAN), sum(of_park.values())


def _offset(
    stratum: ReplayStratum, table: _Table, scatter: float, freedom: int, rule: GateRule
) -> ReplayOffset:
    n, offset = len(table.year_means), float(table.year_means.mean())
    half, p = NAN, NAN
    if n >= MIN_YEARS:
        error = float(np.sqrt(max(scatter / n, table.woods_variance)))
        half, p = _interval(offset, error, freedom, rule.gate_error)
    return ReplayOffset(
        stratum=stratum,
        offset=offset,
        low=offset - half,
        high=offset + half,
        p=p,
        sd_to_add=table.root_mean_square,
        n_woodlands=table.n_woodlands,
        n_years=n,
    )


def _interval(offset: float, error: float, freedom: int, gate_error: float) -> tuple[float, float]:
    """Return the half width and the one-sided p of a fall; a replay without any scatter is certain."""
    from scipy.special import stdtr, stdtrit

    if error == 0:
        return 0.0, 0.0 if offset < 0 else 1.0
    return float(stdtrit(freedom, 1 - gate_error) * error), float(stdtr(freedom, offset / error))


def _finding(park: str, offsets: Sequence[ReplayOffset], loss: float, rule: GateRule) -> GateFinding:
    judged = [one for one in offsets if np.isfinite(one.p)]
    if not judged:
        years = max((one.n_years for one in offsets), default=0)
        reason = f"thinning replay has {years} years in {park}, {MIN_YEARS} needed"
        return GateFinding(GATE, NAME, Scope.PARK, park, State.NOT_JUDGED, reason, {"n_years": float(years)})
    red = [one for one in judged if _is_red(one, len(judged), loss, rule)]
    worst = min(red or judged, key=lambda one: (one.offset, one.stratum.kind))
    state = State.RED if red else State.PASSED
    return GateFinding(
        GATE, NAME, Scope.PARK, park, state, _words(worst, loss), _figures(worst, judged, loss)
    )


def _is_red(one: ReplayOffset, strata: int, loss: float, rule: GateRule) -> bool:
    return one.p <= rule.gate_error / strata and -one.offset >= rule.min_artefact_share * loss


def _words(one: ReplayOffset, loss: float) -> str:
    return (
        f"fewer observations alone change {one.stratum.kind} by {one.offset:+.2f} "
        f"({one.low:+.2f} to {one.high:+.2f}, {p_words(one.p)}, {one.n_woodlands} woodlands in {one.n_years} "
        f"years), {per_cent(max(0.0, -one.offset / loss))} of the loss that matters"
    )


def _figures(worst: ReplayOffset, judged: Sequence[ReplayOffset], loss: float) -> dict[str, float]:
    return {
        "offset": worst.offset,
        "offset_low": worst.low,
        "offset_high": worst.high,
        "p": worst.p,
        "share_of_loss": max(0.0, -worst.offset / loss),
        "sd_to_add": worst.sd_to_add,
        "n_woodlands": float(worst.n_woodlands),
        "n_years": float(worst.n_years),
        "n_strata": float(len(judged)),
    }
