"""The simulated world: two parks, their woods, and what stands in every woodland pixel.

Pure and deterministic: the same seed gives the same world in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.spatial import cKDTree
from shapely import Polygon

from flows.archive.fates import Fate, expected_richness, plan_fate, plan_kinds
from flows.archive.fields import Floats, smooth_field
from flows.archive.names import NAMES
from flows.archive.outlines import scatter_woods
from flows.archive.parks import CELL_M, PARKS, SIZE, YEARS, Park
from flows.archive.phenology import SPECIES
from monitoring.woodlands import Status

#: Woods of each status in the two parks.
STATUS_COUNTS = {
    "HF": {Status.ASNW: 10, Status.PAWS: 6, Status.OTHER: 17},
    "OW": {Status.ASNW: 10, Status.PAWS: 7, Status.OTHER: 16},
}
#: Mean species shares (oak, beech, birch, pine, spruce) of the ancient woods.
ANCIENT_MIX = {
    ("HF", Status.ASNW): (0.52, 0.08, 0.38, 0.01, 0.01),
    ("OW", Status.ASNW): (0.55, 0.30, 0.13, 0.01, 0.01),
    ("HF", Status.PAWS): (0.18, 0.05, 0.12, 0.20, 0.45),
    ("OW", Status.PAWS): (0.20, 0.12, 0.10, 0.43, 0.15),
}
#: Other woods are planted or sprung up as one leading species among others, with these chances.
LEADING_CHANCE = {"HF": (0.12, 0.15, 0.28, 0.15, 0.30), "OW": (0.22, 0.22, 0.18, 0.22, 0.16)}
LEADING_SHARE = 0.62
#: Sub-cells per side when the share of a cell under woodland is counted.
FINE = 5
PARCELS = 140


@dataclass(frozen=True)
class Wood:
    """One woodland as planted."""

    id: str
    name: str
    park: Park
    status: Status
    outline: Polygon
    """Polygon or multipolygon in metres of the park's zone."""
    mix: tuple[float, ...]
    """Mean share of each of `SPECIES`."""
    fate: Fate


@dataclass(frozen=True)
class Stand:
    """What stands in the N cells of a park that touch woodland; every array is (N, ...)."""

    row: NDArray[np.int64]
    """Row from the north edge of the footprint."""
    column: NDArray[np.int64]
    wood: NDArray[np.int64]
    """Position in the park's woods of the wood that fills most of the cell."""
    share: Floats
    """Share of the cell under trees, 0-1."""
    mix: Floats
    """(N, S) species shares."""
    texture: Floats
    """Roughness and age of the stand, standard normal: brighter VH, darker crowns, richer soil."""
    patchiness: Floats
    """Local departure of condition from the wood's mean."""
    flora: Floats
    """Share of the ground under the trees that is green."""
    slope: Floats
    """Tilt towards the ascending radar, standard normal."""


@dataclass(frozen=True)
class Landscape:
    """A park with all that stands in it."""

    park: Park
    woods: tuple[Wood, ...]
    stand: Stand
    overlaps: tuple[Floats, ...]
    """Per wood, (SIZE, SIZE) share of each cell inside its own outline."""
    parcel: NDArray[np.int64]
    """(SIZE, SIZE) number of the field each cell lies in."""
    parcel_cover: NDArray[np.int64]
    """(P,) kind of open land, position in `park.cover_names`."""
    parcel_brightness: Floats
    """(P,) factor on the reflectance of each field."""

    def condition(self, year: int) -> Floats:
        """Return canopy condition of each woodland cell before any drought, (N,), 0-1."""
        mean = np.array([wood.fate.condition[YEARS.index(year)] for wood in self.woods])
        return np.asarray(np.clip(mean[self.stand.wood] + self.stand.patchiness, 0.05, 1.0))

    def richness(self, year: int) -> Floats:
        """Return expected taxa per standard sample of each woodland cell, (N,)."""
        return expected_richness(self.stand.mix, self.stand.texture, self.condition(year), year)

    def wood_richness(self, year: int) -> tuple[float, ...]:
        """Return each wood's mean over its cells, weighted by the share of each inside its outline."""
        richness = self.richness(year)
        weights = (inside[self.stand.row, self.stand.column] for inside in self.overlaps)
        return tuple(float(weight @ richness / weight.sum()) for weight in weights)


@lru_cache(maxsize=2)
def build_world(seed: int) -> tuple[Landscape, ...]:
    """Return the landscapes of the two parks, in the order of `PARKS`."""
    return tuple(_build_landscape(park, seed) for park in PARKS)


def _build_landscape(park: Park, seed: int) -> Landscape:
    rng = np.random.default_rng([seed, park.number, 0])
    woods = _plant(park, rng)
    inside = tuple(_inside(park, wood.outline) for wood in woods)
    covered = _inside(park, shapely.union_all([wood.outline for wood in woods]))
    parcel, cover, brightness = _fields_of(park, rng)
    stand = _stand(woods, inside, covered, rng)
    return Landscape(park, woods, stand, inside, parcel, cover, brightness)


def _plant(park: Park, rng: np.random.Generator) -> tuple[Wood, ...]:
    statuses = [status for status, count in STATUS_COUNTS[park.code].items() for _ in range(count)]
    rng.shuffle(statuses)
    outlines = scatter_woods(park, len(statuses), overlap=park.number == 1, rng=rng)
    kinds = plan_kinds([status.is_ancient for status in statuses], rng)
    order = rng.permutation(len(statuses))
    return tuple(
        Wood(
            id=f"{park.code}-{number + 1:03d}",
            name=NAMES[park.code][number],
            park=park,
            status=statuses[number],
            outline=outlines[order[number]],
            mix=_mix(park, statuses[number], rng),
            fate=plan_fate(kinds[number], rng),
        )
        for number in range(len(statuses))
    )


def _mix(park: Park, status: Status, rng: np.random.Generator) -> tuple[float, ...]:
    mean = np.asarray(ANCIENT_MIX.get((park.code, status), _other_mix(park, rng)))
    return tuple(round(float(share), 4) for share in rng.dirichlet(14.0 * mean + 0.02))


def _other_mix(park: Park, rng: np.random.Generator) -> Floats:
    mean = np.full(len(SPECIES), (1.0 - LEADING_SHARE) / (len(SPECIES) - 1))
    mean[rng.choice(len(SPECIES), p=LEADING_CHANCE[park.code])] = LEADING_SHARE
    return mean


def _inside(park: Park, outline: shapely.Geometry) -> Floats:
    """Share of each cell of the footprint inside the outline, (SIZE, SIZE)."""
    west, south, east, north = outline.bounds
    left, right = int((west - park.west_m) // CELL_M), int((east - park.west_m) // CELL_M) + 1
    top, bottom = int((park.north_m - north) // CELL_M), int((park.north_m - south) // CELL_M) + 1
    corner = park.west_m + left * CELL_M, park.north_m - top * CELL_M
    fine = rasterize(
        [outline],
        out_shape=((bottom - top) * FINE, (right - left) * FINE),
        transform=Affine(CELL_M / FINE, 0, corner[0], 0, -CELL_M / FINE, corner[1]),
        dtype="uint8",
    )
    cells = fine.reshape(bottom - top, FINE, right - left, FINE).sum(axis=(1, 3), dtype=np.uint8)
    share = np.zeros((SIZE, SIZE))
    share[top:bottom, left:right] = cells / FINE**2
    return share


def _stand(
    woods: Sequence[Wood], inside: Sequence[Floats], covered: Floats, rng: np.random.Generator
) -> Stand:
    row, column = np.nonzero(covered)
    wood = np.argmax(np.stack([share[row, column] for share in inside]), axis=0)
    texture = 0.75 * smooth_field(rng, SIZE, 40)[row, column] + 0.66 * rng.normal(size=len(row))
    return Stand(
        row=row,
        column=column,
        wood=wood,
        share=covered[row, column],
        mix=_pixel_mix(np.array([w.mix for w in woods])[wood], row, column, rng),
        texture=texture,
        patchiness=0.035 * smooth_field(rng, SIZE, 48)[row, column],
        flora=np.clip(0.32 + 0.12 * smooth_field(rng, SIZE, 32)[row, column], 0.05, 0.6),
        slope=smooth_field(rng, SIZE, 14)[row, column],
    )


def _pixel_mix(
    mean: Floats, row: NDArray[np.int64], column: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    groves = np.stack([smooth_field(rng, SIZE, 36)[row, column] for _ in SPECIES], axis=1)
    weight = mean * np.exp(0.55 * groves)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _fields_of(park: Park, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Nearest-seed parcels, (SIZE, SIZE), with a kind and a brightness each."""
    seeds = rng.uniform(0.0, SIZE, (PARCELS, 2))
    bend = 6.0 * smooth_field(rng, SIZE, 10)
    east, north = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    _, nearest = cKDTree(seeds).query(np.stack([east + bend, north - bend], axis=-1))
    cover = rng.integers(0, len(park.cover_names), PARCELS)
    return nearest.astype(np.int64), cover, rng.normal(1.0, 0.07, PARCELS)
