"""What is staged of a season, and recorded from there: estimates, what was observed, vegetation indices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the science is slow to import, and here it only names types
    from monitoring.estimates import WoodlandEstimate
    from monitoring.indices import IndexValue


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
    ADDED: ClassVar[tuple[str, ...]] = ("boundary",)
    """Columns that staged files of earlier versions lack, at the end."""

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
    boundary: str = ""
    """Version of the polygon it was made for; empty: the one that speaks when it is loaded."""

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
        boundary: str = "",
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
            boundary=boundary,
        )


@dataclass(frozen=True)
class ObservationRow:
    """What of a woodland was seen in a season, counted for the inputs that an estimate names."""

    TABLE: ClassVar[str] = "season_observation"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", "season", "inputs_hash")
    ADDED: ClassVar[tuple[str, ...]] = ()

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
    ADDED: ClassVar[tuple[str, ...]] = ()

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


StagedRow = EstimateRow | ObservationRow | IndexRow
"""Rows that wait in a Parquet file for the one writer."""
