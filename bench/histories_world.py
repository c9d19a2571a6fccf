"""A made-up country of woodlands and its seasons, of any size: what `bench/warehouse_speed.py` loads.

Ten woodlands to a block, blocks in order over fifteen parks; ids in no order of place, as those of an
inventory. Of the blocks of each season a few are estimated again from other scenes. The same seed gives the
same rows. All large tables are made in Arrow; nothing here opens a warehouse.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from monitoring.seasons import Season
from monitoring.woodlands import Status, Woodland
from warehouse.columns import schema_of
from warehouse.records import BlockSeasonRow, EstimateRow, ModelRow, ObservationRow, RunRow

PARKS, WOODS_IN_A_BLOCK, FIRST_SEASON = 15, 10, Season(2017, 1)
ENCODER, CONFIG_HASH = "tessera-v1.1-0f3c9a51d2e7", "59dd0df867ac"
#: Share of the blocks of a season that are estimated again, and of block-seasons under their floor.
AGAIN, INCOMPLETE = 0.03, 0.02
#: Days after its end at which a season is loaded, and at which its late scenes are.
LOADED_AFTER, AGAIN_AFTER = timedelta(days=10), timedelta(days=40)
#: As much of a run's choices as the views read.
SCIENCE = '{"estimation": {"min_applicable_share": 0.8}}'
CELL_DEG, BLOCK_DEG = 0.009, 0.1
NAMESPACE = uuid.UUID("6c1a3c5e-0f5b-4a55-9c5c-2f6f0d8f7b11")


@dataclass(frozen=True)
class Measure:
    """What a target's estimates are like, in its own unit."""

    level: float
    between_woodlands: float
    between_years: float
    sd: float


TARGETS = {
    "richness": Measure(40.0, 6.0, 1.0, 3.0),
    "soil_organic_carbon": Measure(60.0, 15.0, 0.5, 6.0),
    "gpp": Measure(1500.0, 200.0, 60.0, 90.0),
}


@dataclass(frozen=True)
class World:
    """Woodlands and seasons, all of them from one seed."""

    n_woodlands: int = 50_000
    n_seasons: int = 36
    seed: int = 1

    # ---- places

    @cached_property
    def ids(self) -> NDArray[np.object_]:
        """Ids by place: (W,)."""
        numbers = np.random.default_rng([self.seed, 1]).permutation(self.n_woodlands)
        return np.array([f"{1_100_000 + number}" for number in numbers], object)

    @cached_property
    def block_numbers(self) -> NDArray[np.int64]:
        """Block of each woodland: (W,)."""
        return np.arange(self.n_woodlands) // WOODS_IN_A_BLOCK

    @cached_property
    def blocks(self) -> NDArray[np.object_]:
        """Ids of the blocks: (B,)."""
        numbers = range(int(self.block_numbers[-1]) + 1)
        return np.array([f"32630-e{30 + n % 70}-n{560 + n // 70}" for n in numbers], object)

    @cached_property
    def parks(self) -> NDArray[np.object_]:
        """Park of each woodland: (W,)."""
        park_of_block = np.arange(len(self.blocks)) * PARKS // len(self.blocks)
        names = np.array([f"Park {number:02}" for number in range(PARKS)], object)
        return names[park_of_block[self.block_numbers]]

    @cached_property
    def area_ha(self) -> NDArray[np.float64]:
        """Area of each woodland, hectares: (W,)."""
        return np.exp(np.random.default_rng([self.seed, 2]).normal(1.5, 1.0, self.n_woodlands))

    @cached_property
    def polygons(self) -> NDArray[np.object_]:
        """Boxes, longitude and latitude in degrees: (W,)."""
        block, place = self.block_numbers, np.arange(self.n_woodlands) % WOODS_IN_A_BLOCK
        west = -6.0 + BLOCK_DEG * (block % 70) + CELL_DEG * (place % 5)
        south = 50.0 + BLOCK_DEG * (block // 70) + CELL_DEG * (place // 5)
        side = np.sqrt(self.area_ha / self.area_ha.max()) * 0.9 * CELL_DEG
        return np.asarray(shapely.box(west, south, west + side, south + side))

    @cached_property
    def boundaries(self) -> NDArray[np.object_]:
        """First 12 hexadecimal digits of the SHA-256 of each polygon's WKB: (W,)."""
        return np.array([short_sha256(wkb) for wkb in shapely.to_wkb(self.polygons)], object)

    def woodlands(self) -> tuple[Woodland, ...]:
        """Return the woodlands, half of them ancient."""
        drawn = np.random.default_rng([self.seed, 3]).choice(list(Status), self.n_woodlands, p=STANDINGS)
        rows = zip(self.ids, self.parks, drawn, self.polygons, self.area_ha.tolist(), strict=True)
        return tuple(
            Woodland(key, f"Wood {key}", park, Status(status), polygon, area)
            for key, park, status, polygon, area in rows
        )

    # ---- times

    def season(self, number: int) -> Season:
        """Return a season by its position, from 0; those from `n_seasons` on are to come."""
        quarters = FIRST_SEASON.year * 4 + FIRST_SEASON.quarter - 1 + number
        return Season(quarters // 4, quarters % 4 + 1)

    def loaded_at(self, number: int, *, again: bool = False) -> datetime:
        """Return when a season was loaded."""
        return self.season(number).end + (AGAIN_AFTER if again else LOADED_AFTER)

    def run(self, number: int, *, again: bool = False) -> RunRow:
        """Return the run that estimated a season."""
        season = self.season(number).id
        run_id = str(uuid.uuid5(NAMESPACE, f"{self.seed} {season} {again}"))
        return RunRow(run_id, season, CONFIG_HASH, SCIENCE, "0.1.0", self.loaded_at(number, again=again))

    def members(self, number: int, *, again: bool = False) -> NDArray[np.int64]:
        """Return the positions of the woodlands estimated in a season: all, or those estimated again."""
        if not again:
            return np.arange(self.n_woodlands)
        draw = np.random.default_rng([self.seed, 4, number]).random(len(self.blocks))
        drawn = np.argsort(draw)[: max(1, round(AGAIN * len(self.blocks)))]
        return np.flatnonzero(np.isin(self.block_numbers, drawn))

    # ---- rows

    def estimates(self, number: int, target: str, *, again: bool = False) -> pa.Table:
        """Return the estimates of a season, in the columns of `EstimateRow`, in the order of blocks."""
        who = self.members(number, again=again)
        mean, sd = self._values(number, target, again=again)
        random = np.random.default_rng([self.seed, 5, number, list(TARGETS).index(target), again])
        counts = self._counts(number, again=again)
        share = random.beta(40, 1, len(who))
        return arrow(EstimateRow, len(who), {
            **self._named(number, who, again=again),
            "target": target, "encoder": ENCODER, "head": head_of(target), "config_hash": CONFIG_HASH,
            "boundary": self.boundaries[who],
            "mean": mean[who], "sd": sd[who], "sd_place": 0.8 * sd[who], "sd_year": 0.6 * sd[who],
            "coverage": np.minimum(random.beta(30, 1, len(who)) + 1e-3, 1.0), "applicable_share": share,
            "n_pixels": np.ceil(100 * self.area_ha[who]).astype(np.int64),
            **{name: counts[name] for name in ("n_s2", "n_s1_ascending", "n_s1_descending")},
            "block_id": self.blocks[self.block_numbers[who]],
        })  # fmt: skip

    def observations(self, number: int, *, again: bool = False) -> pa.Table:
        """Return what was seen in a season, in the columns of `ObservationRow`."""
        who = self.members(number, again=again)
        counts = self._counts(number, again=again)
        covered = counts["n_leaf_on"] > 2
        named = self._named(number, who, again=again)
        return arrow(ObservationRow, len(who), {**named, **counts, "is_phenology_covered": covered})

    def observation_rows(self, number: int, *, again: bool = False) -> list[ObservationRow]:
        """Return `observations` one by one."""
        return [ObservationRow(**row) for row in self.observations(number, again=again).to_pylist()]

    def block_seasons(self, number: int, *, again: bool = False) -> list[BlockSeasonRow]:
        """Return how the blocks of a season stand."""
        random = np.random.default_rng([self.seed, 6, number])
        is_poor = random.random(len(self.blocks)) < INCOMPLETE
        missing = np.where(is_poor, random.uniform(0.5, 0.9, len(is_poor)), random.beta(1, 20, len(is_poor)))
        season, run_id = self.season(number).id, self.run(number, again=again).run_id
        named = self._inputs(number, again=again)
        return [
            BlockSeasonRow(
                season, str(self.blocks[block]), 146.0, round(146 * (1 - float(missing[block]))),
                float(missing[block]), 0.5, not is_poor[block], again, 60 + again, 3,
                "too many expected passes are missing" if is_poor[block] else "", run_id, named[block],
            )
            for block in np.unique(self.block_numbers[self.members(number, again=again)])
        ]  # fmt: skip

    def _named(
        self, number: int, who: NDArray[np.int64], *, again: bool
    ) -> dict[str, str | NDArray[np.object_]]:
        return {
            "woodland_id": self.ids[who],
            "season": self.season(number).id,
            "inputs_hash": self._inputs(number, again=again)[self.block_numbers[who]],
            "run_id": self.run(number, again=again).run_id,
        }

    def _inputs(self, number: int, *, again: bool) -> NDArray[np.object_]:
        """Return the digest of what each block was estimated from: (B,)."""
        season = self.season(number).id
        return np.array([short_sha256(f"{b} {season} {again}".encode()) for b in self.blocks], object)

    def _values(
        self, number: int, target: str, *, again: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and sd of every woodland: a level, what a park shares in a season, own noise."""
        is_like = TARGETS[target]
        place = np.random.default_rng([self.seed, 7, list(TARGETS).index(target)])
        level = place.normal(is_like.level, is_like.between_woodlands, self.n_woodlands)
        sd = is_like.sd * np.exp(place.normal(0, 0.3, self.n_woodlands))
        year = np.random.default_rng([self.seed, 8, number, list(TARGETS).index(target)])
        shared = year.normal(0, is_like.between_years, PARKS)[np.unique(self.parks, return_inverse=True)[1]]
        mean = level + shared + year.normal(0, 0.3, self.n_woodlands) * sd
        if again:
            mean = mean + year.normal(0, 0.1, self.n_woodlands) * sd
        return np.maximum(mean, 0.1), sd

    def _counts(self, number: int, *, again: bool) -> dict[str, NDArray[np.float64]]:
        """Return what was seen of the woodlands estimated."""
        n = len(self.members(number, again=again))
        random = np.random.default_rng([self.seed, 9, number, again])
        means = {"n_s2": 28, "n_snow": 0.5, "n_s1_ascending": 30, "n_s1_descending": 30,
                 "n_leaf_on": 14, "n_leaf_off": 12}  # fmt: skip
        return {name: np.round(random.gamma(9, mean / 9, n), 2) for name, mean in means.items()}


#: Shares of ASNW, PAWS, AWP and other.
STANDINGS = (0.3, 0.15, 0.05, 0.5)


def head_of(target: str) -> str:
    """Return the id of a target's head."""
    return f"head-{target}-{short_sha256(target.encode())}"


def models() -> Iterator[ModelRow]:
    """Yield the cards that the estimates name."""
    yield ModelRow("encoder", ENCODER, "{}", "00")
    yield from (ModelRow("head", head_of(target), "{}", "00") for target in TARGETS)


def arrow(kind: type, n: int, columns: dict[str, object]) -> pa.Table:
    """Return columns as an Arrow table of a row type; a text stands for a column of it."""
    schema = schema_of(kind)
    filled = [pa.repeat(columns[f.name], n) if isinstance(columns[f.name], str)
              else pa.array(columns[f.name], f.type) for f in schema]  # fmt: skip
    return pa.table(filled, schema=schema)


def stage(path: Path, rows: pa.Table) -> Path:
    """Write rows as a staging file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, compression="zstd")
    return path


def short_sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
