"""What is recorded of seasons of a block: its scenes, how complete they are, and what could not be read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the science is slow to import, and here it only names types
    from monitoring.completeness import Completeness, StreamCount
    from monitoring.scenes import Scene, Sensor


@dataclass(frozen=True)
class SceneRow:
    """One scene as recorded; `hrefs` is a JSON object of band and address."""

    TABLE: ClassVar[str] = "scene"
    KEY: ClassVar[tuple[str, ...]] = ("source", "id")

    source: str
    id: str
    collection: str
    sensor: Sensor
    platform: str
    acquired_at: datetime
    acquisition: str
    baseline: str
    offset_dn: int
    offset_rule: str
    epsg: int
    west: float
    south: float
    east: float
    north: float
    hrefs: str
    cloud_fraction: float
    relative_orbit: int | None = None
    """None where the catalogue states none."""
    tile: str = ""
    """MGRS tile; empty for radar."""
    checksums: str = "{}"
    """JSON object of band and multihash in hexadecimal, of the assets whose checksum the catalogue states."""

    @classmethod
    def of_scenes(cls, scenes: Iterable[Scene]) -> list[SceneRow]:
        """Return a row for each scene, by source and id, though neighbouring blocks share it."""
        return [cls.of(scene) for scene in sorted(set(scenes), key=lambda scene: (scene.source, scene.id))]

    @classmethod
    def of(cls, scene: Scene) -> SceneRow:
        """Return the row of a scene."""
        west, south, east, north = scene.bbox
        return cls(
            source=scene.source,
            id=scene.id,
            collection=scene.collection,
            sensor=scene.sensor,
            platform=scene.platform,
            acquired_at=scene.acquired_at,
            acquisition=scene.acquisition,
            baseline=scene.baseline,
            offset_dn=scene.offset_dn,
            offset_rule=scene.offset_rule,
            epsg=scene.epsg,
            west=west,
            south=south,
            east=east,
            north=north,
            hrefs=json.dumps(dict(scene.hrefs), sort_keys=True),
            cloud_fraction=scene.cloud_fraction,
            relative_orbit=scene.relative_orbit or None,
            tile=scene.tile,
            checksums=json.dumps(dict(scene.checksums), sort_keys=True),
        )


@dataclass(frozen=True)
class SeasonSceneRow:
    """One scene that a season of a block was estimated from."""

    TABLE: ClassVar[str] = "season_scene"
    KEY: ClassVar[tuple[str, ...]] = ("season", "block_id", "source", "scene_id")

    season: str
    block_id: str
    source: str
    scene_id: str

    @classmethod
    def of_blocks(cls, season: str, by_block: Mapping[str, Sequence[Scene]]) -> list[SeasonSceneRow]:
        """Return the rows of the scenes that a season of each block was estimated from."""
        return [
            cls(season, block_id, scene.source, scene.id)
            for block_id, scenes in by_block.items()
            for scene in scenes
        ]


@dataclass(frozen=True)
class CompletenessRow:
    """One stream of passes over a block in a season: how many were expected and found."""

    TABLE: ClassVar[str] = "season_completeness"
    KEY: ClassVar[tuple[str, ...]] = (
        "season", "block_id", "sensor", "platform", "relative_orbit", "tile",
    )  # fmt: skip

    season: str
    block_id: str
    sensor: Sensor
    platform: str
    """Empty where platforms are counted together."""
    relative_orbit: int
    """0 where not stated."""
    tile: str
    """Empty for radar."""
    expected: float
    """Passes; NaN where nothing says how many."""
    found: int
    missing_days: str
    """Days with a pass expected and none found, JSON list of YYYY-MM-DD."""
    evidence: str
    """What the expectation rests on."""
    run_id: str

    @classmethod
    def of(cls, count: StreamCount, *, season: str, block_id: str, run_id: str) -> CompletenessRow:
        """Return the row of one stream's count."""
        return cls(
            season=season,
            block_id=block_id,
            sensor=count.sensor,
            platform=count.platform,
            relative_orbit=count.relative_orbit,
            tile=count.tile,
            expected=count.expected,
            found=count.found,
            missing_days=json.dumps(count.missing_days),
            evidence=count.evidence,
            run_id=run_id,
        )


@dataclass(frozen=True)
class BlockSeasonRow:
    """How a season of a block stands: under its floor it is not final."""

    TABLE: ClassVar[str] = "block_season"
    KEY: ClassVar[tuple[str, ...]] = ("season", "block_id")

    season: str
    block_id: str
    expected: float
    """Passes over the streams with an expectation; NaN where none has one."""
    found: int
    missing_share: float
    """0-1; NaN where it is unknown."""
    floor: float
    """Least share of the expected passes that a final season has, 0-1."""
    is_complete: bool
    is_frozen: bool
    """True once the time of grace for late scenes is over."""
    n_scenes: int
    n_left_out: int
    reason: str
    run_id: str
    inputs_hash: str = ""
    """Of the scenes and pixels in use; empty where nothing was estimated from them."""

    @classmethod
    def of(
        cls,
        found: Completeness,
        *,
        block_id: str,
        is_frozen: bool,
        n_scenes: int,
        n_left_out: int,
        run_id: str,
        inputs_hash: str = "",
    ) -> BlockSeasonRow:
        """Return the row of a completeness; passes count where their stream has an expectation."""
        known = [count for count in found.streams if math.isfinite(count.expected)]
        return cls(
            season=found.season.id,
            block_id=block_id,
            expected=sum(count.expected for count in known) if known else math.nan,
            found=sum(count.found for count in known),
            missing_share=found.missing_share,
            floor=found.floor,
            is_complete=found.is_complete,
            is_frozen=is_frozen,
            n_scenes=n_scenes,
            n_left_out=n_left_out,
            reason=found.reason,
            run_id=run_id,
            inputs_hash=inputs_hash,
        )


@dataclass(frozen=True)
class AssetFailureRow:
    """An asset that could not be read for a season of a block, and how it stands now."""

    TABLE: ClassVar[str] = "asset_failure"
    KEY: ClassVar[tuple[str, ...]] = ("season", "block_id", "scene_id", "band")

    season: str
    block_id: str
    scene_id: str
    band: str
    attempts: int
    error: str
    """What went wrong the last time, one line."""
    first_failed_at: datetime
    """Aware, UTC."""
    last_failed_at: datetime
    state: str
    """`waiting`, `recovered` or `given up`."""
    run_id: str
