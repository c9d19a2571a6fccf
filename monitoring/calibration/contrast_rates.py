"""How often ancient against other looks like a trend where there is none, by what counts as a replicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.errors import SettingsError
from monitoring.science import MatchRule
from monitoring.trends.matching import Matching, match
from monitoring.trends.sites import Site
from monitoring.trends.year_tests import permutation_ps, sign_flip_p

Floats = NDArray[np.float64]

#: Years before which no contrast has a slope.
MIN_YEARS = 3
#: Woodlands of a park below which either class may be missing from it.
MIN_PARK_WOODLANDS = 4
#: Values of woodlands in years held in memory at a time, all replicates together.
VALUES_AT_A_TIME = 1_000_000


@dataclass(frozen=True)
class ContrastWorld:
    """A simulated set of woodlands; the variance of a woodland between years is one, in these shares."""

    n_woodlands: int = 1_000
    n_parks: int = 8
    n_years: int = 9
    share_ancient: float = 0.5
    common_year: float = 0.05
    """Share of variance of what a year does to every woodland."""
    park_year: float = 0.05
    """Share of what a year does to every woodland of one park."""
    class_year: float = 0.0
    """Share of what a year does to all ancient woodlands, and another to all others: they differ in leaves,
    canopy and soil, so weather and sensors need not move them alike."""
    slope: float = 0.0
    """Decline of every ancient woodland per year; zero for the rate of false alarms."""
    elevation_gap_m: float = 0.0
    """How much higher the ancient woodlands lie, so that matching has something to do."""

    def __post_init__(self) -> None:
        if self.own < 0:
            raise SettingsError(f"shares of variance sum to {1 - self.own:g}; at most 1")
        if (
            self.n_years < MIN_YEARS
            or self.n_parks < 1
            or self.n_woodlands < MIN_PARK_WOODLANDS * self.n_parks
        ):
            raise SettingsError(
                f"{self.n_woodlands} woodlands, {self.n_parks} parks, {self.n_years} years: at least "
                f"{MIN_PARK_WOODLANDS} woodlands a park and {MIN_YEARS} years are needed"
            )

    @property
    def own(self) -> float:
        """Share of variance of a woodland's own noise: what is left."""
        return 1 - self.common_year - self.park_year - self.class_year


@dataclass(frozen=True)
class ContrastRates:
    """Share of simulated worlds in which each test spoke at the level asked."""

    sims: int
    level: float
    over_years: float
    """Exact year permutation of the matched yearly difference: the claim."""
    over_years_t: float
    """Student t interval of the same slope, n - 2 degrees of freedom."""
    over_parks: float
    """Signs of the parks' slopes: the second opinion, NaN with one park."""
    over_woods: float
    """Welch's t over the slopes of woodlands: what must not be done, for comparison."""


def contrast_rates(world: ContrastWorld, sims: int, seed: int, level: float = 0.05) -> ContrastRates:
    """Return how often each test finds a contrast in simulated worlds: false alarms where the slope is zero.

    The sites are drawn once and matched by the default rule, as they would be in service; the values anew in
    each of `sims` worlds. A standard error of a rate is sqrt(rate (1 - rate) / sims).
    """
    if sims < 1:
        raise SettingsError(f"sims {sims}: at least 1")
    rng = np.random.default_rng(seed)
    sites = simulated_sites(world, rng)
    compared = _Compared(sites, match(sites, MatchRule()))
    years = np.arange(world.n_years)
    judged = [_judge(values, years, compared, seed) for values in _batches(world, sites, sims, rng)]
    p = np.concatenate(judged, axis=1)
    rates = np.where(np.isnan(p).all(axis=1), np.nan, (p <= level).mean(axis=1))
    return ContrastRates(sims, level, *rates.tolist())


def simulated_sites(world: ContrastWorld, rng: np.random.Generator) -> tuple[Site, ...]:
    """Return the woodlands, park by park in turn, with elevation, area and leaf type drawn alike for both."""
    number = np.arange(world.n_woodlands)
    is_ancient = rng.random(world.n_woodlands) < world.share_ancient
    elevation = rng.normal(200, 60, world.n_woodlands) + world.elevation_gap_m * is_ancient
    area = np.exp(rng.normal(np.log(5), 0.8, world.n_woodlands))
    leaf = rng.choice(["broadleaved", "conifer"], world.n_woodlands)
    return tuple(
        Site(
            woodland_id=f"{w:06d}",
            park=f"park {w % world.n_parks:02d}",
            is_ancient=bool(is_ancient[w]),
            leaf_type=str(leaf[w]),
            elevation_m=float(elevation[w]),
            area_ha=float(area[w]),
        )
        for w in number
    )


def simulated_values(
    world: ContrastWorld, sites: tuple[Site, ...], sims: int, rng: np.random.Generator
) -> Floats:
    """Return (sims, woodlands, years) of yearly values around each woodland's level."""
    woods, years = world.n_woodlands, world.n_years
    is_ancient = np.array([site.is_ancient for site in sites], np.int64)
    shape = sims, woods, years
    values = np.sqrt(world.own) * rng.normal(size=shape)
    values += np.sqrt(world.common_year) * rng.normal(size=(sims, 1, years))
    park_year = np.sqrt(world.park_year) * rng.normal(size=(sims, world.n_parks, years))
    values += park_year[:, np.arange(woods) % world.n_parks]
    class_year = np.sqrt(world.class_year) * rng.normal(size=(sims, 2, years))
    values += class_year[:, is_ancient]
    values -= world.slope * is_ancient[:, None] * np.arange(years)
    found: Floats = values
    return found


class _Compared:
    """Weights that turn (sims, woodlands, years) into yearly differences, of the whole and of each park."""

    def __init__(self, sites: tuple[Site, ...], matching: Matching) -> None:
        row_of = {site.woodland_id: row for row, site in enumerate(sites)}
        ancient = np.array([row_of[name] for name in matching.ancient])
        other = np.array([row_of[name] for name in matching.other])
        parks = np.array([site.park for site in sites])
        pair_of = np.repeat(np.arange(len(ancient)), np.diff(matching.first))
        names = np.unique(parks[ancient])
        inside = parks[ancient] == names[:, None]
        votes = inside / inside.sum(axis=1, keepdims=True)
        self.is_ancient = np.array([site.is_ancient for site in sites])
        self.parks = np.zeros((len(names), len(sites)))
        self.parks[:, ancient] = votes
        for park, share in enumerate(votes):
            weights = share[pair_of] * matching.pair_weights
            self.parks[park] -= np.bincount(other[matching.partner], weights, len(sites))
        self.whole = inside.sum(axis=1) / inside.sum() @ self.parks


def _batches(
    world: ContrastWorld, sites: tuple[Site, ...], sims: int, rng: np.random.Generator
) -> Iterator[Floats]:
    size = max(1, VALUES_AT_A_TIME // (world.n_woodlands * world.n_years))
    for start in range(0, sims, size):
        yield simulated_values(world, sites, min(size, sims - start), rng)


def _judge(values: Floats, years: NDArray[np.int64], compared: _Compared, seed: int) -> Floats:
    """Return (4, sims) p-values in the order of `ContrastRates`."""
    t = years - years.mean()
    difference = np.tensordot(compared.whole, values, (0, 1))
    slopes = values @ t / (t @ t)
    by_park = slopes @ compared.parks.T
    return np.stack(
        [
            permutation_ps(years, difference, seed),
            _line_ps(t, difference),
            np.array([sign_flip_p(of_one, seed) for of_one in by_park]),
            _welch_ps(slopes[:, compared.is_ancient], slopes[:, ~compared.is_ancient]),
        ]
    )


def _line_ps(t: Floats, values: Floats) -> Floats:
    """Return (sims,): the two-sided Student p of the least-squares slope."""
    centred = values - values.mean(axis=1, keepdims=True)
    slope = centred @ t / (t @ t)
    residual = centred - slope[:, None] * t
    error = np.sqrt((residual**2).sum(axis=1) / (len(t) - 2) / (t @ t))
    p: Floats = 2 * stats.t.sf(np.abs(slope) / error, len(t) - 2)
    return p


def _welch_ps(ancient: Floats, other: Floats) -> Floats:
    p: Floats = stats.ttest_ind(ancient, other, axis=1, equal_var=False).pvalue
    return p
