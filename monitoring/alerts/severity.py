"""Severity: how much is at stake at one woodland, in three words."""

from __future__ import annotations

from monitoring.alerts.alert import Level, Severity
from monitoring.woodlands import Status

#: Fitted losses, as a share of the first value, from which a loss weighs one and two points.
LOSSES = (0.2, 0.4)
#: Areas in hectares from which a woodland weighs one and two points. The lower is the smallest woodland that
#: the first Ancient Woodland Inventory took in.
AREAS_HA = (2.0, 20.0)
#: Points of a woodland's standing: what cannot be replanted weighs most.
STANDING_POINTS = {Status.ASNW: 2, Status.PAWS: 1, Status.AWP: 1, Status.OTHER: 0}
#: Points from which a severity is reached, the gravest first.
POINTS = ((4, Severity.HIGH), (2, Severity.MODERATE), (0, Severity.LOW))
#: The gravest a level may be called: nobody is sent out in haste on what is not sure.
GRAVEST = {Level.CONFIRMED: Severity.HIGH, Level.WATCH: Severity.MODERATE, Level.PROVISIONAL: Severity.LOW}
_RANK = {Severity.LOW: 0, Severity.MODERATE: 1, Severity.HIGH: 2}


def severity(
    decline_fraction: float, area_ha: float, is_ancient: bool, status: Status, level: Level
) -> Severity:
    """Return how much is at stake: never less for a larger loss, area, standing or certainty.

    An unknown loss or area (NaN) weighs nothing. Ancient woodland of a status that says nothing of its
    standing weighs as a plantation on an ancient site.
    """
    standing = max(STANDING_POINTS[status], int(is_ancient))
    points = _steps(decline_fraction, LOSSES) + _steps(area_ha, AREAS_HA) + standing
    reached = next(each for bound, each in POINTS if points >= bound)
    return min(reached, GRAVEST[level], key=_RANK.__getitem__)


def _steps(value: float, bounds: tuple[float, ...]) -> int:
    return sum(value >= bound for bound in bounds)
