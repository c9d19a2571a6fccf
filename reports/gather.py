"""Figures of a group of woodlands, each woodland counting once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from reports.content import Summary
from reports.contrasted import GroupYear
from reports.judged import NAN
from reports.woodland import IndexYear, WoodlandLine, YearValue


def group_years(woodlands: Sequence[WoodlandLine]) -> tuple[GroupYear, ...]:
    """Return ancient and other means for every year of the histories, and their plain difference.

    Woodlands count once each. Each sd is the mean of the woodlands' sds: prediction errors are
    shared between woodlands, so averaging over woodlands is not taken to make them smaller.
    """
    years = sorted({value.year for line in woodlands for value in line.history})
    return tuple(_group_year(year, woodlands) for year in years)


def _group_year(year: int, woodlands: Sequence[WoodlandLine]) -> GroupYear:
    ancient, ancient_sd = mean_of_year(year, (line for line in woodlands if line.is_ancient))
    other, other_sd = mean_of_year(year, (line for line in woodlands if not line.is_ancient))
    return GroupYear(year, ancient, ancient_sd, other, other_sd, ancient - other)


def index_years(woodlands: Sequence[WoodlandLine]) -> tuple[IndexYear, ...]:
    """Return the mean of the woodlands' indices for every year that any has; woodlands count once each."""
    values = [value for line in woodlands for value in line.indices]
    years = sorted({value.year for value in values})
    return tuple(_index_year(year, [value for value in values if value.year == year]) for year in years)


def _index_year(year: int, values: Sequence[IndexYear]) -> IndexYear:
    return IndexYear(
        year,
        _finite_mean(value.ndvi for value in values),
        _finite_mean(value.nirv for value in values),
        sum(value.n for value in values),
        all(value.is_nbar for value in values),
    )


def _finite_mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else NAN


def mean_of_year(year: int, woodlands: Iterable[WoodlandLine]) -> tuple[float, float]:
    """Return (mean, sd) over the woodlands with a value in `year`; NaN where there is none."""
    values = [value for line in woodlands for value in line.history if value.year == year]
    return mean_of(values)


def mean_of(values: Iterable[YearValue]) -> tuple[float, float]:
    """Return (mean of the means, mean of the sds) over the finite values; NaN where there is none."""
    finite = [value for value in values if math.isfinite(value.mean)]
    sds = [value.sd for value in finite if math.isfinite(value.sd)]
    return (fmean(value.mean for value in finite) if finite else NAN, fmean(sds) if sds else NAN)


def outside_by_year(woodlands: Sequence[WoodlandLine]) -> tuple[tuple[int, int], ...]:
    """Return (year, woodlands outside the area of applicability) of the years that have any, in order."""
    return tuple(sorted(Counter(year for line in woodlands for year in line.years_outside).items()))


def summary_of(woodlands: Sequence[WoodlandLine]) -> Summary:
    """Return the first page's figures: counts, areas, and the mean of the first and latest year."""
    years = sorted({v.year for line in woodlands for v in line.history if math.isfinite(v.mean)})
    first, latest = (years[0], years[-1]) if years else (0, 0)
    first_mean, first_sd = mean_of_year(first, woodlands)
    latest_mean, latest_sd = mean_of_year(latest, woodlands)
    n_ancient = sum(line.is_ancient for line in woodlands)
    return Summary(
        n_woodlands=len(woodlands),
        n_ancient=n_ancient,
        n_other=len(woodlands) - n_ancient,
        area_ha=sum(line.area_ha for line in woodlands),
        n_tested=sum(math.isfinite(line.p) for line in woodlands),
        n_confirmed=sum(line.level == "CONFIRMED" for line in woodlands),
        n_watch=sum(line.level == "WATCH" for line in woodlands),
        latest_year=latest,
        latest_mean=latest_mean,
        latest_sd=latest_sd,
        first_year=first,
        first_mean=first_mean,
        first_sd=first_sd,
    )
