"""Looks: how the error allowed is spent when the same woodlands are judged again every year."""

from __future__ import annotations

import math

from monitoring.errors import SettingsError

#: Ways to spend the error over yearly looks.
SPENDING = ("inverse square", "harmonic", "none")


def allowed_q(q: float, look: int, spending: str) -> float:
    """Return what q has to reach at a yearly look, counted from 1.

    `inverse square` allows q / k^2 at look k: the whole at the first look, and less later, when each series
    is a year longer and needs less. `harmonic` allows 6 / (pi k)^2 of q, so that all looks there will ever be
    spend q together whatever their dependence. `none` allows q every time. Of simulated families in which
    nothing declines 1 % had a false CONFIRMED at any of ten looks by the first two, 5 % by the last; without
    a minimum effect 3, 1 and 15 % (`docs/calibration.md`). SettingsError for another way; ValueError for a
    look below 1.
    """
    if spending not in SPENDING:
        raise SettingsError(f"trend spending {spending!r}: must be one of {', '.join(SPENDING)}")
    if look < 1:
        raise ValueError(f"look {look}: looks are counted from 1")
    share = {"inverse square": 1 / look**2, "harmonic": 6 / (math.pi * look) ** 2, "none": 1.0}
    return q * share[spending]
