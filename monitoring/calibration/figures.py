"""Figures: what a calibration measures, one figure at a time, each with the bound it is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from monitoring.calibration.contrast_rates import ContrastWorld, contrast_rates
from monitoring.calibration.rates import (
    LOOKS,
    YEARS_AT_FIRST_LOOK,
    Progress,
    Rates,
    ever_confirmed,
    provisional_rate,
    realised_rates,
    share_error,
)
from monitoring.calibration.scenarios import (
    DECLINE_WORLDS,
    EFFECT_WORLDS,
    EFFECTS,
    LOOKS_WORLDS,
    PROVISIONAL_WORLDS,
    TYPICAL_EFFECT,
    declining,
    null_worlds,
)
from monitoring.calibration.worlds import World
from monitoring.science import AlertRule, TrendTest
from monitoring.weather.course_rates import YEARS, course_rates

NAN = float("nan")
#: What the service promises: families without a decline that have a false CONFIRMED, false ones among the
#: CONFIRMED, and decliners found at `TYPICAL_EFFECT`, unequal noise and nine years.
MOST_ANY_CONFIRMED, MOST_FALSE_SHARE, LEAST_FOUND = 0.07, 0.06, 0.70
PROMISED = ("unequal noise", TYPICAL_EFFECT, 9)
#: False positives promised of ancient against other, whatever share of variance a year does to one class.
LEAST_CONTRASTS, MOST_CONTRASTS = 0.03, 0.07
CLASS_YEAR_SHARES = (0.0, 0.005, 0.02, 0.05)
#: Standard errors a figure lies beyond its bound before the bound counts as missed.
ERRORS = 2.0


class Measure(StrEnum):
    """What a figure tells."""

    ANY_CONFIRMED = "any CONFIRMED"
    """Share of families in which nothing declines that have one."""
    FALSE_SHARE = "false share"
    """False discovery rate: share of the CONFIRMED that hold, mean over families."""
    FOUND = "power"
    """Share of the declining that is CONFIRMED."""
    EVER_CONFIRMED = "any CONFIRMED in ten looks"
    """Share of families in which nothing declines that have one at any of ten yearly looks."""
    GATED = "any CONFIRMED through gates"
    """Share of families in which an artefact alone makes one, all gates judged."""
    CONTRAST = "contrast found"
    """Share of sets of woodlands, all alike, in which the exact year permutation speaks at 5 %."""
    SUSTAINED = "course called sustained"
    """Share of woodlands whose fall is said to outlast the extreme years."""
    PROVISIONAL = "false PROVISIONAL"
    """Among 1,000 woodlands in a year."""


@dataclass(frozen=True)
class Figure:
    """One figure of a calibration."""

    measure: Measure
    world: str
    n_years: int
    sims: int
    by_rule: float
    """Of the shipped rule; where gates are not judged, gates would only lower it."""
    alone: float = NAN
    """Of the test without the minimum loss; of a gated figure, of the rule without gates. NaN: none."""
    at_most: float = NAN
    """Bound it is held to; NaN where none is promised."""
    at_least: float = NAN
    error: float = NAN
    """Standard error of `by_rule` from the number of simulations."""

    @property
    def is_kept(self) -> bool:
        """True where the bound, if any, is not missed by more than the simulations leave open."""
        room = ERRORS * self.error
        return not (self.by_rule - room > self.at_most or self.by_rule + room < self.at_least)


@dataclass(frozen=True)
class Asked:
    """What a calibration simulates, and by which rules."""

    start: World
    trend_rule: TrendTest
    alert_rule: AlertRule
    sims: int
    seed: int
    processes: int = 1

    def lasting(self, n_years: int) -> Asked:
        """Return the same over another number of years."""
        return replace(self, start=replace(self.start, n_years=n_years))

    def rates(self, world: World, name: str, progress: Progress | None) -> Rates:
        """Return the rates of one world; its name sets its draws apart."""
        return realised_rates(
            world,
            self.trend_rule,
            self.alert_rule,
            self.sims,
            self.seed,
            name=f"{name}, {world.n_years} years",
            processes=self.processes,
            progress=progress,
        )


def false_alarms(asked: Asked, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield how often any woodland is CONFIRMED where nothing declines, world by world."""
    for name in null_worlds(asked.start):
        yield false_alarm(asked, name, progress)


def false_alarm(asked: Asked, name: str, progress: Progress | None = None) -> Figure:
    """Return how often any woodland is CONFIRMED in one world in which nothing declines."""
    world = null_worlds(asked.start)[name]
    found = asked.rates(world, name, progress)
    return Figure(
        Measure.ANY_CONFIRMED,
        name,
        world.n_years,
        asked.sims,
        found.any_confirmed,
        found.any_alone,
        at_most=MOST_ANY_CONFIRMED,
        error=share_error(found.any_confirmed, asked.sims),
    )


def discoveries(asked: Asked, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield false discoveries and power where one woodland in twenty declines, world by world."""
    for name in DECLINE_WORLDS:
        yield from discovery(asked, name, TYPICAL_EFFECT, progress)


def power(asked: Asked, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield false discoveries and power of declines of all sizes but that of `discoveries`."""
    for name in EFFECT_WORLDS:
        for effect in EFFECTS:
            if effect != TYPICAL_EFFECT:
                yield from discovery(asked, name, effect, progress)


def discovery(
    asked: Asked, name: str, effect: float, progress: Progress | None = None
) -> tuple[Figure, Figure]:
    """Return the false discovery rate and the power in one world in which some decline."""
    world = declining(null_worlds(asked.start)[name], effect)
    title = f"{name}, 5 % decline by {effect:g} sd a year"
    found = asked.rates(world, title, progress)
    is_promised = (name, effect, world.n_years) == PROMISED
    common = (title, world.n_years, asked.sims)
    false_share = Figure(
        Measure.FALSE_SHARE,
        *common,
        found.false_share,
        found.false_share_alone,
        at_most=MOST_FALSE_SHARE,
        error=found.false_share_error,
    )
    at_least = LEAST_FOUND if is_promised else NAN
    return false_share, Figure(
        Measure.FOUND,
        *common,
        found.found,
        found.found_alone,
        at_least=at_least,
        error=found.found_error,
    )


def looks(asked: Asked, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield how often any woodland is CONFIRMED at any of ten yearly looks, by how the error is spent."""
    for name in LOOKS_WORLDS:
        yield from looks_at(asked, name, progress)


def looks_at(asked: Asked, name: str, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield the figures of ten looks at one world; `n_years` are those known at the last."""
    found = ever_confirmed(
        null_worlds(asked.start)[name],
        asked.trend_rule,
        asked.alert_rule,
        asked.sims,
        asked.seed,
        name=f"{name}, ten looks",
        processes=asked.processes,
        progress=progress,
    )
    for way, (by_rule, alone) in found.items():
        is_shipped = way == asked.trend_rule.spending
        yield Figure(
            Measure.EVER_CONFIRMED,
            f"{name}, spending {way}",
            YEARS_AT_FIRST_LOOK + LOOKS - 1,
            asked.sims,
            by_rule,
            alone,
            at_most=MOST_ANY_CONFIRMED if is_shipped else NAN,
            error=share_error(by_rule, asked.sims),
        )


def provisional(asked: Asked, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield the false PROVISIONAL alerts of a year, world by world; `n_years` counts the year judged."""
    for name in PROVISIONAL_WORLDS:
        yield provisional_of(asked, name, progress)


def provisional_of(asked: Asked, name: str, progress: Progress | None = None) -> Figure:
    """Return the false PROVISIONAL alerts of a year in one world in which nothing changes."""
    world = null_worlds(asked.start)[name]
    rate, error = provisional_rate(
        world,
        asked.alert_rule,
        asked.sims,
        asked.seed,
        name=f"{name}, provisional, {world.n_years} years",
        processes=asked.processes,
        progress=progress,
    )
    at_most = asked.alert_rule.provisional_per_1000
    return Figure(Measure.PROVISIONAL, name, world.n_years, asked.sims, rate, at_most=at_most, error=error)


def contrasts(asked: Asked) -> Iterator[Figure]:
    """Yield how often ancient against other finds a difference where there is none.

    The sets are those of `contrast_rates`, whatever woodlands were asked for.
    """
    for share in CLASS_YEAR_SHARES:
        world = ContrastWorld(class_year=share)
        found = contrast_rates(world, asked.sims, asked.seed).over_years
        yield Figure(
            Measure.CONTRAST,
            f"class by year {share:.1%}",
            world.n_years,
            asked.sims,
            found,
            at_most=MOST_CONTRASTS,
            at_least=LEAST_CONTRASTS,
            error=share_error(found, asked.sims),
        )


def courses(asked: Asked) -> Iterator[Figure]:
    """Yield how often a fall is called sustained, by what the woodland goes through and how it scatters."""
    for found in course_rates(asked.seed):
        yield Figure(
            Measure.SUSTAINED,
            f"{found.truth}, sd {found.sd:g} taxa",
            len(YEARS),
            found.draws,
            found.sustained,
            error=share_error(found.sustained, found.draws),
        )
