"""What is recorded of seasons: scenes, estimates, what was observed, and how complete it is."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the science is slow to import, and here it only names types
    from monitoring.completeness import Completeness, StreamCount
    from monitoring.estimates import WoodlandEstimate
    from monitoring.indices import IndexValue
    from monitoring.scenes import Sensor


@dataclass(frozen=True)
class EstimateKey:
    """What names an estimate: the same key is the same number, whoever computes it."""

    woodland_id: str
    season: str
    target: str
    encoder: str
    head: str
    config_hash: str
    inputs_hash: str


@dataclass(frozen=True)
class EstimateRow:
    """One woodland-season as estimated; units as in the table's comments, NaN = unknown."""

    TABLE: ClassVar[str] = "estimate"
    KEY: ClassVar[tuple[str, ...]] = tuple(EstimateKey.__dataclass_fields__)

    woodland_id: str
    season: str
    target: str
    encoder: str
    head: str
    config_hash: str
    inputs_hash: str
    mean: float
    sd: float
    sd_place: float
    sd_year: float
    coverage: float
    applicable_share: float
    n_pixels: int
    n_s2: float
    n_s1_ascending: float
    n_s1_descending: float
    run_id: str
    block_id: str = ""

    @property
    def key(self) -> EstimateKey:
        """The fields that name the estimate."""
        return EstimateKey(*(getattr(self, name) for name in self.KEY))

    @classmethod
    def of(
        cls,
        estimate: WoodlandEstimate,
        *,
        season: str,
        target: str,
        encoder: str,
        head: str,
        config_hash: str,
        inputs_hash: str,
        run_id: str,
        block_id: str = "",
    ) -> EstimateRow:
        """Return the row of an aggregated estimate."""
        return cls(
            woodland_id=estimate.woodland_id,
            season=season,
            target=target,
            encoder=encoder,
            head=head,
            config_hash=config_hash,
            inputs_hash=inputs_hash,
            mean=estimate.mean,
            sd=estimate.sd,
            sd_place=estimate.sd_place,
            sd_year=estimate.sd_year,
            coverage=estimate.coverage,
            applicable_share=estimate.applicable_share,
            n_pixels=estimate.n_pixels,
            n_s2=estimate.n_s2,
            n_s1_ascending=estimate.n_s1_ascending,
            n_s1_descending=estimate.n_s1_descending,
            run_id=run_id,
            block_id=block_id,
        )


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


@dataclass(frozen=True)
class SeasonSceneRow:
    """One scene that a season of a block was estimated from."""

    TABLE: ClassVar[str] = "season_scene"
    KEY: ClassVar[tuple[str, ...]] = ("season", "block_id", "source", "scene_id")

    season: str
    block_id: str
    source: str
    scene_id: str


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
class ObservationRow:
    """What of a woodland was seen in a season, counted for the inputs that an estimate names."""

    TABLE: ClassVar[str] = "season_observation"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", "season", "inputs_hash")

    woodland_id: str
    season: str
    inputs_hash: str
    n_s2: float
    """Clear observations per pixel, mean; like the other counts NaN where not counted."""
    n_snow: float
    n_s1_ascending: float
    n_s1_descending: float
    n_leaf_on: float
    """Clear dates with leaves on the trees per pixel, mean."""
    n_leaf_off: float
    is_phenology_covered: bool | None
    """None where it was not judged."""
    run_id: str = ""


@dataclass(frozen=True)
class IndexRow:
    """A vegetation index of a woodland at one acquisition."""

    TABLE: ClassVar[str] = "index_observation"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", "source", "scene_id", "index_name")

    woodland_id: str
    source: str
    scene_id: str
    acquired_at: datetime
    """Aware, UTC."""
    index_name: str
    """`ndvi`, `nirv` or `nbr`."""
    value: float
    """Mean over the clear area; NaN where nothing was clear."""
    coverage: float
    """Share of the woodland's area that was clear, 0-1."""
    is_nbar: bool
    """True where the reflectances were first brought to nadir view."""
    run_id: str = ""
    """The run that loads it puts its own id."""

    @classmethod
    def of(cls, found: IndexValue) -> IndexRow:
        """Return the row of an index value, for any run to load."""
        return cls(
            woodland_id=found.woodland_id,
            source=found.source,
            scene_id=found.scene_id,
            acquired_at=found.acquired_at,
            index_name=found.index,
            value=found.value,
            coverage=found.coverage,
            is_nbar=found.is_nbar,
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
