"""Promotion: what another head would say of the histories there are, and the step that lets it speak.

No estimate is loaded here. The other head's are staged under its own name, so the next backfill finds them
made; what is recorded is the step itself, with the difference it was decided by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.assessing.find import find
from flows.assessing.gathering import sites_of
from flows.assessing.histories import Histories
from flows.estimating.estimate import estimate_block
from flows.ingesting.ingest import ingest_block
from flows.load import LEASE_WAIT_S, model_row
from flows.progress import advance
from flows.provenance.promotions import promotion_row
from flows.workspace import Workspace
from models.heads.card import HeadCard, read_head_card
from monitoring.errors import ModelError, WarehouseError
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.trend import Trend
from warehouse.reader import read
from warehouse.records import EstimateRow
from warehouse.staging import read_estimates
from warehouse.writer import open_writer

NO_ALERT = "-"
#: With fewer slopes a correlation says nothing.
LEAST_SLOPES = 3


def _or_infinite(value: float) -> float:
    return float("inf") if np.isnan(value) else value


@dataclass(frozen=True)
class WoodlandDifference:
    """One woodland as the head in use and another head see it; NaN where one of them sees nothing."""

    woodland: str
    park: str
    years: int
    mean_now: float
    mean_new: float
    """Mean over the years that both estimate, target's unit."""
    sd_now: float
    sd_new: float
    slope_now: float
    slope_new: float
    """Theil-Sen, target's unit per year."""
    alert_now: str
    alert_new: str
    """Level of the alert, or `-`."""

    @property
    def change(self) -> float:
        """How much the mean changes, without its sign."""
        return abs(self.mean_new - self.mean_now)


@dataclass(frozen=True)
class HeadsCompared:
    """Two heads beside each other on the current histories."""

    now: str
    """Id of the head that made the histories."""
    encoder_now: str
    """Id of the encoder they were made with."""
    now_card: HeadCard | None
    """Its card; None where it is not kept any more, or cannot be read."""
    new: HeadCard
    first: str
    season: str
    """First and last final season of the histories."""
    woodlands: tuple[WoodlandDifference, ...]

    @property
    def by_change(self) -> list[WoodlandDifference]:
        """The woodlands whose mean changes most first; those that one head sees nothing of before them."""
        return sorted(self.woodlands, key=lambda each: (-_or_infinite(each.change), each.woodland))

    @property
    def summary(self) -> dict[str, object]:
        """What a person decides by."""
        change = np.array([each.mean_new - each.mean_now for each in self.woodlands])
        alerts = [(each.alert_now, each.alert_new) for each in self.woodlands]
        return {
            "head now": self.now,
            "head new": self.new.id,
            "unit": self.new.target.unit,
            "histories": f"{self.first} to {self.season}",
            "woodlands": len(self.woodlands),
            "of them seen by both": int(np.isfinite(change).sum()),
            "mean change": _mean(change[np.isfinite(change)]),
            "largest change": _largest(np.abs(change[np.isfinite(change)])),
            "correlation of slopes": self._agreement(),
            "alerts kept": sum(now != NO_ALERT and new != NO_ALERT for now, new in alerts),
            "alerts lost": sum(now != NO_ALERT and new == NO_ALERT for now, new in alerts),
            "alerts gained": sum(now == NO_ALERT and new != NO_ALERT for now, new in alerts),
            "now": _glance(self.now_card),
            "new": _glance(self.new),
        }

    def _agreement(self) -> float | None:
        """Return the correlation of the slopes (Pearson); None for fewer than three, or all alike."""
        slopes = np.array([(each.slope_now, each.slope_new) for each in self.woodlands]).reshape(-1, 2)
        seen = slopes[np.isfinite(slopes).all(axis=1)]
        if len(seen) < LEAST_SLOPES or not np.ptp(seen, axis=0).all():
            return None
        return float(np.corrcoef(seen.T)[0, 1])


def _glance(card: HeadCard | None) -> str:
    """Return what a card says of its head in one line."""
    if card is None:
        return "its card is not kept any more"
    rmse, r2 = card.scores.rmse.estimate, card.scores.r2.estimate
    scores = f"R2 {r2:.3f}, RMSE {rmse:.4g}" if r2 is not None and rmse is not None else "no scores"
    return f"{card.candidate}: {scores} held out by {card.primary}, {card.n_samples} samples"


def has_history(workspace: Workspace) -> bool:
    """Return whether there are estimates of the target that heads can be compared on."""
    return workspace.warehouse.exists() and bool(_current(workspace).series)


@dataclass(frozen=True)
class _Current:
    """The histories there are, and the head that made them."""

    series: tuple[RichnessSeries, ...]
    head_id: str
    encoder_id: str


def _current(workspace: Workspace) -> _Current:
    target = workspace.science.estimation.target
    with read(workspace.warehouse) as reader:
        found = tuple(one for one in reader.series(target) if len(one.estimated))
        rows = reader.history(target=target) if found else ()
    heads, encoders = ({str(row[name]) for row in rows} for name in ("head", "encoder"))
    return _Current(found, ", ".join(sorted(heads)), ", ".join(sorted(encoders)))


def compare_heads(workspace: Workspace, head_id: str, now: datetime) -> HeadsCompared:
    """Return what another kept head says of every final season that the current histories hold.

    Nothing is loaded, promoted or written but staged estimates. WarehouseError where there is no history yet;
    CardMismatchError where the head belongs to another encoder.
    """
    other = replace(workspace, head_id=head_id)
    card, current = other.head.card, _current(workspace)
    seasons = sorted({int(year) for one in current.series for year in one.estimated})
    if not seasons:
        raise WarehouseError(
            f"warehouse {workspace.warehouse}: no history of {card.target.name} to compare heads on"
        )
    rows = staged_rows(other, [Season(year, 4) for year in seasons], now)
    new = series_of(rows, workspace.science.estimation.min_applicable_share)
    last = Season(seasons[-1], 4)
    return HeadsCompared(
        now=current.head_id,
        encoder_now=current.encoder_id,
        now_card=_kept_card(workspace, current.head_id),
        new=card,
        first=Season(seasons[0], 4).id,
        season=last.id,
        woodlands=_differences(workspace, card, current.series, new, last),
    )


def _kept_card(workspace: Workspace, head_id: str) -> HeadCard | None:
    try:
        return read_head_card(workspace.shelf.find(head_id))
    except ModelError:
        return None


def staged_rows(other: Workspace, seasons: Sequence[Season], now: datetime) -> list[EstimateRow]:
    """Return the estimates of every block in every season, computing what is not staged yet."""
    rows: list[EstimateRow] = []
    for season in seasons:
        for block in other.blocks.values():
            receipt = ingest_block(other, block, season, now)
            staged = estimate_block(other, block, season, receipt.listing)
            rows += read_estimates(Path(staged.staged))
            advance("estimate with the new head", 1, len(seasons) * len(other.blocks))
    return rows


def series_of(rows: Sequence[EstimateRow], floor: float) -> tuple[RichnessSeries, ...]:
    """Return the annual histories in staged rows, years too far outside the area of applicability apart."""
    by_woodland: dict[str, list[EstimateRow]] = defaultdict(list)
    for row in rows:
        if np.isfinite(row.mean):
            by_woodland[row.woodland_id].append(row)
    return tuple(_series(name, by_woodland[name], floor) for name in sorted(by_woodland))


def _series(woodland_id: str, rows: Sequence[EstimateRow], floor: float) -> RichnessSeries:
    ordered = sorted(rows, key=lambda row: row.season)
    inside = [row for row in ordered if not row.applicable_share < floor]
    outside = [Season.parse(row.season).year for row in ordered if row.applicable_share < floor]
    return RichnessSeries(
        woodland_id=woodland_id,
        years=np.array([Season.parse(row.season).year for row in inside], np.int64),
        mean=np.array([row.mean for row in inside]),
        sd=np.array([row.sd for row in inside]),
        outside=np.array(outside, np.int64),
    )


@dataclass(frozen=True)
class _Seen:
    """What one head's histories show of each woodland."""

    series: dict[str, RichnessSeries]
    trends: dict[str, Trend]
    alerts: dict[str, str]

    def slope(self, woodland_id: str) -> float:
        return self.trends[woodland_id].slope if woodland_id in self.trends else float("nan")


def _seen(workspace: Workspace, series: Sequence[RichnessSeries], last: Season, target: Target) -> _Seen:
    found = find(Histories(tuple(series), sites_of(workspace)), workspace.science, last, target)
    return _Seen(
        {one.woodland_id: one for one in series},
        {trend.woodland_id: trend for trend in found.trends},
        {alert.woodland_id: str(alert.level) for alert in found.alerts},
    )


def _differences(
    workspace: Workspace,
    card: HeadCard,
    series: Sequence[RichnessSeries],
    new_series: Sequence[RichnessSeries],
    last: Season,
) -> tuple[WoodlandDifference, ...]:
    now, new = (_seen(workspace, each, last, card.target) for each in (series, new_series))
    parks = {woodland.id: woodland.park for woodland in workspace.woodlands}
    both = sorted((now.series.keys() | new.series.keys()) & parks.keys())
    return tuple(_difference(name, parks[name], now, new) for name in both)


def _difference(name: str, park: str, now: _Seen, new: _Seen) -> WoodlandDifference:
    empty = RichnessSeries(name, np.array([], np.int64), np.array([]), np.array([]))
    old, fresh = now.series.get(name, empty), new.series.get(name, empty)
    shared, at_old, at_fresh = np.intersect1d(old.years, fresh.years, return_indices=True)
    return WoodlandDifference(
        woodland=name,
        park=park,
        years=len(shared),
        mean_now=_mean_or_nan(old.mean[at_old]),
        mean_new=_mean_or_nan(fresh.mean[at_fresh]),
        sd_now=_mean_or_nan(old.sd[at_old]),
        sd_new=_mean_or_nan(fresh.sd[at_fresh]),
        slope_now=now.slope(name),
        slope_new=new.slope(name),
        alert_now=now.alerts.get(name, NO_ALERT),
        alert_new=new.alerts.get(name, NO_ALERT),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _mean_or_nan(values: NDArray[np.float64]) -> float:
    found = _mean(values)
    return float("nan") if found is None else found


def _largest(values: NDArray[np.float64]) -> float | None:
    return float(values.max()) if len(values) else None


def record_promotion(
    workspace: Workspace, compared: HeadsCompared, now: datetime, wait_s: float = LEASE_WAIT_S
) -> int:
    """Record the difference that a head is promoted by, and its card; LeaseHeldError while somebody loads."""
    card = compared.new
    rows = [asdict(each) for each in compared.by_change]
    with (
        open_writer(workspace.warehouse, now=now, wait_s=wait_s) as writer,
        writer.as_one(f"promotion of {card.id}"),
    ):
        writer.load_models([model_row("head", card, card.tensors_sha256)], now=now)
        return writer.load_promotion(promotion_row(compared, rows, now), now=now)


def promote_head(workspace: Workspace, head_id: str, now: datetime) -> HeadCard:
    """Let a kept head of the encoder in use speak for the target; the next backfill loads its estimates."""
    card = read_head_card(workspace.shelf.find(head_id))
    replace(workspace, head_id=head_id).head  # noqa: B018 - refuses a damaged head or another encoder's
    workspace.shelf.promote(head_id, now)
    return card
