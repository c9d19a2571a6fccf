"""G5: a woodland that steps down together with what lies around it has a seam, not a loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.reference_sites import ReferenceSite
from monitoring.gates.stakes import loss_refused_unless_positive, p_words, per_cent
from monitoring.science import GateRule
from monitoring.statistics.year_effects import departures, median_by_year, median_without_each
from monitoring.trends.histories import on_common_years
from monitoring.trends.sites import Site

GATE, NAME = "G5", "seam of the block"
#: Neighbours whose median stands for a block, and other places of the park whose median it is held to.
MIN_NEIGHBOURS = 5
#: Years below which two levels leave too little to judge their difference by.
MIN_YEARS = 5
#: One-sided confidence with which the neighbours' step must be smaller for the woodland's to be its own.
CONFIDENCE_SMALLER = 0.95
#: Years about the woodland's strongest fall in which its neighbours are looked at.
NEARBY = (0, -1, 1)
_NO_SCATTER = 1e-12

Floats = NDArray[np.float64]
#: Park and block.
_Place = tuple[str, str]
_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Steps:
    """The step of W series at a given place each."""

    change: Floats
    """(W,) mean after minus mean before; NaN below five years or with one side empty."""
    error: Floats
    """(W,) its standard error, from the scatter about the two levels."""
    freedom: Floats
    """(W,) years - 2."""


def strongest_splits(values: Floats) -> NDArray[np.int64]:
    """Return, for every row (W, T), the column that starts the lower level of its strongest fall.

    NaN is left out. The fall is weighted by sqrt(n before x n after / n), as in `strongest_fall`. 0 where a
    row has fewer than two values.
    """
    known = np.isfinite(values)
    before = np.cumsum(known, axis=1)[:, :-1]
    total, n = np.where(known, values, 0.0).sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
    sums = np.cumsum(np.where(known, values, 0.0), axis=1)[:, :-1]
    after = n - before
    possible = (before > 0) & (after > 0)
    drop = sums / np.maximum(before, 1) - (total - sums) / np.maximum(after, 1)
    weighted = np.where(possible, drop * np.sqrt(before * after / np.maximum(n, 1)), -np.inf)
    if not weighted.shape[1]:
        return np.zeros(len(values), np.int64)
    return np.where(possible.any(axis=1), weighted.argmax(axis=1) + 1, 0)


def steps_at(values: Floats, splits: NDArray[np.int64]) -> Steps:
    """Return the steps of the rows of `values` (W, T) at column `splits` (W,), the first of the new level."""
    known = np.isfinite(values)
    is_after = np.arange(values.shape[1]) >= splits[:, None]
    n_after, n_before = (known & is_after).sum(axis=1), (known & ~is_after).sum(axis=1)
    mean_after = np.where(known & is_after, values, 0.0).sum(axis=1) / np.maximum(n_after, 1)
    mean_before = np.where(known & ~is_after, values, 0.0).sum(axis=1) / np.maximum(n_before, 1)
    level = np.where(is_after, mean_after[:, None], mean_before[:, None])
    squares = np.where(known, (values - level) ** 2, 0.0).sum(axis=1)
    freedom = np.maximum(n_after + n_before - 2, 1)
    share = 1 / np.maximum(n_after, 1) + 1 / np.maximum(n_before, 1)
    told = (n_after > 0) & (n_before > 0) & (n_after + n_before >= MIN_YEARS)
    change = np.where(told, mean_after - mean_before, np.nan)
    return Steps(change, np.where(told, np.sqrt(squares / freedom * share), np.nan), freedom.astype(float))


def clearest_nearby(values: Floats, splits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, of each split and those a year before and after it, where `values` (W, T) fall most clearly.

    Scatter puts the strongest fall of one woodland a year off its cause.
    """
    if values.shape[1] < MIN_YEARS:
        return splits
    tried = np.stack([np.clip(splits + shift, 1, values.shape[1] - 1) for shift in NEARBY])
    steps = [steps_at(values, one) for one in tried]
    clear = np.stack([one.change / np.maximum(one.error, _NO_SCATTER) for one in steps])
    clearest = np.nan_to_num(clear, nan=np.inf).argmin(axis=0)
    found: NDArray[np.int64] = tried[clearest, np.arange(len(clearest))]
    return found


def seam_gate(
    sites: Sequence[Site],
    years: NDArray[np.int64],
    tested: Floats,
    candidates: Collection[str],
    loss: float,
    rule: GateRule,
    references: Sequence[ReferenceSite] = (),
) -> tuple[GateFinding, ...]:
    """Return one finding per block with a candidate.

    tested (W, T) holds the tested series of the woodlands of `sites` on `years`. For each candidate the year
    of its strongest fall, give or take one, is looked up in the yearly median of its neighbours: the block's
    reference sites where there are five, else its other woodlands; both minus the same of the park's other
    blocks where these are five. Red where the neighbours fall then too (t of two levels, years the
    replicates, the error divided by the years looked at in the block), by enough of `loss`, the one that
    matters over the record, and by no less than the woodland within both errors. Not judged without
    neighbours; a woodland in no block has no finding.
    """
    loss_refused_unless_positive(loss)
    if tested.shape != (len(sites), len(years)):
        raise TrendError(f"seam gate: series {tested.shape}, expected {(len(sites), len(years))}")
    called = frozenset(candidates)
    rows = np.array([row for row, site in enumerate(sites) if site.woodland_id in called], np.int64)
    if not len(rows):
        return ()
    chosen = [sites[row] for row in rows.tolist()]
    around, kinds = _neighbours(sites, years, departures(tested), references, {_place(one) for one in chosen})
    splits = clearest_nearby(around[rows], strongest_splits(tested[rows]))
    own, near = steps_at(tested[rows], splits), steps_at(around[rows], splits)
    looks: dict[str, list[_Look]] = defaultdict(list)
    for i, site in enumerate(chosen):
        looks[site.block].append(_Look(own, near, i, int(years[splits[i]]), kinds.get(_place(site), "")))
    return tuple(_finding(block, looks[block], loss, rule) for block in sorted(looks) if block)


def _place(one: Site | ReferenceSite) -> _Place:
    return one.park, one.block


def _neighbours(
    sites: Sequence[Site],
    years: NDArray[np.int64],
    away: Floats,
    references: Sequence[ReferenceSite],
    places: Collection[_Place],
) -> tuple[Floats, dict[_Place, str]]:
    """Return the neighbours' year series of the woodlands of some places, (W, T), and who they are.

    NaN, and no words, where there are too few.
    """
    woods = _Places.of([_place(site) for site in sites], away)
    sites_near = _Places.of([_place(one) for one in references], _reference_departures(references, years))
    around, kinds = np.full(away.shape, np.nan), {}
    for place in places:
        here, near = woods.rows(place), sites_near.rows(place)
        if not place[1]:
            continue
        if len(near) >= MIN_NEIGHBOURS:
            series = median_by_year(sites_near.away[near], MIN_NEIGHBOURS)
            around[here] = series - sites_near.elsewhere(place)
            kinds[place] = f"{len(near)} reference sites"
        elif len(here) > MIN_NEIGHBOURS:
            around[here] = median_without_each(away[here], MIN_NEIGHBOURS) - woods.elsewhere(place)
            kinds[place] = f"{len(here) - 1} other woodlands"
    return around, kinds


@dataclass(frozen=True)
class _Places:
    """Departures (W, T), and the rows of every park and of every place in it, ascending."""

    away: Floats
    of_park: Mapping[str, NDArray[np.int64]]
    of_place: Mapping[_Place, NDArray[np.int64]]

    @staticmethod
    def of(places: Sequence[_Place], away: Floats) -> _Places:
        parks: dict[str, list[int]] = defaultdict(list)
        blocks: dict[_Place, list[int]] = defaultdict(list)
        for row, place in enumerate(places):
            parks[place[0]].append(row)
            blocks[place].append(row)
        return _Places(away, _as_arrays(parks), _as_arrays(blocks))

    def rows(self, place: _Place) -> NDArray[np.int64]:
        return self.of_place.get(place, np.array([], np.int64))

    def elsewhere(self, place: _Place) -> Floats:
        """Return the yearly median of the park's other places, zero where fewer than five have a value."""
        others = np.setdiff1d(self.of_park[place[0]], self.rows(place), assume_unique=True)
        return np.nan_to_num(median_by_year(self.away[others], MIN_NEIGHBOURS), nan=0.0)


def _as_arrays(rows: Mapping[_Key, Sequence[int]]) -> dict[_Key, NDArray[np.int64]]:
    return {key: np.array(of_one, np.int64) for key, of_one in rows.items()}


def _reference_departures(references: Sequence[ReferenceSite], years: NDArray[np.int64]) -> Floats:
    own_years, values = on_common_years([one.series for one in references])
    on_years = np.full((len(references), len(years)), np.nan)
    both, column, own_column = np.intersect1d(years, own_years, return_indices=True)
    if len(both):
        on_years[:, column] = values[:, own_column]
    return departures(on_years)


@dataclass(frozen=True)
class _Look:
    """One candidate beside its neighbours, in the year of its own strongest fall."""

    own: Steps
    near: Steps
    row: int
    year: int
    kind: str

    @property
    def change(self) -> float:
        return float(self.near.change[self.row])

    @property
    def own_change(self) -> float:
        return float(self.own.change[self.row])

    @property
    def p(self) -> float:
        """One-sided p that the neighbours fall."""
        from scipy.special import stdtr

        error = float(self.near.error[self.row])
        if error == 0:
            return 0.0 if self.change < 0 else 1.0
        return float(stdtr(self.near.freedom[self.row], self.change / error))

    @property
    def is_no_smaller(self) -> bool:
        """Whether the neighbours' fall is as large as the woodland's, within both errors."""
        from scipy.special import stdtrit

        error = float(np.hypot(self.near.error[self.row], self.own.error[self.row]))
        freedom = min(self.near.freedom[self.row], self.own.freedom[self.row])
        return self.change - self.own_change <= float(stdtrit(freedom, CONFIDENCE_SMALLER)) * error


def _finding(block: str, looks: Sequence[_Look], loss: float, rule: GateRule) -> GateFinding:
    judged = [
        look for look in looks if look.kind and np.isfinite(look.change) and np.isfinite(look.own_change)
    ]
    if not judged:
        reason = f"fewer than {MIN_NEIGHBOURS} neighbours with {MIN_YEARS} years in block {block}"
        return GateFinding(GATE, NAME, Scope.BLOCK, block, State.NOT_JUDGED, reason)
    allowed = rule.gate_error / (len(NEARBY) * len({look.year for look in judged}))
    least = rule.min_artefact_share * loss
    red = [one for one in judged if one.p <= allowed and -one.change >= least and one.is_no_smaller]
    worst = min(red or judged, key=lambda one: one.p)
    state = State.RED if red else State.PASSED
    return GateFinding(GATE, NAME, Scope.BLOCK, block, state, _words(worst, loss), _figures(worst, loss))


def _words(one: _Look, loss: float) -> str:
    share = per_cent(max(0.0, -one.change / loss))
    return (
        f"neighbours changed by {one.change:+.2f} from {one.year} on ({one.kind}, {p_words(one.p)}) where "
        f"the woodland changed by {one.own_change:+.2f}, {share} of the loss that matters"
    )


def _figures(one: _Look, loss: float) -> dict[str, float]:
    return {
        "neighbours_change": one.change,
        "neighbours_error": float(one.near.error[one.row]),
        "woodland_change": one.own_change,
        "woodland_error": float(one.own.error[one.row]),
        "p": one.p,
        "year": float(one.year),
        "share_of_loss": max(0.0, -one.change / loss),
    }
