"""Scenarios: the worlds a rule is calibrated on, each one thing worse than a world it starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitoring.calibration.worlds import World

#: Share of woodlands that decline where the false discovery rate and the power are measured.
SHARE_DECLINING = 0.05
#: Spread of log noise of worlds with unequal noise: two thirds of woodlands lie within a factor of 1.35
#: and 1.65 of the typical.
UNEQUAL, VERY_UNEQUAL = 0.3, 0.5
#: Most of the own noise that a larger share in common may take.
MOST_OF_OWN = 0.9
#: Declines whose power is measured, standard deviations of a woodland's own noise a year.
EFFECTS = (0.2, 0.4, 0.6, 0.8, 1.0)
#: Worlds in which seasons that are not final are judged, in which a family is judged for ten years, in which
#: some decline, and in which declines of all sizes are looked for.
PROVISIONAL_WORLDS = (
    "as given",
    "autocorrelation 0.3",
    "unequal noise",
    "t4 noise",
    "t4, very unequal, autocorrelation 0.3",
)
LOOKS_WORLDS = ("as given", "autocorrelation 0.3")
DECLINE_WORLDS = (
    "as given",
    "autocorrelation 0.3",
    "autocorrelation 0.5",
    "common year 20 %",
    "unequal noise",
    "very unequal noise",
    "t4 noise",
)
EFFECT_WORLDS = ("as given", "unequal noise", "very unequal noise")
#: The decline at which the false discovery rate is measured.
TYPICAL_EFFECT = 0.6


def null_worlds(start: World) -> dict[str, World]:
    """Return worlds in which nothing declines, by name; the first is the start as it is.

    A start that is worse already stays as it is in that respect.
    """
    still = replace(start, n_declining=0)
    uneven, remembers = max(start.unequal, VERY_UNEQUAL), max(start.autocorrelation, 0.3)
    return {
        "as given": still,
        "autocorrelation 0.3": replace(still, autocorrelation=remembers),
        "autocorrelation 0.5": replace(still, autocorrelation=max(remembers, 0.5)),
        "common year 20 %": sharing(still, "common_year", 0.20),
        "unequal noise": replace(still, unequal=max(start.unequal, UNEQUAL)),
        "very unequal noise": replace(still, unequal=uneven),
        "t4 noise": replace(still, has_heavy_tails=True),
        "t4, very unequal, autocorrelation 0.3": replace(
            still, has_heavy_tails=True, unequal=uneven, autocorrelation=remembers
        ),
        "park year 20 %": sharing(still, "park_year", 0.20),
        "class by year 2 %": sharing(still, "class_year", 0.02),
        "half of the noise stated as prediction error": replace(
            still, prediction_error=0.5, autocorrelation=remembers
        ),
        "droughts of 20 % in two years": replace(still, drought_fraction=0.20),
    }


def sharing(world: World, name: str, share: float) -> World:
    """Return the world with at least that share of variance in common, some own noise always left."""
    known: float = getattr(world, name)
    changed: Any = {name: max(known, min(share, MOST_OF_OWN * (world.own + known)))}
    return replace(world, **changed)


def declining(world: World, slope: float) -> World:
    """Return the world with one woodland in twenty declining, all of them ancient; at least one."""
    n = min(world.n_ancient, max(1, round(SHARE_DECLINING * world.n_woodlands)))
    return replace(world, n_declining=n, slope=slope)
