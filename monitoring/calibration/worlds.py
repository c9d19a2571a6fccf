"""Worlds: families of woodlands whose truth is known, drawn with the noise of real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import SettingsError
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The reference noise, used where no histories are given: level of woodlands and its spread between them,
#: taxa, and the yearly noise as a share of the level, rounded from the simulated demonstration.
MEAN_RICHNESS, SD_OF_LEVELS, NOISE_FRACTION = 50.0, 8.0, 0.034
#: First simulated year; nine years end in 2025, and an artefact of 2022 falls where it fell.
FIRST_YEAR = 2017
#: No level is drawn below this share of the mean.
LOWEST_LEVEL = 0.1
#: Degrees of freedom of heavy tails; the noise is scaled to variance one.
HEAVY = 4
#: Years with few observations, from here to the next bound, and how much larger their prediction error is.
POOR_YEARS, POOR_FACTOR = (2022, 2024), 2.0
#: Smallest family: one park of it has too few controls below this.
MIN_WOODLANDS, MIN_YEARS = 3, 3


@dataclass(frozen=True)
class World:
    """A simulated family of woodlands; shares are of the variance of a woodland between years."""

    n_woodlands: int = 2_000
    n_parks: int = 15
    n_years: int = 9
    share_other: float = 0.45
    """Share of woodlands off the inventory, which serve as controls."""
    mean_level: float = MEAN_RICHNESS
    sd_level: float = SD_OF_LEVELS
    noise_fraction: float = NOISE_FRACTION
    """Typical standard deviation of a woodland's own yearly noise, as a share of the mean level."""
    unequal: float = 0.0
    """Spread of log noise between woodlands: 0.5 is a factor of 1.65 either way."""
    has_heavy_tails: bool = False
    """Own noise of t with four degrees of freedom instead of normal."""
    autocorrelation: float = 0.0
    """First-order, of each woodland's own noise."""
    common_year: float = 0.05
    """Share of what a year does to every woodland."""
    park_year: float = 0.05
    """Share of what a year does to every woodland of one park."""
    class_year: float = 0.0
    """Share of what a year does to all ancient woodlands, and another to all others."""
    prediction_error: float = 0.0
    """Share of the own noise that is stated error of the estimate: it has no memory, and is larger in years
    with few observations."""
    drought_fraction: float = 0.0
    """Dip of every woodland in the second and sixth year, as a share of its level."""
    artefact_fraction: float = 0.0
    """Fall of every woodland from `artefact_year` on, as a share of its level; no wood made it."""
    artefact_year: int = 2022
    is_artefact_of_ancient: bool = False
    """The artefact reaches ancient woodland only, so that no control shows it."""
    share_leaving: float = 0.0
    """Share of woodlands whose last year lies outside the area of applicability, where the estimate falls by
    `leaving_fraction` of its level."""
    leaving_fraction: float = 0.2
    n_declining: int = 0
    """How many of the ancient woodlands decline; the rest are stable."""
    slope: float = 0.0
    """Their decline per year, in standard deviations of their own noise."""

    def __post_init__(self) -> None:
        phi, ancient = self.autocorrelation, self.n_ancient
        for trouble, is_so in (
            (f"{self.n_woodlands} woodlands: at least {MIN_WOODLANDS}", self.n_woodlands < MIN_WOODLANDS),
            (f"{self.n_parks} parks: from 1 to the woodlands", not 1 <= self.n_parks <= self.n_woodlands),
            (f"{self.n_years} years: at least {MIN_YEARS}", self.n_years < MIN_YEARS),
            (f"autocorrelation {phi:g}: from 0 to below 1", not 0 <= phi < 1),
            (f"shares of variance sum to {1 - self.own:g}: below 1", self.own <= 0),
            (f"{self.n_declining} declining: at most {ancient} are ancient", self.n_declining > ancient),
        ):
            if is_so:
                raise SettingsError(f"simulated world: {trouble}")

    @property
    def own(self) -> float:
        """Share of variance of a woodland's own noise: what is left."""
        return 1 - self.common_year - self.park_year - self.class_year

    @property
    def n_ancient(self) -> int:
        """Woodlands on the inventory, the first ones; the declining are the first of them."""
        return self.n_woodlands - round(self.share_other * self.n_woodlands)

    @property
    def years(self) -> NDArray[np.int64]:
        """Calendar years."""
        return FIRST_YEAR + np.arange(self.n_years)

    @property
    def season(self) -> str:
        """The season judged."""
        return f"{FIRST_YEAR + self.n_years - 1}-Q4"


@dataclass(frozen=True)
class Family:
    """One draw of a world: W woodlands over T years."""

    years: NDArray[np.int64]
    """(T,)."""
    values: Floats
    """(W, T), NaN where the estimate lies outside the area of applicability."""
    sd_year: Floats | None
    """(W, T) stated prediction error, None where none is stated."""
    park: NDArray[np.int64]
    """(W,) number of the park."""
    is_other: Flags
    """(W,) off the inventory."""
    is_declining: Flags
    """(W,) the truth."""
    ends_outside: Flags
    """(W,) the last year is outside."""

    def up_to(self, n_years: int) -> Family:
        """Return what was known after the first `n_years`."""
        sd = None if self.sd_year is None else self.sd_year[:, :n_years]
        ends = np.isnan(self.values[:, n_years - 1])
        return replace(
            self, years=self.years[:n_years], values=self.values[:, :n_years], sd_year=sd, ends_outside=ends
        )


def draw(world: World, rng: np.random.Generator) -> Family:
    """Return one family; woodland w lies in park w mod n_parks, ancient before other, declining first."""
    woods, years = world.n_woodlands, world.n_years
    park, is_other = np.arange(woods) % world.n_parks, np.arange(woods) >= world.n_ancient
    is_declining = np.arange(woods) < world.n_declining
    level = np.maximum(rng.normal(world.mean_level, world.sd_level, woods), LOWEST_LEVEL * world.mean_level)
    typical = world.noise_fraction * world.mean_level
    sd = typical * np.exp(rng.normal(0, world.unequal, woods))
    noise, sd_year = _own_noise(world, rng, sd)
    values = level[:, None] + noise + _shared_noise(world, rng, typical, park, is_other)
    values -= _losses(world, level, is_other)
    values[is_declining] -= (world.slope * sd[is_declining])[:, None] * np.arange(years)
    leaves = np.zeros(woods, bool) if not world.share_leaving else rng.random(woods) < world.share_leaving
    values[leaves, -1] = np.nan
    return Family(world.years, values, sd_year, park, is_other, is_declining, leaves)


def _own_noise(world: World, rng: np.random.Generator, sd: Floats) -> tuple[Floats, Floats | None]:
    """Return (W, T) noise of each woodland's own, and the prediction error stated with it."""
    remembered = sd[:, None] * _autocorrelated(world, rng)
    if not world.prediction_error:
        return remembered, None
    is_poor = (world.years >= POOR_YEARS[0]) & (world.years <= POOR_YEARS[1])
    factor = np.where(is_poor, POOR_FACTOR, 1.0)
    stated = np.sqrt(world.prediction_error) * sd[:, None] * factor / np.sqrt(np.mean(factor**2))
    error = stated * rng.normal(size=stated.shape)
    return np.sqrt(1 - world.prediction_error) * remembered + error, stated


def _autocorrelated(world: World, rng: np.random.Generator) -> Floats:
    """Return (W, T) of unit-variance noise, stationary from the first year."""
    shape, phi = (world.n_woodlands, world.n_years), world.autocorrelation
    heavy = world.has_heavy_tails
    noise = rng.standard_t(HEAVY, shape) / np.sqrt(HEAVY / (HEAVY - 2)) if heavy else rng.normal(size=shape)
    for year in range(1, world.n_years):
        noise[:, year] = phi * noise[:, year - 1] + np.sqrt(1 - phi**2) * noise[:, year]
    return noise


def _shared_noise(
    world: World, rng: np.random.Generator, typical: float, park: NDArray[np.int64], is_other: Flags
) -> Floats:
    """Return (W, T) of what years do to all woodlands, to those of a park, and to those of a class."""
    shares = (world.common_year, world.park_year, world.class_year)
    of_all, of_park, of_class = (typical * np.sqrt(share / world.own) for share in shares)
    shared = of_all * rng.normal(size=(1, world.n_years))
    shared = shared + (of_park * rng.normal(size=(world.n_parks, world.n_years)))[park]
    if of_class:
        shared = shared + (of_class * rng.normal(size=(2, world.n_years)))[is_other.astype(int)]
    found: Floats = shared
    return found


def _losses(world: World, level: Floats, is_other: Flags) -> Floats:
    """Return (W, T) of what droughts and an artefact take from woodlands in which nothing declines."""
    dips = np.isin(np.arange(world.n_years), (1, min(5, world.n_years - 1)))
    after = world.years >= world.artefact_year
    reached = ~is_other if world.is_artefact_of_ancient else np.ones(len(level), bool)
    lost = world.drought_fraction * dips + world.artefact_fraction * reached[:, None] * after
    found: Floats = level[:, None] * lost
    return found


def series_of(family: Family) -> tuple[RichnessSeries, ...]:
    """Return the histories of a family; woodlands are named 0, 1, ..."""
    return tuple(_series(family, row) for row in range(len(family.values)))


def _series(family: Family, row: int) -> RichnessSeries:
    known = np.isfinite(family.values[row])
    n = int(known.sum())
    sd_year = np.array([]) if family.sd_year is None else family.sd_year[row, known]
    return RichnessSeries(
        str(row),
        family.years[known],
        family.values[row, known],
        np.ones(n) if family.sd_year is None else sd_year,
        outside=family.years[~known],
        sd_year=sd_year,
    )


def sites_of(family: Family) -> dict[str, Site]:
    """Return the sites of a family: park and class, nothing else is known."""
    return {
        str(row): Site(str(row), park=f"park {park:02d}", is_ancient=not other, area_ha=5.0)
        for row, (park, other) in enumerate(zip(family.park.tolist(), family.is_other.tolist(), strict=True))
    }
