"""Contrasts: ancient against matched other woodland, with the yearly values that were tested."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.trends.compared import compare, records_of
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.matching import ALL_PARKS
from monitoring.trends.sites import Site
from monitoring.trends.year_tests import least_squares
from reports.contrasted import ContrastLine, GroupYear
from reports.gather import group_years
from reports.judged import NAN, BalanceLine
from reports.woodland import WoodlandLine
from warehouse.reader import Reader, Record

Floats = NDArray[np.float64]

#: Columns of `latest_contrast` a line has under the same name, and those that older versions left empty.
_TESTED = (
    "park",
    "n_years",
    "n_ancient",
    "n_other",
    "slope",
    "slope_low",
    "slope_high",
    "p",
    "method",
    "reason",
)
_MATCHED = ("sign_flip_p", "era_slope_low", "era_slope_high", "autocorrelation")
#: Slopes computed twice differ by less, as a share.
_SAME_SLOPE = 1e-6


def contrast_lines(
    reader: Reader,
    target: str,
    park: str,
    season: Season,
    lines: Sequence[WoodlandLine],
    sites: Mapping[str, Site],
    science: Science,
) -> tuple[ContrastLine, ...]:
    """Return ancient against other woodland as the latest assessment tested it: parks by name, then all.

    Of one park, where it is named, and of all parks together. The yearly values are matched again, as they
    are not recorded; where their slope is not the recorded one (the histories have grown since), no years
    are given, so that nothing is drawn which was not tested.
    """
    series = [
        one for one in reader.series(target, up_to=season) if one.woodland_id in sites and len(one.years)
    ]
    balance: dict[str, list[Record]] = defaultdict(list)
    for row in reader.balances(target):
        balance[row["park"]].append(row)
    rows = [row for row in reader.contrasts(target) if row["park"] in (park, ALL_PARKS) or not park]
    rows = sorted(
        (row for row in rows if row["park"]), key=lambda row: (row["park"] == ALL_PARKS, row["park"])
    )
    return tuple(
        _contrast_line(row, balance[row["park"]], _years(row, series, lines, sites, science)) for row in rows
    )


def _contrast_line(row: Record, balance: Sequence[Record], years: tuple[GroupYear, ...]) -> ContrastLine:
    return ContrastLine(
        **{name: row[name] for name in (*_TESTED, *_MATCHED)},
        years=years,
        n_pairs=row["n_pairs"] or 0,
        n_unmatched=row["n_unmatched"] or 0,
        is_era_stable=row["is_era_stable"] is not False,
        balance=tuple(_balance_line(each) for each in balance),
    )


def _balance_line(row: Record) -> BalanceLine:
    return BalanceLine(**{field.name: row[field.name] for field in dataclasses.fields(BalanceLine)})


def _years(
    row: Record,
    series: Sequence[RichnessSeries],
    lines: Sequence[WoodlandLine],
    sites: Mapping[str, Site],
    science: Science,
) -> tuple[GroupYear, ...]:
    """Return the yearly values a contrast was tested on; those of plain means where nothing was matched."""
    if row["n_pairs"] is None:
        return group_years([line for line in lines if line.park == row["park"]])
    inside = [one for one in series if row["park"] in (ALL_PARKS, sites[one.woodland_id].park)]
    chosen = [sites[one.woodland_id] for one in inside]
    compared = compare(row["park"], records_of(inside, chosen), science.matching)
    if not len(compared.ancient):
        return ()
    ancient, other = compared.ancient.mean(axis=0), compared.partners.mean(axis=0)
    if not _is_what_was_tested(row, compared.years, ancient - other):
        return ()
    values = zip(compared.years.tolist(), ancient.tolist(), other.tolist(), strict=True)
    return tuple(GroupYear(year, own, NAN, its, NAN, own - its) for year, own, its in values)


def _is_what_was_tested(row: Record, years: NDArray[np.int64], difference: Floats) -> bool:
    if not math.isfinite(row["slope"]):
        return bool(len(years) == row["n_years"])
    slope = least_squares(years, difference, 0.5)[0] if len(years) == row["n_years"] else math.nan
    return math.isclose(slope, row["slope"], rel_tol=_SAME_SLOPE, abs_tol=1e-9)
