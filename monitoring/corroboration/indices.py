"""Vegetation indices as witnesses: does NDVI, NIRv or NBR fall as well, held to the same other woodland?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.errors import TrendError
from monitoring.indices import INDICES
from monitoring.science import CorroborationRule
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.theil_sen import TheilSen, theil_sen
from monitoring.statistics.year_effects import departures, median_by_year, median_without_each
from monitoring.trends.controls import MIN_CONTROLS
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]

#: Fewest years an index is judged on; of five, 1/120 is the smallest p.
MIN_YEARS = 5
#: Fewest acquisitions behind a year's median.
MIN_ACQUISITIONS = 2
#: How the indices are written.
WORDS = {"ndvi": "NDVI", "nirv": "NIRv", "nbr": "NBR"}


@dataclass(frozen=True)
class IndexHistories:
    """The growing-season medians of one index, W woodlands on T common years."""

    index: str
    woodland_ids: tuple[str, ...]
    years: NDArray[np.int64]
    """(T,) ascending."""
    values: Floats
    """(W, T) without unit; NaN where too little was seen."""


def index_histories(rows: Iterable[Mapping[str, Any]], index: str) -> IndexHistories:
    """Return the histories of one index from rows with woodland_id, index_name, year, value, n and n_nbar.

    Woodlands in order of id. Years of fewer than `MIN_ACQUISITIONS` are left out, and so are a woodland's
    years of the rarer kind where reflectance brought to the view from above meets reflectance as delivered:
    the two do not belong in one series. TrendError for a year given twice.
    """
    kept = [row for row in rows if row["index_name"] == index and row["n"] >= MIN_ACQUISITIONS]
    names, place = np.unique(np.array([row["woodland_id"] for row in kept], np.str_), return_inverse=True)
    years, column = np.unique(np.array([row["year"] for row in kept], np.int64), return_inverse=True)
    _refuse_repeats(names, place, years, column, index)
    values = np.full((len(names), len(years)), np.nan)
    values[place, column] = np.array([row["value"] for row in kept], np.float64)
    is_nbar = np.zeros(values.shape, bool)
    is_nbar[place, column] = [2 * row["n_nbar"] >= row["n"] for row in kept]
    return IndexHistories(index, tuple(names.tolist()), years, _of_one_kind(values, is_nbar))


def _refuse_repeats(
    names: NDArray[np.str_],
    place: NDArray[np.intp],
    years: NDArray[np.int64],
    column: NDArray[np.intp],
    index: str,
) -> None:
    cells, count = np.unique(place * max(1, len(years)) + column, return_counts=True)
    if (count > 1).any():
        row, at = divmod(int(cells[count > 1][0]), len(years))
        raise TrendError(f"woodland {names[row]}: {index} of {years[at]} is given twice")


def _of_one_kind(values: Floats, is_nbar: NDArray[np.bool_]) -> Floats:
    known = np.isfinite(values)
    mostly_nbar = 2 * (known & is_nbar).sum(axis=1) >= known.sum(axis=1)
    return np.where(is_nbar == mostly_nbar[:, None], values, np.nan)


@dataclass(frozen=True)
class IndexTrends:
    """What the years of one index say, for W woodlands."""

    histories: IndexHistories
    has_control: NDArray[np.bool_]
    n: NDArray[np.int64]
    """(W,) years tested."""
    p: Floats
    """(W,) exact one-sided p of a fall against other woodland; NaN below `MIN_YEARS` or without control."""
    own: TheilSen
    """Of the values themselves."""
    relative: TheilSen
    """Of the values minus the control; equal to `own` where there is none."""
    bearable: Floats
    """(W,) fall per year that would add up to `min_index_loss` of the level over the record, above 0."""


def index_trends(
    histories: IndexHistories, sites: Mapping[str, Site], rule: CorroborationRule
) -> IndexTrends:
    """Return the trends of an index, held to the other woodland of each park year by year.

    A year that was bad for all the woods of a park, such as a drought, is taken out of each of them. sites by
    woodland; a woodland without a site has no control. The interval has the one-sided error
    `rule.corroboration_p` at either end.
    """
    control, has_control = _controls(histories, sites)
    relative = histories.values - control
    own = np.where(np.isfinite(relative), histories.values, np.nan)
    confidence = 1 - 2 * rule.corroboration_p
    test = mann_kendall(relative)
    return IndexTrends(
        histories=histories,
        has_control=has_control,
        n=test.n,
        p=np.where(has_control & (test.n >= MIN_YEARS), test.p_decline, np.nan),
        own=theil_sen(histories.years, own, confidence),
        relative=theil_sen(histories.years, relative, confidence),
        bearable=_bearable(histories.years, own, rule.min_index_loss),
    )


def _controls(histories: IndexHistories, sites: Mapping[str, Site]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (W, T) what each year did to other woodland of the park, 0 without control, and who has one."""
    known = [sites.get(name, Site(name)) for name in histories.woodland_ids]
    parks, park = np.unique(np.array([site.park for site in known], np.str_), return_inverse=True)
    is_control = np.array([not site.is_ancient for site in known], bool)
    values = np.full(histories.values.shape, np.nan)
    for number in np.flatnonzero(parks != ""):
        rows = np.flatnonzero(park == number)
        values[rows] = _park_control(histories.values[rows], is_control[rows])
    has_control = np.isfinite(values).any(axis=1)
    return np.where(has_control[:, None], values, 0.0), has_control


def _park_control(values: Floats, is_control: NDArray[np.bool_]) -> Floats:
    away = departures(values[is_control])
    control = np.tile(median_by_year(away, MIN_CONTROLS), (len(values), 1))
    if len(away):
        control[is_control] = median_without_each(away, MIN_CONTROLS)
    return control


def _bearable(years: NDArray[np.int64], values: Floats, loss: float) -> Floats:
    known = np.isfinite(values)
    if values.size == 0:
        return np.zeros(len(values))
    first = np.where(known, years, years[-1]).min(axis=1)
    last = np.where(known, years, years[0]).max(axis=1)
    count = np.maximum(known.sum(axis=1), 1)
    level = np.abs(np.where(known, values, 0.0).sum(axis=1) / count)
    return np.asarray(loss * level / np.maximum(last - first, 1))


def verdicts(trends: IndexTrends, allowed_p: Floats) -> NDArray[np.int8]:
    """Return (W,) 1 agrees, 0 silent, -1 disagrees.

    Agrees: falls against other woodland with an exact p of at most `allowed_p` (W,). Disagrees: both the
    woodland's own slope and that against other woodland are, by their intervals, less steep than
    `bearable`, so a fall that matters would have shown. Silent: neither, no control, or too few years.
    """
    judged = np.isfinite(trends.p)
    agrees = judged & (trends.p <= allowed_p) & (trends.relative.slope < 0)
    held = (trends.own.low > -trends.bearable) & (trends.relative.low > -trends.bearable)
    return np.where(agrees, 1, np.where(judged & held, -1, 0)).astype(np.int8)


def evidence_of_indices(
    rows: Iterable[Mapping[str, Any]], sites: Mapping[str, Site], rule: CorroborationRule
) -> tuple[Corroboration, ...]:
    """Return one piece of evidence for each woodland and index that has a history, index by index.

    rows: those of the index histories, of all woodlands of the parks and not only of the alerted ones, or
    there is nothing to hold them to. The error of a false agreement is shared among the indices a woodland
    is tested on.
    """
    rows = list(rows)
    trends = [index_trends(index_histories(rows, index), sites, rule) for index in INDICES]
    allowed = _allowed_p(trends, rule.corroboration_p)
    return tuple(one for each, p in zip(trends, allowed, strict=True) for one in _evidence(each, p))


def _allowed_p(trends: Sequence[IndexTrends], p: float) -> list[Floats]:
    names = [np.array(each.histories.woodland_ids, np.str_) for each in trends]
    tested = np.concatenate([name[np.isfinite(each.p)] for name, each in zip(names, trends, strict=True)])
    everyone, count = np.unique(tested, return_counts=True)
    shares = dict(zip(everyone.tolist(), (p / count).tolist(), strict=True))
    return [np.array([shares.get(one, p) for one in each.histories.woodland_ids]) for each in trends]


def _evidence(trends: IndexTrends, allowed_p: Floats) -> list[Corroboration]:
    names = {1: Verdict.AGREES, 0: Verdict.SILENT, -1: Verdict.DISAGREES}
    index = trends.histories.index
    return [
        Corroboration(
            woodland_id=woodland,
            kind=index,
            verdict=names[verdict],
            year=0,
            share=float("nan"),
            text=_text(trends, row, names[verdict]),
            source="index history",
        )
        for row, (woodland, verdict) in enumerate(
            zip(trends.histories.woodland_ids, verdicts(trends, allowed_p).tolist(), strict=True)
        )
    ]


def _text(trends: IndexTrends, row: int, verdict: Verdict) -> str:
    word, n = WORDS[trends.histories.index], int(trends.n[row])
    if n < MIN_YEARS:
        return f"{word} has {n} years, {MIN_YEARS} needed"
    slope = _slope(float(trends.relative.slope[row]))
    if not trends.has_control[row]:
        return f"{word} changed by {slope} a year, with no other woodland to compare it with"
    figures = f"{slope} a year against other woodland, p {_probability(float(trends.p[row]))}"
    if verdict is Verdict.AGREES:
        return f"{word} falls too ({figures})"
    return f"{word} held ({figures})" if verdict is Verdict.DISAGREES else f"{word} does not tell ({figures})"


def _slope(value: float) -> str:
    return f"{value:+.2g}" if abs(value) >= 1e-4 else "0"


def _probability(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.2g}"
