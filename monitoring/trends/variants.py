"""The contrast of all parks under other choices of years, woodlands and weights: what it rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.science import MatchRule, TrendTest
from monitoring.trends.contrast import Contrast
from monitoring.trends.contrasts import contrast_of_all
from monitoring.trends.eras import ERAS, Era, without_each
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site

AS_ASSESSED = "as assessed"


@dataclass(frozen=True)
class Variant:
    """The contrast of all parks under one choice."""

    name: str
    """The choice: `as assessed`, `by area`, `without years 2018-2021`, ..."""
    contrast: Contrast


@dataclass(frozen=True)
class _Choice:
    name: str
    series: Sequence[RichnessSeries]
    sites: Sequence[Site]
    by_area: bool = False


def variants(
    series: Sequence[RichnessSeries],
    sites: Sequence[Site],
    rule: TrendTest,
    matching: MatchRule,
    *,
    felled: frozenset[str] = frozenset(),
    ancient_by: Mapping[str, Mapping[str, bool]] | None = None,
    seed: int = 0,
    eras: Sequence[Era] = ERAS,
) -> tuple[Variant, ...]:
    """Return the contrast of all parks as assessed, then under each other choice that changes something.

    By area instead of one wood, one vote; without each era of sensors; without woodlands that have a year
    outside the area of applicability; without those `felled` in part; and with the classes of other
    releases of the inventory, `ancient_by` the name of each: whether a woodland is ancient, by id; one
    that a release does not know keeps its class. Woodlands are matched anew for each choice. They are no
    further tests: nothing is corrected for their number, and what is read off them is whether the slope
    stays what it is. Errors as in `contrasts`.
    """
    choices = (
        _Choice(AS_ASSESSED, series, sites),
        *_by_area(series, sites),
        *_without_eras(series, sites, eras),
        *_without_woodlands("inside applicability", series, sites, _in_doubt(series)),
        *_without_woodlands("without felling", series, sites, felled),
        *_by_release(series, sites, ancient_by or {}),
    )
    return tuple(
        Variant(
            one.name,
            contrast_of_all(one.series, one.sites, rule, matching, seed, eras, by_area=one.by_area),
        )
        for one in choices
    )


def _by_area(series: Sequence[RichnessSeries], sites: Sequence[Site]) -> Iterator[_Choice]:
    """Yield nothing where the area of a woodland is unknown."""
    if sites and all(site.area_ha > 0 for site in sites):
        yield _Choice("by area", series, sites, by_area=True)


def _without_eras(
    series: Sequence[RichnessSeries], sites: Sequence[Site], eras: Sequence[Era]
) -> Iterator[_Choice]:
    """Yield nothing for an era that has none of the years, or all."""
    known = np.unique(np.concatenate([np.array([], np.int64), *(one.years for one in series)]))
    for era, left in without_each(known, eras):
        if len(left):
            yield _Choice(f"without years {era.name}", [_in_years(one, left) for one in series], sites)


def _in_years(series: RichnessSeries, years: NDArray[np.int64]) -> RichnessSeries:
    kept = np.isin(series.years, years)
    sd_year = series.sd_year[kept] if len(series.sd_year) else series.sd_year
    return dataclasses.replace(
        series, years=series.years[kept], mean=series.mean[kept], sd=series.sd[kept], sd_year=sd_year
    )


def _in_doubt(series: Sequence[RichnessSeries]) -> frozenset[str]:
    return frozenset(one.woodland_id for one in series if len(one.outside))


def _without_woodlands(
    name: str, series: Sequence[RichnessSeries], sites: Sequence[Site], dropped: frozenset[str]
) -> Iterator[_Choice]:
    kept = [one for one in series if one.woodland_id not in dropped]
    if len(kept) < len(series):
        yield _Choice(name, kept, sites)


def _by_release(
    series: Sequence[RichnessSeries], sites: Sequence[Site], ancient_by: Mapping[str, Mapping[str, bool]]
) -> Iterator[_Choice]:
    """Yield nothing for a release that calls the same woodlands ancient."""
    for release, known in ancient_by.items():
        classed = [
            dataclasses.replace(site, is_ancient=known.get(site.woodland_id, site.is_ancient))
            for site in sites
        ]
        if classed != list(sites):
            yield _Choice(f"ancient by {release}", series, classed)
