"""Calibration: how often the whole alert rule speaks up in worlds whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.alert import Alert, Level
from monitoring.alerts.rule import raise_alerts
from monitoring.science import AlertRule, TrendTest
from monitoring.trends.controls import park_controls
from monitoring.trends.family import family_trends
from monitoring.trends.histories import RichnessSeries

#: Level of the woodlands, taxa; only noise relative to it matters.
MEAN_RICHNESS, SD_OF_LEVELS = 50.0, 8.0
#: First simulated year and the season judged; any would do.
FIRST_YEAR = 2017


@dataclass(frozen=True)
class World:
    """A simulated family of woodlands; sizes of effects in units of a woodland's own noise unless named."""

    n_woodlands: int = 66
    n_parks: int = 2
    n_years: int = 9
    share_other: float = 0.45
    """Share of woodlands that serve as controls."""
    noise_fraction: float = 0.03
    """Typical standard deviation of the yearly noise, as a share of the level."""
    unequal: float = 0.3
    """Spread of log noise between woodlands: 0.3 is a factor of 1.35 either way."""
    autocorrelation: float = 0.0
    """First-order, of each woodland's own noise."""
    park_year: float = 1.0
    """Noise shared by all woodlands of a park in one year, in units of the typical noise."""
    drought_fraction: float = 0.0
    """Dip of every woodland in the second and sixth year, as a share of the level."""
    n_declining: int = 0
    """How many of the ancient woodlands decline; the rest are stable."""
    slope: float = 0.0
    """Their decline per year, in units of their own noise."""


@dataclass(frozen=True)
class Rates:
    """What a rule did in a number of simulated families."""

    families: int
    any_confirmed: float
    """Share of families in which a stable woodland was CONFIRMED."""
    any_watch: float
    """Share of families in which a stable woodland was on WATCH."""
    watch_per_family: float
    """Stable woodlands on WATCH in one family, mean."""
    found_confirmed: float
    """Share of declining woodlands CONFIRMED; NaN where none declines."""
    found: float
    """Share of declining woodlands CONFIRMED or on WATCH."""


def realised_rates(
    world: World, trend_rule: TrendTest, alert_rule: AlertRule, families: int, seed: int
) -> Rates:
    """Return how often the rule, from series to alerts, is wrong and right in simulated families."""
    counts = np.array([_judge(world, trend_rule, alert_rule, rng) for rng in _generators(seed, families)])
    false_confirmed, false_watch, true_confirmed, true_watch = counts.T
    declining = world.n_declining * families
    found = true_confirmed + true_watch
    return Rates(
        families=families,
        any_confirmed=float(np.mean(false_confirmed > 0)),
        any_watch=float(np.mean(false_watch > 0)),
        watch_per_family=float(np.mean(false_watch)),
        found_confirmed=float(true_confirmed.sum() / declining) if declining else float("nan"),
        found=float(found.sum() / declining) if declining else float("nan"),
    )


def _generators(seed: int, families: int) -> Iterator[np.random.Generator]:
    for child in np.random.SeedSequence(seed).spawn(families):
        yield np.random.default_rng(child)


def _judge(
    world: World, trend_rule: TrendTest, alert_rule: AlertRule, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return false CONFIRMED, false WATCH, true CONFIRMED, true WATCH of one family."""
    alerts = simulated_alerts(world, trend_rule, alert_rule, rng)
    kinds = [(int(alert.woodland_id) < world.n_declining, alert.level) for alert in alerts]
    confirmed, watch = Level.CONFIRMED, Level.WATCH
    return (
        kinds.count((False, confirmed)),
        kinds.count((False, watch)),
        kinds.count((True, confirmed)),
        kinds.count((True, watch)),
    )


def simulated_alerts(
    world: World, trend_rule: TrendTest, alert_rule: AlertRule, rng: np.random.Generator
) -> tuple[Alert, ...]:
    """Return the alerts of one simulated family; woodlands are named 0, 1, ..., the declining first."""
    series = simulated_series(world, rng)
    first_other = world.n_woodlands - round(world.share_other * world.n_woodlands)
    park_of = {one.woodland_id: f"park {int(one.woodland_id) % world.n_parks}" for one in series}
    controls = park_controls(series, park_of, {one.woodland_id for one in series[first_other:]})
    trends = family_trends(series, controls, trend_rule)
    season = f"{FIRST_YEAR + world.n_years - 1}-Q4"
    return raise_alerts(trends, series, controls, alert_rule, season, "richness")


def simulated_series(world: World, rng: np.random.Generator) -> tuple[RichnessSeries, ...]:
    """Return one family of annual histories; woodland w lies in park w mod n_parks."""
    woods, years = world.n_woodlands, world.n_years
    level = rng.normal(MEAN_RICHNESS, SD_OF_LEVELS, woods)
    typical = world.noise_fraction * MEAN_RICHNESS
    sd = typical * np.exp(rng.normal(0, world.unequal, woods))
    park_year = rng.normal(0, world.park_year * typical, (world.n_parks, years))
    values = level[:, None] + sd[:, None] * _autocorrelated(rng, woods, years, world.autocorrelation)
    values += park_year[np.arange(woods) % world.n_parks]
    values[:, [1, min(5, years - 1)]] -= world.drought_fraction * level[:, None]
    values[: world.n_declining] -= world.slope * sd[: world.n_declining, None] * np.arange(years)
    calendar = FIRST_YEAR + np.arange(years)
    return tuple(RichnessSeries(str(w), calendar, values[w], np.full(years, sd[w])) for w in range(woods))


def _autocorrelated(rng: np.random.Generator, woods: int, years: int, phi: float) -> NDArray[np.float64]:
    """Return (woods, years) of unit-variance AR(1) noise, stationary from the first year."""
    noise = rng.normal(size=(woods, years))
    for year in range(1, years):
        noise[:, year] = phi * noise[:, year - 1] + np.sqrt(1 - phi**2) * noise[:, year]
    return noise
