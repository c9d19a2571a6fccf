"""Controls: what each year did to the other woodland of a park, the yardstick of a woodland's trend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError
from monitoring.statistics.year_effects import departures, median_by_year, median_without_each
from monitoring.trends.histories import RichnessSeries, on_common_years, placed_on
from monitoring.trends.sites import Site

#: Fewest other woodlands behind a control value: the median of five stands while two of them decline.
MIN_CONTROLS = 5


@dataclass(frozen=True)
class Control:
    """What each year did to the other woodland around one woodland: the yardstick its trend is held to."""

    place: str
    """Park the controls lie in, for the reader."""
    years: NDArray[np.int64]
    """(n,) calendar years, ascending; empty when there is no control."""
    values: NDArray[np.float64]
    """(n,) median departure of the control woodlands from their own levels, taxa."""
    n_woodlands: int
    """Control woodlands behind the values, the tested woodland left out."""
    reason: str = ""
    """Why there is no control; empty where there is one."""
    leaf_type: str = ""
    """Leaf type the controls share with the woodland; empty where woodland of any kind serves."""

    @property
    def woodland(self) -> str:
        """The woodlands behind it, in words: `12 other conifer woodlands in Hallin Fells`."""
        kind = f"{self.leaf_type} " if self.leaf_type else ""
        return f"{self.n_woodlands} other {kind}woodlands in {self.place}"


def park_controls(
    series: Sequence[RichnessSeries],
    park_of: Mapping[str, str],
    control_ids: Collection[str],
    leaf_type: str = "",
) -> dict[str, Control]:
    """Return the control of every woodland: the yearly median over the other woodland of its park.

    The median is taken over each control's departures from its own level, so that rich and poor woodlands
    count alike and one that is missing for a year does not shift the rest. The tested woodland is left out.
    A year with fewer than five controls has no control value; a park without any has a control with a reason.

    Subtracting the control takes out what the woods of a park share: weather, sensors, processing. It takes
    out a shared decline as well: when most controls decline, a declining woodland looks stable, and no
    woodland looks worse than it is. A decline of a whole park shows in the woodland's own slope and in the
    park's summary, not in this test.

    leaf_type is what all the series share, where they share one: the controls say so.
    """
    by_park: dict[str, list[RichnessSeries]] = defaultdict(list)
    for one in series:
        by_park[_park(park_of, one.woodland_id)].append(one)
    found: dict[str, Control] = {}
    for park, members in by_park.items():
        found |= _controls_of(park, members, control_ids, leaf_type)
    return found


def controls_among(series: Sequence[RichnessSeries], sites: Mapping[str, Site]) -> dict[str, Control]:
    """Return the matched control of every series: woodland off the inventory, of its park and leaf type.

    Where the park has fewer than five other woodlands of that leaf type, or the leaf type is not known, all
    other woodland of the park serves. sites, by id, hold every woodland of the series. What is tested and
    what is drawn beside it call this.
    """
    park_of = {one.woodland_id: sites[one.woodland_id].park for one in series}
    others = {one.woodland_id for one in series if not sites[one.woodland_id].is_ancient}
    found = park_controls(series, park_of, others)
    by_leaf_type: dict[str, list[RichnessSeries]] = defaultdict(list)
    for one in series:
        by_leaf_type[sites[one.woodland_id].leaf_type].append(one)
    for leaf_type in sorted(by_leaf_type.keys() - {""}):
        matched = park_controls(by_leaf_type[leaf_type], park_of, others, leaf_type)
        found |= {name: control for name, control in matched.items() if not control.reason}
    return found


def _park(park_of: Mapping[str, str], woodland_id: str) -> str:
    if woodland_id not in park_of:
        raise TrendError(f"woodland {woodland_id}: its park is not given")
    return park_of[woodland_id]


def _controls_of(
    park: str, members: Sequence[RichnessSeries], control_ids: Collection[str], leaf_type: str
) -> dict[str, Control]:
    if not park:
        return {one.woodland_id: _no_control("", "lies in no park") for one in members}
    others = [one for one in members if one.woodland_id in control_ids]
    years, values = on_common_years(others)
    away = departures(values)
    shared = _control(park, years, median_by_year(away, MIN_CONTROLS), len(others), leaf_type)
    found = dict.fromkeys((one.woodland_id for one in members), shared)
    for one, own in zip(others, median_without_each(away, MIN_CONTROLS), strict=True):
        found[one.woodland_id] = _control(park, years, own, len(others) - 1, leaf_type)
    return found


def _control(
    park: str, years: NDArray[np.int64], values: NDArray[np.float64], n_woodlands: int, leaf_type: str
) -> Control:
    known = np.isfinite(values)
    if not known.any():
        return _no_control(park, f"fewer than {MIN_CONTROLS} other woodlands in {park}")
    return Control(park, years[known], values[known], n_woodlands, leaf_type=leaf_type)


def _no_control(place: str, reason: str) -> Control:
    return Control(place, np.array([], np.int64), np.array([], np.float64), 0, reason)


def control_values(
    series: Sequence[RichnessSeries], controls: Mapping[str, Control], years: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (W, T): zero for a woodland without control, NaN in a year its control lacks."""
    found = [controls.get(one.woodland_id) for one in series]
    held = [(row, control) for row, control in enumerate(found) if control is not None and not control.reason]
    values = np.zeros((len(series), len(years)))
    values[[row for row, _ in held]] = placed_on(years, [(each.years, each.values) for _, each in held])
    return values


def is_held(series: Sequence[RichnessSeries], controls: Mapping[str, Control]) -> NDArray[np.bool_]:
    """Return which series have a control, (W,)."""
    found = (controls.get(one.woodland_id) for one in series)
    return np.array([control is not None and not control.reason for control in found], bool)


def series_to_test(
    series: RichnessSeries, control: Control | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (years, values) of what the test looks at: the series minus its control, gaps left out."""
    years, own = on_common_years([series])
    values = (own - control_values([series], {series.woodland_id: control} if control else {}, years))[0]
    return years[np.isfinite(values)], values[np.isfinite(values)]
