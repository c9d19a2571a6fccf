"""Matching: for each ancient woodland the other woodland of its park that is most like it, and how like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.science import MatchRule
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = NDArray[np.int32]
Flags = NDArray[np.bool_]

NAN = float("nan")
#: What the whole is called where a park is named.
ALL_PARKS = "all parks"
#: Distances that differ by less are equal: sums of squares in another order differ by rounding.
ROUNDING = 1e-9
#: Pairs of woodlands held in memory at a time, as distances.
PAIRS_AT_A_TIME = 4_000_000


@dataclass(frozen=True)
class BalanceRow:
    """One property of the ancient woodland and of what it is compared with, before and after matching."""

    park: str
    """Park, or `all parks`."""
    property: str
    """`elevation_m`, `log_area`, `leaf type: <type>` (a share, 0-1) or `level` (mean of the first years)."""
    n_ancient: int
    """Matched ancient woodlands of which it is known."""
    n_other: int
    ancient_before: float
    """Mean over all ancient woodlands given; NaN where it is known of none."""
    other_before: float
    difference_before: float
    """Standardised: ancient minus other in standard deviations (root mean of the two variances, unmatched).
    Infinite where nothing varies and the means differ; NaN where unknown."""
    ancient: float
    """Mean over the matched ancient woodlands."""
    other: float
    """Mean over their partners with the weights of the comparison."""
    difference: float
    """Standardised as before, by the same standard deviation."""
    is_matched_on: bool
    """False for what is shown but not matched on: matching on a noisy level would bend the later years."""
    is_balanced: bool
    """True when the difference is smaller than the rule allows; False where it is unknown."""


@dataclass(frozen=True, order=True)
class Unmatched:
    """An ancient woodland that is compared with nothing."""

    woodland_id: str
    reason: str


@dataclass(frozen=True)
class Matching:
    """Which other woodlands each ancient one is compared with, and with what weight."""

    ancient: tuple[str, ...]
    """Matched ancient woodlands, in order of park and id; each has the weight 1 / len(ancient)."""
    other: tuple[str, ...]
    """Other woodlands that are partner of at least one, in order of park and id."""
    first: Integers
    """(len(ancient) + 1,) where the partners of each ancient woodland begin in `partner`."""
    partner: Rows
    """(n_pairs,) places in `other`."""
    unmatched: tuple[Unmatched, ...]
    balance: tuple[BalanceRow, ...]
    unknown: str
    """What was not known of how many woodlands and so not matched on; empty where all was known."""

    @property
    def n_pairs(self) -> int:
        """Pairs of an ancient woodland and a partner."""
        return len(self.partner)

    @property
    def pair_weights(self) -> Floats:
        """(n_pairs,) one over the number of partners: the partners of a woodland share its one vote."""
        sizes = np.diff(self.first)
        return np.repeat(1 / np.maximum(sizes, 1), sizes)

    @property
    def other_weights(self) -> Floats:
        """(len(other),) share of each in the mean that the ancient woodlands are held against; sum is one."""
        votes = np.bincount(self.partner, self.pair_weights, len(self.other))
        return votes / max(len(self.ancient), 1)

    @property
    def effective_other(self) -> float:
        """Equally weighted woodlands that these are worth, 1 / sum of squared weights; zero if none."""
        squares = float(self.other_weights @ self.other_weights)
        return 1 / squares if squares else 0.0

    @property
    def balance_worst(self) -> float:
        """Largest absolute standardised difference left in what was matched on; NaN where none is known."""
        left = [abs(row.difference) for row in self.balance if row.is_matched_on]
        known = [difference for difference in left if difference == difference]
        return max(known, default=NAN)

    def partner_means(self, values: Floats) -> Floats:
        """Return (len(ancient), T): mean over the partners of each, from (len(other), T) values."""
        from scipy.sparse import csr_array

        shape = (len(self.ancient), len(self.other))
        means: Floats = csr_array((self.pair_weights, self.partner, self.first), shape=shape) @ values
        return means

    def partners_of(self, woodland_id: str) -> tuple[str, ...]:
        """Return the other woodlands an ancient one is compared with; none where it is not matched."""
        if woodland_id not in self.ancient:
            return ()
        row = self.ancient.index(woodland_id)
        return tuple(self.other[place] for place in self.partner[self.first[row] : self.first[row + 1]])


@dataclass(frozen=True)
class _Properties:
    """The sites as columns, (W,) each, in order of park and woodland id."""

    ids: NDArray[np.str_]
    park: NDArray[np.str_]
    leaf: NDArray[np.str_]
    elevation: Floats
    log_area: Floats
    level: Floats
    is_ancient: Flags


def match(
    sites: Sequence[Site],
    rule: MatchRule,
    levels: Mapping[str, float] | None = None,
    name: str = ALL_PARKS,
) -> Matching:
    """Return each ancient woodland with the `rule.neighbours` other woodlands nearest to it.

    A partner lies in the same park, has the same leaf type, and differs by no more than the rule allows in
    elevation and in area. Near is the root of summed squares of elevation difference and log area ratio, each
    as a share of the largest allowed. A property unknown of either of two woodlands does not part them, but
    counts as the largest difference allowed, so that a partner of which more is known comes first; `unknown`
    says how often that may have been.

    Partners are drawn with replacement: each ancient woodland gets its own nearest, whatever the others get,
    so the sum of distances is the smallest there is and the order of the sites does not matter. Partners
    exactly as far as the last one are all taken, which may be more than the rule's number (Sekhon 2011,
    J. Stat. Softw. 42(7)). An ancient woodland has one vote, its partners share it.

    levels, by woodland id, are shown in the balance table and not matched on. Standardised differences are
    those of Austin 2009 (Stat. Med. 28:3083). `name` is what the balance rows call the whole of the sites.
    TrendError for a woodland given twice or of an area that is not above zero.
    """
    known = _columns(sites, levels or {})
    ancient, other = np.flatnonzero(known.is_ancient), np.flatnonzero(~known.is_ancient)
    rows, partners, reasons = _all_pairs(known, ancient, other, rule)
    sizes = np.bincount(rows, minlength=len(known.ids))
    votes = np.asarray(np.bincount(partners, 1 / sizes[rows], minlength=len(known.ids)), np.float64)
    matched, used = np.flatnonzero(sizes), np.flatnonzero(votes)
    place = np.cumsum(votes > 0, dtype=np.int32) - 1
    groups = _Groups(ancient, other, matched, used, votes[used])
    return Matching(
        ancient=tuple(known.ids[matched].tolist()),
        other=tuple(known.ids[used].tolist()),
        first=np.concatenate([[0], np.cumsum(sizes[matched])]).astype(np.int64),
        partner=place[partners],
        unmatched=tuple(sorted(Unmatched(str(known.ids[row]), why) for row, why in reasons.items())),
        balance=_balance(known, groups, rule, name),
        unknown=_unknown_words(known),
    )


def _columns(sites: Sequence[Site], levels: Mapping[str, float]) -> _Properties:
    for one, following in pairwise(sorted(site.woodland_id for site in sites)):
        if one == following:
            raise TrendError(f"woodland {one}: given twice")
    ordered = sorted(sites, key=lambda site: (site.park, site.woodland_id))
    for site in ordered:
        if site.area_ha <= 0:
            raise TrendError(f"woodland {site.woodland_id}: area {site.area_ha} ha; it must be above zero")
    return _Properties(
        ids=np.array([site.woodland_id for site in ordered], np.str_),
        park=np.array([site.park for site in ordered], np.str_),
        leaf=np.array([site.leaf_type for site in ordered], np.str_),
        elevation=np.array([site.elevation_m for site in ordered], np.float64),
        log_area=np.log(np.array([site.area_ha for site in ordered], np.float64)),
        level=np.array([levels.get(site.woodland_id, NAN) for site in ordered], np.float64),
        is_ancient=np.array([site.is_ancient for site in ordered], bool),
    )


def _all_pairs(
    known: _Properties, ancient: Integers, other: Integers, rule: MatchRule
) -> tuple[Rows, Rows, dict[int, str]]:
    """Return (n_pairs,) rows of ancient woodlands, ascending, and of partners; why the rest has none."""
    found = [np.zeros((2, 0), np.int32)]
    reasons: dict[int, str] = {}
    for park in np.unique(known.park[ancient]).tolist():
        members = ancient[known.park[ancient] == park]
        candidates = other[known.park[other] == park]
        if not park or not len(candidates):
            why = f"no other woodland in {park}" if park else "lies in no park"
            reasons |= dict.fromkeys(members.tolist(), why)
            continue
        for some in np.array_split(members, -(-len(members) * len(candidates) // PAIRS_AT_A_TIME)):
            pairs, unmatched = _nearest(known, some, candidates, rule)
            found.append(pairs)
            reasons |= unmatched
    together = np.concatenate(found, axis=1)
    return together[0], together[1], reasons


def _nearest(
    known: _Properties, ancient: Integers, other: Integers, rule: MatchRule
) -> tuple[Rows, dict[int, str]]:
    """Return (2, n_pairs) of some ancient woodlands of one park, and why those without partner have none."""
    leaf_apart = _leaf_apart(known.leaf[ancient], known.leaf[other])
    distance = _distance(known, ancient, other, rule, leaf_apart)
    last = min(rule.neighbours, len(other)) - 1
    farthest = np.partition(distance, last, axis=1)[:, last]
    rows, places = np.nonzero((distance <= farthest[:, None] + ROUNDING) & np.isfinite(distance))
    alone = np.setdiff1d(np.arange(len(ancient)), rows)
    has_leaf = np.asarray(np.isfinite(leaf_apart[alone]).any(axis=1))
    reasons = {
        int(ancient[row]): _reason(known, int(ancient[row]), bool(has), rule)
        for row, has in zip(alone, has_leaf, strict=True)
    }
    return np.stack([ancient[rows], other[places]]).astype(np.int32), reasons


def _distance(
    known: _Properties, ancient: Integers, other: Integers, rule: MatchRule, leaf_apart: Floats
) -> Floats:
    """Return (A, O) distances in units of the largest difference allowed; infinite where not allowed."""
    squares = leaf_apart**2
    for values, largest in (
        (known.elevation, rule.max_elevation_difference_m),
        (known.log_area, float(np.log(rule.max_area_ratio))),
    ):
        apart = np.abs(values[ancient, None] - values[None, other])
        scaled = apart / largest if largest else np.where(apart > 0, np.inf, apart)
        scaled[np.isnan(apart)] = 1.0
        scaled[scaled > 1 + ROUNDING] = np.inf
        squares += scaled**2
    return np.sqrt(squares)


def _leaf_apart(ancient: NDArray[np.str_], other: NDArray[np.str_]) -> Floats:
    """Return (A, O): 0 where leaf types agree, 1 where one is unknown, infinite where they differ."""
    types, codes = np.unique(np.concatenate([ancient, other]), return_inverse=True)
    table = np.where(np.eye(len(types), dtype=bool), 0.0, np.inf)
    table[types == "", :] = table[:, types == ""] = 1.0
    apart: Floats = table[codes[: len(ancient), None], codes[None, len(ancient) :]]
    return apart


def _reason(known: _Properties, row: int, has_leaf: bool, rule: MatchRule) -> str:
    place = f"other woodland in {known.park[row]}"
    if not has_leaf:
        return f"no {known.leaf[row]} {place}"
    kind = f"{known.leaf[row]} " if known.leaf[row] else ""
    limits = f"{rule.max_elevation_difference_m:g} m of elevation and a factor of {rule.max_area_ratio:g}"
    return f"no {kind}{place} within {limits} in area"


def _unknown_words(known: _Properties) -> str:
    counts = {
        "park": int((known.park == "").sum()),
        "leaf type": int((known.leaf == "").sum()),
        "elevation": int(np.isnan(known.elevation).sum()),
        "area": int(np.isnan(known.log_area).sum()),
    }
    missing = [f"{name} of {count}" for name, count in counts.items() if count]
    return f"unknown: {', '.join(missing)} of {len(known.ids)} woodlands" if missing else ""


@dataclass(frozen=True)
class _Groups:
    """Rows of the woodlands before and after matching, with the weights of the partners."""

    ancient: Integers
    other: Integers
    matched: Integers
    used: Integers
    weights: Floats


def _balance(known: _Properties, groups: _Groups, rule: MatchRule, name: str) -> tuple[BalanceRow, ...]:
    rows = [
        _balance_row("elevation_m", known.elevation, groups, rule, name),
        _balance_row("log_area", known.log_area, groups, rule, name),
    ]
    for leaf in sorted(set(known.leaf.tolist()) - {""}):
        share = np.where(known.leaf == "", np.nan, known.leaf == leaf)
        rows.append(_balance_row(f"leaf type: {leaf}", share, groups, rule, name))
    if np.isfinite(known.level).any():
        rows.append(_balance_row("level", known.level, groups, rule, name, is_matched_on=False))
    return tuple(rows)


def _balance_row(
    title: str, values: Floats, groups: _Groups, rule: MatchRule, name: str, is_matched_on: bool = True
) -> BalanceRow:
    before = _mean(values[groups.ancient]), _mean(values[groups.other])
    after = _mean(values[groups.matched]), _mean(values[groups.used], groups.weights)
    spread = np.sqrt((_variance(values[groups.ancient]) + _variance(values[groups.other])) / 2)
    difference = _standardised(after[0] - after[1], spread)
    return BalanceRow(
        park=name,
        property=title,
        n_ancient=int(np.isfinite(values[groups.matched]).sum()),
        n_other=int(np.isfinite(values[groups.used]).sum()),
        ancient_before=before[0],
        other_before=before[1],
        difference_before=_standardised(before[0] - before[1], spread),
        ancient=after[0],
        other=after[1],
        difference=difference,
        is_matched_on=is_matched_on,
        is_balanced=abs(difference) < rule.max_standardised_difference,
    )


def _mean(values: Floats, weights: Floats | None = None) -> float:
    weights = np.ones(len(values)) if weights is None else weights
    known = np.isfinite(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else NAN


def _variance(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.var(known)) if len(known) else NAN


def _standardised(difference: float, spread: float) -> float:
    """Return difference / spread; where nothing varies, zero for equal means and else infinite."""
    if np.isnan(spread) or spread > ROUNDING:
        return float(difference / spread)
    if np.isnan(difference):
        return NAN
    return float(np.copysign(np.inf, difference)) if abs(difference) > ROUNDING else 0.0
