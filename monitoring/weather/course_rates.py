"""Course rates: how often each course is named where the truth is known, by simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.alert import Course
from monitoring.weather.course import courses
from monitoring.weather.daily import Array

#: Years of the simulated record, and those of compound heat and drought among them.
YEARS = np.arange(2017, 2026)
EXTREME = np.isin(YEARS, (2018, 2022))
#: How far below the others an extreme year lies, and the loss per year of a true decline, in taxa.
DIP, LOSS_PER_YEAR = 3.0, 0.5
#: Correlation of one year's noise with the next.
CORRELATION = 0.2
LEVEL = 40.0


@dataclass(frozen=True)
class Truth:
    """What a simulated woodland goes through."""

    name: str
    slope: float = 0.0
    dip: float = 0.0

    @property
    def means(self) -> Array:
        """(T,) expected values."""
        found: Array = LEVEL + self.slope * (YEARS - YEARS[0]) - self.dip * EXTREME
        return found


TRUTHS = (
    Truth("extreme-year dips only", dip=DIP),
    Truth("decline", slope=-LOSS_PER_YEAR),
    Truth("decline and dips", slope=-LOSS_PER_YEAR, dip=DIP),
    Truth("stable"),
)


@dataclass(frozen=True)
class CourseRate:
    """Shares of simulated woodlands by the course named; they add up to 1."""

    truth: str
    sd: float
    """Of one annual value, taxa."""
    draws: int
    sustained: float
    dip: float
    uncertain: float
    none: float


def course_rates(
    seed: int,
    *,
    draws: int = 1500,
    sds: tuple[float, ...] = (0.5, 1.0),
    p_sustained: float = 0.10,
    dip_mads: float = 2.0,
) -> tuple[CourseRate, ...]:
    """Return the rates of every truth and noise, by `sds`, then `TRUTHS`; same seed, same rates."""
    found = []
    for sd in sds:
        for number, truth in enumerate(TRUTHS):
            random = np.random.default_rng([seed, number])
            values = truth.means + sd * correlated_noise(random, draws)
            named = courses(YEARS, values, EXTREME, p_sustained=p_sustained, dip_mads=dip_mads).course
            found.append(_rate(truth, sd, named))
    return tuple(found)


def correlated_noise(random: np.random.Generator, draws: int) -> Array:
    """Return (draws, T) noise of unit variance in which each year remembers the last."""
    noise = random.normal(size=(draws, len(YEARS)))
    for year in range(1, len(YEARS)):
        noise[:, year] = CORRELATION * noise[:, year - 1] + np.sqrt(1 - CORRELATION**2) * noise[:, year]
    return noise


def _rate(truth: Truth, sd: float, named: NDArray[np.object_]) -> CourseRate:
    kinds = (Course.SUSTAINED, Course.DIP, Course.UNCERTAIN, None)
    shares = (float(np.mean([course is kind for course in named])) for kind in kinds)
    return CourseRate(truth.name, sd, len(named), *shares)
